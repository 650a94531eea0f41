from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devservers.crds.files.scan import scan_directory, scan_file
from devservers.errors import SyncError

from .boxes import NOBODY


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Root may read everything: become somebody else for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def names(root: Path) -> list[str]:
    return [entry.name for entry in scan_directory(str(root)).entries]


def test_a_directory_stands_before_its_contents_and_siblings_are_sorted(local: Path) -> None:
    (local / "b" / "z").mkdir(parents=True)
    for name in ("b/z/1", "b/a", "b-file", "a", "c"):
        (local / name).touch()
    assert names(local) == ["a", "b", "b/a", "b/z", "b/z/1", "b-file", "c"]


def test_an_empty_directory_has_no_entries(local: Path) -> None:
    assert names(local) == []


def test_what_is_seen_of_a_file_is_mode_size_and_whole_seconds(local: Path) -> None:
    (local / "f").write_bytes(b"12345")
    (local / "f").chmod(0o640)
    os.utime(local / "f", ns=(0, 1_234_567_890_999_999_999))
    (entry,) = scan_directory(str(local)).entries
    assert (entry.permissions, entry.size, entry.mtime, entry.is_file) == (0o640, 5, 1_234_567_890, True)


def test_set_user_id_set_group_id_and_sticky_are_not_among_the_permissions(local: Path) -> None:
    (local / "f").touch()
    (local / "f").chmod(0o7755)
    (entry,) = scan_directory(str(local)).entries
    assert (stat.S_IMODE(entry.mode), entry.permissions) == (0o7755, 0o755)


def test_a_time_before_1970_counts_as_1970(local: Path) -> None:
    (local / "f").touch()
    os.utime(local / "f", (-100.5, -100.5))
    assert [entry.mtime for entry in scan_directory(str(local)).entries] == [0]


def test_symlinks_are_seen_as_such_and_not_followed(local: Path) -> None:
    (local / "loop").symlink_to(".")
    (local / "nowhere").symlink_to("/does/not/exist")
    found = scan_directory(str(local)).entries
    assert [(entry.name, entry.link, entry.size) for entry in found] == [
        ("loop", ".", 0),
        ("nowhere", "/does/not/exist", 0),
    ]


def test_sockets_and_fifos_are_listed_as_skipped(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (local / "d").mkdir()
    os.mkfifo(local / "d" / "fifo")
    monkeypatch.chdir(local)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        found = scan_directory(str(local))
    assert ([entry.name for entry in found.entries], found.skipped) == (["d"], ("d/fifo", "socket"))


def test_names_that_are_not_utf8_come_out_as_python_writes_them(local: Path) -> None:
    (local / os.fsdecode(b"caf\xe9")).touch()
    assert names(local) == ["caf\udce9"]


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}//", "{}/.", "{}/../local"])
def test_names_are_relative_however_the_root_is_spelt(local: Path, spelling: str) -> None:
    (local / "d").mkdir()
    (local / "d" / "f").touch()
    assert [entry.name for entry in scan_directory(spelling.format(local)).entries] == ["d", "d/f"]


def test_a_tree_deeper_than_the_recursion_limit_is_seen_whole(local: Path) -> None:
    depth = 1500
    path = str(local)
    levels = []
    for _ in range(depth):
        path += "/d"
        levels.append(path)
        os.mkdir(path)
    try:
        assert len(scan_directory(str(local)).entries) == depth
    finally:
        for level in reversed(levels):
            os.rmdir(level)


def test_an_unreadable_file_is_an_error_that_names_it(ground: Path) -> None:
    (ground / "secret").touch(mode=0)
    with an_ordinary_user(), pytest.raises(SyncError, match=r"cannot read '.*/secret': Permission denied; nothing was"):
        scan_directory(str(ground))


def test_an_unreadable_directory_is_an_error_that_names_it(ground: Path) -> None:
    (ground / "closed").mkdir(mode=0)
    with an_ordinary_user(), pytest.raises(SyncError, match=r"cannot read '.*/closed': Permission denied"):
        scan_directory(str(ground))


def test_a_single_file_goes_by_the_name_it_was_given_by(local: Path) -> None:
    (local / "real").write_bytes(b"content")
    (local / "link").symlink_to("real")
    found = scan_file(str(local / "link"))
    assert [(entry.name, entry.size, entry.is_file) for entry in found.entries] == [("link", 7, True)]


def test_a_fifo_named_as_the_file_to_copy_is_an_error(local: Path) -> None:
    os.mkfifo(local / "fifo")
    with pytest.raises(SyncError, match="neither a regular file nor a directory"):
        scan_file(str(local / "fifo"))
