"""Clients and servers for tests of connections: a TLS server of the cluster, and the configuration that fits it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Optional

import pytest

from devservers.transport.auth.credentials import Credentials
from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.deadline import Deadline
from devservers.transport.http.dial import connect
from devservers.transport.http.stream import Stream
from devservers.transport.tls.context import TLSSettings
from devservers.transport.tls.pem import ClientCertificate, PEMSource

from .certificates import authority, server_context
from .proxyserver import Proxy
from .tlsserver import Server, answer_http, serving

CA = PEMSource("certificate-authority-data of cluster 'main' in /etc/kube/config", authority().pem)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HOSTS = {"api.example": "127.0.0.1"}


def deadline() -> Deadline:
    return Deadline(10)


def for_server(
    server: Server, *, ca: Optional[PEMSource] = CA, certificate: Optional[ClientCertificate] = None, **more: Any
) -> ClientConfig:
    """The configuration of a client of a local TLS server."""
    host = f"[{server.host}]" if ":" in server.host else server.host
    tls = TLSSettings(ca, more.pop("server_name", None), more.pop("insecure", False))
    return ClientConfig(
        more.pop("url", f"https://{host}:{server.port}"), credentials=Credentials(None, certificate), tls=tls, **more
    )


@contextlib.contextmanager
def tls_server(*names: str, days: int = 30, talk: Any = answer_http, **context: Any) -> Iterator[Server]:
    pair = authority().issue(*(names or ("127.0.0.1", "::1", "localhost")), days=days)
    with serving(talk, server_context(pair, **context)) as server:
        yield server


def send(sock: Stream, data: bytes) -> None:
    while data:
        data = data[sock.send(data) :]


def exchange(sock: Stream, request: bytes = GET) -> bytes:
    """Send a request, and give the whole answer."""
    with contextlib.closing(sock):
        send(sock, request)
        return b"".join(iter(lambda: sock.recv(4096), b""))


def failure_of(config: ClientConfig, kind: type[Exception], **arguments: Any) -> str:
    with pytest.raises(kind) as caught:
        connect(config, arguments.pop("deadline", None) or deadline(), **arguments)
    return str(caught.value)


def proxied(server: Server, proxy: Proxy, scheme: str = "https", **more: Any) -> ClientConfig:
    """A client of ``api.example``, a name that only the proxy resolves (to the local server)."""
    url = f"{scheme}://api.example:{server.port}"
    return for_server(server, url=url, proxy_url=more.pop("proxy_url", proxy.url), source="a test", **more)
