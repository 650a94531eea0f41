"""What there is to copy: the local tree, read once and in a fixed order.

Everything after the scan (sizes, headers, the manifest of a later incremental sync) follows from
what it saw, not from what the tree has become since.

A directory comes before its contents, siblings are sorted by name: two scans of an unchanged tree
give equal lists. Symlinks are never followed below the path that was named; hard links are separate
files.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import NamedTuple, Optional

from ...errors import SyncError


class Entry(NamedTuple):
    """One file, directory or symlink as it was seen.

    ``name`` is relative to the root. ``mode`` is the whole ``st_mode``. ``size`` counts bytes (0
    unless it is a regular file). ``mtime`` is in whole seconds and never negative (tar readers
    disagree about those). ``link`` is the target of a symlink.
    """

    name: str
    mode: int
    size: int
    mtime: int
    link: str = ""

    @property
    def permissions(self) -> int:
        """The nine permission bits; set-user-id, set-group-id and sticky are not copied."""
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


@dataclass(frozen=True)
class Scan:
    """A local tree: its root, what is in it, and names of what a tar archive cannot contain."""

    root: str
    entries: tuple[Entry, ...]
    skipped: tuple[str, ...] = ()


def scan_directory(root: str) -> Scan:
    """Everything below ``root`` (without ``root`` itself).

    Raises:
        SyncError: something in it cannot be read; nothing has been sent yet.
    """
    entries: list[Entry] = []
    skipped: list[str] = []
    prefix = len(os.path.join(root, ""))
    pending = _children(root)
    while pending:
        child = pending.pop()
        entry = _read_entry(child.path, child.path[prefix:])
        if entry is None:
            continue
        if not (entry.is_file or entry.is_directory or entry.is_symlink):
            skipped.append(entry.name)
            continue
        entries.append(entry)
        if entry.is_directory:
            pending += _children(child.path)
    return Scan(root, tuple(entries), tuple(skipped))


def scan_file(path: str) -> Scan:
    """A single regular file; a symlink to one counts as the file, under the name of the link.

    Raises:
        SyncError: it cannot be read, or is neither a file nor a directory.
    """
    root, name = os.path.split(path)
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise SyncError(
            f"cannot upload {path!r}: it is neither a regular file nor a directory; nothing was "
            "sent"
        )
    _require_readable(path)
    entry = Entry(name, status.st_mode, status.st_size, _whole_seconds(status))
    return Scan(root, (entry,))


def _children(path: str) -> list[os.DirEntry[str]]:
    """The contents of a directory, the last name first: the caller takes from the end."""
    try:
        with os.scandir(path) as listing:
            return sorted(listing, key=lambda child: child.name, reverse=True)
    except FileNotFoundError:  # deleted since its parent was read: copied as an empty directory
        return []
    except OSError as error:
        raise _unreadable(path, error) from error


def _read_entry(path: str, name: str) -> Optional[Entry]:
    try:
        status = os.lstat(path)
        link = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
    except FileNotFoundError:  # deleted since its directory was read
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
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
        raise _unreadable(path, PermissionError(13, "Permission denied"))


def _unreadable(path: str, error: OSError) -> SyncError:
    return SyncError(
        f"cannot read {path!r}: {error.strerror}; nothing was sent. Make it readable, or move it "
        "out of the way"
    )
