"""Renames the members of a tar archive while it streams by: the pod's directory is cut from their names.

``tar cf - /workspace/x`` (which is what ``kubectl cp`` runs) packs the path that the command was given, and that is
the one on this machine. So each header whose name or link target begins with the pod's directory is written anew,
with a new checksum; the data passes untouched. Long names travel in members of their own (GNU ``L`` and ``K``, pax
``x`` and ``g``), which are held back until they are whole.
"""

from __future__ import annotations

import os
from typing import Optional

BLOCK = 512
MAGIC = slice(257, 262)
NAME, SIZE, CHECKSUM, TYPE, LINK, PREFIX = (
    slice(0, 100),
    slice(124, 136),
    slice(148, 156),
    156,
    slice(157, 257),
    slice(345, 500),
)
HELD = frozenset(b"LKxg")
LARGEST_HELD = 1 << 20  # a header that claims a longer name is none


def is_tar(data: bytes) -> bool:
    """Does a stream that begins like this hold a tar archive (ustar, GNU or pax)?"""
    return data[MAGIC] == b"ustar"


class TarNames:
    """A stream filter: feed it chunks, take what comes out."""

    def __init__(self, root: str) -> None:
        self._root = os.fsencode(root)
        self._buffer = bytearray()
        self._pass = 0  # bytes of member data still to pass

    def feed(self, chunk: bytes) -> bytes:
        self._buffer += chunk
        out = bytearray()
        while True:
            data = self._take(min(self._pass, len(self._buffer)))
            self._pass -= len(data)
            out += data
            if self._pass or len(self._buffer) < BLOCK:
                return bytes(out)
            member = self._member()
            if member is None:
                return bytes(out)
            out += member

    def flush(self) -> bytes:
        """Whatever is left of an archive that was cut."""
        return self._take(len(self._buffer))

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _member(self) -> Optional[bytes]:
        """The next header (with its data, if that is a name), rewritten; None if more bytes are needed."""
        header = bytes(self._buffer[:BLOCK])
        size = _size(header)
        if not is_tar(header) or size is None:
            return self._take(BLOCK)
        if header[TYPE] not in HELD or size > LARGEST_HELD:
            self._take(BLOCK)
            self._pass = _padded(size)
            return self._renamed(header)
        if len(self._buffer) < BLOCK + _padded(size):
            return None
        self._take(BLOCK)
        return self._rewritten(header, self._take(_padded(size))[:size])

    def _renamed(self, header: bytes) -> bytes:
        name, link = header[NAME].rstrip(b"\0"), header[LINK].rstrip(b"\0")
        if header[MAGIC.stop : MAGIC.stop + 1] != b" ":  # ustar proper: a long name's beginning stands in the prefix
            name = b"/".join(part for part in (header[PREFIX].rstrip(b"\0"), name) if part)
        if self._cut(name) != name:
            header = _with_name(header, self._cut(name))
        if self._cut(link) != link:
            header = _with(header, LINK, self._cut(link))
        return _summed(header)

    def _rewritten(self, header: bytes, data: bytes) -> bytes:
        pax = header[TYPE] in b"xg"
        data = self._cut_records(data) if pax else self._cut(data.rstrip(b"\0")) + b"\0"
        header = _summed(_with(header, SIZE, b"%011o" % len(data)))
        return header + data + bytes(_padded(len(data)) - len(data))

    def _cut_records(self, data: bytes) -> bytes:
        """pax records: ``LENGTH KEY=VALUE\\n``, the length counting itself."""
        out = b""
        while data:
            length, _, _ = data.partition(b" ")
            record, data = data[: int(length)], data[int(length) :]
            key, _, value = record[len(length) + 1 : -1].partition(b"=")
            if key in (b"path", b"linkpath"):
                record = _record(key, self._cut(value))
            out += record
        return out

    def _cut(self, name: bytes) -> bytes:
        """A name without the pod's directory; relative if tar had already made it so."""
        for root, kept in ((self._root, b"/"), (self._root[1:], b"")):
            if name == root:
                return kept or b"."
            if name.startswith(root + b"/"):
                return kept + name[len(root) + 1 :]
        return name


def _with_name(header: bytes, name: bytes) -> bytes:
    """A name shorter than the one that was there fits again, split at a slash where it must be."""
    if len(name) <= 100:
        prefix, last = b"", name
    else:
        cut = name.index(b"/", len(name) - 101)
        prefix, last = name[:cut], name[cut + 1 :]
    header = _with(header, NAME, last)
    return _with(header, PREFIX, prefix) if header[MAGIC.stop : MAGIC.stop + 1] != b" " else header


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _size(header: bytes) -> Optional[int]:
    """The member's size: octal, or binary for huge ones (GNU); None if it is neither."""
    field = header[SIZE]
    if field[0] & 0x80:
        return int.from_bytes(field, "big") & ((1 << 95) - 1)
    try:
        return int(field.rstrip(b"\0 ") or b"0", 8)
    except ValueError:
        return None


def _with(header: bytes, part: slice, value: bytes) -> bytes:
    return header[: part.start] + value.ljust(part.stop - part.start, b"\0") + header[part.stop :]


def _summed(header: bytes) -> bytes:
    total = sum(_with(header, CHECKSUM, b" " * 8))
    return _with(header, CHECKSUM, b"%06o\0 " % total)


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest
