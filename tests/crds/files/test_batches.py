from __future__ import annotations

import stat
from pathlib import Path

import pytest

from devservers.crds.files.batches import batches
from devservers.crds.files.scan import Entry
from devservers.crds.files.transfer import upload
from devservers.errors import SyncError

from .boxes import Box, snapshot


def directory(name: str) -> Entry:
    return Entry(name, stat.S_IFDIR | 0o755, 0, 0)


def file(name: str, size: int) -> Entry:
    return Entry(name, stat.S_IFREG | 0o644, size, 0)


def names(entries: list[Entry], limit: int) -> list[list[str]]:
    return [[entry.name for entry in batch] for batch in batches(entries, limit)]


def test_what_fits_is_one_batch() -> None:
    assert names([file("a", 5), file("b", 5)], 10) == [["a", "b"]]


def test_nothing_is_one_batch_too() -> None:
    assert names([], 10) == [[]]


def test_a_file_that_is_larger_than_a_batch_goes_alone() -> None:
    assert names([file("a", 1), file("b", 50), file("c", 1)], 10) == [["a"], ["b"], ["c"]]


def test_empty_files_and_directories_never_begin_a_batch() -> None:
    assert names([file("a", 50), directory("d"), file("d/e", 0)], 10) == [["a", "d", "d/e"]]


def test_a_batch_begins_with_the_directories_that_lead_to_its_first_entry() -> None:
    entries = [directory("d"), directory("d/e"), file("d/e/f", 9), file("d/g", 9), file("da", 9)]
    assert names(entries, 10) == [["d", "d/e", "d/e/f"], ["d", "d/g"], ["da"]]


def test_a_tree_that_takes_several_batches_arrives_as_in_one(v4_box: Box, tree: Path) -> None:
    (tree / "src" / "deep").chmod(0o555)
    tree.chmod(0o750)
    report = upload(v4_box, tree, "p", batch_bytes=1)
    assert snapshot(v4_box.root)["p"][1] == "0o750"
    assert snapshot(v4_box.path("p")) == snapshot(tree)
    assert report.wire_bytes > upload(v4_box, tree, "q").wire_bytes


def test_a_batch_that_fails_tells_that_those_before_it_are_in_place(v4_box: Box, local: Path) -> None:
    (local / "a").write_bytes(b"new")
    (local / "b").write_bytes(bytes(100_000))
    v4_box.largest_file = 20_000
    with pytest.raises(SyncError, match="This was batch 2 of 2: those before it are in place"):
        upload(v4_box, local, "p", batch_bytes=10)
    assert {name: facts[3] for name, facts in snapshot(v4_box.path("p")).items()} == {"a": b"new"}
