from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import Generator, Iterator, Mapping
from typing import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devservers.crds.files.scan import Entry
from devservers.crds.files.tarstream import CHUNK, Absent, Content, attributes, members, mode_lines, stream, stream_size

MARKER = ".devservers-0123456789abcdef"
LONG_AGO = 1_000_000_000


def directory(name: str, mode: int = 0o755) -> Entry:
    return Entry(name, stat.S_IFDIR | mode, 0, LONG_AGO)


def file(name: str, size: int = 0, mode: int = 0o644, mtime: int = LONG_AGO) -> Entry:
    return Entry(name, stat.S_IFREG | mode, size, mtime)


def symlink(name: str, link: str) -> Entry:
    return Entry(name, stat.S_IFLNK | 0o777, 0, LONG_AGO, link)


def content_of(contents: Mapping[str, bytes]) -> Content:
    def content(entry: Entry) -> Generator[bytes, None, None]:
        yield contents[entry.name]

    return content


def zeros(entry: Entry) -> Generator[bytes, None, None]:
    yield bytes(entry.size)


def absent(entry: Entry) -> Generator[bytes, None, None]:
    raise Absent
    yield b""  # type: ignore[unreachable]  # makes it a generator


def archive(entries: list[Entry], content: Content = zeros) -> bytes:
    return b"".join(stream(entries, MARKER, content))


def unpacked(raw: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(raw), errors="surrogateescape") as reader:
        for info in reader:
            handle = reader.extractfile(info) if info.isreg() else None
            yield info, handle.read() if handle else b""


SEALS, MODES = f"{MARKER}+", f"{MARKER}="
BESIDE_FILES = 512 + 1024 + 512 + 512 + 1024  # no seals, no modes, the marker, the end


def test_a_directory_is_unpacked_open_before_its_contents_and_sealed_with_its_own_mode() -> None:
    entries = [directory("d", 0o555), file("d/f")]
    assert [(member.name, oct(member.mode)) for member in members(entries)] == [("d", "0o755"), ("d/f", "0o644")]
    assert [(member.name, oct(member.mode)) for member in attributes(entries)] == [("d", "0o555")]


def test_nested_directories_are_sealed_from_the_innermost_out() -> None:
    entries = [directory("a"), directory("a/b"), file("a/b/f"), directory("a-b"), file("a-b/g")]
    assert [member.name for member in attributes(entries)] == ["a-b", "a/b", "a"]


def test_modes_are_listed_in_the_order_of_the_seals_each_name_ended_by_slashes() -> None:
    entries = [directory("a\nb", 0o700), directory("a\nb/c", 0o1555)]
    assert b"".join(mode_lines(entries)) == b"0555 a\nb/c//\n0700 a\nb//\n"


def test_a_standard_reader_finds_every_entry_the_seals_the_modes_and_the_marker_last() -> None:
    long = "n" * 150 + "/" + "m" * 200
    entries = [file("f", 3, 0o750), directory("n" * 150), file(long, 5), symlink("s", "t" * 120)]
    found = list(unpacked(archive(entries, content_of({"f": b"abc", long: b"12345"}))))
    assert [info.name.rstrip("/") for info, _ in found] == ["f", "n" * 150, long, "s", SEALS, MODES, MARKER]
    contents = {info.name: data for info, data in found if data}
    assert [info.name.rstrip("/") for info, _ in unpacked(contents.pop(SEALS))] == ["n" * 150]
    assert contents == {"f": b"abc", long: b"12345", MODES: b"0755 " + b"n" * 150 + b"//\n"}
    assert found[3][0].linkname == "t" * 120


def test_headers_hold_mode_and_mtime_and_nobody_in_particular() -> None:
    (info, _), *_ = unpacked(archive([file("f", mode=0o4751, mtime=1_700_000_001)]))
    assert (oct(info.mode), info.mtime) == ("0o751", 1_700_000_001)
    assert (info.uid, info.gid, info.uname, info.gname) == (0, 0, "", "")


