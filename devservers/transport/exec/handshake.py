"""The opening handshake of a WebSocket (RFC 6455, section 4): a pure codec.

The client sends a GET with a random key. The server answers 101 and the hash of that key, which
shows that it speaks the protocol and answers this very request: a cache, or a server that is asked
for something else, would not know it.

This is done here, not by websocket-client, for three reasons: it reads an answer byte by byte, it
knows nothing of the bodies in which the API server says why it refuses, and it follows redirects,
adds an Origin, keeps cookies and asks the environment for proxies.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from ...errors import ProtocolError

_SWITCHING = re.compile(rb"HTTP/1\.[01] 101[ \r]")
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Handshake:
    """One request to switch to WebSocket, and what its answer says.

    ``doing`` says in messages what it is for.
    """

    def __init__(self, subprotocols: Sequence[str], doing: str) -> None:
        from base64 import b64encode

        self.subprotocols = subprotocols
        self.doing = doing
        self._key = b64encode(os.urandom(16)).decode()

    def request(self, path: str, host: str, headers: Sequence[tuple[str, str]]) -> bytes:
        """The bytes to send; header values are latin-1, as in all of HTTP."""
        fields = [
            ("Host", host),
            *headers,
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", self._key),
            ("Sec-WebSocket-Protocol", ", ".join(self.subprotocols)),
        ]
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    @staticmethod
    def is_agreed(head: bytes) -> bool:
        """Whether the answer with this head switches protocols; any other one is a refusal."""
        return _SWITCHING.match(head) is not None and head.endswith(b"\r\n\r\n")

    def subprotocol(self, head: bytes) -> str:
        """The subprotocol that the server has chosen.

        Raises:
            ProtocolError: it has not answered this request, or has chosen none of those offered.
        """
        fields = _fields(head)
        if (
            fields.get("upgrade", "").lower() != "websocket"
            or "upgrade" not in _words(fields.get("connection", "").lower())
            or fields.get("sec-websocket-accept") != proof_of(self._key)
        ):
            raise ProtocolError(
                f"{self.doing}: the server switched protocols without completing the WebSocket "
                "handshake: does a proxy on the way answer in its place?"
            )
        chosen = fields.get("sec-websocket-protocol", "")
        if chosen not in self.subprotocols:
            raise ProtocolError(
                f"{self.doing}: the server upgraded without agreeing to one of the subprotocols "
                f"{', '.join(self.subprotocols)} (it said {chosen or 'nothing'}): output and exit "
                "code would be guesses"
            )
        return chosen


def proof_of(key: str) -> str:
    """What shows that the server has read the request with this key."""
    from base64 import b64encode
    from hashlib import sha1

    return b64encode(sha1((key + _MAGIC).encode(), usedforsecurity=False).digest()).decode()


def _fields(head: bytes) -> dict[str, str]:
    """The header fields, names in lower case; of a field that repeats, the values joined."""
    fields: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            name, value = name.strip().lower(), value.strip()
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",")]
