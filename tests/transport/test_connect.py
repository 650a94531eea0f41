"""Connections: TCP and TLS, and how each failure reads."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any, Optional

import pytest

from devservers.errors import ConnectionFailedError, RequestTimeoutError, TLSError, TransportError
from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.deadline import Deadline
from devservers.transport.http.dial import connect
from devservers.transport.http.translate import translate
from devservers.transport.tls.context import InsecureTLSWarning
from devservers.transport.tls.pem import PEMSource

from .certificates import BareAuthority, Pair, authority, server_context
from .connecting import CA, deadline, exchange, failure_of, for_server, tls_server
from .tlsserver import answer_http, serving, stay_silent


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
            assert isinstance(sock, socket.socket)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    def test_a_client_certificate_is_shown(self) -> None:
        client = authority("clients").issue("alice@x.example").as_client()
        with tls_server(client_ca=authority("clients").pem) as server:
            assert exchange(connect(for_server(server, certificate=client), deadline())).endswith(b"ok")
            assert server.seen[0].client_certificate is not None
            assert ("email", "alice@x.example") in server.seen[0].client_certificate["subjectAltName"]

    def test_an_authority_that_is_no_root_is_trusted_as_go_trusts_it(self) -> None:
        pair = authority().issue("127.0.0.1")
        leaf = PEMSource(
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
        ca = None if from_the_system else PEMSource("certificate-authority-data", eks.pem)
        with serving(answer_http, server_context(eks.issue("localhost"))) as server:
            config = for_server(server, ca=ca, server_name="localhost")
            assert exchange(connect(config, deadline())).endswith(b"ok")

    def test_a_self_signed_certificate_that_is_given_as_the_ca_is_trusted(self) -> None:
        pair = BareAuthority().issue("localhost")
        with serving(answer_http, server_context(pair)) as server:
            config = for_server(
                server, ca=PEMSource("certificate-authority-data", pair.certificate), server_name="localhost"
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
            other = PEMSource(CA.source, authority("another").pem)
            said = failure_of(for_server(server, ca=other), TLSError)
        assert f"no TLS connection to https://127.0.0.1:{server.port}: its certificate is not signed by {CA}" in said
        assert "fetch the cluster's current CA" in said

    def test_an_authority_of_the_same_name_is_unknown_too(self) -> None:
        with serving(answer_http, server_context(BareAuthority().issue("localhost"))) as server:
            rebuilt = PEMSource(CA.source, BareAuthority().pem)
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
        assert "does not speak TLS" in said

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
        refusal = translate(caught.value, "get", config)
        assert isinstance(refusal, TLSError)
        assert f"no TLS connection to {config.server}: it " in str(refusal)
        assert said in str(refusal)

    def test_a_broken_stream_is_no_refusal_of_a_certificate(self) -> None:
        error = ssl.SSLError(1, "x")
        error.reason = "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
        failure = translate(error, "get", ClientConfig("https://api.example"))
        assert isinstance(failure, ConnectionFailedError)

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

    def test_of_a_request_nothing_was_sent_where_the_connection_was_refused(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        with pytest.raises(ConnectionFailedError) as caught:
            connect(ClientConfig(f"https://127.0.0.1:{port}"), deadline())
        assert caught.value.nothing_sent

    @pytest.mark.parametrize("talk", [stay_silent, lambda sock: None])
    def test_of_a_request_nothing_was_sent_where_the_handshake_failed(self, talk: Any) -> None:
        with serving(talk) as server, pytest.raises(TransportError) as caught:
            connect(for_server(server), Deadline(0.3))
        assert caught.value.nothing_sent

    def test_a_deadline_that_has_passed_connects_to_nobody(self) -> None:
        with serving() as server:
            failure_of(ClientConfig(f"http://127.0.0.1:{server.port}"), RequestTimeoutError, deadline=Deadline(0))
            assert server.seen == []
