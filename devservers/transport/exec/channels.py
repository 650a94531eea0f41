"""The Kubernetes channel protocol over WebSocket, versions 4 and 5: a pure codec.

One binary message is one byte, the channel, and a payload: 0 stdin, 1 stdout, 2 stderr, 3 the final
Status as JSON, 4 terminal size. ``v5.channel.k8s.io`` adds the client's message ``[255, channel]``:
the end of that stream. Rules of the server that shape what is sent (each recorded):

1. Fragments are never put together: one frame per message, 32 KiB of payload at most.
2. An empty stdin message, a close signal of another length, or a resize without a terminal may end
   the session: never sent.
3. The first message from the server has no payload.
4. ``v4.channel.k8s.io`` has no end of stdin at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional

from ..text import json_or_none

V4 = "v4.channel.k8s.io"
V5 = "v5.channel.k8s.io"

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255

FRAME_PAYLOAD = 32768


def encode(channel: int, payload: bytes) -> bytes:
    """One message."""
    return bytes((channel,)) + payload


def encode_stdin(data: bytes) -> Iterator[bytes]:
    """``data`` as stdin messages of at most :data:`FRAME_PAYLOAD` bytes; nothing for no data."""
    view = memoryview(data)
    for start in range(0, len(view), FRAME_PAYLOAD):
        yield b"\x00" + view[start : start + FRAME_PAYLOAD]


def encode_close(channel: int) -> bytes:
    """The v5 signal that no more will come on ``channel``."""
    return bytes((CLOSE, channel))


def encode_resize(width: int, height: int) -> bytes:
    """The terminal's new size in characters."""
    return encode(
        RESIZE, json.dumps({"Width": width, "Height": height}, separators=(",", ":")).encode()
    )


def decode(message: bytes) -> tuple[int, bytes]:
    """Channel and payload of a message; an empty one is ``(-1, b"")`` and means nothing."""
    if not message:
        return -1, b""
    return message[0], message[1:]


class ExitStatus(NamedTuple):
    """What channel 3 said: the exit code of a command that ran, or why there is none."""

    returncode: Optional[int]
    reason: str
    message: str
    status: Mapping[str, Any]


def parse_status(payload: bytes) -> Optional[ExitStatus]:
    """The outcome in a channel-3 payload; None if it is no Status: then the outcome is unknown."""
    status = json_or_none(payload)
    if not isinstance(status, dict) or status.get("status") not in ("Success", "Failure"):
        return None
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
    returncode = 0 if status["status"] == "Success" else _exit_code(status, reason)
    return ExitStatus(returncode, reason, message, status)


def _exit_code(status: Mapping[str, Any], reason: str) -> Optional[int]:
    """The code in the ExitCode cause of a NonZeroExitCode; other failures have none."""
    if reason != "NonZeroExitCode":
        return None
    details = status.get("details")
    if not isinstance(details, Mapping) or not isinstance(details.get("causes"), list):
        return None
    for cause in details["causes"]:
        if isinstance(cause, Mapping) and cause.get("reason") == "ExitCode":
            text = str(cause.get("message") or "")
            if text.isascii() and text.isdigit():
                return int(text)
            return None
    return None
