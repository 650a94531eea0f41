"""Container logs: what a container "printed", and ``GET .../pods/NAME/log`` on it.

Lines are kept with the time they were written. The options work as the kubelet's do: ``tailLines`` counts back from
the end, ``sinceSeconds`` and ``sinceTime`` then drop what is older, ``limitBytes`` cuts whatever comes out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, NamedTuple, Optional

from ..goish.gonumbers import parse_int
from ..goish.gotime import parse as parse_time
from ..serving.http import Reply, Request, Response, StreamResponse
from ..vocabulary.status import bad_request, invalid

LOOK_FOR_HANGUP = 0.5  # seconds between looks whether the client of an idle follow is still there
NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than 0"
WAITING = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}


class Line(NamedTuple):
    """One line, and when it was written, in nanoseconds since the epoch."""

    written: int
    text: bytes


class ContainerLog:
    """The lines of one container, of this run and of the one before its restart."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.lines: list[Line] = []
        self.previous: Optional[list[Line]] = None
        self.ended = False

    def write(self, text: str, written: Optional[float] = None) -> None:
        """Add lines; ``written`` is seconds since the epoch, now if not given."""
        stamp = time.time_ns() if written is None else int(written * 1e9)
        with self._changed:
            self.lines.extend(Line(stamp, line) for line in text.encode().splitlines())
            self._changed.notify_all()

    def restart(self) -> None:
        """The container starts anew: what it had printed is its previous log."""
        with self._changed:
            self.previous, self.lines = self.lines, []
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def follow(self, lines: list[Line], start: int, over: Callable[[], bool]) -> Iterator[Line]:
        """Lines from a position on as they come, until the container ends or ``over()``."""
        while True:
            with self._changed:
                while len(lines) <= start and not self.ended and self.lines is lines and not over():
                    self._changed.wait(LOOK_FOR_HANGUP)
                new = lines[start:]
            if not new or over():
                return
            yield from new
            start += len(new)


@dataclass(frozen=True)
class LogOptions:
    """PodLogOptions, as far as they concern what is shown."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: Optional[int] = None
    limit_bytes: Optional[int] = None
    since: Optional[float] = None  # seconds since the epoch

    @classmethod
    def of(cls, request: Request, pod: str) -> LogOptions:
        """Raises the API server's 400 and 422 for options that are none."""
        tail, limit, seconds = (_integer(request, name) for name in ("tailLines", "limitBytes", "sinceSeconds"))
        moment = _time(request.arg("sinceTime"))
        causes = [*_bounds(tail, limit), *_since_causes(seconds, moment)]
        if causes:
            raise invalid("", "PodLogOptions", pod, causes)
        since = moment if seconds is None else time.time() - seconds
        return cls(request.flag("follow"), request.flag("previous"), request.flag("timestamps"), tail, limit, since)

    def start(self, lines: list[Line]) -> int:
        """The position of the first line of the tail."""
        return 0 if self.tail_lines is None else max(0, len(lines) - self.tail_lines)

    def render(self, lines: Iterator[Line]) -> Iterator[bytes]:
        left = self.limit_bytes
        for line in lines:
            if self.since is not None and line.written < self.since * 1e9:
                continue
            text = (timestamp(line.written) + b" " if self.timestamps else b"") + line.text + b"\n"
            yield text if left is None else text[:left]
            if left is not None:
                left -= len(text)
                if left <= 0:
                    return


def timestamp(written: int) -> bytes:
    """RFC 3339 with nine digits, as the kubelet writes it."""
    seconds, nanoseconds = divmod(written, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z".encode()


def _integer(request: Request, name: str) -> Optional[int]:
    text = request.arg(name)
    try:
        return None if text is None else parse_int(text)
    except ValueError as error:
        raise bad_request(str(error)) from None


def _time(text: Optional[str]) -> Optional[float]:
    try:
        return parse_time(text) if text else None
    except ValueError as error:
        raise bad_request(str(error)) from None


def _bounds(tail: Optional[int], limit: Optional[int]) -> list[dict[str, str]]:
    causes = []
    if tail is not None and tail < 0:
        causes.append(_cause("tailLines", tail, NEGATIVE))
    if limit is not None and limit < 1:
        causes.append(_cause("limitBytes", limit, NOT_POSITIVE))
    return causes


def _since_causes(seconds: Optional[int], moment: Optional[float]) -> list[dict[str, str]]:
    if seconds is not None and moment is not None:
        message = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        return [{"reason": "FieldValueForbidden", "message": message, "field": "[]"}]
    return [_cause("sinceSeconds", seconds, NOT_POSITIVE)] if seconds is not None and seconds < 1 else []


def _cause(field: str, value: int, why: str) -> dict[str, str]:
    return {"reason": "FieldValueInvalid", "message": f"Invalid value: {value}: {why}", "field": field}


def not_started(pod: str, container: str, status: dict[str, Any]) -> str:
    """Why the kubelet has no log of a container, or empty: of one that has ended before, it has that one's."""
    state, last = status.get("state") or {}, status.get("lastState") or {}
    waiting = state.get("waiting")
    if not waiting or last.get("terminated"):
        return ""
    why = waiting.get("reason", "")
    return f'container "{container}" in pod "{pod}" is waiting to start: {WAITING.get(why, why)}'


def serve(
    options: LogOptions, request: Request, pod: str, container: str, log: ContainerLog, over: Callable[[], bool],
    waits: bool = False,
) -> Reply:  # fmt: skip
    """Answer a log request for a container that has started; if it ``waits`` to be again, the log is the one before."""
    lines = (log.previous or []) if waits else log.lines
    if options.previous:
        if log.previous is None:
            raise bad_request(f'previous terminated container "{container}" in pod "{pod}" not found')
        lines = log.previous
    start = options.start(lines)
    if not options.follow or options.previous:
        return Response(200, b"".join(options.render(iter(lines[start:]))), "text/plain")

    def gone() -> bool:
        return over() or request.connection.peer_has_gone()

    return StreamResponse(200, "text/plain", options.render(log.follow(lines, start, gone)))
