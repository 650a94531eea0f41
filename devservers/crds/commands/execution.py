"""What goes into a command and comes out of it: input, output, result, and what a failure knows.

:meth:`DevServer.exec` checks its arguments by the objects made here and in :mod:`.wrapper`, before
the first request is sent; then it locates the container and runs the command in it (:mod:`.run`).
"""

from __future__ import annotations

from codecs import lookup_error
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO, Optional, Union

from ... import arguments
from ...errors import ExecError, ExecTimeoutError, RequestTimeoutError
from ...transport.deadline import Deadline
from ...transport.exec.session import HONEST_FIRST, ExecTarget, Sink, open_session, returncode_of
from ...transport.rest import RESTClient
from ..result import ExecResult, RemoteResult
from .wrapper import Command

Destination = Union[BinaryIO, Callable[[bytes], object], None]
"""Where output goes: a binary file, a callable, or (None) into the result."""


class Output:
    """The output of one command: captured, or passed on as it comes.

    Raises:
        TypeError: a destination is neither a binary file nor a callable.
        LookupError: no such encoding or error handler. Told before the command has run, for what
            cannot be decoded afterwards would be lost.
    """

    def __init__(
        self, stdout: Destination = None, stderr: Destination = None, text: bool = True,
        encoding: str = "utf-8", errors: str = "replace",
    ) -> None:  # fmt: skip
        try:
            "".encode(
                arguments.text(encoding, "encoding")
            )  # which a codec for bytes ("hex") refuses
        except LookupError as error:
            raise LookupError(f"encoding: {error}") from None
        try:
            lookup_error(arguments.text(errors, "errors"))
        except LookupError as error:
            raise LookupError(f"errors: {error}") from None
        self._text, self._encoding, self._errors = text, encoding, errors
        self._captures = (stdout is None, stderr is None)
        self._chunks: tuple[list[bytes], list[bytes]] = ([], [])
        self.stdout: Sink = self._chunks[0].append
        self.stderr: Sink = self._chunks[1].append
        if stdout is not None:
            self.stdout = _sink(stdout, "stdout")
        if stderr is not None:
            self.stderr = _sink(stderr, "stderr")

    def captured(self) -> tuple[bytes, bytes]:
        """Of both streams, what has come so far."""
        return b"".join(self._chunks[0]), b"".join(self._chunks[1])

    def result(
        self, args: Union[str, Sequence[str]], returncode: int, confirmed: bool
    ) -> ExecResult[Any]:
        """The result of a command that has ended."""
        captured = self.captured()
        values: list[Any] = list(captured)
        for number, data in enumerate(captured):
            if not self._captures[number]:
                values[number] = None
            elif self._text:
                values[number] = data.decode(self._encoding, self._errors)
        return ExecResult(
            args, values[0], values[1], returncode,
            stdout_bytes=captured[0], stderr_bytes=captured[1], confirmed=confirmed,
        )  # fmt: skip


def _sink(destination: Union[BinaryIO, Callable[[bytes], object]], name: str) -> Sink:
    if callable(destination):
        return destination
    write = getattr(destination, "write", None)
    if write is None or hasattr(destination, "encoding"):
        what = type(destination).__name__
        if hasattr(destination, "buffer"):
            what = f"{what} (it is a text file: pass its .buffer)"
        raise TypeError(f"{name}: must be a binary file or a callable, not {what}")
    return partial(_write_all, write)


def _write_all(write: Callable[[Any], Optional[int]], data: bytes) -> None:
    """Unbuffered files and pipes may take less than they are given."""
    view = memoryview(data)
    while view:
        written = write(view)
        if written is None:
            return
        view = view[written:]


def encode_input(input: Union[str, bytes, None], encoding: str) -> Optional[bytes]:
    """What the command reads from stdin; None: stdin is not attached."""
    if input is None:
        return None
    if isinstance(input, str):
        return input.encode(encoding)
    if isinstance(input, (bytes, bytearray, memoryview)):
        return bytes(input)
    raise TypeError(f"input: must be str or bytes, not {type(input).__name__}")


@contextmanager
def completing_failures(command: Command, output: Output, deadline: Deadline) -> Iterator[None]:
    """What fails in here carries the command and its output so far.

    That no time was left to start it is a timeout of the command like any other.
    """
    try:
        try:
            yield
        except RequestTimeoutError as error:
            if not deadline.expired:
                raise
            raise ExecTimeoutError(
                f"{command.words[0]!r} was not started within {deadline.seconds:g} s: {error}"
            ) from error
    except ExecError as error:
        error.command = list(command.words)
        error.stdout_bytes, error.stderr_bytes = output.captured()
        raise


def run_raw(
    client: RESTClient,
    target: ExecTarget,
    words: Sequence[str],
    stdin: Optional[Iterable[bytes]] = None,
) -> RemoteResult:
    """Run ``words`` as they are, feeding ``stdin``: what file sync needs.

    Its scripts know where their stdin ends and prove their own end, so any subprotocol will do.
    """
    output = Output(text=False)
    deadline = Deadline(None, client.clock)
    commands = dict.fromkeys(HONEST_FIRST, words)
    name = "the script of a file transfer"
    with open_session(
        client, target, commands, stdin=stdin is not None, deadline=deadline, name=name
    ) as session:
        status = session.communicate(stdin, output.stdout, output.stderr, deadline, reads_on=True)
    return RemoteResult(returncode_of(status, target, words), *output.captured())
