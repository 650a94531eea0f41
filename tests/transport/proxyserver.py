"""A small real HTTP proxy: CONNECT tunnels and absolute-form requests, with a password and over TLS if asked."""

from __future__ import annotations

import base64
import contextlib
import selectors
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Optional
from urllib.parse import urlsplit

from .tlsserver import serving


@dataclass
class Proxy:
    """A running proxy and the request lines and headers it was sent."""

    scheme: str = "http"
    port: int = 0
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    certificates: list[Any] = field(default_factory=list)  # what clients of a TLS proxy showed

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def url_for(self, user: str, password: str) -> str:
        return f"{self.scheme}://{user}:{password}@127.0.0.1:{self.port}"


@contextlib.contextmanager
def proxying(
    *,
    context: Optional[ssl.SSLContext] = None,
    user: str = "",
    password: str = "",
    reply: bytes = b"",
    resolve: Optional[dict[str, str]] = None,
) -> Iterator[Proxy]:
    """A proxy for the length of the block.

    Args:
        context: speak TLS with it.
        user, password: demand them (407 else).
        reply: answer every CONNECT with these bytes and close, instead of connecting.
        resolve: addresses for host names, so that names of no real host can be proxied to.
    """
    proxy = Proxy("https" if context else "http")
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""

    def talk(client: socket.socket) -> None:
        line, headers = _read_head(client)
        proxy.requests.append(line)
        proxy.headers.append(headers)
        if isinstance(client, ssl.SSLSocket):
            proxy.certificates.append(client.getpeercert())
        if expected and headers.get("proxy-authorization") != expected:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        elif reply:
            client.sendall(reply)
        else:
            _forward(client, line, headers, resolve or {})

    with serving(talk, context) as server:
        proxy.port = server.port
        yield proxy


def _read_head(client: socket.socket) -> tuple[str, dict[str, str]]:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = client.recv(4096)
        if not chunk:
            raise OSError("the client went away")
        data += chunk
    line, *rest = data.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
    return line, {name.lower(): value.strip() for name, _, value in (header.partition(":") for header in rest)}


def _forward(client: socket.socket, line: str, headers: dict[str, str], resolve: dict[str, str]) -> None:
    method, target, _ = line.split(" ")
    parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
    host, port = parts.hostname or "", parts.port or 80
    with socket.create_connection((resolve.get(host, host), port), timeout=10) as upstream:
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = target[target.index("/", target.index("//") + 2) :]
            dropped = ("proxy-authorization", "connection")  # one request per connection keeps this proxy simple
            kept = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name not in dropped)
            upstream.sendall(f"{method} {path} HTTP/1.1\r\n{kept}Connection: close\r\n\r\n".encode("latin-1"))
        _pump(client, upstream)


def _pump(client: socket.socket, upstream: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ, upstream)
        selector.register(upstream, selectors.EVENT_READ, client)
        while True:
            for key, _ in selector.select():
                source = key.fileobj
                assert isinstance(source, socket.socket)
                while True:
                    data = source.recv(65536)
                    if not data:
                        return
                    key.data.sendall(data)
                    if not (isinstance(source, ssl.SSLSocket) and source.pending()):
                        break
