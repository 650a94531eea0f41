"""``DevServer.exec``: one command, run to its end, in the manner of ``subprocess.run``."""

from __future__ import annotations

import os
from codecs import lookup_error
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, BinaryIO, NamedTuple, Optional, Union

from ... import arguments
from ...errors import ExecError, ExecTimeoutError, RequestTimeoutError
from ...transport.deadline import Deadline
from ...transport.exec.session import ExecTarget, Sink, open_in_turn, returncode_of
from ...transport.rest import RESTClient
from ..files.receiver import RemoteResult
from .result import ExecResult
from .run import Call, run
from .wrapper import Command, check_directory, check_environment, parse_command

Output = Union[BinaryIO, Callable[[bytes], object], None]


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
        raise TypeError(f"{name}: must be a binary file or a callable, not {type(output).__name__}{buffer}")
    return partial(_write_all, write)


def _write_all(write: Callable[[Any], Optional[int]], data: bytes) -> None:
    """Unbuffered files and pipes may take less than they are given."""
    view = memoryview(data)
    while view:
        written = write(view)
        view = view[len(view) if written is None else written :]


def execute(
    client: RESTClient, locate: Callable[[Deadline], ExecTarget], args: Union[str, Sequence[str]], shell: bool,
    options: Options,
) -> ExecResult[Any]:  # fmt: skip
    """See :meth:`DevServer.exec`. What was asked for is checked before ``locate`` sends the first request."""
    words = parse_command(args, shell)
    _check_decoding(options.encoding, options.errors)
    env, cwd = check_environment(options.env), check_directory(options.cwd)
    command = Command(words, os.urandom(8).hex(), cwd, env)
    stdin = _stdin(options)
    stdout, stderr = _Capture(options.stdout, "stdout"), _Capture(options.stderr, "stderr")
    deadline = Deadline(options.timeout, client.clock)
    try:
        call = Call(client, _located(locate, deadline, words), stdin, stdout.sink, stderr.sink, deadline)
        returncode, confirmed = run(call, command)
    except ExecError as error:
        error.stdout_bytes, error.stderr_bytes, error.command = stdout.data, stderr.data, words
        raise
    result: ExecResult[Any] = ExecResult(
        args, stdout.value(options), stderr.value(options), returncode,
        stdout_bytes=stdout.data, stderr_bytes=stderr.data, confirmed=confirmed,
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


def _check_decoding(encoding: str, errors: str) -> None:
    """Output must not be lost because it cannot be decoded when the command has run."""
    try:
        "".encode(arguments.text(encoding, "encoding"))  # which a codec for bytes ("hex") refuses
    except LookupError as error:
        raise LookupError(f"encoding: {error}") from None
    try:
        lookup_error(arguments.text(errors, "errors"))
    except LookupError as error:
        raise LookupError(f"errors: {error}") from None


def _stdin(options: Options) -> Optional[bytes]:
    if isinstance(options.input, str):
        return options.input.encode(options.encoding)
    if options.input is None or isinstance(options.input, (bytes, bytearray, memoryview)):
        return None if options.input is None else bytes(options.input)
    raise TypeError(f"input: must be str or bytes, not {type(options.input).__name__}")


def run_raw(
    client: RESTClient, target: ExecTarget, words: Sequence[str], stdin: Optional[Iterable[bytes]] = None
) -> RemoteResult:
    """Run ``words`` as they are, feeding ``stdin``: what file sync needs.

    Its scripts know where their stdin ends and prove their own end, so any subprotocol will do.
    """
    stdout, stderr = _Capture(None, ""), _Capture(None, "")
    deadline = Deadline(None, client.clock)
    with open_in_turn(
        client, target, lambda _: words, stdin=stdin is not None, deadline=deadline,
        name="the script of a file transfer",
    ) as session:  # fmt: skip
        status = session.communicate(stdin, stdout.sink, stderr.sink, deadline, reads_on=True)
    return RemoteResult(returncode_of(status, target, words), stdout.data, stderr.data)
