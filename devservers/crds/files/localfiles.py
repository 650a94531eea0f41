"""The contents of local files, read as planned and checked for changes while they are read."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from typing import Optional

from .scan import Entry
from .tarstream import Absent

READ_SIZE = 64 * 1024  # bytes

# A FIFO that has taken the place of a file must not block the transfer forever.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class LocalFiles:
    """Reads the files of one scan, and never more of a file than the scan saw.

    ``vanished`` names the files that were deleted since; that is as if they had been deleted before
    the scan. ``changed`` says by name why a copy cannot be trusted: the file could not be read,
    shrank, grew, or was written to while it was read. A file that was replaced before its turn by
    another one of that size is simply read.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.vanished: list[str] = []
        self.changed: dict[str, str] = {}

    def read(self, entry: Entry) -> Generator[bytes, None, None]:
        """At most ``entry.size`` bytes, in pieces of at most 64 KiB.

        Raises:
            Absent: before the first piece, if it is gone, is not a regular file any more, or cannot
                be opened.
        """
        descriptor = self._open(entry)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                self.changed[entry.name] = "is no longer a regular file, not copied"
                raise Absent
            missing = entry.size
            while missing:
                piece = os.read(descriptor, min(missing, READ_SIZE))
                if not piece:
                    break
                missing -= len(piece)
                yield piece
            change = _change(entry.size, missing, before, os.fstat(descriptor))
            if change is not None:
                self.changed[entry.name] = change
        except OSError as error:
            self.changed[entry.name] = f"could not be read: {error.strerror}"
        finally:
            os.close(descriptor)

    def _open(self, entry: Entry) -> int:
        try:
            return os.open(os.path.join(self.root, entry.name), _OPEN_FLAGS)
        except (FileNotFoundError, NotADirectoryError) as error:
            self.vanished.append(entry.name)
            raise Absent from error
        except OSError as error:
            self.changed[entry.name] = f"not copied: {error.strerror}"
            raise Absent from error


def _change(
    planned: int, missing: int, before: os.stat_result, after: os.stat_result
) -> Optional[str]:
    """What happened to a file while it was read; None if nothing did."""
    if missing:
        return f"shrank from {planned} to {planned - missing} bytes"
    if after.st_size > planned:
        return f"grew from {planned} to {after.st_size} bytes"
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return "was written to"
    return None
