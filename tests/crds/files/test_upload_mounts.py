"""Things that are mounted inside the target: single files (Kubernetes' subPath) and volumes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devservers.crds.files.transfer import upload
from devservers.errors import SyncError
from tests.machine import needs_root, without_mounts

from .boxes import NOBODY, Box, calls, deleting, snapshot

pytestmark = needs_root


@pytest.fixture(autouse=True)
def _mounting() -> None:
    if without_mounts():
        pytest.skip(without_mounts())


@pytest.fixture
def volume() -> Iterator[Path]:
    """A directory on another file system."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tempfile.gettempdir()).st_dev:
        pytest.skip("/dev/shm is no file system of its own")
    path = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="devservers-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def config(any_box: Box) -> Path:
    """A file that is mounted at p/config."""
    any_box.path("p").mkdir()
    any_box.path("p/config").touch()
    source = any_box.path("source")
    source.write_bytes(b"old and longer")
    any_box.bind(source, any_box.path("p/config"))
    return source


@pytest.mark.parametrize("remote", ["p", "p/config"])
def test_a_file_on_which_something_is_mounted_is_written_in_place(
    any_box: Box, config: Path, local: Path, remote: str
) -> None:
    (local / "config").write_bytes(b"new")
    (local / "other").write_bytes(b"new")
    before = config.stat().st_ino
    upload(any_box, local if remote == "p" else local / "config", remote)
    assert (config.read_bytes(), config.stat().st_ino) == (b"new", before)
    assert any_box.path("p/other").exists() == (remote == "p")


def test_one_that_is_read_only_is_an_error_that_says_so_and_all_else_arrives(
    any_box: Box, config: Path, local: Path
) -> None:
    (local / "config").write_bytes(b"new")
    (local / "other").write_bytes(b"new")
    any_box.mounts[-1] = "ro"
    with pytest.raises(SyncError, match=r"(?s)config.*[Rr]ead-only.*usy.*exit code 88\)\. Everything else is in"):
        upload(any_box, local, "p")
    assert config.read_bytes() == b"old and longer"
    assert any_box.path("p/other").read_bytes() == b"new"


def test_one_for_which_there_is_no_room_gets_its_old_contents_back(any_box: Box, small_disk: Path, local: Path) -> None:
    (small_disk / "config").write_bytes(b"old" * 1000)
    (local / "config").write_bytes(bytes(300_000))
    any_box.path("p").mkdir()
    any_box.path("p/config").touch()
    any_box.bind(small_disk / "config", any_box.path("p/config"))
    with pytest.raises(SyncError, match=r"(?s)o space left.*usy.*exit code 88\)"):
        upload(any_box, local, "p")
    assert (small_disk / "config").read_bytes() == b"old" * 1000


@pytest.mark.parametrize("what", ["", "/tree/config", "/old"])
def test_one_whose_staged_copy_is_deleted_meanwhile_is_the_old_or_the_new_one(
    v4_box: Box, local: Path, what: str
) -> None:
    (local / "config").write_bytes(b"new")
    v4_box.path("p").mkdir()
    v4_box.path("p/config").touch()
    source = v4_box.path("source")
    source.write_bytes(b"old and longer")
    v4_box.bind(source, v4_box.path("p/config"))
    for call in (1, 2):
        try:
            upload(deleting(v4_box, v4_box.path("p"), call, what, ["cat"]), local, "p")
        except SyncError:
            assert source.read_bytes() in (b"old and longer", b"new")
        else:
            assert source.read_bytes() == b"new"
        source.write_bytes(b"old and longer")


def test_a_symlink_cannot_be_put_there(any_box: Box, config: Path, local: Path) -> None:
    (local / "config").symlink_to("x")
    with pytest.raises(SyncError, match=r"(?s)usy.*exit code 88\)"):
        upload(any_box, local, "p")
    assert config.read_bytes() == b"old and longer"


