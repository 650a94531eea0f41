"""Faults of exec sessions: what proxies, load balancers and dying nodes do to them.

A fault is a kind of :class:`~tests.fakeapiserver.wschannel.ChannelSocket` (or of handshake) that misbehaves in one
way. :data:`EXEC_FAULTS` names them; the server's ``faults`` say which session suffers which.
"""

from __future__ import annotations

from threading import Event
from typing import Callable, Optional, cast

from .http import Connection, Request
from .wschannel import ChannelSocket, Message
from .wshandshake import UNKNOWN_PROTOCOL, accept_response

UNKNOWN_CHANNEL = 9


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

    def send(self, channel: int, payload: bytes) -> None:
        message = self._codec.encode(channel, payload)
        data, kind = message.data, cast("Callable[..., Message]", type(message))
        cut = max(1, len(data) // 2)
        with self._message_lock:
            self._transmit(kind(data=data[:cut], message_finished=False))
            self._transmit(kind(data=data[cut:]))

    def _write(self, data: bytes) -> None:
        for at in range(0, len(data), max(1, len(data) // 3)):
            super()._write(data[at : at + max(1, len(data) // 3)])


class UnknownChannels(ChannelSocket):
    """Before each message comes one on a channel that the protocol does not have."""

    def send(self, channel: int, payload: bytes) -> None:
        super().send(UNKNOWN_CHANNEL, b"not for you")
        super().send(channel, payload)


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
HANDSHAKE_FAULTS = {
    "subprotocol_refused": refuse_subprotocol,
    "no_subprotocol_echoed": echo_no_subprotocol,
}


def open_channels(
    request: Request, connection: Connection, protocol: str, stopping: Event, fault: Optional[str]
) -> Optional[ChannelSocket]:
    """Answer the upgrade, with the fault in force; None if there is no session."""
    broken_handshake = HANDSHAKE_FAULTS.get(fault or "")
    if broken_handshake is not None:
        return broken_handshake(request, connection, protocol, stopping)
    connection.send(accept_response(request.headers.get("Sec-WebSocket-Key") or "", protocol))
    return EXEC_FAULTS.get(fault or "", ChannelSocket)(connection, protocol, stopping)
