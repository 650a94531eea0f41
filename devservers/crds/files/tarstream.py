"""From entries to the bytes of a tar archive, whose length is known before the first byte. Pure.

The format is GNU's with its long-name members: GNU tar, bsdtar, busybox and toybox all read it.

What determines the archive:

* It is unpacked into an empty staging directory, whose files are then moved into place. A directory
  comes before its contents and is accessible to its owner, whatever its mode: else its contents
  could not be moved out of it.
* The *attributes*, an archive inside the archive, contain the directories once more, with their own
  modes and mtimes, innermost first. They are unpacked over the directories when all files are in
  place, because each file that is moved into a directory changes its mtime. busybox does not change
  the mode of an existing directory unless it is root, so the modes come once more, as a list.
* A file that has vanished since it was planned must neither shorten the stream nor put zeros in
  place of an older copy. A *filler* takes its place: a file of equal length, which the script
  removes.
* The *marker*, an empty file with a unique name, comes last. Every tar accepts a stream that was
  cut off between two members, so only the arrival of the marker shows that nothing is missing.

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
FILLER, ATTRIBUTES, MODES = "_", "+", "="
"""What follows the marker in the names of these members."""
NAME_FIELD = 100
"""Bytes of the name in a header; a longer name is put into a member of its own before that."""

_ENCODING = sys.getfilesystemencoding()
_ERRORS = sys.getfilesystemencodeerrors()

Content = Callable[[Entry], Generator[bytes, None, None]]


class Absent(Exception):
    """Raised by a content generator before its first piece: the file yields no data."""


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
    """What is unpacked into the staging directory, in the order of the scan."""
    for entry in entries:
        if entry.is_directory:
            yield Member(entry.name, tarfile.DIRTYPE, entry.permissions | 0o700, entry.mtime)
        else:
            yield _file_or_symlink(entry)


def attributes(entries: Sequence[Entry]) -> Iterator[Member]:
    """The directories with their own modes, each after those that it contains."""
    for entry in reversed(entries):
        if entry.is_directory:
            yield Member(entry.name, tarfile.DIRTYPE, entry.permissions, entry.mtime)


def _file_or_symlink(entry: Entry) -> Member:
    if entry.is_file:
        return Member(
            entry.name, tarfile.REGTYPE, entry.permissions, entry.mtime, entry.size, source=entry
        )
    return Member(entry.name, tarfile.SYMTYPE, 0o777, entry.mtime, link=entry.link)


def stream_size(entries: Sequence[Entry], marker: str) -> int:
    """Length of the whole stream in bytes, without making it."""
    ending = (_attributes_file(entries, marker), _mode_list(entries, marker), _marker(marker))
    return sum(member.footprint for member in chain(members(entries), ending)) + len(END)


def stream(entries: Sequence[Entry], marker: str, content: Content) -> Generator[bytes, None, None]:
    """The stream in chunks of at most 64 KiB.

    ``content`` gives the bytes of a file in pieces of any size, or raises :exc:`Absent`. Too few
    are padded with zeros and too many are cut off, because the header with the size has been sent.
    To notice that and to report it is up to ``content``.
    """
    archive = (piece for member in members(entries) for piece in _pieces(member, marker, content))
    inner = chain(map(_header, attributes(entries)), [END])
    outer = _padded(_attributes_file(entries, marker), inner)
    modes = _padded(_mode_list(entries, marker), mode_lines(entries))
    return _chunked(chain(archive, outer, modes, [_header(_marker(marker)), END]))


def _attributes_file(entries: Sequence[Entry], marker: str) -> Member:
    """The file that contains the archive of attributes."""
    size = sum(member.footprint for member in attributes(entries)) + len(END)
    return Member(f"{marker}{ATTRIBUTES}", tarfile.REGTYPE, 0o600, size=size)


def mode_lines(entries: Sequence[Entry]) -> Iterator[bytes]:
    """The modes of the directories as the script reads them, in the order of the attributes."""
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
            yield from _padded(_filler(member, marker), ())
        else:
            yield from _padded(member, chain([first], pieces))


def _filler(member: Member, marker: str) -> Member:
    """A file that takes as many bytes as ``member``."""
    return Member(f"{marker}{FILLER}", tarfile.REGTYPE, 0o600, size=member.footprint - BLOCK)


def _padded(member: Member, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A member whose content is cut or padded to its size, and then to whole blocks."""
    yield _header(member)
    yield from _exactly(member.size, pieces)
    yield bytes(-member.size % BLOCK)


def _exactly(size: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    missing = size
    for piece in pieces:
        yield piece[:missing]
        missing -= min(missing, len(piece))
    while missing:
        zeros = bytes(min(missing, CHUNK))
        missing -= len(zeros)
        yield zeros


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
    """The 512-byte header, after long-name members if needed; the owner is 0, without a name."""
    info = tarfile.TarInfo(member.name)
    info.type = member.type
    info.mode = member.mode
    info.mtime = member.mtime
    info.size = member.size
    info.linkname = member.link
    return info.tobuf(tarfile.GNU_FORMAT, _ENCODING, _ERRORS)


def _header_size(member: Member) -> int:
    name = len(os.fsencode(member.name))
    if member.type == tarfile.DIRTYPE:
        name += 1  # tarfile appends a slash
    return BLOCK + _long_name_size(name) + _long_name_size(len(os.fsencode(member.link)))


def _long_name_size(length: int) -> int:
    """What a name of so many bytes takes besides its header field: a member of its own.

    That is a header, and the name with its final NUL in whole blocks.
    """
    if length <= NAME_FIELD:
        return 0
    return BLOCK + _whole_blocks(length + 1)


def _whole_blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
