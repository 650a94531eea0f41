"""Running a credential plugin: within its time, without a shell, and without letting a secret into a message.

What it may print is bounded, too, and it has ended when its process has: a child that it leaves behind, with our pipes
in its hands, is neither waited for nor killed.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ...errors import KubeConfigError, RequestTimeoutError
from ..deadline import Deadline
from .redaction import SECRET_NAME, masked

if TYPE_CHECKING:
    import subprocess

_STDOUT_LIMIT = 1024 * 1024  # bytes; a token and a chain of certificates make a few thousand
_STDERR_KEPT = 16 * 1024  # bytes; the last ones tell why it failed
_QUIET = 0.2  # seconds without output after which to look whether the process has ended
_LINGER = 2.0  # seconds that a child left behind is listened to, if it goes on writing
_OUT_OF_TIME, _TOO_MUCH_OUTPUT = "time", "output"


class _Outcome(NamedTuple):
    code: int
    stdout: bytes
    stderr: bytes
    killed_for: str  # "" if it ended by itself


@dataclass(frozen=True)
class PluginRun:
    """One run of a command, its environment, and how to speak about it.

    Attributes:
        interactive: it may use the terminal; its stderr then goes there, and it stays in our session.
        private: names of variables in ``env`` that the kubeconfig set, whose values are not for showing.
    """

    arguments: Sequence[str] = field(repr=False)
    env: Mapping[str, str] = field(repr=False)
    label: str
    install_hint: str
    interactive: bool
    private: Sequence[str] = ()

    def output(self, deadline: Deadline, limit: float) -> bytes:
        """What the command prints, if it succeeds.

        Raises:
            KubeConfigError: it is missing, may not be run, fails, prints too much, or takes longer than ``limit``
                seconds; the message holds its stderr.
            RequestTimeoutError: ``deadline`` came first.
        """
        within = deadline.sooner(limit)
        outcome = self._finish(self._start(), within)
        if outcome.code == 0 and not outcome.killed_for:
            return outcome.stdout
        message = f"{self.label}: {_describe(outcome, within)}{self._stderr(outcome)}"
        in_time = outcome.killed_for != _OUT_OF_TIME or not deadline.expired
        raise (KubeConfigError if in_time else RequestTimeoutError)(message)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            import subprocess

            return subprocess.Popen(
                list(self.arguments),
                executable=_on_path(self.arguments[0]),
                env=dict(self.env),
                stdin=None if self.interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if self.interactive else subprocess.PIPE,
                start_new_session=not self.interactive,
            )
        except Exception as error:  # a sandbox refuses with anything: ImportError, OSError, an audit hook's exception
            problem = _describe_refusal(error, self.install_hint)
        raise KubeConfigError(f"{self.label}: {problem}")

    def _finish(self, process: subprocess.Popen[bytes], within: Deadline) -> _Outcome:
        output = _Output()
        try:
            killed_for = output.read(process, within)
        except BaseException:
            self._kill(process)
            raise
        if killed_for:
            self._kill(process)
        _close_pipes(process)
        return _Outcome(process.returncode, bytes(output.stdout), bytes(output.stderr), killed_for)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        """End the plugin and, if it has a session of its own, all it started; a survivor must not hold our pipes."""
        try:
            process.kill() if self.interactive else os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            process.kill()
        _close_pipes(process)
        process.wait()

    def _stderr(self, outcome: _Outcome) -> str:
        text = masked(outcome.stderr.decode("utf-8", "replace"), [*self._secrets(), *_strings_in(outcome.stdout)])
        return "\nIts stderr:" + "".join(f"\n  | {line}" for line in text.splitlines()) if text else ""

    def _secrets(self) -> list[str]:
        """Values that must not be shown: the kubeconfig's and the environment's, and what follows a secret's flag."""
        values = [self.env[name] for name in self.private if not _HARMLESS_NAME.search(name)]
        values += [value for name, value in self.env.items() if SECRET_NAME.search(name)]
        for flag, value in zip(self.arguments, [*self.arguments[1:], ""]):
            if SECRET_NAME.search(flag):
                values.append(flag.partition("=")[2] or value)
        return values


