"""From entries to the bytes of one tar stream, whose length is known before the first of them is made.

The format is GNU's with its long-name members: the one that GNU tar, bsdtar, busybox and toybox all
read right.

What shapes the archive:

* It is unpacked into an empty staging directory, whose files are then moved into place. A directory
  stands before its contents and open to its owner, whatever its mode, for else its contents could
  not be moved out of it.
* The *seals*, an archive inside the archive, hold the directories once more, with their own modes
  and mtimes, innermost first. They are unpacked over the directories when all files are in place,
  for each file that is moved into a directory changes its mtime. busybox, when not root, does not
  give its mode to a directory that is there: the modes come once more, as a list.
* A file that has vanished since it was planned must neither shorten the stream nor put zeros in
  place of an older copy: its place is taken by a *void*, a file of equal length that the script
  removes.
* The *marker*, an empty file with a name of its own, comes last: each tar ends well on a stream
  that is cut between two members, so only the marker's arrival shows that nothing is missing.

Invariant: ``len(b"".join(stream(entries, marker, content))) == stream_size(entries, marker)``,
whatever ``content`` yields.
"""

from __future__ import annotations

import os
import sys
import tarfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from typing import Callable, NamedTuple, Optional

from .scan import Entry

BLOCK = 512
CHUNK = 64 * 1024
END = bytes(2 * BLOCK)
VOID, SEALS, MODES = "_", "+", "="  # what follows the marker's name in the names of these
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


def members(entries: Iterable[Entry]) -> Iterator[Member]:
    """What is unpacked into the staging directory, in the order of :mod:`.scan` (a directory before
    its contents).
    """
    for entry in entries:
        if entry.is_directory:
            yield Member(entry.name, tarfile.DIRTYPE, entry.permissions | 0o700, entry.mtime)
        else:
            yield _leaf(entry)


def seals(entries: Sequence[Entry]) -> Iterator[Member]:
    """The directories with their own modes, each behind those that it holds."""
    for entry in reversed(entries):
        if entry.is_directory:
            yield Member(entry.name, tarfile.DIRTYPE, entry.permissions, entry.mtime)


def _leaf(entry: Entry) -> Member:
    if entry.is_file:
        return Member(
            entry.name, tarfile.REGTYPE, entry.permissions, entry.mtime, entry.size, source=entry
        )
    return Member(entry.name, tarfile.SYMTYPE, 0o777, entry.mtime, link=entry.link)


def stream_size(entries: Sequence[Entry], marker: str) -> int:
    """Length of the whole stream in bytes, without making it."""
    ending = (_sealing(entries, marker), _mode_list(entries, marker), _marker(marker))
    return sum(member.footprint for member in chain(members(entries), ending)) + len(END)


def stream(entries: Sequence[Entry], marker: str, content: Content) -> Generator[bytes, None, None]:
    """The stream in chunks of at most 64 KiB.

    ``content`` gives a file's bytes in pieces of any size, or raises :exc:`Absent`. Too few are
    filled up with zeros and what is too much is cut, for the size in the header has been sent; it
    is for ``content`` to notice and to tell.
    """
    archive = (piece for member in members(entries) for piece in _pieces(member, marker, content))
    inner = chain(map(_header, seals(entries)), [END])
    sealing = _filled(_sealing(entries, marker), inner)
    modes = _filled(_mode_list(entries, marker), mode_lines(entries))
    return _chunked(chain(archive, sealing, modes, [_header(_marker(marker)), END]))


def _sealing(entries: Sequence[Entry], marker: str) -> Member:
    """The file that holds the archive of seals."""
    size = sum(member.footprint for member in seals(entries)) + len(END)
    return Member(f"{marker}{SEALS}", tarfile.REGTYPE, 0o600, size=size)


def mode_lines(entries: Sequence[Entry]) -> Iterator[bytes]:
    """The directories' modes as the script reads them, in the order of the seals."""
    for entry in reversed(entries):
        if entry.is_directory:
            yield b"%04o %b//\n" % (entry.permissions, os.fsencode(entry.name))


def _mode_list(entries: Sequence[Entry], marker: str) -> Member:
    size = sum(map(len, mode_lines(entries)))
    return Member(f"{marker}{MODES}", tarfile.REGTYPE, 0o600, size=size)


def _marker(marker: str) -> Member:
    return Member(marker, tarfile.REGTYPE, 0o600)


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
    return Member(f"{marker}{VOID}", tarfile.REGTYPE, 0o600, size=member.footprint - BLOCK)


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
    """Small pieces joined, big ones split: a frame for each 4 KiB file would cost more than the
    file.
    """
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= CHUNK:
            yield bytes(buffer[:CHUNK])
            del buffer[:CHUNK]
    if buffer:
        yield bytes(buffer)


def _header(member: Member) -> bytes:
    """The 512-byte header, with long-name members before it where needed; the owner is 0, without a
    name.
    """
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
        BLOCK
        + _long_name_size(len(os.fsencode(member.name)) + slash)
        + _long_name_size(len(os.fsencode(member.link)))
    )


def _long_name_size(length: int) -> int:
    """What a name of so many bytes takes beyond its header field: a header and the NUL-ended name
    in whole blocks.
    """
    return 0 if length <= NAME_FIELD else BLOCK + _whole_blocks(length + 1)


def _whole_blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
