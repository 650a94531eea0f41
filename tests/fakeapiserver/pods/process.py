"""One running command of a pod: its pipes or terminal, its output, its end.

A process has one thread of its own (:meth:`Process.tend`) that copies output to sinks and reaps it; stdin is written
by the session's thread. All descriptors are closed by the thread that uses them.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from typing import Any, Callable, Optional

from .pathmap import Outward

MARK = "FAKE_POD_DIRECTORY"  # in the environment of every command: how its descendants are found again
READ_SIZE = 32 * 1024  # the buffer of Go's io.Copy, hence the largest frame of a real server
KILLING = 5  # seconds until we no longer wait for what was killed to be gone
STDIN_RECHECK = 200  # milliseconds between looks whether a process that does not read its stdin has ended

Sink = Callable[[bytes], None]


class Process:
    """One running command: stdin can be written and closed, a terminal resized; its end is told once."""

    def __init__(
        self, popen: subprocess.Popen[bytes], stdin: Optional[int], latch: int, tty: Optional[int] = None
    ) -> None:
        self.popen = popen
        self.exit_code: Optional[int] = None
        self.finished = threading.Event()
        self._stdin = stdin
        self._latch = latch
        self._tty = tty

    @property
    def pid(self) -> int:
        return self.popen.pid

    def write(self, data: bytes) -> None:
        """Give bytes to stdin, as fast as the process takes them; what it no longer wants is dropped.

        Only one thread writes and closes.
        """
        view = memoryview(data)
        while view and self._stdin is not None and self._ready_for_stdin():
            try:
                view = view[os.write(self._stdin, view) :]
            except BlockingIOError:
                continue
            except OSError:
                self.close_stdin()

    def _ready_for_stdin(self) -> bool:
        assert self._stdin is not None
        poll = select.poll()
        poll.register(self._stdin, select.POLLOUT)
        poll.register(self._latch, 0)
        while not self.finished.is_set():
            ready = dict(poll.poll(STDIN_RECHECK))
            if self._latch in ready:
                return False
            if ready:
                return True
        return False

    def close_stdin(self) -> None:
        """End of input. A terminal has none: closing it is left to the end of the process, as real runtimes do."""
        stdin, self._stdin = self._stdin, None
        if stdin is not None:
            os.close(stdin)

    def leave(self) -> None:
        """The client has gone: its input ends, the command goes on."""
        self.close_stdin()

    def resize(self, width: int, height: int) -> None:
        """Tell the terminal its size; without one nothing happens."""
        if self._tty is not None and not self.finished.is_set():
            set_size(self._tty, width, height)

    def kill(self) -> None:
        """SIGKILL to the whole process group."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def tend(self, outputs: dict[int, Sink], filters: dict[int, Outward], on_exit: Callable[[int], None]) -> None:
        """Copy output until all of it has come, reap the process, tell its exit code."""
        try:
            self._copy(outputs, filters)
        finally:
            code = self.popen.wait()
            self.exit_code = code if code >= 0 else 128 - code
            self.finished.set()
            if self._tty is not None:
                os.close(self._tty)
        on_exit(self.exit_code)

    def _copy(self, outputs: dict[int, Sink], filters: dict[int, Outward]) -> None:
        poll = select.poll()
        poll.register(self._latch, 0)
        for fd in outputs:
            poll.register(fd, select.POLLIN)
        waiting = set(outputs)
        while waiting:
            ready = [fd for fd, _ in poll.poll()]
            for fd in waiting if self._latch in ready else ready:
                data = b"" if self._latch in ready else read_some(fd)
                if data is None:
                    continue
                outputs[fd](filters[fd].feed(data) if data else filters[fd].flush())
                if not data:
                    poll.unregister(fd)
                    os.close(fd)
                    waiting = waiting - {fd}


def read_some(fd: int) -> Optional[bytes]:
    """What is there; empty at the end (a terminal's end is EIO); None if there is nothing yet."""
    try:
        return os.read(fd, READ_SIZE)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def set_size(tty: int, width: int, height: int) -> None:
    if 0 < width < 65536 and 0 < height < 65536:
        fcntl.ioctl(tty, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


def detach(stream: Any) -> int:
    """The descriptor of a pipe that Popen opened, now ours to close."""
    fd = os.dup(stream.fileno())
    stream.close()
    return fd


def kill_marked(directory: str) -> None:
    """Kill what was started with this directory in its environment, until nothing is left that forks anew."""
    give_up = time.monotonic() + KILLING
    while time.monotonic() < give_up:
        found, unsure = look_for(mark_of(directory))
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        if not found and not unsure:
            return
        time.sleep(0.001)  # they need the processor to end, or to become what they execute


def mark_of(directory: str) -> tuple[bytes, bytes]:
    """What the environment of a command of this directory, or of one below it, holds."""
    mark = f"\0{MARK}={directory}".encode()
    return mark + b"\0", mark + b"/"


def look_for(marks: tuple[bytes, ...]) -> tuple[list[int], bool]:
    """The processes with one of these in their environment; and whether there are some that do not show theirs now."""
    found: list[int] = []
    unsure = False
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            environ = b"\0" + read_file(f"/proc/{entry}/environ")
            if any(mark in environ for mark in marks):
                found.append(int(entry))
            elif environ == b"\0" and executing(entry):
                unsure = True
        except OSError:
            continue  # ended meanwhile, or not ours
    return found, unsure


def executing(pid: str) -> bool:
    """Whether a process that showed no environment is within execve, or has been there since.

    In between it has memory, but neither arguments nor an environment yet.
    """
    if not read_file(f"/proc/{pid}/cmdline"):
        return read_file(f"/proc/{pid}/statm").split()[0] != b"0"
    return bool(read_file(f"/proc/{pid}/environ"))


def read_file(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()
