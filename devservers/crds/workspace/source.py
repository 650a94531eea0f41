"""The contents of local files, read as planned and watched while they are read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Optional

from .scan import Entry

READ_SIZE = 64 * 1024  # bytes

# A FIFO that has taken a file's place must not block the transfer for ever.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class LocalFiles:
    """Reads the files of one scan, never more of one than the scan saw.

    ``changed`` gives, by name, why a file's copy is not to be trusted: it vanished, shrank, grew, or was written to
    while it was read. A file replaced as a whole before its turn, by one of the same size, is simply read.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.changed: dict[str, str] = {}

    def read(self, entry: Entry) -> Iterator[bytes]:
        """At most ``entry.size`` bytes, in pieces of at most 64 KiB."""
        try:
            descriptor = os.open(os.path.join(self.root, entry.name), _OPEN_FLAGS)
        except OSError as error:
            self.changed[entry.name] = _lower(error)
            return
        try:
            yield from self._read(descriptor, entry)
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int, entry: Entry) -> Iterator[bytes]:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            self.changed[entry.name] = "is no longer a regular file"
            return
        missing = entry.size
        try:
            while missing:
                piece = os.read(descriptor, min(missing, READ_SIZE))
                if not piece:
                    break
                missing -= len(piece)
                yield piece
        except OSError as error:
            self.changed[entry.name] = _lower(error)
            return
        change = _change(entry.size, missing, before, os.fstat(descriptor))
        if change:
            self.changed[entry.name] = change


def _change(planned: int, missing: int, before: os.stat_result, after: os.stat_result) -> Optional[str]:
    if missing:
        return f"shrank from {planned} to {planned - missing} bytes"
    if after.st_size > planned:
        return f"grew from {planned} to {after.st_size} bytes"
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return "was written to"
    return None


def _lower(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