@pytest.mark.parametrize("size", [8 * 1024**3, 2**40])
def test_sizes_beyond_the_octal_field_are_planned(size: int) -> None:
    assert stream_size([file("big", size)], MARKER) == 512 + size + BESIDE_FILES


def test_names_that_are_not_utf8_keep_their_bytes() -> None:
    assert b"caf\xe9\0" in archive([file("caf\udce9")])


def test_chunks_join_small_pieces_and_split_big_ones() -> None:
    entries = [file("big", 3 * CHUNK), *(file(f"small{number}", 10) for number in range(200))]
    sizes = [len(chunk) for chunk in stream(entries, MARKER, zeros)]
    assert set(sizes[:-1]) == {CHUNK}
    assert 0 < sizes[-1] <= CHUNK


@pytest.mark.parametrize(
    ("given_bytes", "arrived"),
    [(b"abc", b"abc\0\0"), (b"", b"\0\0\0\0\0"), (b"abcdefghi", b"abcde")],
    ids=["filled up", "nothing came", "cut"],
)
def test_contents_of_another_length_than_planned_are_made_to_fit(given_bytes: bytes, arrived: bytes) -> None:
    found = unpacked(archive([file("f", 5)], content_of({"f": given_bytes})))
    assert next(found)[1] == arrived


def test_in_place_of_an_absent_file_comes_a_void_and_the_rest_follows() -> None:
    entries = [file("gone" * 30, 1000), file("kept", 3)]

    def content(entry: Entry) -> Generator[bytes, None, None]:
        return content_of({"kept": b"abc"})(entry) if entry.name == "kept" else absent(entry)

    found = list(unpacked(archive(entries, content)))
    assert [info.name for info, _ in found] == [f"{MARKER}_", "kept", SEALS, MODES, MARKER]
    assert found[1][1] == b"abc"


def test_leaving_the_stream_part_way_closes_the_content() -> None:
    closed = []

    def content(entry: Entry) -> Generator[bytes, None, None]:
        try:
            while True:
                yield bytes(CHUNK)
        finally:
            closed.append(entry.name)

    chunks = stream([file("f", 10 * CHUNK)], MARKER, content)
    next(chunks)
    chunks.close()
    assert closed == ["f"]


COMPONENT = (
    st.binary(min_size=1, max_size=130)
    .map(lambda raw: raw.replace(b"\0", b"_").replace(b"/", b"-"))
    .filter(lambda raw: raw not in (b".", b".."))
    .map(lambda raw: raw.decode("utf-8", "surrogateescape"))
)
LEAF = st.one_of(st.integers(0, 3000), COMPONENT)
TREES: st.SearchStrategy[dict[str, object]] = st.recursive(
    st.dictionaries(COMPONENT, LEAF, max_size=3),
    lambda inner: st.dictionaries(COMPONENT, st.one_of(LEAF, inner), max_size=3),
    max_leaves=8,
)


def entries_of(tree: Mapping[str, object], prefix: str = "") -> Iterator[Entry]:
    for name, node in sorted(tree.items()):
        if isinstance(node, dict):
            yield directory(prefix + name)
            yield from entries_of(node, f"{prefix}{name}/")
        elif isinstance(node, str):
            yield symlink(prefix + name, node)
        elif isinstance(node, int):
            yield file(prefix + name, node)


def too_short(entry: Entry) -> Generator[bytes, None, None]:
    yield bytes(entry.size // 2)


def too_long(entry: Entry) -> Generator[bytes, None, None]:
    yield bytes(entry.size)
    yield bytes(700)


@settings(max_examples=60, deadline=None)
@given(TREES, st.sampled_from([zeros, too_short, too_long, absent]))
def test_the_stream_is_as_long_as_planned_whatever_the_contents_do(
    tree: dict[str, object], content: Callable[[Entry], Generator[bytes, None, None]]
) -> None:
    entries = list(entries_of(tree))
    raw = archive(entries, content)
    assert len(raw) == stream_size(entries, MARKER)
    *_, (last, _) = unpacked(raw)
    assert last.name == MARKER
