"""The ``timeout`` that a request may name: a duration as Go writes them.

Nothing here takes long enough for it to matter, but one that is no duration is refused before anything else happens.
"""

from __future__ import annotations

import re

from ..serving.http import Request
from ..vocabulary.fielderrors import quote
from ..vocabulary.status import bad_request

UNITS = ("ns", "us", "µs", "μs", "ms", "s", "m", "h")
NUMBER_AND_UNIT = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)", re.ASCII)
LONG_RUNNING = ("attach", "exec", "proxy", "log", "portforward")


def check_timeout(request: Request) -> None:
    """Raise 400 for a timeout that is no duration; requests that go on and on have none."""
    info = request.info
    if info.verb in ("watch", "proxy") or info.subresource in LONG_RUNNING:
        return
    wrong = duration_error(request.arg("timeout") or "0")
    if wrong:
        raise bad_request(f"invalid timeout specified in the request URL - {wrong}")


def duration_error(text: str) -> str:
    """What Go's ``time.ParseDuration`` says of a text that is no duration; empty if it is one."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return ""
    at = 0
    while at < len(rest):
        part = NUMBER_AND_UNIT.match(rest, at)
        if part is None:
            break
        if not part[2]:
            return f"time: missing unit in duration {quote(text)}"
        if part[2] not in UNITS:
            return f"time: unknown unit {quote(part[2])} in duration {quote(text)}"
        at = part.end()
    return "" if at == len(rest) and rest else f"time: invalid duration {quote(text)}"
