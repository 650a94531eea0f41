"""Something else deletes the staging directory while files are put into place: ``git clean``, a cleaner."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from devservers.crds.files.transfer import upload
from devservers.errors import SyncError

from .boxes import Box, calls, deleting, snapshot


@pytest.fixture
def newer(v4_box: Box, local: Path) -> Path:
    """A local tree, of which an older state is there already."""
    for name in ("a", "z", "d/f", "d/g", "d/e/f"):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_bytes(b"new")
        v4_box.path(f"p/{name}").parent.mkdir(parents=True, exist_ok=True)
        v4_box.path(f"p/{name}").write_bytes(b"old")
    (local / "fresh").mkdir(mode=0o711)
    (local / "fresh" / "f").write_bytes(b"new")
    (local / "over").mkdir()
    v4_box.path("p/over").write_bytes(b"old")
    return local


UNPACKED = 4
"""Calls (mkdir three times, rm) until the script lists what it has to put into place."""


@pytest.mark.parametrize(("what", "since"), [("", 0), ("/tree/d", UNPACKED), ("/tree/a", UNPACKED)])
def test_success_means_that_every_file_is_in_place_whenever_it_happens(
    v4_box: Box, newer: Path, what: str, since: int
) -> None:
    older = v4_box.path("older")
    shutil.copytree(v4_box.path("p"), older)
    counted = deleting(v4_box, v4_box.path("p"), 0)
    upload(counted, newer, "p")
    failures = 0
    for call in range(since + 1, calls(counted) + 1):
        shutil.rmtree(v4_box.path("p"))
        shutil.copytree(older, v4_box.path("p"))
        try:
            upload(deleting(v4_box, v4_box.path("p"), call, what), newer, "p")
        except SyncError:
            failures += 1
        else:
            assert snapshot(v4_box.path("p")) == snapshot(newer), f"call {call}"
    assert failures > 0


def test_the_error_says_what_happened_and_what_to_do(v4_box: Box, newer: Path) -> None:
    counted = deleting(v4_box, v4_box.path("p"), 0)
    upload(counted, newer, "p")
    v4_box.path("p/z").write_bytes(b"old")
    late = calls(counted) // 2
    with pytest.raises(
        SyncError,
        match=r"\.devservers-.* was deleted during the transfer \(exit code 87\)\. Something else.* try again",
    ):
        upload(deleting(v4_box, v4_box.path("p"), late), newer, "p")


def test_a_single_file_that_was_deleted_before_it_was_in_place_is_an_error(v4_box: Box, local: Path) -> None:
    (local / "f").write_bytes(b"new")
    v4_box.path("f").write_bytes(b"old")
    counted = deleting(v4_box, v4_box.root, 0)
    upload(counted, local / "f", "f")
    for call in range(1, calls(counted) + 1):
        v4_box.path("f").write_bytes(b"old")
        try:
            upload(deleting(v4_box, v4_box.root, call), local / "f", "f")
        except SyncError:
            assert v4_box.path("f").read_bytes() == b"old"
        else:
            assert v4_box.path("f").read_bytes() == b"new"


def test_a_symlink_that_is_set_aside_is_put_back_if_its_successor_is_gone(v4_box: Box, local: Path) -> None:
    (local / "loop").symlink_to("loop")
    v4_box.path("p").mkdir()
    v4_box.path("p/loop").symlink_to("./loop")
    counted = deleting(v4_box, v4_box.path("p"), 0)
    upload(counted, local, "p")
    failures = 0
    for call in range(UNPACKED + 1, calls(counted) + 1):
        v4_box.path("p/loop").unlink()
        v4_box.path("p/loop").symlink_to("./loop")
        try:
            upload(deleting(v4_box, v4_box.path("p"), call, "/tree/loop"), local, "p")
        except SyncError:
            failures += 1
            assert os.readlink(v4_box.path("p/loop")) == "./loop"
        else:
            assert os.readlink(v4_box.path("p/loop")) == "loop"
    assert failures > 0
