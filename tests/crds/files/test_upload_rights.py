"""Directories that belong to others or to a group: a volume with fsGroup, a random user in the root group, /tmp."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

import pytest

from devservers.crds.files.transfer import upload
from devservers.errors import SyncError
from tests.machine import needs_root

from .boxes import NOBODY, Box, snapshot

GROUP, OTHER_GROUP, OTHER_USER = 54321, 54322, 54323

pytestmark = needs_root


def group_of(path: Path) -> tuple[int, bool]:
    """The group, and whether the set-group-id bit is there."""
    status = path.lstat()
    return status.st_gid, bool(status.st_mode & 0o2000)


def shared(path: Path, group: int = GROUP) -> Path:
    """A directory as Kubernetes makes it for a volume with fsGroup."""
    path.mkdir()
    os.chown(path, 0, group)
    path.chmod(0o2775)
    return path


@pytest.fixture
def files(local: Path) -> Path:
    (local / "d" / "e").mkdir(parents=True)
    (local / "d" / "e" / "f").write_bytes(b"new")
    (local / "d" / "g").write_bytes(b"new")
    (local / "d" / "empty").mkdir(mode=0o555)
    (local / "link").symlink_to("d/g")
    return local


def as_member(box: Box, user: Optional[int]) -> None:
    box.user = user
    box.groups = [GROUP, OTHER_GROUP]


@pytest.mark.parametrize("user", [None, NOBODY], ids=["root", "nobody"])
def test_all_that_is_new_in_a_set_group_id_volume_has_its_group(any_box: Box, files: Path, user: Optional[int]) -> None:
    as_member(any_box, user)
    place = shared(any_box.path("p"))
    for _ in range(2):
        upload(any_box, files, "p")
        assert {name: group_of(place / name) for name in snapshot(place)} == {
            "d": (GROUP, True),
            "d/e": (GROUP, True),
            "d/e/f": (GROUP, False),
            "d/g": (GROUP, False),
            "d/empty": (GROUP, True),
            "link": (GROUP, False),
        }
    assert [oct((place / name).stat().st_mode) for name in ("d", "d/empty")] == ["0o42755", "0o42555"]


@pytest.mark.parametrize("user", [None, NOBODY], ids=["root", "nobody"])
def test_each_directory_gives_its_own_group(any_box: Box, files: Path, user: Optional[int]) -> None:
    as_member(any_box, user)
    any_box.path("p").mkdir(mode=0o777)
    any_box.path("p").chmod(0o777)
    shared(any_box.path("p/d"))
    shared(any_box.path("p/d/e"), OTHER_GROUP)
    upload(any_box, files, "p")
    assert group_of(any_box.path("p/d/g")) == (GROUP, False)
    assert group_of(any_box.path("p/d/e/f")) == (OTHER_GROUP, False)
    assert group_of(any_box.path("p/d/empty")) == (GROUP, True)
    assert group_of(any_box.path("p/d/e")) == (OTHER_GROUP, True)
    assert group_of(any_box.path("p/link")) == (user or 0, False)


@pytest.mark.parametrize("user", [None, NOBODY], ids=["root", "nobody"])
def test_a_target_and_a_file_that_are_new_in_it_have_the_group(any_box: Box, files: Path, user: Optional[int]) -> None:
    as_member(any_box, user)
    shared(any_box.path("p"))
    upload(any_box, files, "p/new")
    upload(any_box, files / "d" / "g", "p/single")
    assert group_of(any_box.path("p/new")) == group_of(any_box.path("p/new/d")) == (GROUP, True)
    assert group_of(any_box.path("p/single")) == (GROUP, False)


@pytest.mark.parametrize("owner", [0, OTHER_USER])
def test_a_directory_of_another_user_takes_the_files_and_keeps_its_mode_and_mtime(
    any_box: Box, files: Path, owner: int
) -> None:
    any_box.user = NOBODY
    any_box.path("p").mkdir()
    for place in (any_box.path("p/d"), any_box.path("p/d/e")):
        place.mkdir()
        (place / "older").write_bytes(b"old")
    for place in (any_box.path("p"), any_box.path("p/d"), any_box.path("p/d/e")):
        os.chown(place, owner, NOBODY)
        place.chmod(0o775)
    upload(any_box, files, "p")
    assert any_box.path("p/d/e/f").read_bytes() == b"new"
    assert [oct(any_box.path(name).stat().st_mode) for name in ("p/d", "p/d/e")] == ["0o40775"] * 2
    assert any_box.path("p/d").stat().st_uid == owner
    assert any_box.path("p/d").stat().st_mtime > (files / "d").stat().st_mtime - 1


def test_a_file_that_cannot_be_put_there_is_an_error_and_the_others_are_there(any_box: Box, files: Path) -> None:
    any_box.user = NOBODY
    any_box.path("p").mkdir()
    any_box.path("p").chmod(0o777)
    any_box.path("p/d/e").mkdir(parents=True)
    any_box.path("p/d").chmod(0o777)
    any_box.path("p/d/e/f").write_bytes(b"old")
    with pytest.raises(SyncError, match=r"(?s)ermission denied.*exit code 88\)\. Everything else is in place"):
        upload(any_box, files, "p")
    assert [any_box.path(name).read_bytes() for name in ("p/d/e/f", "p/d/g")] == [b"old", b"new"]
    assert [name for name in snapshot(any_box.root) if ".devservers-" in name] == []


def test_another_users_file_in_a_sticky_directory_is_an_error_and_stays(any_box: Box, files: Path) -> None:
    any_box.user = NOBODY
    any_box.path("p").mkdir()
    any_box.path("p").chmod(0o1777)
    any_box.path("p/link").write_bytes(b"old")
    any_box.path("p/link").chmod(0o666)
    with pytest.raises(SyncError, match=r"(?s)not permitted.*exit code 88\)"):
        upload(any_box, files, "p")
    assert any_box.path("p/link").read_bytes() == b"old"
    assert any_box.path("p/d/g").read_bytes() == b"new"


def test_a_target_in_which_nothing_can_be_made_is_an_error_before_anything_is_changed(
    any_box: Box, files: Path
) -> None:
    any_box.user = NOBODY
    any_box.path("p").mkdir()
    with pytest.raises(SyncError, match=r"(?s)ermission denied.*exit code 82\)\. Choose a remote path where"):
        upload(any_box, files, "p")
    assert snapshot(any_box.path("p")) == {}
