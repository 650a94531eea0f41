"""The pipe between websocket-client and a socket waits for what the socket needs, and for no more."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest

from devservers.transport.deadline import Deadline
from devservers.transport.exec.nonblocking import Pipe
from devservers.transport.tls.tunnel import TunnelledTLS

from .certificates import authority, server_context

HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
CHUNK = bytes(16 * 1024)


def test_what_a_tunnel_still_has_to_send_is_sent_by_whoever_waits_to_read() -> None:
    """The pipe's queue is empty then, and the rest stands encrypted in the tunnel: nobody but a
    read sends it, and the peer that we wait for waits for it.
    """
    ours, theirs = socket.socketpair()

    def read_all(peer: socket.socket) -> None:
        while peer.recv(65536):
            pass

    trusting = ssl.create_default_context(cadata=authority().pem.decode())
    tunnel = TunnelledTLS(ours, trusting, "api.example")
    context = server_context(authority().issue("api.example"))
    accepted: list[socket.socket] = []
    handshake = threading.Thread(target=lambda: accepted.append(context.wrap_socket(theirs, server_side=True)))
    handshake.start()
    tunnel.do_handshake()
    handshake.join()
    pipe = Pipe(tunnel, Deadline(20))
    with accepted[0] as peer:
        peer.sendall(HEAD)
        assert _first(pipe) == HEAD
        while not _wants_to_write(tunnel):
            pipe.send(CHUNK)
            pipe.flush()
        assert pipe.queued == 0
        with pytest.raises(BlockingIOError):
            pipe.recv(1)
        assert not pipe.wait(0)
        reader = threading.Thread(target=read_all, args=(peer,))
        reader.start()
        try:
            assert pipe.wait(5)  # that the peer reads makes room
        finally:
            pipe.end()
            reader.join()


def _first(pipe: Pipe) -> bytes:
    """What arrives first: TLS sends for itself, too."""
    while True:
        assert pipe.wait(20)
        try:
            return pipe.recv(len(HEAD))
        except BlockingIOError:
            pass


def _wants_to_write(tunnel: TunnelledTLS) -> bool:
    try:
        tunnel.recv(1)
    except ssl.SSLWantWriteError:
        return True
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    raise AssertionError("the peer has said something")
