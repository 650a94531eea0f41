"""Each file is the old one or the new one, whatever happens, and what a killed transfer has left is removed."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Optional

import pytest

from devservers.crds.files.transfer import upload
from devservers.crds.result import RemoteResult
from devservers.errors import SyncError

from .boxes import Box, snapshot

ID = "0123456789abcdef"


@pytest.fixture
def newer(any_box: Box, local: Path) -> Path:
    """A local tree of which an older state is there already."""
    for name in ("a", "m", "z"):
        (local / name).write_bytes(b"old")
    (local / "d").mkdir()
    (local / "d" / "f").write_bytes(b"old")
    upload(any_box, local, "p")
    for name in ("a", "d/f", "z"):
        (local / name).write_bytes(b"new")
    (local / "m").write_bytes(bytes(100_000))
    (local / "added").write_bytes(b"new")
    return local


def test_a_full_disk_leaves_every_old_copy_whole_and_nothing_new(any_box: Box, newer: Path) -> None:
    before = snapshot(any_box.path("p"))
    any_box.largest_file = 20_000
    with pytest.raises(SyncError, match=r"exit code \d+\)\. Nothing was changed in the container"):
        upload(any_box, newer, "p")
    assert snapshot(any_box.path("p")) == before


def test_a_single_file_that_does_not_fit_leaves_the_old_one(any_box: Box, newer: Path) -> None:
    any_box.largest_file = 20_000
    with pytest.raises(SyncError):
        upload(any_box, newer / "m", "p")
    assert any_box.path("p/m").read_bytes() == b"old"
    assert [name for name in snapshot(any_box.root) if ".devservers-" in name] == []


def test_a_stream_that_is_cut_changes_nothing(any_box: Box, newer: Path) -> None:
    before = snapshot(any_box.path("p"))
    any_box.feed_at_most = 90_000
    with pytest.raises(SyncError, match="exit code"):
        upload(any_box, newer, "p")
    assert snapshot(any_box.path("p")) == before


def test_a_disk_that_is_really_full_is_an_error_and_leaves_the_old_copies(
    any_box: Box, small_disk: Path, newer: Path
) -> None:
    (newer / "m").write_bytes(b"old")
    upload(any_box, newer, "disk")
    before = snapshot(small_disk)
    (newer / "a").write_bytes(b"newer")
    (newer / "m").write_bytes(bytes(300_000))
    with pytest.raises(SyncError, match=r"(?s)o space left on device.*Nothing was changed in the container"):
        upload(any_box, newer, "disk")
    assert snapshot(small_disk) == before


def test_what_fits_once_but_not_twice_can_be_uploaded_once(any_box: Box, small_disk: Path, newer: Path) -> None:
    (newer / "m").write_bytes(bytes(150_000))
    upload(any_box, newer, "disk")
    before = snapshot(small_disk)
    with pytest.raises(SyncError, match="o space left on device"):
        upload(any_box, newer, "disk")
    assert snapshot(small_disk) == before == snapshot(newer)


def test_in_batches_a_tree_that_fits_once_can_be_uploaded_again(any_box: Box, small_disk: Path, local: Path) -> None:
    for name in "abcdef":
        (local / name).write_bytes(bytes(32 * 1024))
    for _ in range(2):
        upload(any_box, local, "disk", batch_bytes=32 * 1024)
    assert snapshot(small_disk) == snapshot(local)


def killing(box: Box, with_stage: list[str], number: int = signal.SIGKILL) -> Box:
    """Kills the script in mid-transfer, as the kernel does when memory is short, or by another signal."""

    class Killing(Box):
        def __call__(self, args: Sequence[str], stdin: Optional[Iterable[bytes]] = None) -> RemoteResult:
            return super().__call__(args, self._cut(stdin or ()))

        def _cut(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
            chunks = iter(chunks)
            yield next(chunks)[:1000]
            until = time.monotonic() + 20
            while not with_stage and time.monotonic() < until:
                with_stage.extend(str(path) for path in self.path("p").glob(".devservers-*"))
            pid = int(Path(with_stage[0]).name.split("-")[2])
            os.kill(pid, number)

    return Killing(box.tools, box.root, half_close=True)


def test_what_a_killed_transfer_has_left_is_removed_by_the_next(any_box: Box, newer: Path) -> None:
    stage: list[str] = []
    with pytest.raises(SyncError, match="exit code"):
        upload(killing(any_box, stage), newer, "p")
    assert os.path.isdir(stage[0])
    upload(any_box, newer, "p")
    assert snapshot(any_box.path("p")) == snapshot(newer)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_transfer_that_is_interrupted_removes_what_it_has_staged(any_box: Box, newer: Path, number: int) -> None:
    before = snapshot(any_box.path("p"))
    with pytest.raises(SyncError, match=r"\(exit code 83\)\. The transfer was interrupted in the container; try again"):
        upload(killing(any_box, [], number), newer, "p")
    assert snapshot(any_box.path("p")) == before


def test_the_staging_directory_of_a_transfer_that_goes_on_stays(any_box: Box, newer: Path) -> None:
    host = Path("/proc/sys/kernel/hostname")
    name = host.read_text().strip() if host.exists() else socket.gethostname()
    other = any_box.path(f"p/.devservers-{ID}-{os.getpid()}-{name}")
    other.mkdir()
    upload(any_box, newer, "p")
    assert other.is_dir()


@pytest.mark.parametrize(("age", "stays"), [(3600, True), (200_000, False)])
def test_that_of_another_host_stays_for_a_day_or_two(any_box: Box, newer: Path, age: int, stays: bool) -> None:
    other = any_box.path(f"p/.devservers-{ID}-1-another-host")
    (other / "tree").mkdir(parents=True)
    when = other.stat().st_mtime - age
    os.utime(other, (when, when))
    upload(any_box, newer, "p")
    assert other.is_dir() == stays


@pytest.mark.parametrize("name", [f".devservers-{ID}-x-y", f".devservers-{ID}", ".devservers-1-2-3"])
def test_directories_that_merely_look_like_it_stay(any_box: Box, newer: Path, name: str) -> None:
    any_box.path(
        "p",
    ).joinpath(name).mkdir()
    upload(any_box, newer, "p")
    assert any_box.path("p").joinpath(name).is_dir()
