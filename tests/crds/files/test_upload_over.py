"""What stands where a file or directory belongs: symlinks, files, directories, devices, programs that run."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from devservers.crds.files.transfer import upload
from devservers.errors import SyncError
from tests.machine import needs_root

from .boxes import NOBODY, Box, snapshot


@pytest.fixture
def place(any_box: Box) -> Path:
    """An existing target."""
    any_box.path("p").mkdir()
    return any_box.path("p")


@pytest.mark.parametrize("link", ["../outside", "inside", "nowhere", "chain", "file"])
@pytest.mark.parametrize("at", ["a", "a/b"])
def test_a_symlink_in_place_of_a_directory_is_replaced_and_not_written_through(
    any_box: Box, place: Path, local: Path, at: str, link: str
) -> None:
    (local / "a" / "b").mkdir(parents=True)
    (local / "a" / "b" / "f").write_bytes(b"new")
    any_box.path("outside").mkdir()
    link_text = "../" * at.count("/") + link
    (place / "inside").mkdir()
    (place / "chain").symlink_to("inside")
    (place / "file").write_bytes(b"mine")
    (place / at).parent.mkdir(exist_ok=True)
    (place / at).symlink_to(link_text)
    upload(any_box, local, "p")
    assert snapshot(place / "a") == snapshot(local / "a")
    assert snapshot(any_box.path("outside")) == snapshot(place / "inside") == {}
    assert (place / "file").read_bytes() == b"mine"


@pytest.mark.parametrize("link", ["../outside", "../folder", "nowhere"])
def test_a_symlink_in_place_of_a_file_is_replaced(any_box: Box, place: Path, local: Path, link: str) -> None:
    (local / "f").write_bytes(b"new")
    any_box.path("outside").write_bytes(b"mine")
    any_box.path("folder").mkdir()
    (place / "f").symlink_to(link)
    upload(any_box, local, "p")
    assert snapshot(place) == snapshot(local)
    assert (any_box.path("outside").read_bytes(), snapshot(any_box.path("folder"))) == (b"mine", {})


def test_a_target_that_is_a_symlink_is_followed_through_a_chain(any_box: Box, place: Path, local: Path) -> None:
    (local / "f").write_bytes(b"new")
    any_box.path("chain").symlink_to("p")
    any_box.path("workspace").symlink_to("chain")
    upload(any_box, local, "workspace")
    assert any_box.path("workspace").is_symlink()
    assert snapshot(place) == snapshot(local)


def test_a_symlink_replaces_a_file_and_a_file_a_symlink(any_box: Box, place: Path, local: Path) -> None:
    (local / "f").symlink_to("x")
    (local / "l").write_bytes(b"new")
    (place / "f").write_bytes(b"old")
    (place / "l").symlink_to("f")
    upload(any_box, local, "p")
    assert snapshot(place) == snapshot(local)


UNREACHABLE = {"loop": "loop", "past a file": "other/x", "too long": "x" * 300, "closed": "../closed/x"}


@pytest.mark.parametrize("link", UNREACHABLE.values(), ids=UNREACHABLE)
def test_a_symlink_that_cannot_be_followed_is_replaced(any_box: Box, place: Path, local: Path, link: str) -> None:
    (local / "loop").symlink_to(link)
    (local / "other").write_bytes(b"new")
    closed = any_box.path("closed")
    closed.mkdir(mode=0)
    if os.geteuid() == 0:
        any_box.user = NOBODY
        os.chown(place, NOBODY, NOBODY)
    for _ in range(2):
        upload(any_box, local, "p")
        assert snapshot(place) == snapshot(local)
    (local / "loop").unlink()
    (local / "loop").write_bytes(b"a file now")
    upload(any_box, local / "loop", "p/loop")
    assert snapshot(place) == snapshot(local)


@needs_root
def test_one_that_cannot_be_replaced_stays(any_box: Box, place: Path, local: Path) -> None:
    (local / "loop").symlink_to("loop")
    (place / "loop").symlink_to("./loop")
    place.chmod(0o1777)
    any_box.user = NOBODY
    with pytest.raises(SyncError, match=r"(?s)loop.*exit code 88\)"):
        upload(any_box, local, "p")
    assert os.readlink(place / "loop") == "./loop"


def test_a_directory_takes_the_place_of_a_file(any_box: Box, place: Path, local: Path) -> None:
    (local / "d" / "e").mkdir(parents=True)
    (place / "d").write_bytes(b"old")
    upload(any_box, local, "p")
    assert snapshot(place) == snapshot(local)


def test_a_file_takes_the_place_of_an_empty_directory(any_box: Box, place: Path, local: Path) -> None:
    (local / "f").write_bytes(b"new")
    (place / "f").mkdir()
    upload(any_box, local, "p")
    assert snapshot(place) == snapshot(local)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, listening])
@pytest.mark.parametrize("remote", ["p", "p/f"])
def test_a_file_takes_the_place_of_a_fifo_or_socket(
    any_box: Box, place: Path, local: Path, remote: str, make: Callable[[Path], None]
) -> None:
    (local / "f").write_bytes(b"new")
    make(place / "f")
    upload(any_box, local if remote == "p" else local / "f", remote)
    assert (place / "f").read_bytes() == b"new"


@needs_root
@pytest.mark.parametrize("remote", ["p", "p/null"])
def test_a_device_is_neither_replaced_nor_written_to(any_box: Box, place: Path, local: Path, remote: str) -> None:
    (local / "null").write_bytes(b"new")
    os.mknod(place / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with pytest.raises(SyncError, match=r"null: is a device"):
        upload(any_box, local if remote == "p" else local / "null", remote)
    assert stat.S_ISCHR((place / "null").stat().st_mode)


def test_a_program_that_runs_is_replaced(any_box: Box, place: Path, local: Path) -> None:
    (local / "program").write_bytes(b"new")
    shutil.copy(shutil.which("sleep") or "sleep", place / "program")
    with subprocess.Popen([place / "program", "100"]) as running:
        try:
            upload(any_box, local, "p")
        finally:
            running.kill()
    assert (place / "program").read_bytes() == b"new"


def test_names_of_every_kind_go_over_older_ones(any_box: Box, place: Path, local: Path) -> None:
    for name in ("-rf", "a b", "new\nline", "end//", ".dot", "..two", "*", "caf\udce9", "back\\slash", "'", "[x]"):
        (local / name.rstrip("/")).mkdir()
        (local / name / name.rstrip("/")).write_bytes(b"new")
        (local / name / ".empty").mkdir(mode=0o711)
        (place / name).mkdir()
        (place / name / name.rstrip("/")).write_bytes(b"old")
        (place / name / ".empty").mkdir()
    upload(any_box, local, "p")
    assert snapshot(place) == snapshot(local)


def test_more_files_than_one_command_line_takes_are_replaced(any_box: Box, place: Path, local: Path) -> None:
    for number in range(450):
        (local / f"f{number}").write_bytes(b"new")
        (place / f"f{number}").write_bytes(b"old")
    upload(any_box, local, "p")
    assert snapshot(place) == snapshot(local)
