"""exec: from the request to the end of the session.

Two generations of servers differ in who ends the WebSocket. Up to 1.29 the API server passes the connection through
and the *kubelet* speaks the channel protocol: what it refuses, it refuses as HTTP before the upgrade. Later ones do the
same for v4, but for v5 the *API server* ends the WebSocket and translates to its own connection with the kubelet: it
has upgraded already when the kubelet refuses, so refusals come as a status on channel 3. Which generation a server is
follows from its ``exec_protocols``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event
from typing import Callable, Optional, Protocol, Union
from urllib.parse import unquote_plus

from ..faults.execfaults import ExecFault, open_channels
from ..serving.http import Connection, Request, Response, Upgrade
from ..serving.wschannel import STREAM_CLOSE, UNVERSIONED, V4, V4_BASE64, V5, ChannelSocket
from ..serving.wshandshake import Refusal, negotiate, offered
from ..vocabulary.streamstatus import KubeletStatus, PlainStatus, TranslatedStatus
from .process import Sink
from .sandbox import CannotStart, NoCommand

STDIN, STDOUT, STDERR, ERROR, RESIZE = CHANNELS = range(5)
KUBELET_PROTOCOLS = (*UNVERSIONED, V4, V4_BASE64)
FIRST_SIZE_WAIT = 250  # milliseconds a terminal waits for its size, so that the command never sees 0x0
NO_STREAM = "you must specify at least 1 of stdin, stdout, stderr"

Frame = tuple[int, bytes]


class Running(Protocol):
    """What a session holds on to: a process, or a container that it is attached to."""

    def write(self, data: bytes, /) -> None: ...
    def close_stdin(self) -> None: ...
    def resize(self, width: int, height: int, /) -> None: ...
    def leave(self) -> None: ...


class Start(Protocol):
    """Begins what the session is about, or raises :class:`CannotStart`."""

    def __call__(
        self,
        *,
        stdin: bool,
        stdout: Optional[Sink],
        stderr: Optional[Sink],
        tty: bool,
        size: Optional[tuple[int, int]],
        on_exit: Callable[[int], None],
    ) -> Running: ...


@dataclass(frozen=True)
class Streams:
    """Which streams the client asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @classmethod
    def of(cls, request: Request) -> Streams:
        return cls(*(request.flag(name) for name in ("stdin", "stdout", "stderr", "tty")))

    @property
    def any(self) -> bool:
        return self.stdin or self.stdout or self.stderr

    def as_kubelet(self) -> Streams:
        """A terminal has one output."""
        return replace(self, stderr=False) if self.tty else self

    def first(self) -> int:
        """The channel on which an empty message says that the session is up."""
        return STDOUT if self.stdout else STDERR if self.stderr else ERROR


def command_of(request: Request) -> list[str]:
    """The words of the command; bytes that are no UTF-8 survive."""
    pairs = (pair.partition("=") for pair in request.query_string.split("&"))
    return [unquote_plus(value, errors="surrogateescape") for key, _, value in pairs if unquote_plus(key) == "command"]


def is_translated(request: Request, protocols: Sequence[str]) -> bool:
    """Does the API server itself end this WebSocket?"""
    return V5 in protocols and V5 in offered(request)


