"""Each file is the old one or the new one, whatever happens, and what a killed transfer has left is removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Optional

import pytest

from devservers.crds.files.transfer import upload
from devservers.crds.result import RemoteResult
from devservers.errors import SyncError
from tests.machine import needs_root, without_mounts

from .boxes import Box, snapshot
from .conftest import make_box

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


def until_it_is_there(place: Path) -> None:
    deadline = time.monotonic() + 20
    while not list(place.glob(".devservers-*/tree")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@needs_root
@pytest.mark.parametrize("family", ["gnu", "busybox"])
def test_a_transfer_that_goes_on_in_another_container_keeps_its_staging_directory(
    ground: Path, local: Path, tmp_path: Path, family: str
) -> None:
    if without_mounts():
        pytest.skip(without_mounts())
    going_on = make_box(family, ground, half_close=False)
    other = Box(going_on.tools, going_on.root, half_close=False)
    other.own_processes = True
    (local / "f").write_bytes(b"new")
    (tmp_path / "one").write_bytes(b"1")

    def upload_from_the_other() -> None:
        until_it_is_there(going_on.path("p"))
        upload(other, tmp_path / "one", "p/one")

    going_on.before_feeding = upload_from_the_other
    upload(going_on, local, "p")
    assert [going_on.path(name).read_bytes() for name in ("p/f", "p/one")] == [b"new", b"1"]


def namespace() -> str:
    """The PID namespace of this process as the script names it."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    if not boot.exists() or not os.path.lexists("/proc/self/ns/pid"):
        pytest.skip("this machine names no PID namespaces")
    number = os.readlink("/proc/self/ns/pid")[len("pid:[") : -1]
    return f"{number}-{boot.read_text().strip()}"


def gone_process() -> int:
    """A process id that is not in use."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


TWO_HOURS, TWO_DAYS = 7200, 200_000


@pytest.mark.parametrize(
    ("runs", "is_here", "age", "stays"),
    [
        (True, True, 0, True),
        (True, True, TWO_HOURS, True),
        (True, True, TWO_DAYS, False),  # another process has the id
        (False, True, 0, False),
        (False, False, TWO_HOURS, True),
        (False, False, TWO_DAYS, False),
    ],
)
def test_a_staging_directory_stays_as_long_as_its_transfer_may_go_on(
    any_box: Box, newer: Path, runs: bool, is_here: bool, age: int, stays: bool
) -> None:
    pid = os.getpid() if runs else gone_process()
    where = namespace() if is_here else "4026531836-0b5e7a1e-another-boot"
    other = any_box.path(f"p/.devservers-{ID}-{pid}-{where}")
    (other / "tree").mkdir(parents=True)
    when = other.stat().st_mtime - age
    os.utime(other, (when, when))
    upload(any_box, newer, "p")
    assert other.is_dir() == stays


def test_it_also_stays_where_nothing_tells_the_containers_apart(gnu_box: Box, local: Path) -> None:
    (gnu_box.tools / "readlink").unlink()
    other = gnu_box.path(f"p/.devservers-{ID}-{gone_process()}-unknown")
    other.mkdir(parents=True)
    upload(gnu_box, local, "p")
    assert other.is_dir()


@pytest.mark.parametrize("name", [f".devservers-{ID}-x-y", f".devservers-{ID}", ".devservers-1-2-3"])
def test_directories_that_merely_look_like_it_stay(any_box: Box, newer: Path, name: str) -> None:
    any_box.path("p").joinpath(name).mkdir()
    upload(any_box, newer, "p")
    assert any_box.path("p").joinpath(name).is_dir()
