"""``DevServer.exec``: one command, run to its end, in the manner of ``subprocess.run``."""

from __future__ import annotations

import os
from codecs import lookup, lookup_error
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, BinaryIO, NamedTuple, Optional, Union

from ..errors import (
    CommandNotFoundError,
    DevServersError,
    ExecError,
    ExecTimeoutError,
    RequestTimeoutError,
)
from ..transport import channels
from ..transport.deadline import Deadline
from ..transport.exec import ExecTarget, Sink, open_session, returncode_of
from ..transport.rest import RESTClient
from ..transport.websocket import NotUpgradedError
from .command import KILL_OUTCOMES, SHELL, Command, check_directory, check_environment, parse_command
from .execresult import ExecResult
from .workspace.remote import RemoteResult

KILL_SECONDS = 0.8
"""Time for the second exec that kills a command whose time is up: the caller waits no longer than a second more."""

Output = Union[BinaryIO, Callable[[bytes], object], None]
CHUNK = 65536


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
    if write is None or hasattr(output, "encoding"):
        buffer = " (it is a text file: pass its .buffer)" if hasattr(output, "buffer") else ""
        raise TypeError(f"{name}: a binary file or a callable is needed, not {type(output).__name__}{buffer}")
    return partial(_write_all, write)


def _write_all(write: Callable[[Any], Optional[int]], data: bytes) -> None:
    """Unbuffered files and pipes may take less than they are given."""
    view = memoryview(data)
    while view:
        written = write(view)
        view = view[len(view) if written is None else written :]


class _Call(NamedTuple):
    """One command's way to the container: where it runs, what it reads, and who takes its output."""

    client: RESTClient
    target: ExecTarget
    stdin: Optional[bytes]
    stdout: Sink
    stderr: Sink
    deadline: Deadline


def execute(
    client: RESTClient, locate: Callable[[Deadline], ExecTarget], args: Union[str, Sequence[str]], shell: bool,
    options: Options,
) -> ExecResult[Any]:  # fmt: skip
    """See :meth:`DevServer.exec`. What was asked for is checked before ``locate`` sends the first request."""
    words = parse_command(args, shell)
    env, cwd = check_environment(options.env), check_directory(options.cwd)
    command = Command(words, os.urandom(8).hex(), cwd, env, killable=options.timeout is not None)
    stdin = _stdin(options)
    stdout, stderr = _Capture(options.stdout, "stdout"), _Capture(options.stderr, "stderr")
    deadline = Deadline(options.timeout, client.clock)
    try:
        call = _Call(client, _located(locate, deadline, words), stdin, stdout.sink, stderr.sink, deadline)
        returncode = _run(call, command)
    except ExecError as error:
        error.stdout_bytes, error.stderr_bytes, error.command = stdout.data, stderr.data, words
        raise
    result: ExecResult[Any] = ExecResult(
        args, stdout.value(options), stderr.value(options), returncode,
        stdout_bytes=stdout.data, stderr_bytes=stderr.data,
    )  # fmt: skip
    if options.check:
        result.check_returncode()
    return result


def _located(locate: Callable[[Deadline], ExecTarget], deadline: Deadline, words: Sequence[str]) -> ExecTarget:
    """The container to run it in; no time left for that is a timeout like any other."""
    try:
        return locate(deadline)
    except RequestTimeoutError as error:
        if not deadline.expired:
            raise
        raise ExecTimeoutError(
            f"{words[0]!r} was not started within {deadline.seconds:g} s: there was no time to find its pod ({error})"
        ) from error


def _stdin(options: Options) -> Optional[bytes]:
    lookup(options.encoding)
    lookup_error(options.errors)
    if isinstance(options.input, str):
        return options.input.encode(options.encoding)
    if options.input is None or isinstance(options.input, (bytes, bytearray, memoryview)):
        return None if options.input is None else bytes(options.input)
    raise TypeError(f"input: str or bytes are needed, not {type(options.input).__name__}")


