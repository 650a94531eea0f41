"""Running a credential plugin: within its time, without a shell, and without letting a secret into a message."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import KubeConfigError, RequestTimeoutError
from .deadline import Deadline

if TYPE_CHECKING:
    import subprocess

_STDERR_SHOWN = 2000  # characters; the last ones tell why it failed
_SHORTEST_SECRET = 6  # a value of "1" or "true" is none, and masking it would garble the text


class _Outcome(NamedTuple):
    code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool


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
            KubeConfigError: it is missing, may not be run, fails, or takes longer than ``limit`` seconds; the message
                holds its stderr.
            RequestTimeoutError: ``deadline`` came first.
        """
        within = deadline.sooner(limit)
        outcome = self._finish(self._start(), within)
        if outcome.code == 0 and not outcome.timed_out:
            return outcome.stdout
        message = f"{self.label}: {_describe(outcome, within)}{self._stderr(outcome)}"
        raise (RequestTimeoutError if outcome.timed_out and deadline.expired else KubeConfigError)(message)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            import subprocess

            return subprocess.Popen(
                list(self.arguments),
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
        import subprocess

        try:
            stdout, stderr = process.communicate(timeout=within.remaining())
            return _Outcome(process.returncode, stdout or b"", stderr or b"", False)
        except subprocess.TimeoutExpired as expired:
            self._kill(process)
            return _Outcome(process.returncode, expired.stdout or b"", expired.stderr or b"", True)
        except BaseException:
            self._kill(process)
            raise

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        """End the plugin and, if it has a session of its own, all it started; a survivor must not hold our pipes."""
        try:
            process.kill() if self.interactive else os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            process.kill()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        process.wait()

    def _stderr(self, outcome: _Outcome) -> str:
        text = masked(outcome.stderr.decode("utf-8", "replace"), [*self._secrets(), *_strings_in(outcome.stdout)])
        return "\nIts stderr:" + "".join(f"\n  | {line}" for line in text.splitlines()) if text else ""

    def _secrets(self) -> list[str]:
        """Values that must not be shown: the kubeconfig's and the environment's, and what follows a secret's flag."""
        values = [self.env[name] for name in self.private if not _HARMLESS_NAME.search(name)]
        values += [value for name, value in self.env.items() if _SECRET_NAME.search(name)]
        for flag, value in zip(self.arguments, [*self.arguments[1:], ""]):
            if _SECRET_NAME.search(flag):
                values.append(flag.partition("=")[2] or value)
        return values


_HARMLESS_NAME = re.compile(r"(?i)(profile|region|endpoints?|path|home|name|environment|mode|level|log|debug)\Z")
_SECRET_NAME = re.compile(r"(?i)token|passw|secret|credential|api[_-]?key|private[_-]?key|access[_-]?key")

_MASKS = (
    re.compile(r"-----BEGIN [^-]*-----.*?(-----END [^-]*-----|\Z)", re.DOTALL),
    re.compile(r"\bey[\w-]{8,}\.[\w-]+(\.[\w-]*)*"),  # JSON web tokens
    re.compile(r"(?i)(?<=\bbearer )\S+|(?<=\bbasic )\S+"),
    re.compile(r"[A-Za-z0-9_+=-]{40,}"),  # nothing that is meant to be read is that long in one piece
)
_NAMED_VALUE = re.compile(  # token: VALUE, "client_secret": "VALUE"; but not "cannot get token: exit status 1"
    r"""(?i:(?P<name>(?:token|passw\w*|secret|credentials?|key)[\w-]*["']?\s*[:=]\s*["']?))"""
    r"""(?!(?:[a-z]+|[A-Z][a-z]*)(?:[\s.,;:]|\Z))(?P<value>[^\s"',}]{4,})"""
)
_TERMINAL_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def masked(text: str, secrets: Iterable[str]) -> str:
    """The end of ``text``, known secrets and what looks like one replaced by ``***``."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    for pattern in _MASKS:
        text = pattern.sub("***", text)
    text = _NAMED_VALUE.sub(r"\g<name>***", text)
    return _TERMINAL_CONTROLS.sub("", text).strip()[-_STDERR_SHOWN:]


def _describe(outcome: _Outcome, within: Deadline) -> str:
    if outcome.timed_out:
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
    """Every string of a plugin's JSON: a failing one may have printed its token and repeat it on stderr."""
    try:
        pending: list[Any] = [json.loads(output)]
    except (ValueError, RecursionError):
        return output.decode("utf-8", "replace").split()
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
