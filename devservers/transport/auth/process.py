"""Running a credential plugin: without a shell, within its time, and with no secret in a message.

Rules:

- Everything is bounded: its time, what is read of its stdout, what is kept of its stderr.
- It has ended when its process has. A child that it leaves behind with our pipes still open is
  neither waited for nor killed.
- Killed, it takes along what it started: it has a session (process group) of its own, unless it may
  use the terminal, which belongs to our session.
- Its stdout is a secret and is never shown. Its stderr is, redacted.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ...errors import KubeConfigError, RequestTimeoutError
from ..deadline import Deadline
from ..text import json_or_none, without_terminal_controls
from .redaction import SECRET_NAME, redact, redact_unmistakable

if TYPE_CHECKING:
    import subprocess

_STDOUT_LIMIT = 1024 * 1024  # bytes; a token and a chain of certificates are a few thousand
_STDERR_KEPT = 16 * 1024  # bytes; the last ones say why it failed
_STDERR_SHOWN = 2000  # characters
_QUIET = 0.2  # seconds without output after which to check whether the process has ended
_LINGER = 2.0  # seconds for which a child left behind is read from, if it goes on writing
_OUT_OF_TIME, _TOO_MUCH_OUTPUT = "time", "output"
_HARMLESS_NAME = re.compile(
    r"(?i)(profile|region|endpoints?|path|home|name|environment|mode|level|log|debug)\Z"
)


class _Outcome(NamedTuple):
    code: int
    stdout: bytes
    stderr: bytes
    killed_for: str  # "" if it ended by itself


@dataclass(frozen=True)
class PluginRun:
    """One run of a plugin: its command and environment, and what messages call it.

    Attributes:
        interactive: it may use the terminal, which its stderr goes to; it stays in our session.
        private: names of variables in ``env`` that the kubeconfig set; their values are not shown.
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
            KubeConfigError: it is missing, may not be run, fails, prints too much, or takes longer
                than ``limit`` seconds; the message includes its stderr.
            RequestTimeoutError: ``deadline`` came first.
        """
        within = deadline.sooner(limit)
        outcome = self._finish(self._start(), within)
        if outcome.code == 0 and not outcome.killed_for:
            return outcome.stdout
        message = (
            f"{self.label}: {_explain_outcome(outcome, within)}{self._redacted_stderr(outcome)}"
        )
        if outcome.killed_for == _OUT_OF_TIME and deadline.expired:
            raise RequestTimeoutError(message)
        raise KubeConfigError(message)

    def _start(self) -> subprocess.Popen[bytes]:
        stderr = stdin = None  # ours: the terminal
        try:
            import subprocess

            if not self.interactive:
                stdin, stderr = subprocess.DEVNULL, subprocess.PIPE
            return subprocess.Popen(
                list(self.arguments),
                executable=_find_on_path(self.arguments[0]),
                env=dict(self.env),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=not self.interactive,
            )
        except Exception as error:  # a sandbox may raise anything: ImportError, an audit hook's own
            problem = _explain_refused_start(error, self.install_hint)
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
        """Kill the plugin and, if it has a session of its own, all that it started."""
        try:
            if self.interactive:
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            process.kill()
        _close_pipes(process)  # a survivor must not keep them open
        process.wait()

    def _redacted_stderr(self, outcome: _Outcome) -> str:
        """The end of its stderr as further lines of a message, ``""`` if there is none."""
        text = without_terminal_controls(outcome.stderr.decode("utf-8", "replace"))
        text = redact(text, [*self._secrets(), *_strings_in(outcome.stdout)])
        lines = redact_unmistakable(text).strip()[-_STDERR_SHOWN:].splitlines()
        if not lines:
            return ""
        return "\nIts stderr:" + "".join(f"\n  | {line}" for line in lines)

    def _secrets(self) -> Iterator[str]:
        """Values given to the plugin that must not be shown."""
        for name, value in self.env.items():
            set_by_kubeconfig = name in self.private and not _HARMLESS_NAME.search(name)
            if set_by_kubeconfig or SECRET_NAME.search(name):
                yield value
        for flag, value in zip(self.arguments, [*self.arguments[1:], ""]):
            if SECRET_NAME.search(flag):
                yield flag.partition("=")[2] or value


def _find_on_path(command: str) -> str:
    """The file that ``command`` names on our PATH, by Go's rules.

    The PATH of the entry's ``env`` does not count, and neither do relative directories.
    """
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
        """Read until the plugin has ended; the reason for which it must be killed, or ``""``.

        The pipes' end is not the plugin's: a child may keep them open after it, and it may close
        them and live on. So whether the process has ended is checked whenever something was read
        and at least every ``_QUIET`` seconds. Once it has, what is still to be read is read until
        there is a pause, but for no more than ``_LINGER`` seconds, since a child may write for
        ever.
        """
        import selectors

        with selectors.DefaultSelector() as selector:
            for pipe, keep in (
                (process.stdout, self._keep_stdout),
                (process.stderr, self._keep_stderr),
            ):
                if pipe is not None:
                    selector.register(pipe, selectors.EVENT_READ, keep)
            lingering: Optional[Deadline] = None  # set once the process has ended
            while selector.get_map():
                if lingering is not None and lingering.expired:
                    return ""
                if within.expired:
                    return _OUT_OF_TIME
                ready = selector.select(within.capped(_QUIET))
                if lingering is None and process.poll() is not None:
                    lingering = within.sooner(_LINGER)
                if lingering is not None and not ready:
                    return ""
                for key, _ in ready:
                    data = os.read(key.fd, 65536)
                    key.data(data)
                    if not data:
                        selector.unregister(key.fileobj)
                if len(self.stdout) > _STDOUT_LIMIT:
                    return _TOO_MUCH_OUTPUT
        if within.wait(partial(_has_ended, process)):
            return ""
        return _OUT_OF_TIME

    def _keep_stdout(self, data: bytes) -> None:
        self.stdout += data

    def _keep_stderr(self, data: bytes) -> None:
        self.stderr = (self.stderr + data)[-_STDERR_KEPT:]


def _has_ended(process: subprocess.Popen[bytes], seconds: Optional[float]) -> bool:
    """Whether the process ends within ``seconds``."""
    import subprocess

    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _explain_outcome(outcome: _Outcome, within: Deadline) -> str:
    if outcome.killed_for == _TOO_MUCH_OUTPUT:
        return (
            f"printed more than {_STDOUT_LIMIT // 1024} KiB and was killed; check that it is a "
            "credential plugin"
        )
    if outcome.killed_for == _OUT_OF_TIME:
        return (
            f"did not end within {within.seconds or 0:.3g} s and was killed; run it by hand to see "
            "what it waits for"
        )
    if outcome.code < 0:
        return f"was killed by signal {-outcome.code}"
    return f"failed with exit code {outcome.code}; run it by hand, and log in again if it says so"


def _explain_refused_start(error: Exception, install_hint: str) -> str:
    hint = f"\n{install_hint}" if install_hint else ""
    number = getattr(error, "errno", None)
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return f"the command (or its interpreter) is not installed or not on PATH; install it{hint}"
    if number == errno.EACCES:
        return (
            f"this user may not execute the command; correct its permissions or reinstall it{hint}"
        )
    if number == errno.ENOEXEC:
        why = "wrong architecture, or no #! line"
        return f"the command is not a program for this machine ({why}){hint}"
    if isinstance(error, ValueError):
        return "the command, its arguments or env contain a NUL or cannot be encoded"
    reason = getattr(error, "strerror", None) or type(error).__name__
    return (
        f"the command could not be started here ({reason}); "
        "use credentials that need no plugin, such as a token or tokenFile"
    )


def _strings_in(output: bytes) -> list[str]:
    """Every string of what a plugin printed: one that failed may repeat its token on stderr.

    If it did not print JSON: every word, with and without the punctuation around it.
    """
    document = json_or_none(output)
    if document is None:
        words = output[:_STDERR_KEPT].decode("utf-8", "replace").split()
        return [*words, *(word.strip("\"'[]{},") for word in words)]
    pending: list[Any] = [document]
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
