"""The container's side of a transfer: the command that runs there, and what its end means. Pure.

The command runs the script of :mod:`.receiverscript`, with values as arguments. An exec request
becomes JSON in the container runtime, which spoils bytes that are not UTF-8. So a path is escaped
(:func:`word`), and the script's ``printf %b`` restores its bytes.
"""

from __future__ import annotations

import re
from typing import Optional

from ..result import RemoteResult
from .receiverscript import DIRECTORY_SCRIPT, FILE_SCRIPT

# Exit codes of the script.
MISSING_TOOL = 81
NO_DIRECTORY = 82
INTERRUPTED = 83
INCOMPLETE = 84
IN_THE_WAY = 85
NO_HOME = 86
STAGED_FILES_DELETED = 87
NOT_ALL_PLACED = 88


def receive_directory(
    target: str, size: int, marker: str, mode: Optional[int], *, is_new: bool
) -> list[str]:
    """The command that unpacks ``size`` bytes of tar into ``target``.

    ``mode`` is for a target that this command creates, or that an earlier command of the same
    transfer has created (``is_new``); None leaves it as it was created, accessible to its owner.
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
    """The command that unpacks one file next to its place and moves it there."""
    words = [word(target), str(size), marker, word(name)]
    return ["sh", "-c", FILE_SCRIPT, "devservers-sync", *words]


def target_path(remote: str) -> str:
    """``remote`` as the script takes it: it begins with ``/``, ``~/`` or ``./``, never with ``-``.

    Raises:
        ValueError: empty, with a NUL, or not encodable.
    """
    if not remote:
        raise ValueError("the remote path is empty; '.' is the container's working directory")
    if "\0" in remote:
        raise ValueError(f"the remote path {remote!r} contains a NUL character")
    try:
        remote.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ValueError(f"the remote path {remote!r} cannot be encoded: {error.reason}") from error
    if remote == "~" or remote.rpartition("/")[2] in (".", ".."):
        remote += "/"  # can only be a directory
    if remote.startswith(("/", "~/")):
        return remote
    return f"./{remote}"


def word(path: str) -> str:
    r"""``path`` for ``printf %b``, with ``\0ooo`` for all that JSON or the shell could spoil.

    That is backslashes, whitespace, control characters, and bytes outside UTF-8.
    """
    return re.sub(r"[\\\s\x00-\x1f\x7f\udc80-\udcff]", _escape, path)


def _escape(match: re.Match[str]) -> str:
    return "".join(f"\\0{byte:03o}" for byte in match[0].encode("utf-8", "surrogateescape"))


_TOOLS = "sh, head, tar, mkdir, mv, rm, chmod and printf (most shells have that)"
_REMEDIES = {
    MISSING_TOOL: f"Copying needs {_TOOLS} in the container: use an image that has them",
    NO_DIRECTORY: (
        "Choose a remote path where the container's user may create files, and check that no "
        "parent of it is a file"
    ),
    INTERRUPTED: "The transfer was interrupted in the container; try again",
    INCOMPLETE: "What had arrived before the stream was cut off was removed again; try again",
    IN_THE_WAY: "Choose another remote path, or remove what is there",
    NO_HOME: "Pass an absolute remote path instead of one with '~'",
    STAGED_FILES_DELETED: (
        "Something else in the container has deleted it (git clean, a cleaner?), and not every "
        "file "
        "was put into place before: keep it away from .devservers-*, then try again"
    ),
    NOT_ALL_PLACED: (
        "Everything else is in place. A file replaces a directory only if that is empty, and never "
        "a device; otherwise look for a missing write permission or a full disk. Then try again"
    ),
    126: "Copying needs sh in the container: use an image that has it",
    127: f"Copying needs {_TOOLS} in the container: use an image that has them",
}
_KILLED = (
    "A signal killed it: did the container run out of memory, or end? Each remote file is complete "
    "and either the old one or the new one; check the pod, then try again"
)
_DISK = re.compile("no space left|quota", re.IGNORECASE)
_NOT_THE_DISK = re.compile(
    "permission denied|not permitted|read-only|name too long|invalid argument|not supported"
    "|not implemented|cannot allocate|out of memory",
    re.IGNORECASE,
)


def has_created_target(result: RemoteResult) -> bool:
    """Whether the target directory did not exist before."""
    return result.stdout.startswith(b"new\n")


def is_confirmed(result: RemoteResult, marker: str) -> bool:
    """Whether the script itself came to its end; an exit code 0 alone does not prove that."""
    return result.stdout.endswith(f"{marker}\n".encode())


def complaint(result: RemoteResult) -> Optional[str]:
    """Why the script failed and what to do about it; None if it did not."""
    if result.returncode == 0:
        return None
    stderr = result.stderr.decode("utf-8", "replace").strip()
    if result.returncode > 128:
        remedy = _KILLED
    elif result.returncode in _REMEDIES:
        remedy = _REMEDIES[result.returncode]
    elif _NOT_THE_DISK.search(stderr) and not _DISK.search(stderr):
        remedy = "Nothing was changed in the container. Remove that cause, then try again"
    else:
        remedy = (
            "Nothing was changed in the container. Check for a full disk or a quota, then try again"
        )
    why = _first_lines(stderr) or "it wrote nothing to stderr"
    return f"{why} (exit code {result.returncode}). {remedy}"


def _first_lines(text: str, limit: int = 20) -> str:
    """The first lines: tar repeats itself for every file."""
    lines = text.splitlines()
    if len(lines) > limit:
        lines[limit:] = [f"… and {len(lines) - limit} more lines"]
    return "\n".join(lines)
