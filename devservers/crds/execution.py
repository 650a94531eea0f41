"""``DevServer.exec``: one command, run to its end, in the manner of ``subprocess.run``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple, Optional, Union

from ..errors import CommandFailedError, CommandNotFoundError, DevServersError, ExecError, ExecTimeoutError
from ..transport import channels
from ..transport.deadline import Deadline
from ..transport.exec import ExecTarget, NotUpgradedError, Sink, open_session, returncode_of
from ..transport.rest import RESTClient
from .command import Command, check_environment, parse_command
from .workspace.remote import RemoteResult

KILL_SECONDS = 0.9
"""Time for the second exec that kills a command whose time is up: the caller waits no longer than a second more."""

Output = Union[BinaryIO, Callable[[bytes], object], None]
CHUNK = 65536


class ExecResult:
    """The outcome of a command, in the manner of ``subprocess.CompletedProcess``.

    Attributes:
        args: the command as it was given.
        stdout, stderr: the output: str, or bytes with ``text=False``; None where it went to a sink.
        returncode: the exit code; 128 + n for a command killed by signal n, as container runtimes report it.
        stdout_bytes, stderr_bytes: the output as the container sent it.
    """

    __slots__ = ("args", "returncode", "stderr", "stderr_bytes", "stdout", "stdout_bytes")

    def __init__(
        self, args: Union[str, Sequence[str]], stdout: Any, stderr: Any, returncode: int, *,
        stdout_bytes: bytes = b"", stderr_bytes: bytes = b"",
    ) -> None:  # fmt: skip
        self.args = args
        self.stdout = stdout
        self.stderr = stderr
        self.returncode = returncode
        self.stdout_bytes = stdout_bytes
        self.stderr_bytes = stderr_bytes

    def __repr__(self) -> str:
        return (
            f"ExecResult(args={self.args!r}, returncode={self.returncode}, "
            f"stdout={len(self.stdout_bytes)} bytes, stderr={len(self.stderr_bytes)} bytes)"
        )

    def check_returncode(self) -> None:
        """Raise :class:`CommandFailedError` if the exit code is not zero."""
        if self.returncode:
            words = [self.args] if isinstance(self.args, str) else list(self.args)
            tail = self.stderr_bytes[-500:].decode("utf-8", "replace").strip()
            raise CommandFailedError(
                f"{' '.join(words)!r} ended with exit code {self.returncode}{': ' + tail if tail else ''}",
                returncode=self.returncode,
                command=words,
                stdout_bytes=self.stdout_bytes,
                stderr_bytes=self.stderr_bytes,
            )


class Options(NamedTuple):
    """What :meth:`DevServer.exec` was asked for besides the command."""

    input: Union[str, bytes, None] = None
    timeout: Optional[float] = None
    check: bool = False
    text: bool = True
    encoding: str = "utf-8"
    errors: str = "replace"
    cwd: Optional[str] = None
    env: Optional[Mapping[str, str]] = None
    stdout: Output = None
    stderr: Output = None


class _Capture:
    """Collects output, or passes it to the caller's file or callable."""

    def __init__(self, output: Output, name: str) -> None:
        self._chunks: list[bytes] = []
        self.captured = output is None
        self.sink: Sink = self._chunks.append if output is None else _sink(output, name)

    @property
    def data(self) -> bytes:
        return b"".join(self._chunks)

    def value(self, options: Options) -> Any:
        if not self.captured:
            return None
        return self.data.decode(options.encoding, options.errors) if options.text else self.data


def _sink(output: Output, name: str) -> Sink:
    if callable(output):
        return output
    write = getattr(output, "write", None)
    if write is None:
        raise TypeError(f"{name}: a binary file or a callable is needed, not {type(output).__name__}")
    return write  # type: ignore[no-any-return]


def execute(
    client: RESTClient, target: ExecTarget, args: Union[str, Sequence[str]], shell: bool, options: Options
) -> ExecResult:
    """See :meth:`DevServer.exec`."""
    words = parse_command(args, shell)
    command = Command(
        words, os.urandom(8).hex(), _directory(options.cwd), check_environment(options.env), options.timeout is not None
    )
    stdin = options.input.encode(options.encoding) if isinstance(options.input, str) else options.input
    deadline = Deadline(options.timeout, client.clock)
    stdout, stderr = _Capture(options.stdout, "stdout"), _Capture(options.stderr, "stderr")
    tail = _Tail(stderr.sink)
    try:
        returncode = _run(client, target, command, stdin, stdout.sink, tail, deadline)
        _check_wrapper(command, target, returncode, tail.data)
    except ExecTimeoutError as error:
        raise _timed_out(client, target, command, error, stdout.data, stderr.data) from None
    except ExecError as error:
        error.stdout_bytes, error.stderr_bytes, error.command = stdout.data, stderr.data, words
        raise
    result = ExecResult(
        args, stdout.value(options), stderr.value(options), returncode,
        stdout_bytes=stdout.data, stderr_bytes=stderr.data,
    )  # fmt: skip
    if options.check:
        result.check_returncode()
    return result


