"""A single file: at the path, or in it if that is a directory, as with cp."""

from __future__ import annotations

from pathlib import Path

import pytest

from devservers.crds.files.transfer import upload
from devservers.errors import SyncError

from .boxes import Box, snapshot


@pytest.fixture
def script(local: Path) -> Path:
    path = local / "run.sh"
    path.write_bytes(b"#!/bin/sh\n")
    path.chmod(0o750)
    return path


def test_it_lands_at_the_path_with_its_mode_and_mtime(box: Box, script: Path) -> None:
    upload(box, script, str(box.path("a/b/other-name")))
    assert snapshot(box.path("a/b")) == {"other-name": snapshot(script.parent)["run.sh"]}


@pytest.mark.parametrize("remote", ["bin/", "bin/.", "bin/x/.."])
def test_it_lands_in_a_path_that_can_only_be_a_directory(v4_box: Box, script: Path, remote: str) -> None:
    v4_box.path("bin/x").mkdir(parents=True)
    upload(v4_box, script, remote)
    assert snapshot(v4_box.path("bin"))["run.sh"] == snapshot(script.parent)["run.sh"]


def test_a_path_that_ends_in_a_slash_is_created(v4_box: Box, script: Path) -> None:
    upload(v4_box, script, str(v4_box.path("new/bin/")) + "/")
    assert list(snapshot(v4_box.path("new/bin"))) == ["run.sh"]


def test_it_lands_in_an_existing_directory(v4_box: Box, script: Path) -> None:
    v4_box.path("bin").mkdir()
    upload(v4_box, script, str(v4_box.path("bin")))
    assert list(snapshot(v4_box.path("bin"))) == ["run.sh"]


def test_it_lands_in_the_directory_that_a_symlink_names(v4_box: Box, script: Path) -> None:
    v4_box.path("bin").mkdir()
    v4_box.path("link").symlink_to("bin")
    upload(v4_box, script, str(v4_box.path("link")))
    assert list(snapshot(v4_box.path("bin"))) == ["run.sh"]


def test_it_lands_in_home(v4_box: Box, script: Path) -> None:
    upload(v4_box, script, "~")
    assert list(snapshot(v4_box.path("home"))) == ["run.sh"]


def test_it_replaces_a_file_even_a_read_only_one(v4_box: Box, script: Path) -> None:
    v4_box.path("old").write_bytes(b"old")
    v4_box.path("old").chmod(0o444)
    upload(v4_box, script, str(v4_box.path("old")))
    assert v4_box.path("old").read_bytes() == b"#!/bin/sh\n"


def test_a_local_symlink_is_followed_and_gives_its_name(v4_box: Box, script: Path) -> None:
    (script.parent / "link").symlink_to("run.sh")
    upload(v4_box, script.parent / "link", "bin/")
    assert v4_box.path("bin/link").read_bytes() == b"#!/bin/sh\n"
    assert not v4_box.path("bin/link").is_symlink()


def test_a_directory_of_its_name_is_not_overwritten(v4_box: Box, script: Path) -> None:
    v4_box.path("bin/run.sh").mkdir(parents=True)
    with pytest.raises(SyncError, match=r"bin/run\.sh: is a directory \(exit code 85\)\. Choose another remote path"):
        upload(v4_box, script, "bin")
    assert snapshot(v4_box.path("bin/run.sh")) == {}
    assert list(snapshot(v4_box.path("bin"))) == ["run.sh"]


def test_nothing_is_left_beside_it(box: Box, script: Path) -> None:
    upload(box, script, "bin/")
    assert list(snapshot(box.path("bin"))) == ["run.sh"]
