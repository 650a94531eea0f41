"""Connections: TCP, TLS, tunnels through plain and TLS proxies, and how each failure reads."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from devservers.errors import ConnectionFailedError, ProtocolError, RequestTimeoutError, TLSError
from devservers.transport.config import ClientConfig
from devservers.transport.connect import connect
from devservers.transport.credentials import Credentials
from devservers.transport.deadline import Deadline
from devservers.transport.tls import ClientCertificate, InsecureTLSWarning, Material, TLSSettings
from devservers.transport.tlserrors import refusal_of_certificate
from devservers.transport.tlsintls import TunnelledTLS

from .certificates import BareAuthority, Pair, authority, server_context
from .proxyserver import Proxy, proxying
from .tlsserver import Server, answer_http, echo, serving, stay_silent

CA = Material("certificate-authority-data of cluster 'main' in /etc/kube/config", authority().pem)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def deadline() -> Deadline:
    return Deadline(10)


def for_server(
    server: Server, *, ca: Optional[Material] = CA, certificate: Optional[ClientCertificate] = None, **more: Any
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


def exchange(sock: socket.socket, request: bytes = GET) -> bytes:
    """Send a request, and give the whole answer."""
    with contextlib.closing(sock):
        sock.sendall(request)
        return b"".join(iter(lambda: sock.recv(4096), b""))


def failure_of(config: ClientConfig, kind: type[Exception], **arguments: Any) -> str:
    with pytest.raises(kind) as caught:
        connect(config, arguments.pop("deadline", None) or deadline(), **arguments)
    return str(caught.value)


class TestDirect:
    def test_plain_http_is_a_bare_socket(self) -> None:
        with serving() as server:
            assert exchange(connect(ClientConfig(f"http://127.0.0.1:{server.port}"), deadline())).endswith(b"ok")

    def test_https_is_verified_against_the_clusters_ca(self) -> None:
        with tls_server() as server:
            assert exchange(connect(for_server(server), deadline())).endswith(b"ok")

    def test_ipv6_is_verified_by_address(self) -> None:
        pair = authority().issue("::1")
        with serving(answer_http, server_context(pair), host="::1") as server:
            assert exchange(connect(for_server(server), deadline())).endswith(b"ok")

    def test_the_host_name_is_sent_as_sni_and_tls_server_name_replaces_it(self) -> None:
        with tls_server("localhost", "kubernetes.default.svc") as server:
            connect(for_server(server, url=f"https://localhost:{server.port}"), deadline()).close()
            connect(for_server(server, server_name="kubernetes.default.svc"), deadline()).close()
            assert server.names == ["localhost", "kubernetes.default.svc"]

    def test_keepalive_and_nodelay_are_on(self) -> None:
        with serving() as server, contextlib.closing(
            connect(ClientConfig(f"http://127.0.0.1:{server.port}"), deadline())
        ) as sock:  # fmt: skip
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30

    def test_a_client_certificate_is_shown(self) -> None:
        client = authority("clients").issue("alice@x.example").as_client()
        with tls_server(client_ca=authority("clients").pem) as server:
            assert exchange(connect(for_server(server, certificate=client), deadline())).endswith(b"ok")
            assert server.seen[0].client_certificate is not None
            assert ("email", "alice@x.example") in server.seen[0].client_certificate["subjectAltName"]

    def test_an_authority_that_is_no_root_is_trusted_as_go_trusts_it(self) -> None:
        pair = authority().issue("127.0.0.1")
        leaf = Material(
            "ca", pair.certificate
        )  # a server's own certificate in place of a CA, as some installers write it
        with serving(answer_http, server_context(pair)) as server:
            assert exchange(connect(for_server(server, ca=leaf), deadline())).endswith(b"ok")

    @pytest.mark.parametrize("from_the_system", [False, True])
    def test_an_authority_that_fails_strict_rules_is_trusted_as_go_trusts_it(
        self, from_the_system: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        eks = BareAuthority()
        (tmp_path / "ca.pem").write_bytes(eks.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        ca = None if from_the_system else Material("certificate-authority-data", eks.pem)
        with serving(answer_http, server_context(eks.issue("localhost"))) as server:
            config = for_server(server, ca=ca, server_name="localhost")
            assert exchange(connect(config, deadline())).endswith(b"ok")

    def test_a_self_signed_certificate_that_is_given_as_the_ca_is_trusted(self) -> None:
        pair = BareAuthority().issue("localhost")
        with serving(answer_http, server_context(pair)) as server:
            config = for_server(
                server, ca=Material("certificate-authority-data", pair.certificate), server_name="localhost"
            )
            assert exchange(connect(config, deadline())).endswith(b"ok")

    def test_the_dot_of_a_fully_qualified_name_is_not_looked_for_in_the_certificate(self) -> None:
        with tls_server("api.example") as server:
            assert exchange(connect(for_server(server, server_name="api.example."), deadline())).endswith(b"ok")
            assert server.names == ["api.example"]

    def test_the_insecure_flag_connects_to_anybody_and_warns(self) -> None:
        with tls_server("other.example", days=-1) as server:
            config = for_server(server, ca=None, insecure=True)
            with pytest.warns(InsecureTLSWarning):
                assert exchange(connect(config, deadline())).endswith(b"ok")


class TestTLSFailures:
    def test_an_unknown_authority_names_the_ca_entry(self) -> None:
        with tls_server() as server:
            other = Material(CA.source, authority("another").pem)
            said = failure_of(for_server(server, ca=other), TLSError)
        assert f"no TLS connection to https://127.0.0.1:{server.port}: its certificate is not signed by {CA}" in said
        assert "fetch the cluster's current CA" in said

    def test_an_authority_of_the_same_name_is_unknown_too(self) -> None:
        with serving(answer_http, server_context(BareAuthority().issue("localhost"))) as server:
            rebuilt = Material(CA.source, BareAuthority().pem)
            assert f"is not signed by {CA}" in failure_of(
                for_server(server, ca=rebuilt, server_name="localhost"), TLSError
            )

    def test_without_a_ca_the_message_says_that_the_cluster_entry_names_none(self) -> None:
        with tls_server() as server:
            assert "the cluster entry names no CA" in failure_of(for_server(server, ca=None), TLSError)

    def test_a_wrong_host_name_points_to_tls_server_name(self) -> None:
        with tls_server("other.example") as server:
            said = failure_of(for_server(server, url=f"https://localhost:{server.port}"), TLSError)
        assert "is for another name" in said
        assert "set `tls-server-name`" in said

    def test_a_wrong_address_does_too(self) -> None:
        with tls_server("10.9.8.7") as server:
            assert "is for another name" in failure_of(for_server(server), TLSError)

    def test_an_expired_certificate_points_to_the_server_and_the_clock(self) -> None:
        with tls_server("127.0.0.1", days=-1) as server:
            said = failure_of(for_server(server), TLSError)
        assert "has expired" in said
        assert "check this machine's clock" in said

    def test_a_certificate_of_the_future_points_to_the_clocks(self) -> None:
        with tls_server("127.0.0.1", days=0) as server:
            assert "is not valid yet" in failure_of(for_server(server), TLSError)

    def test_a_plain_http_server_is_told_as_that(self) -> None:
        def answer_400(sock: socket.socket) -> None:
            sock.recv(1)
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        with serving(answer_400) as server:
            said = failure_of(for_server(server), TLSError)
        assert "does not speak TLS there" in said

    def test_a_wrong_key_is_told_before_anything_is_sent(self) -> None:
        alice, bob = (authority().issue(f"{name}@x.example") for name in ("alice", "bob"))
        with tls_server() as server:
            wrong = Pair(alice.certificate, bob.key).as_client()
            assert "client-key-data of user 'alice': is not the key of" in failure_of(
                for_server(server, certificate=wrong), TLSError
            )

    @pytest.mark.parametrize(
        ("days", "said"), [(None, "demands a client certificate"), (-1, "(client-certificate-data of user 'alice')")]
    )
    def test_a_certificate_the_server_refuses_after_the_handshake_is_told_too(
        self, days: Optional[int], said: str
    ) -> None:
        clients = authority("clients")
        client = None if days is None else clients.issue("alice@x.example", days=days).as_client()
        with tls_server(client_ca=clients.pem) as server:
            config = for_server(server, certificate=client)
            with contextlib.closing(connect(config, deadline())) as sock, pytest.raises(ssl.SSLError) as caught:
                sock.recv(1)
        refusal = refusal_of_certificate(caught.value, config)
        assert refusal is not None
        assert f"no TLS connection to {config.server}: it " in str(refusal)
        assert said in str(refusal)

    def test_a_broken_stream_is_no_refusal_of_a_certificate(self) -> None:
        error = ssl.SSLError(1, "x")
        error.reason = "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
        assert refusal_of_certificate(error, ClientConfig("https://api.example")) is None

    def test_a_server_that_hangs_up_in_the_handshake_is_a_failed_connection(self) -> None:
        with serving(lambda sock: None) as server:
            said = failure_of(for_server(server), ConnectionFailedError)
        assert "closed the connection during the TLS handshake" in said


class TestFailures:
    def test_a_refused_connection_asks_for_context_and_port(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        said = failure_of(ClientConfig(f"https://127.0.0.1:{port}"), ConnectionFailedError)
        assert f"cannot connect to https://127.0.0.1:{port}: Connection refused; nothing listens there" in said

    def test_a_name_that_does_not_resolve_is_named(self) -> None:
        said = failure_of(ClientConfig("https://api.invalid:6443"), ConnectionFailedError)
        assert "the name 'api.invalid' does not resolve" in said

    def test_a_name_too_long_for_dns_does_not_resolve_either(self) -> None:
        said = failure_of(ClientConfig(f"https://{'a' * 64}.invalid"), ConnectionFailedError)
        assert "does not resolve (not a host name)" in said

    def test_a_host_that_drops_packets_ends_with_the_deadline(self) -> None:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            address = listener.getsockname()
            for _ in range(4):  # fills the queue of connections nobody accepts; the kernel drops what comes then
                filler = stack.enter_context(contextlib.closing(socket.socket()))
                filler.setblocking(False)
                filler.connect_ex(address)
            config = ClientConfig(f"https://127.0.0.1:{address[1]}")
            assert "in time; is the host up" in failure_of(config, RequestTimeoutError, deadline=Deadline(0.2))

    def test_a_silent_handshake_ends_with_the_deadline(self) -> None:
        with serving(stay_silent) as server:
            said = failure_of(for_server(server), RequestTimeoutError, deadline=Deadline(0.1))
        assert f"the TLS handshake with https://127.0.0.1:{server.port} did not end in time" in said

    def test_a_deadline_that_has_passed_connects_to_nobody(self) -> None:
        with serving() as server:
            failure_of(ClientConfig(f"http://127.0.0.1:{server.port}"), RequestTimeoutError, deadline=Deadline(0))
            assert server.seen == []


HOSTS = {"api.example": "127.0.0.1"}


def proxied(server: Server, proxy: Proxy, scheme: str = "https", **more: Any) -> ClientConfig:
    """A client of ``api.example``, a name that only the proxy resolves (to the local server)."""
    url = f"{scheme}://api.example:{server.port}"
    return for_server(server, url=url, proxy_url=more.pop("proxy_url", proxy.url), source="a test", **more)


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


class TestTLSInTLS:
    """The socket that comes out of an https proxy behaves like an SSLSocket, blocking or not."""

    @pytest.fixture
    def sock(self) -> Iterator[TunnelledTLS]:
        context = server_context(authority().issue("127.0.0.1"))
        with proxying(context=context, resolve=HOSTS) as proxy, tls_server("api.example", talk=echo) as server:
            sock: object = connect(proxied(server, proxy), deadline())
            assert isinstance(sock, TunnelledTLS)
            with sock:
                yield sock

    def test_megabytes_go_both_ways_without_blocking(self, sock: TunnelledTLS) -> None:
        sock.setblocking(False)
        data = bytes(range(256)) * 16384
        sent, received = 0, bytearray()
        while len(received) < len(data):
            wanted = _without_waiting(sock, lambda: sock.recv(65536), received)
            if sent < len(data):
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    sent += sock.send(data[sent : sent + 100_000])
                    continue
            if wanted and not sock.pending():
                select.select([sock], [sock] if sent < len(data) else [], [], 10)
        assert bytes(received) == data

    def test_nothing_to_read_raises_want_read_or_times_out(self, sock: TunnelledTLS) -> None:
        sock.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            sock.recv(1)
        sock.settimeout(0.05)
        assert sock.gettimeout() == 0.05
        with pytest.raises(socket.timeout):
            sock.recv(1)

    def test_a_record_that_drips_ends_with_the_timeout(self) -> None:
        """Found by review: each piece of ciphertext began the timeout anew."""
        ours, theirs = socket.socketpair()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ended = threading.Event()

        def drip() -> None:
            record = iter(b"\x16\x03\x03\x40\x00" + bytes(16384))
            while not ended.wait(0.02):
                theirs.send(bytes([next(record)]))

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            tunnelled = TunnelledTLS(ours, context, "api.example")
            tunnelled.settimeout(0.3)
            begin = time.monotonic()
            with pytest.raises(socket.timeout):
                tunnelled.do_handshake()
            assert time.monotonic() - begin < 1.3
            assert tunnelled.gettimeout() == 0.3
        finally:
            ended.set()
            thread.join()
            ours.close()
            theirs.close()

    def test_pending_tells_of_bytes_that_select_does_not_see(self, sock: TunnelledTLS) -> None:
        sock.sendall(b"hello")
        assert sock.recv(1) == b"h"
        assert sock.pending() > 0
        assert sock.recv(10) == b"ello"
        assert sock.pending() == 0

    def test_a_file_made_of_it_keeps_it_open_until_closed(self, sock: TunnelledTLS) -> None:
        sock.sendall(b"one\ntwo\n")
        reader = sock.makefile("rb")
        sock.close()
        assert (reader.readline(), reader.readline()) == (b"one\n", b"two\n")
        reader.close()
        assert sock.fileno() == -1

    def test_shutdown_ends_a_reader(self, sock: TunnelledTLS) -> None:
        sock.shutdown(socket.SHUT_RDWR)
        assert sock.recv(1) == b""

    def test_it_tells_about_its_own_session(self, sock: TunnelledTLS) -> None:
        assert ("DNS", "api.example") in sock.getpeercert()["subjectAltName"]
        assert sock.version() in ("TLSv1.2", "TLSv1.3")
        assert sock.getpeername()[0] == "127.0.0.1"


def _without_waiting(sock: TunnelledTLS, read: Any, into: bytearray) -> bool:
    """Add what can be read now; True if reading would have to wait."""
    try:
        into += read()
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return True
    return False
