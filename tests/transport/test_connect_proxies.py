"""Connections through plain and TLS proxies, and how each failure reads."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest

from devservers.errors import ConnectionFailedError, ProtocolError, RequestTimeoutError, TLSError
from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.deadline import Deadline
from devservers.transport.http.dial import connect
from devservers.transport.tls.context import InsecureTLSWarning

from .certificates import authority, server_context
from .connecting import HOSTS, deadline, exchange, failure_of, for_server, proxied, tls_server
from .proxyserver import Proxy, proxying
from .tlsserver import serving, stay_silent


class TestProxies:
    @pytest.fixture(params=["http", "https"])
    def proxy(self, request: pytest.FixtureRequest) -> Iterator[Proxy]:
        context = server_context(authority().issue("127.0.0.1")) if request.param == "https" else None
        with proxying(context=context, resolve=HOSTS) as proxy:
            yield proxy

    def test_https_is_tunnelled_and_verified_end_to_end(self, proxy: Proxy) -> None:
        with tls_server("api.example") as server:
            assert exchange(connect(proxied(server, proxy), deadline())).endswith(b"ok")
            assert proxy.requests == [f"CONNECT api.example:{server.port} HTTP/1.1"]
            assert server.names == ["api.example"]

    def test_the_servers_certificate_is_verified_through_the_tunnel(self, proxy: Proxy) -> None:
        with tls_server("other.example") as server:
            assert "is for another name" in failure_of(proxied(server, proxy), TLSError)

    def test_plain_http_goes_to_the_proxy_itself(self, proxy: Proxy) -> None:
        with serving() as server:
            target = f"http://api.example:{server.port}/version"
            request = f"GET {target} HTTP/1.1\r\nHost: api.example\r\n\r\n".encode()
            assert exchange(connect(proxied(server, proxy, "http"), deadline()), request).endswith(b"ok")
            assert proxy.requests == [f"GET {target} HTTP/1.1"]

    def test_plain_http_is_tunnelled_for_an_upgrade(self, proxy: Proxy) -> None:
        with serving() as server:
            assert exchange(connect(proxied(server, proxy, "http"), deadline(), tunnel=True)).endswith(b"ok")
            assert proxy.requests == [f"CONNECT api.example:{server.port} HTTP/1.1"]

    def test_the_environments_proxy_is_used_the_same_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with proxying(resolve=HOSTS) as proxy, tls_server("api.example") as server:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            config = for_server(server, url=f"https://api.example:{server.port}")
            assert exchange(connect(config, deadline())).endswith(b"ok")
            assert len(proxy.requests) == 1

    def test_user_and_password_of_the_url_are_shown_to_the_proxy_alone(self) -> None:
        with proxying(user="bob", password="p@ss:", resolve=HOSTS) as proxy, tls_server("api.example") as server:
            config = proxied(server, proxy, proxy_url=proxy.url_for("bob", "p%40ss%3A"))
            assert exchange(connect(config, deadline())).endswith(b"ok")

    def test_a_407_says_what_to_do_and_hides_the_password(self) -> None:
        with proxying(user="bob", password="right") as proxy, tls_server() as server:
            config = proxied(server, proxy, proxy_url=proxy.url_for("bob", "hunter2"))
            said = failure_of(config, ConnectionFailedError)
        assert f"the proxy http://127.0.0.1:{proxy.port} (proxy-url of a test) refused CONNECT" in said
        assert "with status 407: it wants credentials: put user and password (percent-encoded)" in said
        assert "hunter2" not in said

    @pytest.mark.parametrize(
        ("reply", "kind", "said"),
        [
            (b"HTTP/1.1 403 Forbidden\r\n\r\n", ConnectionFailedError, "status 403: it does not allow this target"),
            (b"HTTP/1.0 502 Bad\r\n\r\n<html>", ConnectionFailedError, "status 502: it could not reach the API server"),
            (
                b"HTTP/1.1 418 Teapot\r\n\r\n",
                ConnectionFailedError,
                "status 418: check the proxy's address and its log",
            ),
            (b"SSH-2.0-OpenSSH\r\n\r\n", ProtocolError, "did not answer CONNECT"),
            (b"HTTP/1.1 200 OK\r\n\r\nsurprise", ProtocolError, "sent data ahead of the API server's"),
            (b"HTTP/1.1 200 " + b"x" * 20000, ProtocolError, "more than 16384 bytes of header"),
            (b"HTTP/1.1 200 OK\r\n", ConnectionFailedError, "closed the connection when asked for"),
        ],
    )
    def test_a_refused_tunnel_is_explained(self, reply: bytes, kind: type[Exception], said: str) -> None:
        with proxying(reply=reply) as proxy, tls_server() as server:
            assert said in failure_of(proxied(server, proxy), kind)

    def test_an_absent_proxy_is_named_with_its_setting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        monkeypatch.setenv("https_proxy", f"http://bob:hunter2@127.0.0.1:{port}")
        said = failure_of(ClientConfig("https://api.example"), ConnectionFailedError)
        assert f"cannot connect to the proxy http://127.0.0.1:{port} (https_proxy): Connection refused" in said

    def test_a_proxy_that_never_answers_ends_with_the_deadline(self) -> None:
        with serving(stay_silent) as silent, tls_server() as server:
            config = proxied(server, Proxy("http", silent.port))
            assert "did not answer CONNECT" in failure_of(config, RequestTimeoutError, deadline=Deadline(0.1))

    def test_an_https_proxy_of_an_unknown_authority_is_refused(self) -> None:
        context = server_context(authority("another").issue("127.0.0.1"))
        with proxying(context=context) as proxy, tls_server() as server:
            said = failure_of(proxied(server, proxy), TLSError)
        assert f"no TLS connection to the proxy https://127.0.0.1:{proxy.port}" in said

    def test_the_insecure_flag_counts_for_the_proxy_too_as_in_kubectl(self) -> None:
        context = server_context(authority("another").issue("127.0.0.1"))
        with proxying(context=context, resolve=HOSTS) as proxy, tls_server("other.example") as server:
            config = proxied(server, proxy, ca=None, insecure=True)
            with pytest.warns(InsecureTLSWarning):
                assert exchange(connect(config, deadline())).endswith(b"ok")

    def test_a_client_certificate_is_shown_to_the_server_and_not_to_the_proxy(self) -> None:
        clients = authority("clients")
        client = clients.issue("alice@x.example").as_client()
        context = server_context(authority().issue("127.0.0.1"))
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=clients.pem.decode())
        with proxying(context=context, resolve=HOSTS) as proxy, tls_server(
            "api.example", client_ca=clients.pem
        ) as server:  # fmt: skip
            exchange(connect(proxied(server, proxy, certificate=client), deadline()))
            assert server.seen[0].client_certificate
            assert proxy.certificates == [None]
