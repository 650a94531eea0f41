"""What there is to copy: one look at the local tree, in a fixed order.

The look is taken once and everything after it (sizes, headers, the manifest of a later incremental
sync) follows from what was seen then, not from what the tree has become meanwhile.

A directory stands before what it holds, siblings are sorted by name: two looks at the same tree
give equal lists. Symlinks are never followed below the path that was named; hard links are separate
files.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple, NoReturn, Optional

from ...errors import SyncError


class Entry(NamedTuple):
    """One file, directory or symlink as it was seen.

    ``name`` is relative to the root, ``mode`` is the whole ``st_mode``, ``size`` counts bytes (0
    unless a regular file), ``mtime`` is in whole seconds and never negative (tar readers differ on
    those), ``link`` is a symlink's text.
    """

    name: str
    mode: int
    size: int
    mtime: int
    link: str = ""

    @property
    def permissions(self) -> int:
        """The nine permission bits; set-user-id, set-group-id and sticky do not travel."""
        return self.mode & 0o777

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_symlink(self) -> bool:
        return stat.S_ISLNK(self.mode)


class Scan(NamedTuple):
    """A local tree: the directory that names are relative to, what is in it, and what cannot travel
    in a tar stream.
    """

    root: str
    entries: list[Entry]
    skipped: list[str]


def scan_directory(root: str) -> Scan:
    """All that lies below ``root`` (itself not included).

    Raises:
        SyncError: something in there cannot be read; nothing has been sent yet.
    """
    found = Scan(root, [], [])
    prefix = len(os.path.join(root, ""))
    waiting = _children(root)
    while waiting:
        child = waiting.pop()
        seen = _look(child.path, child.path[prefix:])
        if seen is None:
            continue
        if not (seen.is_file or seen.is_directory or seen.is_symlink):
            found.skipped.append(seen.name)
            continue
        found.entries.append(seen)
        if seen.is_directory:
            waiting += _children(child.path)
    return found


def scan_file(path: str) -> Scan:
    """A single regular file; a symlink to one counts as the file under the link's name.

    Raises:
        SyncError: it cannot be read, or is neither a file nor a directory.
    """
    root, name = os.path.split(path)
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise SyncError(
            f"cannot upload {path!r}: it is neither a regular file nor a directory; nothing was sent"
        )
    _require_readable(path)
    return Scan(root, [Entry(name, status.st_mode, status.st_size, _whole_seconds(status))], [])


def _children(path: str) -> list[os.DirEntry[str]]:
    """What a directory holds, the last name first: the caller takes from the end."""
    try:
        with os.scandir(path) as listing:
            return sorted(listing, key=lambda child: child.name, reverse=True)
    except (
        FileNotFoundError
    ):  # deleted since its parent was listed: it is empty now, and so will be its copy
        return []
    except OSError as error:
        _refuse(path, error)


def _look(path: str, name: str) -> Optional[Entry]:
    try:
        status = os.lstat(path)
        link = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
    except FileNotFoundError:  # deleted since it was listed
        return None
    except OSError as error:
        _refuse(path, error)
    size = 0
    if stat.S_ISREG(status.st_mode):
        _require_readable(path)
        size = status.st_size
    return Entry(name, status.st_mode, size, _whole_seconds(status), link)


def _whole_seconds(status: os.stat_result) -> int:
    return max(0, status.st_mtime_ns // 1_000_000_000)


def _require_readable(path: str) -> None:
    effective = os.access in os.supports_effective_ids
    if not os.access(path, os.R_OK, effective_ids=effective) and os.path.lexists(path):
        _refuse(path, PermissionError(13, "Permission denied"))


def _refuse(path: str, error: OSError) -> NoReturn:
    raise SyncError(
        f"cannot read {path!r}: {error.strerror}; nothing was sent. Make it readable, or move it out of the way"
    ) from error
