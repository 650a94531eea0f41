"""The opening handshake of a WebSocket (RFC 6455), as the API server's library does it.

* The first of the offered subprotocols that the server speaks is chosen.
* Without an offer the answer carries an empty ``Sec-WebSocket-Protocol`` and the unversioned protocol is spoken.
* A refused handshake is a bare status line: no header, no body.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional, Union

from .http import Request

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


@dataclass(frozen=True)
class Refusal:
    """Why a handshake fails: status line, extra header lines and text, as x/net/websocket writes them."""

    status: str
    text: str = ""
    header: str = ""

    def raw(self) -> bytes:
        return f"HTTP/1.1 {self.status}\r\n{self.header}\r\n{self.text}".encode()


UNKNOWN_PROTOCOL = Refusal("403 Forbidden")
BAD_METHOD = Refusal("405 Method Not Allowed", "bad method")
NO_KEY = Refusal("400 Bad Request", "mismatch challenge/response")
BAD_VERSION = Refusal("400 Bad Request", "missing or bad WebSocket Version", "Sec-WebSocket-Version: 13\r\n")


def is_upgrade(request: Request) -> bool:
    """Does the request ask to leave HTTP?"""
    tokens = (request.headers.get("Connection") or "").lower().split(",")
    return any(token.strip() == "upgrade" for token in tokens)


def is_websocket(request: Request) -> bool:
    return is_upgrade(request) and (request.headers.get("Upgrade") or "").lower() == "websocket"


def offered(request: Request) -> list[str]:
    """The subprotocols the client asks for, in its order."""
    header = request.headers.get("Sec-WebSocket-Protocol") or ""
    return [name.strip() for name in header.split(",")] if header.strip() else []


def negotiate(request: Request, supported: Sequence[str]) -> Union[str, Refusal]:
    """The first offered protocol that the server speaks, or why there is no session."""
    if request.method != "GET":
        return BAD_METHOD
    if not request.headers.get("Sec-WebSocket-Key"):
        return NO_KEY
    if request.headers.get("Sec-WebSocket-Version") != "13":
        return BAD_VERSION
    wanted = offered(request) or [""]
    return next((name for name in wanted if name in supported), UNKNOWN_PROTOCOL)


def accept_response(key: str, protocol: Optional[str]) -> bytes:
    """The 101 answer; ``None`` leaves the protocol's header out."""
    digest = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()  # noqa: S324 (RFC 6455)
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {digest}",
    ]
    if protocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return "\r\n".join([*lines, "", ""]).encode()
