"""The messages that handlers speak in: a request read whole, and the three kinds of answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Callable, Optional, Union
from urllib.parse import parse_qsl, unquote

from .connection import Connection

BUFFERED_BODY = 2048  # what net/http buffers: longer bodies go out chunked unless the handler set a length

REASONS = {status.value: status.phrase for status in HTTPStatus}
REASONS.update({413: "Request Entity Too Large", 422: "Unprocessable Entity"})


class Headers:
    """Header fields, looked up without regard to case; repeated ones are kept apart."""

    __slots__ = ("_values", "items")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items: list[tuple[str, str]] = list(items)
        self._values: dict[str, str] = {}
        for name, value in self.items:
            key = name.lower()
            self._values[key] = f"{self._values[key]}, {value}" if key in self._values else value

    def get(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """The field's value; values of a repeated field are joined by a comma."""
        return self._values.get(name.lower(), default)

    def get_all(self, name: str) -> list[str]:
        wanted = name.lower()
        return [value for key, value in self.items if key.lower() == wanted]

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def __repr__(self) -> str:
        return f"Headers({[name for name, _ in self.items]})"


@dataclass(frozen=True)
class User:
    """Who sent a request, as authentication found."""

    name: str
    groups: tuple[str, ...] = ()


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


class Request:
    """One request, read whole."""

    __slots__ = ("_query", "body", "connection", "headers", "info", "method", "path", "query_string", "target", "user")

    def __init__(self, method: str, target: str, headers: Headers, body: bytes, connection: Connection) -> None:
        self.method = method
        self.target = target
        path, _, self.query_string = target.partition("?")
        self.path = unquote(path)
        self.headers = headers
        self.body = body
        self.connection = connection
        self.user = ANONYMOUS
        self.info: Any = None  # the RequestInfo, once the path has been understood
        self._query: Optional[list[tuple[str, str]]] = None

    @property
    def query(self) -> list[tuple[str, str]]:
        if self._query is None:
            self._query = parse_qsl(self.query_string, keep_blank_values=True) if self.query_string else []
        return self._query

    def arg(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def args(self, name: str) -> list[str]:
        """All values of a repeated query parameter, in order."""
        return [value for key, value in self.query if key == name]

    def flag(self, name: str) -> bool:
        """A boolean parameter as the API server reads it: present without a value is true."""
        value = self.arg(name)
        return value is not None and value.lower() not in ("0", "false")


@dataclass
class Response:
    """An answer with a known body; a dict body is sent as JSON."""

    status: int
    body: Union[bytes, dict[str, Any]] = b""
    content_type: str = "application/json"
    headers: Iterable[tuple[str, str]] = ()

    def without_body(self) -> Upgrade:
        """The head alone, as HEAD is answered; the connection is closed after it."""
        head = reply_head(self.status, self.content_type, self.headers, False, len(self.payload()))
        return Upgrade(lambda connection: connection.send(head))

    def wire(self, keep_alive: bool) -> tuple[bytes, bytes]:
        """Head and body as they are sent: a long body is one chunk."""
        payload = self.payload()
        if len(payload) <= BUFFERED_BODY:
            return reply_head(self.status, self.content_type, self.headers, keep_alive, len(payload)), payload
        head = reply_head(self.status, self.content_type, self.headers, keep_alive, None)
        return head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(payload), payload)

    def payload(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


@dataclass
class StreamResponse:
    """An answer sent chunk by chunk; ``chunks`` is closed whatever happens."""

    status: int
    content_type: str
    chunks: Iterator[bytes]
    headers: Iterable[tuple[str, str]] = ()


@dataclass
class Upgrade:
    """The handler takes over the connection, which is closed when ``run`` returns."""

    run: Callable[[Connection], None]


Reply = Union[Response, StreamResponse, Upgrade]
Handler = Callable[[Request], Reply]


def reply_head(
    status: int, content_type: str, headers: Iterable[tuple[str, str]], keep_alive: bool, length: Optional[int]
) -> bytes:
    """Status line and header fields; without a length the body is chunked."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    lines.extend(f"{name}: {value}" for name, value in headers)
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    if not keep_alive:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def wants_keep_alive(request: Request) -> bool:
    return "close" not in (request.headers.get("Connection") or "").lower()
