"""Whether a failed request may be sent again: a pure decision.

What decides is what can have been executed. A refused connection, 429, and 503 with Retry-After mean that the server
did nothing: any verb may go again. A reset, a cut answer, 500, 502, 503 or 504 may have come after the work was done:
only reads go again. A timeout is never retried here: its time is spent.

A few attempts are enough for all of these but one. An API server that starts answers
:class:`NotServedError` for as long as it takes, and such an answer costs it nothing: reads, and
what may be repeated without harm, go on until the time is up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from ..errors import APIError, ConnectionFailedError, DevServersError, NotServedError

if TYPE_CHECKING:
    from .deadline import Backoff

READS = frozenset({"GET", "HEAD", "OPTIONS"})
ATTEMPTS = 4
"""Requests sent for one call, the first included."""
PATIENCE = 60.0
"""Seconds for which a kind that is not served for the moment is asked for again, where there is no deadline."""
LONGEST_WAIT = 60.0
"""A Retry-After beyond this many seconds is reported to the caller instead of being slept through."""


def wait_after(error: DevServersError, method: str, backoff: Backoff, *, repeatable: bool = False) -> Optional[float]:
    """Seconds to wait before a request that failed with ``error`` is sent again; None: report it.

    ``method`` is that of the request; an upgrade counts as a write: what it starts may run.
    ``repeatable`` is a write that is bound to one object's uid, so that a proxy's word that it was
    not done may be taken.
    """
    if isinstance(error, NotServedError):
        return backoff.next() if method in READS or repeatable else None
    if isinstance(error, APIError):
        return _after_answer(method, error.status, error.retry_after, backoff)
    if isinstance(error, ConnectionFailedError) and error.may_pass and (error.nothing_sent or method in READS):
        return 0.0 if error.on_kept_alive else backoff.next()
    return None


def _after_answer(method: str, status: int, retry_after: Optional[float], backoff: Backoff) -> Optional[float]:
    if status == 429 or (status == 503 and retry_after is not None):
        wait = backoff.next() if retry_after is None else retry_after
        return wait if wait <= LONGEST_WAIT else None
    if method in READS and status in (500, 502, 503, 504):
        return backoff.next() if retry_after is None else min(retry_after, LONGEST_WAIT)
    return None


def parse_retry_after(value: Optional[str]) -> Optional[float]:
    """Seconds from a Retry-After header (RFC 9110: delay-seconds; an HTTP date is left to the backoff)."""
    text = (value or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
