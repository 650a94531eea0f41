"""TLS inside TLS: the API server's session through the session with an https proxy.

``ssl`` wraps only what has a file descriptor of its own, so the inner session runs over two memory
buffers. To its users a :class:`TunnelledTLS` is a stream (:class:`~..http.stream.Stream`), blocking
or not, that behaves as an ``SSLSocket`` does.

Invariants: ciphertext that OpenSSL has produced stays in ``_outgoing`` until the outer socket took
it; a call that would block on the outer socket raises ``SSLWantReadError`` or ``SSLWantWriteError``
exactly as ``SSLSocket`` does and can be repeated; plaintext once accepted by :meth:`send` is never
accepted twice.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Optional, TypeVar, cast

from .explain import is_end_of_stream

_CHUNK = 32 * 1024
_T = TypeVar("_T")


class TunnelledTLS:
    """A TLS client session over a connected TLS (or plain) socket."""

    def __init__(self, outer: socket.socket, context: ssl.SSLContext, server_hostname: str) -> None:
        self.outer = outer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._unsent = b""
        self._session = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_hostname
        )
        self._shut = False

    def do_handshake(self) -> None:
        self._pump(self._session.do_handshake)

    def recv(self, size: int = _CHUNK) -> bytes:
        buffer = bytearray(size)
        count = self.recv_into(buffer)
        return bytes(buffer[:count])

    def recv_into(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if not view:
            return 0
        try:
            return self._pump(lambda: cast(int, self._session.read(len(view), view)))
        except OSError as error:
            # The end, with a close_notify or (as SSLSocket has it) without: HTTP knows if that was
            # too early. Also when we ended it ourselves and the peer answers with a reset.
            if is_end_of_stream(error) or self._shut:
                return 0
            raise

    def send(self, data: Any) -> int:
        """Bytes taken; raises SSLWantWriteError, having taken none, while earlier ones still wait
        for the socket.
        """
        self._flush()
        if not data:
            return 0
        taken = self._session.write(memoryview(data).cast("B")[:_CHUNK])
        try:
            self._flush()
        except ssl.SSLWantWriteError:
            pass  # encrypted and kept; the next call of any kind sends it
        return taken

    def fileno(self) -> int:
        return self.outer.fileno()

    def settimeout(self, seconds: Optional[float]) -> None:
        self.outer.settimeout(seconds)

    def setblocking(self, flag: bool) -> None:
        self.outer.setblocking(flag)

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        return self.outer.getsockopt(level, option, size)

    def shutdown(self, how: int) -> None:
        """Shut the connection itself down (from any thread); a blocked reader comes back with the
        end of the stream.
        """
        self._shut = True
        socket.socket.shutdown(
            self.outer, how
        )  # SSLSocket's own would go on reading ciphertext as if it were plain

    def close(self) -> None:
        self.outer.close()

    def _pump(self, step: Callable[[], _T]) -> _T:
        """Repeat ``step``, carrying ciphertext both ways, until it has its answer; the timeout is
        for all of it.
        """
        timeout = self.outer.gettimeout()
        end = time.monotonic() + timeout if timeout else None
        try:
            return self._repeat(step, end)
        finally:
            if end is not None:
                self.outer.settimeout(timeout)

    def _repeat(self, step: Callable[[], _T], end: Optional[float]) -> _T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._allow(end)
                self._fill()
                continue
            except ssl.SSLError:
                self._flush_quietly()  # the alert that tells the peer why
                raise
            self._flush_quietly()
            return result

    def _allow(self, end: Optional[float]) -> None:
        """Let the next wait last until ``end``: each byte that drips would restart the timeout."""
        if end is None:
            return
        left = end - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self.outer.settimeout(left)

    def _fill(self) -> None:
        data = self.outer.recv(_CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        while True:
            if not self._unsent:
                self._unsent = self._outgoing.read(_CHUNK)
            if not self._unsent:
                return
            try:
                self._unsent = self._unsent[self.outer.send(self._unsent) :]
            except BlockingIOError:
                raise ssl.SSLWantWriteError(
                    ssl.SSL_ERROR_WANT_WRITE, "the outer socket is full"
                ) from None

    def _flush_quietly(self) -> None:
        try:
            self._flush()
        except OSError:
            pass  # what matters is the result at hand; the next call meets the same error