def run_raw(
    client: RESTClient, target: ExecTarget, words: Sequence[str], stdin: Optional[Iterable[bytes]] = None
) -> RemoteResult:
    """Run ``words`` as they are, feeding ``stdin``: what file sync needs. Its scripts know where their stdin ends."""
    stdout, stderr = _Capture(None, ""), _Capture(None, "")
    deadline = Deadline(None, client.clock)
    with open_session(client, target, words, stdin=stdin is not None, deadline=deadline) as session:
        status = session.communicate(stdin, stdout.sink, stderr.sink, deadline)
    return RemoteResult(returncode_of(status, target, words), stdout.data, stderr.data)


def _run(
    client: RESTClient, target: ExecTarget, command: Command, stdin: Optional[bytes], stdout: Sink, stderr: Sink,
    deadline: Deadline,
) -> int:  # fmt: skip
    try:
        return _attempt(client, target, command, stdin, stdout, stderr, deadline)
    except NotUpgradedError:
        # Only v5 was offered because stdin has to end, and nothing was started: v4 with a wrapper that counts it.
        counted = command._replace(stdin_size=len(stdin or b""))
        return _attempt(client, target, counted, stdin, stdout, stderr, deadline)
    except CommandNotFoundError:
        # There is no shell for the wrapper. If it was only for killing, the command is run without it, and cannot be.
        bare = command._replace(killable=False)
        if bare.wrapped or not command.wrapped:
            raise
        return _attempt(client, target, bare, stdin, stdout, stderr, deadline)


def _attempt(
    client: RESTClient, target: ExecTarget, command: Command, stdin: Optional[bytes], stdout: Sink, stderr: Sink,
    deadline: Deadline,
) -> int:  # fmt: skip
    words = command.argv()
    with open_session(
        client, target, words, stdin=stdin is not None, deadline=deadline, subprotocols=_offer(command, stdin)
    ) as session:
        status = session.communicate(None if stdin is None else _chunks(stdin), stdout, stderr, deadline)
    return returncode_of(status, target, words)


def _offer(command: Command, stdin: Optional[bytes]) -> tuple[str, ...]:
    if stdin is None:
        return (channels.V5, channels.V4)
    return (channels.V5,) if command.stdin_size is None else (channels.V4,)


def _chunks(data: bytes) -> Iterable[bytes]:
    view = memoryview(data)
    return (bytes(view[start : start + CHUNK]) for start in range(0, len(view), CHUNK))


def _directory(cwd: Optional[str]) -> Optional[str]:
    if cwd is not None and (not isinstance(cwd, str) or not cwd or "\0" in cwd):
        raise ValueError(f"cwd: a directory of the container is needed, not {cwd!r}")
    return f"./{cwd}" if cwd and cwd.startswith("-") else cwd


class _Tail:
    """Passes stderr on and remembers its end, where the wrapper says what it could not do."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.data = b""

    def __call__(self, data: bytes) -> None:
        self.data = (self.data + data)[-400:]
        self._sink(data)


def _check_wrapper(command: Command, target: ExecTarget, returncode: int, stderr: bytes) -> None:
    complaint = command.complaint(returncode, stderr)
    if complaint == "not found":
        raise CommandNotFoundError(
            f"{command.words[0]!r} was not found in {target}: install it in the image or give its full path"
        )
    if complaint == "no directory":
        raise ExecError(f"the working directory {command.cwd!r} cannot be entered in {target}: does it exist?")


def _timed_out(
    client: RESTClient, target: ExecTarget, command: Command, error: ExecTimeoutError, stdout: bytes, stderr: bytes
) -> ExecTimeoutError:
    killed = _kill(client, target, command)
    return ExecTimeoutError(f"{error}; {killed}", command=list(command.words), stdout_bytes=stdout, stderr_bytes=stderr)


def _kill(client: RESTClient, target: ExecTarget, command: Command) -> str:
    """Kill the command in the container by a second exec; what came of it, for the message."""
    deadline = Deadline(KILL_SECONDS, client.clock)
    try:
        with open_session(client, target, command.killer(), stdin=False, deadline=deadline) as session:
            status = session.communicate(None, _ignore, _ignore, deadline)
        found = returncode_of(status, target, command.killer()) == 0
    except DevServersError as error:
        return f"it could not be killed and may still run ({type(error).__name__}: {error})"
    return "it was killed" if found else "it was not found any more when it was to be killed"


def _ignore(data: bytes) -> None:
    pass
