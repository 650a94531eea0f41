"""A socket behind two queues, so that one thread can send and receive at the same time.

Theory of operation. A command may write without end while we send it gigabytes of input. Whoever
waits to send then does not read, the peer's own writes block, it stops reading, and both wait for
ever. So nothing here waits but :meth:`Pipe.wait`, and that for both directions at once:

1. What is sent is queued; :meth:`Pipe.flush` gives the socket as much as it takes now.
2. A read without data raises BlockingIOError. ``websocket-client``, to which a pipe is a socket,
   survives that in the middle of a frame and goes on from there the next time.
3. TLS may have to write in order to read, and to read in order to write (a new key). Which it wants
   is remembered from the last attempt, and is what :meth:`Pipe.wait` waits for; waiting for the
   other would be a busy loop, or for ever.
4. Only while the stream is being opened are there reads that wait, within the deadline of that.

A peer that does not read for hours is alive. One whose TCP gives no sign of life for
:data:`UNANSWERED_SECONDS` is not: that is longer than for a request, for a command cannot be taken
up again.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
from collections import deque
from typing import Any, Optional

from ..deadline import Deadline
from ..http.sockets import dead_path, unanswered, wait_ready

READ_SIZE = 65536
UNANSWERED_SECONDS = 120.0
LONGEST_HEAD = 65536
"""Bytes of an answer's head after which it is taken for something else than HTTP."""

_BLANK_LINE = b"\r\n\r\n"
_INFORMATIONAL = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d[ \r]")


class Pipe:
    """What websocket-client takes for a socket. ``sent`` and ``received`` count bytes."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.sock = sock
        self.deadline = deadline
        self.queued = 0
        self.received = 0
        self.sent = 0
        self._inbound = b""
        self._taken = 0  # bytes of _inbound that were handed out
        self._outbound: deque[memoryview] = deque()
        self._read_wants_write = False
        self._write_wants_read = False
        self._dead = False
        sock.setblocking(False)

    # websocket-client's side

    def gettimeout(self) -> float:
        return (
            0.0  # makes websocket-client call recv() and send() plainly, without waits of its own
        )

    def fileno(self) -> int:
        return self.sock.fileno()

    def recv(self, size: int) -> bytes:
        """What has arrived, ``b""`` at the end; BlockingIOError if nothing has."""
        if self._taken >= len(self._inbound):
            self._inbound, self._taken = self._receive(), 0
        data = self._inbound[self._taken : self._taken + size]
        self._taken += len(data)
        return data

    def send(self, data: bytes) -> int:
        """Queue ``data``."""
        if data:
            self._outbound.append(memoryview(data))
            self.queued += len(data)
        return len(data)

    def close(self) -> None:
        """Nothing: the library closes what it cannot use; we close by :meth:`end`."""

    # our side

    def _receive(self) -> bytes:
        self._read_wants_write = False
        if self._dead:
            raise dead_path()
        try:
            data = self.sock.recv(READ_SIZE)
        except ssl.SSLWantReadError:
            raise BlockingIOError from None
        except ssl.SSLWantWriteError:
            self._read_wants_write = True
            raise BlockingIOError from None
        self.received += len(data)
        return data

    def read_head(self) -> bytes:
        """The head of the server's answer with its blank line; informational ones are skipped.

        It is cut, and has no blank line, where the stream ends or the head does not.
        What follows it is kept for :meth:`recv`.
        """
        received = b""
        while True:
            head, blank, rest = received.partition(_BLANK_LINE)
            if blank and _INFORMATIONAL.match(head):
                received = rest
                continue
            if blank:
                self._inbound, self._taken = rest, 0
                return head + blank
            data = self.recv_in_time() if len(received) <= LONGEST_HEAD else b""
            if not data:
                return received
            received += data

    def recv_in_time(self) -> bytes:
        """The next bytes, ``b""`` at the end. Waits for them within the deadline of the opening.

        Raises:
            TimeoutError: the deadline has passed.
        """
        while True:
            self.flush()
            if self.deadline.expired:
                raise TimeoutError("the deadline has passed")
            try:
                return self.recv(READ_SIZE)
            except BlockingIOError:
                self.wait(self.deadline.remaining())

    def flush(self) -> None:
        """Send what can be sent now."""
        self._write_wants_read = False
        while self._outbound:
            chunk = self._outbound[0]
            try:
                sent = self.sock.send(chunk)
            except (BlockingIOError, ssl.SSLWantWriteError):
                return
            except ssl.SSLWantReadError:
                self._write_wants_read = True
                return
            self.queued -= sent
            self.sent += sent
            if sent == len(chunk):
                self._outbound.popleft()
            else:
                self._outbound[0] = chunk[sent:]

    def wait(self, seconds: Optional[float]) -> bool:
        """Wait until the socket can be read, or written where something is queued; False when the
        time is up.

        A path that is found dead meanwhile can be read: that tells so.
        """
        write = (bool(self._outbound) and not self._write_wants_read) or self._read_wants_write
        ready = wait_ready(self.sock, seconds, write=write)
        self._dead = not ready and unanswered(self.sock, UNANSWERED_SECONDS)
        return ready or self._dead

    def end(self) -> None:
        """Close the socket."""
        self.sock.close()


class RefusedAnswer(io.RawIOBase):
    """The answer to an upgrade that was refused, as what http.client takes for a socket: the head
    that was read, then what still comes.
    """

    def __init__(self, pipe: Pipe, head: bytes) -> None:
        self._pipe = pipe
        self._received = head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._received or self._pipe.recv_in_time()
        taken = min(len(buffer), len(data))
        buffer[:taken] = data[:taken]
        self._received = data[taken:]
        return taken

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)