class Session:
    """One exec session: frames in, output and one status out."""

    def __init__(self, start: Start, streams: Streams, status: KubeletStatus) -> None:
        self._start_command = start
        self._streams = streams
        self._status = status
        self._process: Optional[Running] = None

    def run(self, channels: ChannelSocket) -> None:
        """Returns when the connection is over; the process may live on."""
        frames = channels.frames()
        try:
            first = self._first_frame(channels, frames)
            self._start(channels, first)
            self._read(first, frames)
        finally:
            channels.close()  # before stdin ends: a command that ends with it must not get a word in
            if self._process is not None:
                self._process.leave()
        if channels.was_reset:
            channels.connection.abort()

    def _first_frame(self, channels: ChannelSocket, frames: Iterator[Frame]) -> Optional[Frame]:
        """A client sends the size of its terminal at once; the command starts after it."""
        if self._streams.tty and channels.input_within(FIRST_SIZE_WAIT):
            return next(frames, None)
        return None

    def _start(self, channels: ChannelSocket, first: Optional[Frame]) -> None:
        streams = self._streams
        try:
            self._process = self._start_command(
                stdin=streams.stdin,
                stdout=channels.writer(STDOUT) if streams.stdout else None,
                stderr=channels.writer(STDERR) if streams.stderr else None,
                tty=streams.tty,
                size=terminal_size(first[1]) if first is not None and first[0] == RESIZE else None,
                on_exit=lambda code: self._tell(channels, self._status.exited(code)),
            )
        except NoCommand:
            self._tell(channels, self._status.broken())
        except CannotStart as error:
            self._tell(channels, self._status.failed(str(error)))
        else:
            channels.started()

    @staticmethod
    def _tell(channels: ChannelSocket, status: Optional[bytes]) -> None:
        if status is not None:
            channels.send_status(ERROR, status)
        channels.close()

    def _read(self, first: Optional[Frame], frames: Iterator[Frame]) -> None:
        if first is not None and not self._take(*first):
            return
        for channel, payload in frames:
            if not self._take(channel, payload):
                return

    def _take(self, channel: int, payload: bytes) -> bool:
        """Handle one frame; False if it ends the connection."""
        if channel == STREAM_CLOSE:
            return self._half_close(payload)
        if self._process is None:
            return True
        if channel == STDIN and self._streams.stdin:
            self._process.write(payload)
        elif channel == RESIZE:
            size = terminal_size(payload)
            if size is not None:
                self._process.resize(*size)
        return True

    def _half_close(self, payload: bytes) -> bool:
        if not isinstance(self._status, TranslatedStatus):
            return True
        if len(payload) != 1 or payload[0] not in CHANNELS:
            return False
        if payload[0] == STDIN and self._process is not None:
            self._process.close_stdin()
        return True


def terminal_size(payload: bytes) -> Optional[tuple[int, int]]:
    """Width and height from a resize message; None if it is none."""
    try:
        size = {key.lower(): value for key, value in json.loads(payload).items()}  # Go minds no case
        return int(size["width"]), int(size["height"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


FaultOf = Callable[[], Optional[ExecFault]]


def no_fault() -> Optional[ExecFault]:
    return None


def shake_hands(
    request: Request, connection: Connection, supported: Sequence[str], stopping: Event, fault: FaultOf = no_fault
) -> Optional[ChannelSocket]:
    """Answer the upgrade; None if it was refused."""
    protocol = negotiate(request, supported)
    if isinstance(protocol, Refusal):
        connection.send(protocol.raw())
        return None
    return open_channels(request, connection, protocol, stopping, fault())


@dataclass(frozen=True)
class Target:
    """How the session's command is started.

    ``refusal`` is why the kubelet would not, or empty; ``fault`` says what the session is to suffer on purpose, asked
    when there is one; ``stopping`` is set when the server stops.
    """

    start: Start
    stopping: Event
    refusal: str = ""
    fault: FaultOf = no_fault


def serve(request: Request, what: Target, protocols: Sequence[str]) -> Union[Response, Upgrade]:
    """Answer an exec (or attach) request over WebSocket."""
    streams = Streams.of(request)
    if is_translated(request, protocols):
        return Upgrade(lambda connection: _translated(request, connection, streams, what))
    streams = streams.as_kubelet()
    if not streams.any:
        headers = [("X-Content-Type-Options", "nosniff")]
        return Response(400, NO_STREAM.encode() + b"\n", "text/plain; charset=utf-8", headers)
    if what.refusal:
        return Response(500, what.refusal.encode(), "text/plain; charset=utf-8")
    supported = KUBELET_PROTOCOLS if V4 in protocols else ()
    return Upgrade(lambda connection: _passed_through(request, connection, streams, what, supported))


def _translated(request: Request, connection: Connection, streams: Streams, what: Target) -> None:
    """v5: upgrade first, then see what the kubelet says."""
    channels = shake_hands(request, connection, (V5,), what.stopping, what.fault)
    if channels is None:
        return None
    channels.send(streams.first(), b"")
    refusal = what.refusal if streams.as_kubelet().any else NO_STREAM
    if refusal:
        channels.send_status(ERROR, TranslatedStatus.refused(refusal))
        return channels.finish()
    Session(what.start, streams.as_kubelet(), TranslatedStatus()).run(channels)
    return None


def _passed_through(
    request: Request, connection: Connection, streams: Streams, what: Target, supported: Sequence[str]
) -> None:
    """v4 and older: the kubelet has the connection."""
    channels = shake_hands(request, connection, supported, what.stopping, what.fault)
    if channels is None:
        return
    status = KubeletStatus() if channels.protocol in (V4, V4_BASE64) else PlainStatus()
    channels.send(streams.first(), b"")
    Session(what.start, streams, status).run(channels)
