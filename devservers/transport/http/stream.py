"""What this package asks of a connection: the part of a socket's interface that it uses.

A ``socket.socket``, an ``ssl.SSLSocket`` and a :class:`~..tls.tunnel.TunnelledTLS` (TLS within TLS,
which is no socket) all are streams. Those who only wrap one add what their library wants of a
socket: :class:`~.pool.TimedSocket` for ``http.client``, the ``Pipe`` of :mod:`..exec.nonblocking`
for ``websocket-client``.
"""

from __future__ import annotations

from typing import Any, Optional, Protocol


class Stream(Protocol):
    """A connected stream of bytes, blocking, with a timeout, or not blocking at all.

    Where it may not block, a call that would have to wait raises BlockingIOError or, with TLS,
    ``ssl.SSLWantReadError`` or ``ssl.SSLWantWriteError``, and can be repeated.
    """

    def recv(self, size: int, /) -> bytes: ...

    def recv_into(self, buffer: Any, /) -> int: ...

    def send(self, data: Any, /) -> int: ...

    def settimeout(self, seconds: Optional[float], /) -> None: ...

    def setblocking(self, flag: bool, /) -> None: ...

    def fileno(self) -> int: ...

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...

    def shutdown(self, how: int, /) -> None: ...

    def close(self) -> None: ...
