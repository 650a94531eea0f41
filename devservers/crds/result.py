"""What came of a command: plain values.

They stand outside :mod:`.commands` so that naming the types loads nothing that runs commands, and
works in a copy of the package that cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, NamedTuple, Union

from ..errors import CommandFailedError

if TYPE_CHECKING:  # type checkers know typing_extensions by themselves; it is never imported
    from typing_extensions import TypeVar

    Text = TypeVar("Text", default=str)
else:
    from typing import TypeVar

    Text = TypeVar("Text")  # str, or bytes with text=False


class ExecResult(Generic[Text]):
    """The outcome of a command, in the manner of ``subprocess.CompletedProcess``.

    Attributes:
        args: the command as it was given.
        stdout, stderr: the output: str, or bytes with ``text=False``; None where it went to a sink.
        returncode: the exit code; 128 + n for a command killed by signal n, as container runtimes
            report it.
        stdout_bytes, stderr_bytes: what was captured, as the container sent it; empty where it went
            to a sink.
        confirmed: whether the exit code is proved. False only for a 0 from a server that speaks
            nothing but protocol v5, of a command in a container without ``sh``: such a server may
            say so of a command whose end it did not see.
    """

    __slots__ = (
        "args",
        "confirmed",
        "returncode",
        "stderr",
        "stderr_bytes",
        "stdout",
        "stdout_bytes",
    )

    def __init__(
        self, args: Union[str, Sequence[str]], stdout: Text, stderr: Text, returncode: int, *,
        stdout_bytes: bytes = b"", stderr_bytes: bytes = b"", confirmed: bool = True,
    ) -> None:  # fmt: skip
        self.args: Union[str, Sequence[str]] = args
        self.stdout: Text = stdout
        self.stderr: Text = stderr
        self.returncode: int = returncode
        self.stdout_bytes: bytes = stdout_bytes
        self.stderr_bytes: bytes = stderr_bytes
        self.confirmed: bool = confirmed

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
            message = f"{' '.join(words)!r} ended with exit code {self.returncode}"
            if tail:
                message = f"{message}: {tail}"
            raise CommandFailedError(
                message,
                returncode=self.returncode,
                command=words,
                stdout_bytes=self.stdout_bytes,
                stderr_bytes=self.stderr_bytes,
            )


class RemoteResult(NamedTuple):
    """How a script of ours (:mod:`.files`) ended in the container."""

    returncode: int
    stdout: bytes
    stderr: bytes
