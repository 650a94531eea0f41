"""Telling what goes on: short lines for ``on_event`` and the ``devservers`` logger.

``logging`` is looked for, not imported: where nobody has loaded it there is nobody to read an INFO record. A warning
loads it, for the standard library then writes it to stderr.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..devserver import DevServer

LOGGER = "devservers"


def tell(server: DevServer, line: str) -> None:
    """One step of a wait, for ``on_event`` and at INFO."""
    if "logging" in sys.modules:
        import logging

        logging.getLogger(LOGGER).info("%s: %s", server, line)
    if server.on_event is not None:
        server.on_event(line)


def warn(line: str) -> None:
    """Something that needs attention but fails nothing, at WARNING."""
    import logging

    logging.getLogger(LOGGER).warning("%s", line)


class Teller:
    """Tells each line once, until another one takes its place."""

    def __init__(self, server: DevServer) -> None:
        self._server = server
        self._told: dict[str, str] = {}

    def tell(self, about: str, line: str) -> None:
        """``line`` unless it is what was told about this last."""
        if line and self._told.get(about) != line:
            self._told[about] = line
            tell(self._server, line)
