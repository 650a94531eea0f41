"""Sending again: which failures may pass, how long they are waited for, and the loop that does it.

Whether a *request* may be sent again is decided by what can have been executed. A refused
connection, 429, and 503 with Retry-After mean that the server did nothing: any verb may be sent
again. A reset, a truncated answer, 500, 502, 503 or 504 may have come after the work was done: only
reads are sent again. A timeout is never retried here: its time is spent. A few attempts are enough
for all of these but one. An API server that is starting answers :class:`NotServedError` for as long
as that takes, and such an answer costs it nothing: reads, and what may be repeated without harm, go
on until the time is up.

Whoever *waits* for something may go on after any failure that is :data:`TRANSIENT`, because looking
again does no harm.

Three classes carry this out, all on an injected clock: :class:`Attempts` is the loop around
something that may fail, :class:`Polls` the one around a question that is asked until its answer is
the wanted one, and :class:`Patience` says when failures have lasted too long.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Callable, Optional, TypeVar

from ..errors import (
    APIError,
    ConflictError,
    ConnectionFailedError,
    NotFoundError,
    NotServedError,
    RequestTimeoutError,
    ServerError,
    TooManyRequestsError,
    TransportError,
)

if TYPE_CHECKING:
    from .deadline import Backoff, Clock, Deadline

TRANSIENT = (TransportError, ServerError, TooManyRequestsError)
"""Failures that say nothing about the object asked for: the next answer may be a proper one."""
TRANSIENT_AT_FIRST = (
    ConnectionFailedError, RequestTimeoutError, ServerError, TooManyRequestsError,
)  # fmt: skip
"""For a server that has not answered yet. A TLS or protocol error there means a wrong address or
certificate authority, which waiting does not change."""
TRANSIENT_FOR_READS = (*TRANSIENT, NotFoundError)
"""For ``ObjectRef.find``, which returns None for a 404 about its own object: one that is raised is
from a proxy, or from an API server that is starting."""
TRANSIENT_FOR_DELETES = (*TRANSIENT_FOR_READS, ConflictError)
"""For a delete bound to a uid, whose 409 may also be a webhook's or a quota's."""
OUTCOME_UNKNOWN = (TransportError, ServerError)
"""Failures after which a write may have been executed, unless ``nothing_sent`` is True."""

READS = frozenset({"GET", "HEAD", "OPTIONS"})
ATTEMPTS = 4
"""Requests sent for one call, the first included."""
LONGEST_WAIT = 60.0
"""A Retry-After of more seconds is reported to the caller instead of being slept through."""
NOT_SERVED_PATIENCE = 60.0
"""Seconds for which a request without a deadline is sent again while its kind is not served."""
PATIENCE = 300.0
"""Seconds of nothing but failures after which a wait or a watch raises the last of them."""

OVERRUN = 0.9
"""Seconds that a wait may use beyond its timeout, for a last look and a report of what was seen: it
promises to end within one second after its time."""
LAST_LOOK = 0.5
"""The part of :data:`OVERRUN` for the last look; the rest is for the report."""

Self = TypeVar("Self", bound="Attempts")


class Attempts:
    """The attempts at one thing, with a growing pause between two of them::

        for attempt in Attempts(deadline, Backoff(), may_pass=...):
            with attempt:
                answer = send()
        return answer

    An exception that leaves the ``with`` block is dropped if it may pass and there is time for
    another attempt; else it is raised. The loop ends with the first attempt that succeeds.

    The pause is made after the ``with`` block, where no exception is being handled: a Ctrl-C in it
    is shown alone. It is an iterator and not a generator, because Python finalizes a generator that
    is left, and drops a Ctrl-C that arrives while it does.

    Args:
        limit: number of failures after which the last one is raised; default: none.
        may_pass: whether another attempt may succeed; default: :data:`TRANSIENT` failures may.
    """

    def __init__(
        self,
        deadline: Deadline,
        backoff: Backoff,
        *,
        limit: Optional[int] = None,
        may_pass: Optional[Callable[[BaseException], bool]] = None,
    ) -> None:
        self.number = 0
        """That of the present attempt; the first is 1."""
        self.backoff = backoff
        self._deadline = deadline
        self._limit = limit
        self._may_pass = may_pass or is_transient
        self._failures = 0
        self._pause = 0.0
        self._succeeded = False

    def __iter__(self: Self) -> Self:
        return self

    def __next__(self: Self) -> Self:
        if self._succeeded:
            raise StopIteration
        if self.number:
            self._deadline.sleep(self._pause)
        self.number += 1
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> bool:
        if error is None:
            self._succeeded = True
            self.on_success()
            return False
        pause = self.pause_after(error)
        if pause is None:
            return False
        self._pause = pause
        return True

    def on_success(self) -> None:
        """For subclasses: the attempt did not fail."""

    def pause_after(self, error: BaseException) -> Optional[float]:
        """Seconds to wait after an attempt that failed with ``error``; None: it is the last one."""
        if not self._may_pass(error):
            return None
        asked_for = getattr(error, "retry_after", None) or 0.0
        return self.counted(max(self.backoff.next(), asked_for))

    def counted(self, pause: float) -> Optional[float]:
        """``pause`` after one more failure; None if that is one too many or time does not allow."""
        self._failures += 1
        if self._limit is not None and self._failures >= self._limit:
            return None
        return fitting(pause, self._deadline)


def fitting(pause: float, deadline: Deadline) -> Optional[float]:
    """``pause`` if it ends before the deadline, else None: nothing could be done after it."""
    left = deadline.remaining()
    if left is not None and pause >= left:
        return None
    return pause


def is_transient(error: BaseException) -> bool:
    return isinstance(error, TRANSIENT)


class Polls:
    """Numbers from 1: one at once, the next after each growing pause, the last at the deadline."""

    def __init__(self, deadline: Deadline, backoff: Backoff) -> None:
        self._deadline = deadline
        self._backoff = backoff
        self._number = 0

    def __iter__(self) -> Polls:
        return self

    def __next__(self) -> int:
        if self._number:
            if self._deadline.expired:
                raise StopIteration
            self._deadline.sleep(self._backoff.next())
        self._number += 1
        return self._number


class Patience:
    """Failures pass, but not for ever: how long there has been nothing else."""

    def __init__(self, clock: Clock, seconds: float = PATIENCE) -> None:
        self._clock = clock
        self._seconds = seconds
        self._failing_since: Optional[float] = None

    def succeeded(self) -> None:
        self._failing_since = None

    def failed(self) -> bool:
        """Note a failure; True if the first one in a row is too long ago."""
        now = self._clock.now()
        if self._failing_since is None:
            self._failing_since = now
        return now - self._failing_since > self._seconds


def wait_after(
    error: BaseException, method: str, backoff: Backoff, *, repeatable: bool = False
) -> Optional[float]:
    """Seconds to wait before a request that failed with ``error`` is sent again; None: report it.

    ``method`` is that of the request; an upgrade counts as a write, for what it starts may run.
    ``repeatable`` marks a write bound to one object's uid: a proxy's word that it was not done may
    be believed, since doing it twice does no harm.
    """
    if isinstance(error, NotServedError):
        return backoff.next() if method in READS or repeatable else None
    if isinstance(error, APIError):
        return _wait_after_answer(method, error.status, error.retry_after, backoff)
    if not isinstance(error, ConnectionFailedError) or not error.may_pass:
        return None
    if not error.nothing_sent and method not in READS:
        return None
    return 0.0 if error.on_kept_alive else backoff.next()


def _wait_after_answer(
    method: str, status: int, retry_after: Optional[float], backoff: Backoff
) -> Optional[float]:
    if status == 429 or (status == 503 and retry_after is not None):
        wait = backoff.next() if retry_after is None else retry_after
        return wait if wait <= LONGEST_WAIT else None
    if method in READS and status in (500, 502, 503, 504):
        return backoff.next() if retry_after is None else min(retry_after, LONGEST_WAIT)
    return None


def may_have_been_executed(error: TransportError, method: str) -> bool:
    """Whether the request that failed may have changed something."""
    return method not in READS and not error.nothing_sent


def parse_retry_after(value: Optional[str]) -> Optional[float]:
    """Seconds from a Retry-After header (RFC 9110: delay-seconds); an HTTP date is ignored."""
    text = (value or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
