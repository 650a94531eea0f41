"""Files that change between the plan and the reading: the stream keeps its length, and nobody is deceived."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Callable, Optional

import pytest

from devservers.crds.files.transfer import upload
from devservers.crds.result import RemoteResult
from devservers.errors import SyncError

from .boxes import Box, snapshot


@pytest.fixture
def pair(local: Path) -> Path:
    (local / "a").write_bytes(b"0123456789")
    (local / "b").write_bytes(b"steady")
    return local


def grow(path: Path) -> None:
    path.write_bytes(b"0123456789 and more")


def shrink(path: Path) -> None:
    path.write_bytes(b"0123")


def become_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("change", "told", "copy"),
    [
        (grow, "'a': grew from 10 to 19 bytes", b"0123456789"),
        (shrink, "'a': shrank from 10 to 4 bytes", b"0123\0\0\0\0\0\0"),
    ],
)
def test_a_file_of_another_size_is_made_to_fit_and_named(
    box: Box, pair: Path, change: Callable[[Path], None], told: str, copy: bytes
) -> None:
    box.before_feeding = lambda: change(pair / "a")
    with pytest.raises(SyncError, match=rf"1 changed while being read \({told}\)\. .* everything else has arrived"):
        upload(box, pair, "p")
    assert {name: facts[3] for name, facts in snapshot(box.path("p")).items()} == {"a": copy, "b": b"steady"}


@pytest.mark.parametrize("change", [become_a_fifo, become_a_directory])
def test_a_file_that_is_none_any_more_is_not_copied_and_named(
    v4_box: Box, pair: Path, change: Callable[[Path], None]
) -> None:
    v4_box.before_feeding = lambda: change(pair / "a")
    with pytest.raises(SyncError, match=r"\('a': is no longer a regular file, not copied\)"):
        upload(v4_box, pair, "p")
    assert list(snapshot(v4_box.path("p"))) == ["b"]


def test_a_file_deleted_meanwhile_is_left_out_and_its_older_copy_stays(box: Box, pair: Path) -> None:
    upload(box, pair, "p")
    (pair / "a").write_bytes(b"newer")
    (pair / "b").write_bytes(b"newer")
    box.before_feeding = (pair / "a").unlink
    report = upload(box, pair, "p")
    assert {name: facts[3] for name, facts in snapshot(box.path("p")).items()} == {"a": b"0123456789", "b": b"newer"}
    assert (report.files, report.bytes) == (1, 5)


def test_a_single_file_deleted_meanwhile_is_an_error(v4_box: Box, pair: Path) -> None:
    v4_box.before_feeding = (pair / "a").unlink
    with pytest.raises(SyncError, match=r"\(deleted locally meanwhile: 'a'\)"):
        upload(v4_box, pair / "a", "p/x")
    assert snapshot(v4_box.path("p")) == {}


def test_a_file_replaced_by_one_of_the_same_size_is_simply_read(v4_box: Box, pair: Path) -> None:
    def replace() -> None:
        (pair / "a").write_bytes(b"9876543210")

    v4_box.before_feeding = replace
    upload(v4_box, pair, "p")
    assert v4_box.path("p/a").read_bytes() == b"9876543210"


def test_a_file_written_to_while_it_is_read_is_named(v4_box: Box, local: Path) -> None:
    (local / "a").write_bytes(bytes(1_000_000))

    def meddling(args: Sequence[str], stdin: Optional[Iterable[bytes]] = None) -> RemoteResult:
        return v4_box(args, _touching(local / "a", stdin or ()))

    with pytest.raises(SyncError, match="'a': was written to"):
        upload(meddling, local, "p")


def _touching(path: Path, chunks: Iterable[bytes]) -> Iterator[bytes]:
    for number, chunk in enumerate(chunks):
        if number == 1:
            os.utime(path, (1, 1))
        yield chunk


def test_of_many_changed_files_the_first_ten_are_named(v4_box: Box, local: Path) -> None:
    files = [local / f"f{number:02}" for number in range(12)]
    for path in files:
        path.write_bytes(b"0123456789")

    def shrink_all() -> None:
        for path in files:
            shrink(path)

    v4_box.before_feeding = shrink_all
    with pytest.raises(SyncError, match=r"12 changed while being read \('f00': .*'f09': [^;]*; and 2 more\)"):
        upload(v4_box, local, "p")
