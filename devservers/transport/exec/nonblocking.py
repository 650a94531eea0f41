"""A socket behind two buffers, so that one thread can send and receive at the same time.

``websocket-client`` is handed a :class:`Pipe` for a socket. While the connection is being opened the pipe waits, within
a deadline, and reads the head of the answer itself: only a 101 goes on to the library, whatever else comes is raised as
:class:`Refused` and read by ``http.client``, which knows chunked bodies. From then on it never waits: a read without
data raises BlockingIOError, which the library survives in the middle of a frame, and a write is queued.

A peer that does not read for hours is alive. One whose TCP gives no sign of life for
:data:`UNANSWERED_SECONDS` is not: that is longer than for a request, for a command cannot be taken
up again.
"""

from __future__ import annotations

import io
import re
import ssl
from collections import deque
from typing import Any, Optional

from ..deadline import Deadline
from ..http.sockets import dead_path, unanswered, wait_ready
from ..http.stream import Stream

READ_SIZE = 65536
UNANSWERED_SECONDS = 120.0
LONGEST_HEAD = 65536
"""Bytes of an answer's head after which it is taken for something else than HTTP."""

_SWITCHING = re.compile(rb"HTTP/1\.[01] 101[ \r]")
_INFORMATIONAL = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d[ \r]")


class Refused(Exception):
    """The server did not switch protocols. ``received`` is the beginning of what it answered; never shown."""

    def __init__(self, received: bytes) -> None:
        self.received = received
        super().__init__("the server did not switch protocols")


class Pipe:
    """What websocket-client takes for a socket."""

    def __init__(self, sock: Stream, deadline: Deadline) -> None:
        self.sock = sock
        self.deadline = deadline
        self._open = False
        self._inbound = b""
        self._taken = 0
        self._outbound: deque[memoryview] = deque()
        self.queued = 0
        self.received = 0
        self.sent = 0
        self._read_wants_write = False
        self._write_wants_read = False
        self._dead = False
        sock.setblocking(False)

    # websocket-client's side

    def gettimeout(self) -> float:
        return 0.0  # makes websocket-client call recv() and send() plainly, without waits of its own

    def settimeout(self, seconds: Optional[float]) -> None:
        pass

    def fileno(self) -> int:
        return self.sock.fileno()

    def recv(self, size: int) -> bytes:
        if self._taken >= len(self._inbound):
            self._inbound, self._taken = self._fill() if self._open else self._upgraded(), 0
        data = self._inbound[self._taken : self._taken + size]
        self._taken += len(data)
        return data

    def send(self, data: bytes) -> int:
        if data:
            self._outbound.append(memoryview(data))
            self.queued += len(data)
        return len(data)

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        pass  # the library closes what it cannot use; we still want to read the answer

    # our side

    def _fill(self) -> bytes:
        """What has arrived, ``b""`` at the end; BlockingIOError if nothing has."""
        self._read_wants_write = False
        if self._dead:
            raise dead_path()
        try:
            data = self.sock.recv(READ_SIZE)
            self.received += len(data)
            return data
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:
            self._read_wants_write = True
        raise BlockingIOError

    def _upgraded(self) -> bytes:
        """The head of a 101 answer, and what came with it; any other answer is raised as :class:`Refused`."""
        received = b""
        while True:
            head, blank, rest = received.partition(b"\r\n\r\n")
            if blank and not _INFORMATIONAL.match(head):
                break
            received = rest if blank else received
            data = self.read_opening() if len(received) <= LONGEST_HEAD else b""
            if not data:
                raise Refused(received)
            received += data
        if not _SWITCHING.match(received):
            raise Refused(received)
        self._open = True
        return received

    def read_opening(self) -> bytes:
        """Wait for the next bytes, within the deadline of the opening."""
        while True:
            self.flush()
            if self.deadline.expired:
                raise TimeoutError("the deadline has passed")
            try:
                return self._fill()
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
        """Wait until the socket can be read, or written where something is queued; False when the time is up.

        A path that is found dead meanwhile can be read: that tells so.
        """
        write = (bool(self._outbound) and not self._write_wants_read) or self._read_wants_write
        ready = wait_ready(self.sock, seconds, write=write)
        self._dead = not ready and unanswered(self.sock, UNANSWERED_SECONDS)
        return ready or self._dead

    def end(self) -> None:
        """Close the socket."""
        self.sock.close()


class Rest(io.RawIOBase):
    """The answer of a :class:`Refused` as a file: what was received, then what still comes."""

    def __init__(self, pipe: Pipe, received: bytes) -> None:
        self._pipe = pipe
        self._received = received

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._received or self._pipe.read_opening()
        taken = min(len(buffer), len(data))
        buffer[:taken] = data[:taken]
        self._received = data[taken:]
        return taken

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)
