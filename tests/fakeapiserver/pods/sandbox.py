"""A pod's directory with its environment and what runs in it.

Rules:

* A command starts in a session (and process group) of its own, without a shell, with a container's environment.
* Its end is the end of its output: the exit code is reported when the process has ended *and* its stdout and stderr
  are closed, so a background child that keeps them open keeps the exec session open, as with a real runtime.
* A client that goes away does not end what it started; the end of the pod does.
* When the sandbox goes, everything that was started in it goes, also what changed its process group: processes are
  found again by a variable of their environment (where there is a ``/proc``).
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, Optional

from .images import Tools, tools_for
from .pathmap import DEFAULT_MOUNTS, LACKING, Outward, PathMap
from .poddirectory import lay_out
from .process import MARK, Process, Sink, detach, kill_marked, set_size

ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


class CannotStart(Exception):
    """The command could not be started; the text is the container runtime's."""


class NoCommand(CannotStart):
    """There is no word in the command: not even the runtime has an answer to that."""


class Sandbox:
    """One pod's directory, its environment, and what runs in it."""

    def __init__(
        self,
        directory: str,
        *,
        hostname: str = "pod",
        mounts: Iterable[str] = DEFAULT_MOUNTS,
        env: Optional[Mapping[str, str]] = None,
        working_dir: str = "/",
        image: str = "",
    ) -> None:
        self.directory = os.path.realpath(directory)
        self.paths = PathMap(os.path.join(self.directory, "root"), mounts)
        lay_out(self.paths)
        self.tools: Tools = tools_for(image, os.path.join(self.directory, "tools"))
        self.cwd = self.paths.path(working_dir or "/")
        os.makedirs(self.cwd, exist_ok=True)
        self.env = {"HOME": "/root", "HOSTNAME": hostname, **(env or {})}
        self._processes: set[Process] = set()
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._removal = threading.Lock()
        self._latch, self._latch_held = os.pipe()
        self._closed = False

    def environment(self, tty: bool) -> dict[str, str]:
        env = {"PATH": self.tools.path}  # places of this machine, not of the pod
        env.update((name, self.paths.inward(value)) for name, value in self.env.items())
        if tty:
            env.setdefault("TERM", "xterm")
        env[MARK] = self.directory
        return env

    def start(
        self,
        command: Sequence[str],
        *,
        stdin: bool = False,
        stdout: Optional[Sink] = None,
        stderr: Optional[Sink] = None,
        tty: bool = False,
        size: Optional[tuple[int, int]] = None,
        on_exit: Callable[[int], None] = lambda code: None,
        largest_file: Optional[int] = None,
    ) -> Process:
        """Run a command; raises :class:`CannotStart`. Output nobody asked for is thrown away.

        ``largest_file`` is how many bytes it can write to one file, if that is limited.
        """
        if not command:
            raise NoCommand("no command")
        program = self._executable(command[0])
        name = program if "/" in command[0] else command[0]
        argv = [name, *map(self._argument, command[1:])]
        with self._lock:
            if self._closed:
                raise CannotStart("container is not running")
            if tty:
                process, outputs = self._on_terminal(argv, stdin, stdout or discard, size)
            else:
                prepare = preparation(largest_file)
                process, outputs = self._on_pipes(program, argv, stdin, stdout, stderr, prepare)
            self._processes.add(process)
            thread = threading.Thread(target=self._tend, args=(process, outputs, on_exit), name="fake-process")
            thread.daemon = True
            self._threads.add(thread)
            thread.start()
        return process

    def _tend(self, process: Process, outputs: dict[int, Sink], on_exit: Callable[[int], None]) -> None:
        filters = {fd: Outward(self.paths.root) for fd in outputs}
        try:
            process.tend(outputs, filters, on_exit)
        finally:
            with self._lock:
                self._processes.discard(process)
                self._threads.discard(threading.current_thread())

    def _argument(self, word: str) -> str:
        """A word as the command must see it; a program that the image lacks is not found where this machine has it."""
        if word.startswith("/") and not self.tools.has(word):
            return f"{self.paths.root}{LACKING}{word}"
        return self.paths.inward(word)

    def _executable(self, name: str) -> str:
        """Where a command's first word leads, or the words with which runc refuses it."""
        if not self.tools.has(name):
            why = f"stat {name}: no such file or directory" if "/" in name else NOT_IN_PATH
            raise CannotStart(refusal(name, why))
        if "/" not in name:
            found = shutil.which(name, path=self.environment(False)["PATH"])
            if found is None:
                raise CannotStart(refusal(name, NOT_IN_PATH))
            return found
        path = self.paths.executable(name)
        return self._checked(name, path if path.startswith("/") else os.path.join(self.cwd, path))

    @staticmethod
    def _checked(name: str, path: str) -> str:
        if not os.path.exists(path):
            raise CannotStart(refusal(name, f"stat {name}: no such file or directory"))
        if os.path.isdir(path):
            raise CannotStart(refusal(name, "is a directory"))
        if not os.access(path, os.X_OK):
            raise CannotStart(refusal(name, "permission denied"))
        return path

    def _spawn(self, argv: list[str], tty: bool, **more: Any) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                argv,
                cwd=self.cwd,
                env=self.environment(tty),
                start_new_session=True,
                bufsize=0,
                **{"preexec_fn": signals_to_restore(), **more},
            )
        except OSError as error:
            raise CannotStart(refusal(argv[0], (error.strerror or "cannot be run").lower())) from error

    def _on_pipes(
        self,
        program: str,
        argv: list[str],
        stdin: bool,
        stdout: Optional[Sink],
        stderr: Optional[Sink],
        prepare: Optional[Callable[[], None]],
    ) -> tuple[Process, dict[int, Sink]]:
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        streams = {
            "stdin": pipe if stdin else null,
            "stdout": pipe if stdout else null,
            "stderr": pipe if stderr else null,
        }
        popen = self._spawn(argv, False, executable=program, preexec_fn=prepare, **streams)
        outputs: dict[int, Sink] = {}
        if popen.stdout is not None and stdout is not None:
            outputs[detach(popen.stdout)] = stdout
        if popen.stderr is not None and stderr is not None:
            outputs[detach(popen.stderr)] = stderr
        stdin_fd = None if popen.stdin is None else detach(popen.stdin)
        if stdin_fd is not None:
            os.set_blocking(stdin_fd, False)
        return Process(popen, stdin_fd, self._latch), outputs

    def _on_terminal(
        self, argv: list[str], stdin: bool, stdout: Sink, size: Optional[tuple[int, int]]
    ) -> tuple[Process, dict[int, Sink]]:
        """A terminal becomes a session's own when its leader opens it: the shell in between does just that."""
        master, slave = os.openpty()
        if size is not None:
            set_size(slave, *size)
        opener = ["/bin/sh", "-c", 'exec 0<>"$1" 1>&0 2>&0; shift; exec "$@"', "sh", os.ttyname(slave)]
        reader, writer = os.pipe()
        try:
            popen = self._spawn([*opener, *argv], True, stdin=slave, stdout=writer, stderr=slave)
        except CannotStart:
            os.close(master)
            os.close(reader)
            raise
        finally:
            os.close(slave)
            os.close(writer)
        os.read(reader, 1)  # the opener has let go of the pipe: a ^C from now on is a signal
        os.close(reader)
        os.set_blocking(master, False)
        process = Process(popen, os.dup(master) if stdin else None, self._latch, os.dup(master))
        return process, {master: stdout}

    def kill(self) -> None:
        """End every process of the pod; returns when their output has been delivered and they are reaped."""
        with self._lock:
            self._closed = True
            processes, threads = list(self._processes), list(self._threads)
        for process in processes:
            process.kill()
        kill_marked(self.directory)
        for thread in threads:
            thread.join(2)
        self._release()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(5)

    def _release(self) -> None:
        """Let go of output that a process we could not find keeps open."""
        with self._lock:
            held, self._latch_held = self._latch_held, -1
        if held >= 0:
            os.close(held)

    def remove(self) -> None:
        """Kill, and delete the directory."""
        with self._removal:
            self.kill()
            with self._lock:
                latch, self._latch = self._latch, -1
            if latch >= 0:
                os.close(latch)
            shutil.rmtree(self.directory, ignore_errors=True)


def signals_to_restore() -> Optional[Callable[[], None]]:
    """What gives a command back the signals that this process ignores (in the background of a shell, or under nohup).

    A container's process has them all. None, as nearly always, if there is nothing to give back: code between fork
    and exec is best avoided where there are threads.
    """
    ignored = [number for number in ENDING if signal.getsignal(number) is signal.SIG_IGN]

    def restore() -> None:
        for number in ignored:
            signal.signal(number, signal.SIG_DFL)

    return restore if ignored else None


def preparation(largest_file: Optional[int]) -> Optional[Callable[[], None]]:
    """What a command's process does before it becomes the command; None if there is nothing."""
    restore = signals_to_restore()
    if largest_file is None:
        return restore

    def limit() -> None:
        if restore is not None:
            restore()
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then the write fails, and no process is killed

    return limit


NOT_IN_PATH = "executable file not found in $PATH"


def refusal(name: str, why: str) -> str:
    """What containerd passes on of runc's refusal to start a process."""
    return f'OCI runtime exec failed: exec failed: unable to start container process: exec: "{name}": {why}: unknown'


def discard(data: bytes) -> None:
    """A sink for output nobody asked for."""
