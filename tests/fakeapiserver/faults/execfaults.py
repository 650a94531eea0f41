"""Faults of exec sessions: what proxies, load balancers and dying nodes do to them.

A fault is a kind of :class:`~tests.fakeapiserver.serving.wschannel.ChannelSocket` (or of handshake) that misbehaves
in one way. :data:`EXEC_FAULTS` names them; the server's ``faults`` say which session suffers which.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Lock
from typing import Callable, NamedTuple, Optional, cast

from ..serving.http import Connection, Request
from ..serving.wschannel import V5, ChannelSocket, Message
from ..serving.wshandshake import UNKNOWN_PROTOCOL, accept_response
from ..vocabulary.streamstatus import TranslatedStatus

UNKNOWN_CHANNEL = 9
STDIN, STDOUT, STDERR, ERROR = range(4)


class ExecFault(NamedTuple):
    """What one session is to suffer; ``output`` and ``stdin`` say after how many bytes, where that can be said."""

    name: str
    output: int = 0
    stdin: int = 0


class ClosedWithoutStatus(ChannelSocket):
    """All output comes, then a proper close, and no status."""

    def send_status(self, channel: int, status: bytes) -> None:
        pass


class ResetBeforeStatus(ChannelSocket):
    """All output comes, then the connection is reset."""

    def send_status(self, channel: int, status: bytes) -> None:
        self.reset()


class ResetAfterStatus(ChannelSocket):
    """Output and status come, then a reset instead of a close."""

    def send_status(self, channel: int, status: bytes) -> None:
        super().send_status(channel, status)
        self.reset()


class SilentAtTheEnd(ChannelSocket):
    """The process has ended, and nothing says so: neither a status nor a close comes."""

    def send_status(self, channel: int, status: bytes) -> None:
        self.stall()


class SplitFrames(ChannelSocket):
    """Messages come in fragments, and fragments in pieces, cut anywhere."""

    def __init__(self, connection: Connection, protocol: str, stopping: Event) -> None:
        super().__init__(connection, protocol, stopping)
        self._whole = Lock()  # the fragments of a message follow one another

    def send(self, channel: int, payload: bytes) -> None:
        message = self.codec.encode(channel, payload)
        data, kind = message.data, cast("Callable[..., Message]", type(message))
        cut = max(1, len(data) // 2)
        with self._whole:
            self.transmit(kind(data=data[:cut], message_finished=False))
            self.transmit(kind(data=data[cut:]))

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), max(1, len(data) // 3)):
            super().write(data[at : at + max(1, len(data) // 3)])


class UnknownChannels(ChannelSocket):
    """Before each message comes one on a channel that the protocol does not have."""

    def send(self, channel: int, payload: bytes) -> None:
        super().send(UNKNOWN_CHANNEL, b"not for you")
        super().send(channel, payload)


class KubeletLost(ChannelSocket):
    """The kubelet goes (killed, restarted, cut off) once it has passed on so many bytes each way; the command lives on.

    v5 ends at the API server, whose translator takes the end of the kubelet's streams for that of the command: it says
    Success, and closes properly. v4 is passed through to the kubelet, and just ends.
    """

    def __init__(self, connection: Connection, protocol: str, stopping: Event, output: int = 0, stdin: int = 0) -> None:
        super().__init__(connection, protocol, stopping)
        self._to_pass = {"output": output, "stdin": stdin}
        self._begun = self._lost = False
        self._counting = Lock()

    def started(self) -> None:
        self._begun = True
        self._count("stdin", 0)

    def send(self, channel: int, payload: bytes) -> None:
        if channel not in (STDOUT, STDERR) or not payload:
            return super().send(channel, payload)
        payload = payload[: self._to_pass["output"]]
        if payload:
            super().send(channel, payload)
        return self._count("output", len(payload))

    def send_status(self, channel: int, status: bytes) -> None:
        self.started()  # a quick command may have ended before that was said
        if not self._lost:
            super().send_status(channel, status)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        for channel, payload in super().frames():
            yield channel, payload  # it comes back when the command has been given it
            if channel == STDIN:
                self._count("stdin", len(payload))

    def _count(self, what: str, size: int) -> None:
        with self._counting:
            self._to_pass[what] = max(0, self._to_pass[what] - size)
            if self._lost or not self._begun or any(self._to_pass.values()):
                return None
            self._lost = True
        if self.protocol != V5:
            return self.drop()
        success = TranslatedStatus().exited(0)
        assert success is not None
        super().send_status(ERROR, success)
        return self.close()


def refuse_subprotocol(
    request: Request, connection: Connection, protocol: str, stopping: Event
) -> Optional[ChannelSocket]:
    """A server that speaks none of the protocols that were offered."""
    connection.send(UNKNOWN_PROTOCOL.raw())
    return None


def echo_no_subprotocol(
    request: Request, connection: Connection, protocol: str, stopping: Event
) -> Optional[ChannelSocket]:
    """A proxy that drops the header with the chosen protocol."""
    connection.send(accept_response(request.headers.get("Sec-WebSocket-Key") or "", None))
    return ChannelSocket(connection, protocol, stopping)


EXEC_FAULTS: dict[str, type[ChannelSocket]] = {
    "close_without_status": ClosedWithoutStatus,
    "reset_before_status": ResetBeforeStatus,
    "reset_after_status": ResetAfterStatus,
    "stall_at_the_end": SilentAtTheEnd,
    "split_frames": SplitFrames,
    "unknown_channels": UnknownChannels,
}
HANDSHAKE_FAULTS = {"subprotocol_refused": refuse_subprotocol, "no_subprotocol_echoed": echo_no_subprotocol}


def open_channels(
    request: Request, connection: Connection, protocol: str, stopping: Event, fault: Optional[ExecFault]
) -> Optional[ChannelSocket]:
    """Answer the upgrade, with the fault in force; None if there is no session."""
    name, *amounts = fault or ExecFault("")
    broken_handshake = HANDSHAKE_FAULTS.get(name)
    if broken_handshake is not None:
        return broken_handshake(request, connection, protocol, stopping)
    connection.send(accept_response(request.headers.get("Sec-WebSocket-Key") or "", protocol))
    if name == "kubelet_lost":
        return KubeletLost(connection, protocol, stopping, *amounts)
    return EXEC_FAULTS.get(name, ChannelSocket)(connection, protocol, stopping)
