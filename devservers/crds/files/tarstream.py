"""From entries to the bytes of one tar stream, whose length is known before the first of them is made.

The format is GNU's with its long-name members: the one that GNU tar, busybox tar and toybox tar all read right.

Three habits of theirs shape the order of members:

* A directory stands twice: *opened* before its contents, so that it is there, writable, and in place of a symlink that
  GNU tar would otherwise put it over afterwards; *sealed* behind them with its own mode and mtime, which busybox and
  toybox would otherwise lose to the files created in it.
* An empty directory is sealed by the name ``dir/.``: busybox takes a file of that name for a directory without a word,
  but cannot look inside it.
* A file that has vanished since it was planned must neither shorten the stream nor put zeros in place of an older copy:
  its place is taken by a *void*, a file of equal length that the script removes.
* The *marker*, an empty file with a name of its own, comes last: each of them ends well on a stream that is cut between
  two members, so only the marker's arrival shows that nothing is missing.

Invariant: ``len(b"".join(stream(entries, marker, content))) == stream_size(entries, marker)``, whatever ``content``
yields.
"""

from __future__ import annotations

import os
import sys
import tarfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice, zip_longest
from typing import Callable, NamedTuple, Optional

from .scan import Entry

BLOCK = 512
CHUNK = 64 * 1024
END = bytes(2 * BLOCK)
NAME_FIELD = 100  # bytes; a longer name travels in a member of its own before the header

_ENCODING = sys.getfilesystemencoding()
_ERRORS = sys.getfilesystemencodeerrors()

Content = Callable[[Entry], Generator[bytes, None, None]]


class Absent(Exception):
    """From a content generator before its first piece: of this file nothing will come."""


class Member(NamedTuple):
    """One tar member; ``source`` is the entry whose ``size`` bytes follow the header, if any do."""

    name: str
    type: bytes
    mode: int
    mtime: int = 0
    size: int = 0
    link: str = ""
    source: Optional[Entry] = None

    @property
    def footprint(self) -> int:
        """Bytes that it takes in the stream."""
        return _header_size(self) + _whole_blocks(self.size)


def members(entries: Sequence[Entry], marker: str) -> Iterator[Member]:
    """The members in stream order, for entries in the order of :mod:`.scan` (a directory before its contents)."""
    seals: list[tuple[str, Member]] = []
    for entry, following in zip_longest(entries, islice(entries, 1, None)):
        while seals and not entry.name.startswith(seals[-1][0]):
            yield seals.pop()[1]
        if not entry.is_directory:
            yield _leaf(entry)
            continue
        inside = entry.name + "/"
        empty = following is None or not following.name.startswith(inside)
        yield _directory(entry, entry.name, entry.permissions if empty else entry.permissions | 0o700)
        seals.append((inside, _directory(entry, inside + "." if empty else entry.name, entry.permissions)))
    for _, seal in reversed(seals):
        yield seal
    yield Member(marker, tarfile.REGTYPE, 0o600)


def _directory(entry: Entry, name: str, mode: int) -> Member:
    return Member(name, tarfile.DIRTYPE, mode, entry.mtime)


def _leaf(entry: Entry) -> Member:
    if entry.is_file:
        return Member(entry.name, tarfile.REGTYPE, entry.permissions, entry.mtime, entry.size, source=entry)
    return Member(entry.name, tarfile.SYMTYPE, 0o777, entry.mtime, link=entry.link)


def stream_size(entries: Sequence[Entry], marker: str) -> int:
    """Length of the whole stream in bytes, without making it."""
    return sum(member.footprint for member in members(entries, marker)) + len(END)


def stream(entries: Sequence[Entry], marker: str, content: Content) -> Generator[bytes, None, None]:
    """The stream in chunks of at most 64 KiB.

    ``content`` gives a file's bytes in pieces of any size, or raises :exc:`Absent`. Too few are filled up with zeros
    and what is too much is cut, for the size in the header has been sent; it is for ``content`` to notice and to tell.
    """
    archive = (piece for member in members(entries, marker) for piece in _pieces(member, marker, content))
    return _chunked(chain(archive, [END]))


def _pieces(member: Member, marker: str, content: Content) -> Iterator[bytes]:
    if member.source is None:
        yield _header(member)
        return
    with closing(content(member.source)) as pieces:
        try:
            first = next(pieces, b"")
        except Absent:
            yield from _filled(_void(member, marker), ())
        else:
            yield from _filled(member, chain([first], pieces))


def _void(member: Member, marker: str) -> Member:
    return Member(f"{marker}_", tarfile.REGTYPE, 0o600, size=member.footprint - BLOCK)


def _filled(member: Member, pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield _header(member)
    yield from _exactly(member.size, pieces)
    yield bytes(-member.size % BLOCK)


def _exactly(size: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    missing = size
    for piece in pieces:
        yield piece[:missing]
        missing -= min(missing, len(piece))
    while missing:
        filler = bytes(min(missing, CHUNK))
        missing -= len(filler)
        yield filler


def _chunked(pieces: Iterable[bytes]) -> Generator[bytes, None, None]:
    """Small pieces joined, big ones split: a frame for each 4 KiB file would cost more than the file."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= CHUNK:
            yield bytes(buffer[:CHUNK])
            del buffer[:CHUNK]
    if buffer:
        yield bytes(buffer)


def _header(member: Member) -> bytes:
    """The 512-byte header, with long-name members before it where needed; the owner is 0, without a name."""
    info = tarfile.TarInfo(member.name)
    info.type = member.type
    info.mode = member.mode
    info.mtime = member.mtime
    info.size = member.size
    info.linkname = member.link
    return info.tobuf(tarfile.GNU_FORMAT, _ENCODING, _ERRORS)


def _header_size(member: Member) -> int:
    slash = 1 if member.type == tarfile.DIRTYPE else 0  # tarfile ends a directory's name with it
    return (
        BLOCK + _long_name_size(len(os.fsencode(member.name)) + slash) + _long_name_size(len(os.fsencode(member.link)))
    )


def _long_name_size(length: int) -> int:
    """What a name of so many bytes takes beyond its header field: a header and the NUL-ended name in whole blocks."""
    return 0 if length <= NAME_FIELD else BLOCK + _whole_blocks(length + 1)


def _whole_blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
