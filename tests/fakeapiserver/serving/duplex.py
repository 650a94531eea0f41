"""A socket that one thread reads while another writes, with TLS or without.

A TLS connection object takes only one of them at a time. So the socket is non-blocking; both wait with poll(2) outside
a lock, and touch the socket inside it.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from typing import Optional

CLOSE_WAIT = 1000  # milliseconds for the peer to close its side, at least; then the connection is cut
STOP_CHECK = 200  # milliseconds between looks whether a peer that does not read is waited for in vain


class Gone(Exception):
    """The peer has gone: nothing can be sent any more."""


class Duplex:
    """A connected socket that one thread reads while another writes, with TLS or without."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._socket = sock
        self._stopping = stopping
        self._lock = threading.Lock()
        self._fd = sock.fileno()
        self._output_ended = False
        self._input_ended = False
        sock.setblocking(False)

    def receive(self) -> bytes:
        """Some bytes; none at the end of the stream, however it ended.

        After :meth:`end_output` a peer that says nothing more is waited for only so long.
        """
        wait, patience_lost = select.POLLIN, False
        while not self._input_ended:
            try:
                with self._lock:
                    return self._socket.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                wait = select.POLLIN
            except ssl.SSLWantWriteError:
                wait = select.POLLOUT
            except (OSError, ValueError):
                return b""
            if not self._wait(wait, CLOSE_WAIT):
                if patience_lost:
                    return b""
                patience_lost = self._output_ended
        return b""

    def readable(self, milliseconds: int) -> bool:
        """Has something come, or does it within this time?"""
        pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0
        return pending or self._wait(select.POLLIN, milliseconds)

    def send(self, data: bytes) -> None:
        """All of it; raises :class:`Gone`."""
        view = memoryview(data)
        wait = select.POLLOUT
        while view:
            try:
                with self._lock:
                    sent = self._socket.send(view)
                view = view[sent:]
                continue
            except (BlockingIOError, ssl.SSLWantWriteError):
                wait = select.POLLOUT
            except ssl.SSLWantReadError:
                wait = select.POLLIN
            except (OSError, ValueError) as error:
                raise Gone(str(error)) from error
            if not self._wait(wait, STOP_CHECK) and self._stopping.is_set():
                raise Gone("the server stops, and the peer does not read")

    def _wait(self, events: int, milliseconds: Optional[int] = None) -> bool:
        poll = select.poll()
        poll.register(self._fd, events)
        return bool(poll.poll(milliseconds))

    def end_output(self) -> None:
        """No more will be sent: TLS is told (close_notify), then TCP (FIN). Input can still come."""
        self._output_ended = True
        with self._lock:
            if isinstance(self._socket, ssl.SSLSocket):
                try:
                    self._socket.unwrap()
                except (OSError, ValueError):
                    pass  # the peer's close_notify has not come yet
        self._shut_down(socket.SHUT_WR)

    def end_input(self) -> None:
        """Wake the reader; the peer sees nothing of it."""
        self._input_ended = True
        self._shut_down(socket.SHUT_RD)

    def _shut_down(self, how: int) -> None:
        try:
            socket.socket.shutdown(self._socket, how)  # SSLSocket's own forgets its cipher for the other direction
        except (OSError, ValueError):
            pass