def test_files_reach_a_volume_inside_the_target_and_nothing_is_left_there(
    any_box: Box, volume: Path, local: Path
) -> None:
    for name in ("a", "d/b", "d/new/c"):
        (local / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (local / "data" / name).write_bytes(b"new")
    (volume / "d").mkdir()
    (volume / "d" / "b").write_bytes(b"old")
    (volume / "a").symlink_to("d/b")
    any_box.path("p/data").mkdir(parents=True)
    any_box.bind(volume, any_box.path("p/data"))
    upload(any_box, local, "p")
    assert snapshot(volume) == snapshot(local / "data")
    assert snapshot(any_box.path("p/data")) == {}


def test_modes_on_a_volume_do_not_depend_on_the_umask(any_box: Box, volume: Path, local: Path) -> None:
    (local / "data").mkdir()
    (local / "data" / "f").write_bytes(b"new")
    (local / "data" / "f").chmod(0o666)
    any_box.path("p/data").mkdir(parents=True)
    any_box.path("p").chmod(0o777)
    volume.chmod(0o777)
    any_box.bind(volume, any_box.path("p/data"))
    any_box.user, any_box.umask = NOBODY, 0o077
    upload(any_box, local, "p")
    assert oct((volume / "f").stat().st_mode & 0o777) == oct(0o666)


def test_success_means_that_the_files_are_in_the_volume_whatever_is_deleted_meanwhile(
    v4_box: Box, volume: Path, local: Path
) -> None:
    (local / "data" / "d").mkdir(parents=True)
    for name in ("a", "data/b", "data/d/c"):
        (local / name).write_bytes(b"new")
    v4_box.path("p/data").mkdir(parents=True)
    v4_box.bind(volume, v4_box.path("p/data"))
    counted = deleting(v4_box, v4_box.path("p"), 0)
    upload(counted, local, "p")
    failures = 0
    for place in (v4_box.path("p"), volume):
        for call in range(1, calls(counted) + 1):
            shutil.rmtree(volume / "d")
            (volume / "b").write_bytes(b"old")
            try:
                upload(deleting(v4_box, place, call), local, "p")
            except SyncError:
                failures += 1
                (volume / "d").mkdir(exist_ok=True)
            else:
                assert snapshot(volume) == snapshot(local / "data"), f"{place} {call}"
    assert failures > 0


@pytest.mark.parametrize("name", ["my data", " 1\t2\n", "back\\040slash\\ 50%d #1 caf\udce9 é"])
def test_a_full_volume_keeps_its_old_files_whatever_its_name_is(
    any_box: Box, small_disk: Path, local: Path, name: str
) -> None:
    (local / name).mkdir()
    (local / name / "a").write_bytes(bytes(300_000))
    (small_disk / "a").write_bytes(b"old")
    any_box.path(f"p/{name}").mkdir(parents=True)
    any_box.bind(small_disk, any_box.path(f"p/{name}"))
    with pytest.raises(SyncError, match=r"nothing was changed there \(exit code 88\)"):
        upload(any_box, local, "p")
    assert {file: facts[3] for file, facts in snapshot(small_disk).items()} == {"a": b"old"}


@pytest.mark.parametrize("options", ["", "ro"], ids=["full", "read-only"])
def test_a_volume_that_takes_nothing_keeps_its_old_files_and_all_else_arrives(
    any_box: Box, small_disk: Path, local: Path, options: str
) -> None:
    (local / "data").mkdir()
    (local / "data" / "a").write_bytes(b"new")
    (local / "data" / "b").write_bytes(bytes(300_000))
    (local / "zero").write_bytes(b"new")
    (small_disk / "a").write_bytes(b"old")
    any_box.path("p/data").mkdir(parents=True)
    any_box.bind(small_disk, any_box.path("p/data"), options)
    with pytest.raises(SyncError, match=r"(?s)(o space left|ead-only).*exit code 88\)\. Everything else"):
        upload(any_box, local, "p")
    assert {name: facts[3] for name, facts in snapshot(small_disk).items()} == {"a": b"old"}
    assert any_box.path("p/zero").read_bytes() == b"new"


def test_a_read_only_file_system_is_told_as_such(any_box: Box, volume: Path, local: Path) -> None:
    (local / "f").write_bytes(b"new")
    any_box.path("p").mkdir()
    any_box.bind(volume, any_box.path("p"), "ro")
    for source in (local, local / "f"):
        with pytest.raises(SyncError, match=r"(?s)[Rr]ead-only file system.*exit code 82\)"):
            upload(any_box, source, "p")
    assert snapshot(volume) == {}