def run_raw(
    client: RESTClient, target: ExecTarget, words: Sequence[str], stdin: Optional[Iterable[bytes]] = None
) -> RemoteResult:
    """Run ``words`` as they are, feeding ``stdin``: what file sync needs. Its scripts know where their stdin ends."""
    stdout, stderr = _Capture(None, ""), _Capture(None, "")
    deadline = Deadline(None, client.clock)
    with open_session(
        client, target, words, stdin=stdin is not None, deadline=deadline, name="the script of a file transfer"
    ) as session:
        status = session.communicate(stdin, stdout.sink, stderr.sink, deadline)
    return RemoteResult(returncode_of(status, target, words), stdout.data, stderr.data)


# -- attempts -----------------------------------------------------------------------------------------------------


def _run(call: _Call, command: Command) -> int:
    """The exit code of ``command``, sent as the server and the container can take it."""
    try:
        returncode, tail = _attempt(call, command)
    except NotUpgradedError:
        if call.stdin is None or command.stdin_size is not None:
            raise
        # Only v5 was offered because stdin has to end, and nothing was started: v4 with a wrapper that counts it.
        return _run(call, command._replace(stdin_size=len(call.stdin)))
    except CommandNotFoundError:
        if command.words[0] == SHELL:
            raise CommandNotFoundError(
                f"there is no {SHELL} in {call.target}: run the command as a list of words, without shell=True, or use "
                "an image that has a shell"
            ) from None
        if not command.wrapped:
            raise
        bare = command._replace(killable=False)
        if bare.wrapped:
            raise CommandNotFoundError(
                f"there is no {SHELL} in {call.target}, and {bare.needs_shell_for()} cannot be had without it"
            ) from None
        return _run(call, bare)  # the shell was only for killing: it runs without, and cannot be killed
    except (ExecTimeoutError, RequestTimeoutError) as error:
        if not call.deadline.expired:
            raise
        what = str(error)
        if isinstance(error, ExecTimeoutError):  # it names the wrapper
            what = f"{command.words[0]!r} in {call.target} did not end within {call.deadline.seconds:g} s"
        raise ExecTimeoutError(f"{what}; {_kill(call, command)}") from error
    _check_wrapper(command, call.target, returncode, tail)
    return returncode


def _attempt(call: _Call, command: Command) -> tuple[int, bytes]:
    """Exit code and the end of stderr."""
    words = command.argv()
    stdin = None if call.stdin is None else _chunks(call.stdin)
    tail = _Tail(call.stderr)
    with open_session(
        call.client, call.target, words, stdin=stdin is not None, deadline=call.deadline,
        subprotocols=_offer(command, call.stdin), name=command.words[0],
    ) as session:  # fmt: skip
        status = session.communicate(stdin, call.stdout, tail, call.deadline)
    return returncode_of(status, call.target, words), tail.data


def _offer(command: Command, stdin: Optional[bytes]) -> tuple[str, ...]:
    if stdin is None:
        return (channels.V5, channels.V4)
    return (channels.V5,) if command.stdin_size is None else (channels.V4,)


def _chunks(data: bytes) -> Iterable[bytes]:
    view = memoryview(data)
    return (bytes(view[start : start + CHUNK]) for start in range(0, len(view), CHUNK))


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
            f"{command.words[0]!r} was not found in {target}, or may not be executed: install it in the image or give "
            "its full path"
        )
    if complaint == "no directory":
        raise ExecError(f"the working directory {command.cwd!r} cannot be entered in {target}: does it exist?")
    if complaint == "no export":
        raise ExecError(
            f"a variable of env cannot be set in {target}: its {SHELL} keeps it read-only (bash does so with UID, EUID "
            "and PPID); leave it out"
        )
    if complaint == "no head":
        raise ExecError(f"input needs head in {target}, for its server speaks {channels.V4}, which cannot end stdin")


def _kill(call: _Call, command: Command) -> str:
    """Kill the command in the container by a second exec; what came of it, for the message."""
    deadline = Deadline(KILL_SECONDS, call.client.clock)
    killer = command.killer()
    try:
        with open_session(call.client, call.target, killer, stdin=False, deadline=deadline) as session:
            status = session.communicate(None, _ignore, _ignore, deadline)
        outcome = returncode_of(status, call.target, killer)
    except CommandNotFoundError:
        return f"it could not be killed and may still run: that needs {SHELL} in the container"
    except DevServersError as error:
        return f"it could not be killed and may still run ({error})"
    return KILL_OUTCOMES.get(outcome, f"whether it was killed is not known (exit code {outcome})")


def _ignore(data: bytes) -> None:
    pass