_HARMLESS_NAME = re.compile(r"(?i)(profile|region|endpoints?|path|home|name|environment|mode|level|log|debug)\Z")


def _on_path(command: str) -> str:
    """The file that our PATH has for ``command``, by Go's rules: not the PATH of ``env``, no relative directories."""
    if os.sep in command:
        return command
    for directory in os.get_exec_path():
        path = os.path.join(directory, command)
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


class _Output:
    """What a plugin writes: stdout up to a limit, and the end of stderr."""

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()

    def read(self, process: subprocess.Popen[bytes], within: Deadline) -> str:
        """Read until the plugin has ended; the reason for which it must be killed, or ``""``."""
        import selectors

        with selectors.DefaultSelector() as selector:
            for pipe, take in ((process.stdout, self._take_stdout), (process.stderr, self._take_stderr)):
                if pipe is not None:
                    selector.register(pipe, selectors.EVENT_READ, take)
            left_behind: Optional[Deadline] = None  # for a child that holds the pipes still, once the plugin has ended
            while selector.get_map():
                if left_behind is not None and left_behind.expired:
                    return ""
                if within.expired:
                    return _OUT_OF_TIME
                ready = selector.select(within.capped(_QUIET))
                if left_behind is None and process.poll() is not None:
                    left_behind = within.sooner(_LINGER)
                if left_behind is not None and not ready:
                    return ""
                for key, _ in ready:
                    data = os.read(key.fd, 65536)
                    key.data(data)
                    if not data:
                        selector.unregister(key.fileobj)
                if len(self.stdout) > _STDOUT_LIMIT:
                    return _TOO_MUCH_OUTPUT
        return "" if within.wait(partial(_has_ended, process)) else _OUT_OF_TIME

    def _take_stdout(self, data: bytes) -> None:
        self.stdout += data

    def _take_stderr(self, data: bytes) -> None:
        self.stderr = (self.stderr + data)[-_STDERR_KEPT:]


def _has_ended(process: subprocess.Popen[bytes], seconds: Optional[float]) -> bool:
    """Wait until it has, for so long at most."""
    import subprocess

    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _describe(outcome: _Outcome, within: Deadline) -> str:
    if outcome.killed_for == _TOO_MUCH_OUTPUT:
        return f"printed more than {_STDOUT_LIMIT // 1024} KiB and was killed; is it a credential plugin at all?"
    if outcome.killed_for == _OUT_OF_TIME:
        return f"did not end within {within.seconds or 0:.3g} s and was killed; run it by hand to see what it waits for"
    if outcome.code < 0:
        return f"was killed by signal {-outcome.code}"
    return f"failed with exit code {outcome.code}; run it by hand, and log in again if it says so"


def _describe_refusal(error: Exception, install_hint: str) -> str:
    hint = f"\n{install_hint}" if install_hint else ""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return f"the command is not installed or not on PATH (or its interpreter is not); install it{hint}"
    if isinstance(error, OSError) and error.errno == errno.EACCES:
        return "the command is not executable for this user; correct its permissions, or install it anew" + hint
    if isinstance(error, OSError) and error.errno == errno.ENOEXEC:
        return "the command is no program for this machine (wrong architecture, or a script without #!)" + hint
    if isinstance(error, ValueError):
        return "the command, its arguments or env hold a NUL or cannot be encoded"
    reason = getattr(error, "strerror", None) or type(error).__name__
    return (
        f"this environment does not let the command be started ({reason}); "
        "use credentials that need no plugin, such as a token or tokenFile"
    )


def _strings_in(output: bytes) -> list[str]:
    """Every string of a plugin's JSON: a failing one may have printed its token and repeat it on stderr.

    Of anything else every word, as it stands and without what YAML puts around it.
    """
    try:
        pending: list[Any] = [json.loads(output)]
    except (ValueError, RecursionError):
        words = output[:_STDERR_KEPT].decode("utf-8", "replace").split()
        return [*words, *(word.strip("\"'[]{},") for word in words)]
    found: list[str] = []
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return found
