"""The ``devservers`` logger: steps at INFO, requests and what is sent again (and why) at DEBUG.

``logging`` is looked for, never imported: where nobody has loaded it there is nobody to read a
record. And nothing is put together unless somebody listens at that level.

What is told of a request is its method, its path, and of its query the names and those values that
are known to be harmless; of its outcome the status and the reason if that is one of Kubernetes'
own, or our exception. Headers, bodies, and what a server says in its own words stay out: any of
them may hold a token, or what the caller sent.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Optional

from ..errors import REASONS, APIError, DevServersError

if TYPE_CHECKING:
    from logging import Logger

    from .deadline import Clock

LOGGER = "devservers"
DEBUG, INFO = 10, 20
"""``logging``'s own numbers."""

_HARMLESS = frozenset({
    "allowWatchBookmarks", "container", "dryRun", "fieldValidation", "follow", "force", "limit",
    "limitBytes", "previous", "resourceVersion", "stderr", "stdin", "stdout", "tailLines",
    "timeoutSeconds", "tty", "watch",
})  # fmt: skip
"""Query parameters whose values are shown. Commands, selectors and continue tokens are not."""


def listener(level: int) -> Optional[Logger]:
    """The logger, if somebody listens to records of that level."""
    logging = sys.modules.get("logging")  # not imported: at the interpreter's end it could not be
    if logging is None:
        return None
    logger: Logger = logging.getLogger(LOGGER)
    return logger if logger.isEnabledFor(level) else None


class Exchange:
    """A context manager around one request and the head of its answer: tells how it went.

    ``status`` is to be set when an answer has come; that of an :class:`APIError` is known.
    """

    def __init__(self, method: str, target: str, clock: Clock) -> None:
        self.status = 0
        self._logger = listener(DEBUG)
        if self._logger is not None:
            self._request = shown_request(method, target)
            self._clock = clock
            self._began = clock.now()

    def __enter__(self) -> Exchange:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if self._logger is None:
            return
        seconds = self._clock.now() - self._began
        if error is None:
            self._logger.debug("%s -> %d in %.3f s", self._request, self.status, seconds)
        elif isinstance(error, APIError):
            self._logger.debug("%s -> %s in %.3f s", self._request, shown_failure(error), seconds)
        else:
            why = shown_failure(error)
            self._logger.debug("%s failed in %.3f s: %s", self._request, seconds, why)


def tell_resend(
    method: str,
    target: str,
    error: BaseException,
    attempt: int,
    seconds: float,
    how: str = "sending it again",
) -> None:
    """A request goes out again: the number of the attempt that failed, why, and after how long."""
    logger = listener(DEBUG)
    if logger is not None:
        request, why = shown_request(method, target), shown_failure(error)
        logger.debug(
            "%s: attempt %d failed (%s): %s in %.3f s", request, attempt, why, how, seconds
        )


def shown_request(method: str, target: str) -> str:
    """``GET /path?watch=true&labelSelector=…``"""
    path, _, query = target.partition("?")
    shown = dict.fromkeys(_shown_parameter(pair) for pair in query.split("&") if pair)
    text = f"{method} {path}?{'&'.join(shown)}" if shown else f"{method} {path}"
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _shown_parameter(pair: str) -> str:
    name, _, value = pair.partition("=")
    return f"{name}={value if name in _HARMLESS else '…'}"


def shown_failure(error: BaseException) -> str:
    """What failed, without what a server said of it."""
    name = type(error).__name__
    if not isinstance(error, DevServersError):
        return name  # of another's words nothing is known
    if not isinstance(error, APIError):
        return f"{name}: {error}".partition("\n")[0]
    reason = error.reason if error.reason in REASONS else name
    return f"{error.status or 'no status'} {reason}"
