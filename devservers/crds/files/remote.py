"""The container's half of a transfer: the commands that run there, and what their outcome means.

The script itself is :mod:`.script`; values reach it as arguments. What an exec request carries
becomes JSON in the container runtime, which spoils bytes that are not UTF-8; so a path travels as
:func:`word` writes it, and ``printf %b`` gives the bytes back.
"""

from __future__ import annotations

import re
from typing import Optional

from ..result import RemoteResult
from .script import DIRECTORY_SCRIPT, FILE_SCRIPT

MISSING_TOOL, NO_DIRECTORY, INTERRUPTED, INCOMPLETE, IN_THE_WAY, NO_HOME = range(81, 87)
NOT_ALL_PLACED = 88


def receive_directory(
    target: str, size: int, marker: str, mode: Optional[int], *, is_new: bool
) -> list[str]:
    """The command that unpacks ``size`` bytes of tar into ``target``.

    ``mode`` is for a target that it has to make, or that an earlier command of the same transfer
    has (``is_new``); None leaves it as it is made, open to its owner.
    """
    words = [
        word(target),
        str(size),
        marker,
        "-" if mode is None else f"{mode:04o}",
        "new" if is_new else "-",
    ]
    return ["sh", "-c", DIRECTORY_SCRIPT, "devservers-sync", *words]


def receive_file(target: str, size: int, marker: str, name: str) -> list[str]:
    """The command that unpacks one file beside its place and moves it there."""
    words = [word(target), str(size), marker, word(name)]
    return ["sh", "-c", FILE_SCRIPT, "devservers-sync", *words]


def target_path(remote: str) -> str:
    """``remote`` as the script takes it: absolute, or beginning with ``~/``, or with ``./``, so that
    no ``-`` leads.

    Raises:
        ValueError: empty, with a NUL, or not encodable.
    """
    if not remote:
        raise ValueError("the remote path is empty; '.' is the container's working directory")
    if "\0" in remote:
        raise ValueError(f"the remote path {remote!r} holds a NUL character")
    try:
        remote.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ValueError(f"the remote path {remote!r} cannot be encoded: {error.reason}") from error
    if remote == "~" or remote.rpartition("/")[2] in (".", ".."):
        remote += "/"  # can only be a directory
    return remote if remote.startswith(("/", "~/")) else f"./{remote}"


def word(path: str) -> str:
    r"""``path`` for ``printf %b``: backslashes, blanks, control characters and bytes outside UTF-8
    as ``\0ooo``.
    """
    return re.sub(r"[\\\s\x00-\x1f\x7f\udc80-\udcff]", _escape, path)


def _escape(match: re.Match[str]) -> str:
    return "".join(f"\\0{byte:03o}" for byte in match[0].encode("utf-8", "surrogateescape"))


_TOOLS = "sh, head, tar, mkdir, mv, rm and chmod"
_REMEDIES = {
    MISSING_TOOL: f"Copying needs {_TOOLS} in the container: use an image that has them",
    NO_DIRECTORY: (
        "Choose a remote path in which the container's user may create files, with no file in its way"
    ),
    INTERRUPTED: "The transfer was interrupted in the container; try again",
    INCOMPLETE: "What had arrived before the stream was cut was removed again; try again",
    IN_THE_WAY: "Name another remote path, or remove what is there",
    NO_HOME: "Give an absolute remote path instead of one with '~'",
    NOT_ALL_PLACED: (
        "Everything else is in place. A file replaces a directory only if that is empty, and never a device; "
        "otherwise look for missing write permission. Then try again"
    ),
    126: "Copying needs sh in the container: use an image that has it",
    127: f"Copying needs {_TOOLS} in the container: use an image that has them",
}
_KILLED = (
    "Something killed it: did the container run out of memory, or end? Each file there is whole, the old one or the "
    "new one; look at the pod, then try again"
)
_TAR_FAILED = "Nothing there was changed. Look for a full disk or a quota, then try again"


def has_made_target(result: RemoteResult) -> bool:
    """Whether the target directory was not there before."""
    return result.stdout.startswith(b"new\n")


def is_proved(result: RemoteResult, marker: str) -> bool:
    """Whether the script came to its end, and not only an API server says so."""
    return result.stdout.endswith(f"{marker}\n".encode())


def complaint(result: RemoteResult) -> Optional[str]:
    """Why the script failed and what to do about it; None if it did not."""
    if result.returncode == 0:
        return None
    said = (
        _abridged(result.stderr.decode("utf-8", "replace").strip()) or "it wrote nothing to stderr"
    )
    remedy = _REMEDIES.get(result.returncode, _KILLED if result.returncode > 128 else _TAR_FAILED)
    return f"{said} (exit code {result.returncode}). {remedy}"


def _abridged(text: str, lines: int = 20) -> str:
    """The first lines: tar repeats itself for every file."""
    kept = text.splitlines()
    more = len(kept) - lines
    return "\n".join(kept[:lines]) + (f"\n… and {more} lines more" if more > 0 else "")
