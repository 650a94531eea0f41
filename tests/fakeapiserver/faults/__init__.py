"""What goes wrong on demand? Networks, proxies and overloaded servers, each fault with a name.

Start reading at ``faults``. A new fault: what it answers goes into ``faultyanswers`` (for exec sessions into
``execfaults``), its name, a method, into ``faults``.

faults          which fault hits which request, and how often
faultyanswers   how each fault answers
execfaults      what proxies and dying nodes do to an exec session
"""

from __future__ import annotations

from .faults import Faults

__all__ = ["Faults"]
