"""A TLS session within another one behaves as a socket does."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from devservers.transport.http.dial import connect
from devservers.transport.tls.tunnel import TunnelledTLS

from .certificates import authority, server_context
from .connecting import HOSTS, deadline, proxied, tls_server
from .proxyserver import proxying
from .tlsserver import echo


class TestTLSInTLS:
    """The socket that comes out of an https proxy behaves like an SSLSocket, blocking or not."""

    @pytest.fixture
    def sock(self) -> Iterator[TunnelledTLS]:
        context = server_context(authority().issue("127.0.0.1"))
        with proxying(context=context, resolve=HOSTS) as proxy, tls_server("api.example", talk=echo) as server:
            sock = connect(proxied(server, proxy), deadline())
            assert isinstance(sock, TunnelledTLS)
            with contextlib.closing(sock):
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
            if wanted:
                select.select([sock], [sock] if sent < len(data) else [], [], 10)
        assert bytes(received) == data

    def test_nothing_to_read_raises_want_read_or_times_out(self, sock: TunnelledTLS) -> None:
        sock.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            sock.recv(1)
        sock.settimeout(0.05)
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
            assert time.monotonic() - begin < 20  # not the minutes that the whole record takes
            assert ours.gettimeout() == 0.3
        finally:
            ended.set()
            thread.join()
            ours.close()
            theirs.close()

    def test_shutdown_ends_a_reader(self, sock: TunnelledTLS) -> None:
        sock.shutdown(socket.SHUT_RDWR)
        assert sock.recv(1) == b""


def _without_waiting(sock: TunnelledTLS, read: Any, into: bytearray) -> bool:
    """Add what can be read now; True if reading would have to wait."""
    try:
        into += read()
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return True
    return False
