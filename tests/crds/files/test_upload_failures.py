"""What goes wrong is said, nothing half-done passes for done, and no temporary file stays behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Optional

import pytest

from devservers.crds.files.transfer import upload
from devservers.crds.result import RemoteResult
from devservers.errors import CommandNotFoundError, SyncError
from tests.machine import needs_root

from .boxes import NOBODY, Box, snapshot


def litter(root: Path) -> list[str]:
    return [name for name in snapshot(root) if ".devservers-" in name]


def test_a_missing_local_path_is_an_error_before_anything_runs(gnu_box: Box, local: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        upload(gnu_box, local / "absent", "p")
    assert gnu_box.last_command == []


def test_a_dangling_local_symlink_is_a_missing_path(gnu_box: Box, local: Path) -> None:
    (local / "link").symlink_to("absent")
    with pytest.raises(FileNotFoundError, match="link"):
        upload(gnu_box, local / "link", "p")


def test_a_bad_remote_path_is_an_error_before_anything_runs(gnu_box: Box, local: Path) -> None:
    with pytest.raises(ValueError, match="remote: the path is empty"):
        upload(gnu_box, local, "")
    assert gnu_box.last_command == []


@pytest.mark.parametrize("single", [False, True], ids=["directory", "file"])
def test_a_stream_cut_between_any_two_blocks_is_an_error_and_leaves_no_litter(
    v4_box: Box, local: Path, single: bool
) -> None:
    (local / "a").write_bytes(b"content")
    (local / "e").mkdir()
    source = local / "a" if single else local
    whole = upload(v4_box, source, "whole").wire_bytes
    before_the_marker_has_arrived = whole - 1024
    for length in range(0, before_the_marker_has_arrived, 512):
        v4_box.feed_at_most = length
        with pytest.raises(SyncError, match=r"exit code \d+"):
            upload(v4_box, source, f"cut{length}")
    assert litter(v4_box.root) == []


def test_a_cut_between_members_is_told_as_such(v4_box: Box, local: Path) -> None:
    (local / "a").touch()
    v4_box.feed_at_most = 512
    with pytest.raises(
        SyncError, match=r"to 'p' failed: the archive ended early \(exit code 84\)\. What had arrived .* removed"
    ):
        upload(v4_box, local, "p")


@pytest.mark.parametrize("tool", ["head", "tar", "mkdir", "mv", "rm", "chmod"])
def test_a_missing_tool_is_named_with_what_to_do(gnu_box: Box, local: Path, tool: str) -> None:
    with pytest.raises(
        SyncError, match=f"{tool}: not found .exit code 81.. Copying needs sh, head, tar, .* use an image"
    ):
        upload(gnu_box.without(tool), local, "p")


def test_printf_is_needed_where_the_shell_does_not_have_it(busybox_box: Box, local: Path) -> None:
    mksh = shutil.which("mksh")
    if mksh is None:
        pytest.skip("mksh is not on PATH")
    (busybox_box.tools / "sh").unlink()
    (busybox_box.tools / "sh").symlink_to(mksh)
    with pytest.raises(SyncError, match=r"failed: printf: not found \(exit code 81\)"):
        upload(busybox_box.without("printf"), local, "p")


@needs_root
def test_a_target_that_takes_nothing_is_complained_about_once(v4_box: Box, local: Path) -> None:
    v4_box.user = NOBODY
    v4_box.path("p").mkdir()
    with pytest.raises(SyncError, match="ermission denied") as caught:
        upload(v4_box, local, "p")
    assert str(caught.value).count("mkdir: ") == 1


def test_a_container_without_a_shell_is_told_as_such(gnu_box: Box, local: Path) -> None:
    with pytest.raises(SyncError, match="copying files needs sh in the container, and there is none") as caught:
        upload(gnu_box.without("sh"), local, "p")
    assert isinstance(caught.value.__cause__, CommandNotFoundError)


def test_a_remote_that_is_a_file_cannot_take_a_directory(v4_box: Box, tree: Path) -> None:
    v4_box.path("p").write_bytes(b"mine")
    with pytest.raises(SyncError, match=r"mkdir: .*exists.*\(exit code 82\)\. Choose a remote path"):
        upload(v4_box, tree, str(v4_box.path("p")))
    assert v4_box.path("p").read_bytes() == b"mine"


def test_a_file_does_not_replace_a_directory_that_holds_something(v4_box: Box, tree: Path) -> None:
    v4_box.path("p/README/inside").mkdir(parents=True)
    with pytest.raises(
        SyncError, match=r"(?s)rmdir: .*README.*exit code 88\)\. Everything else is in place\. A file replaces a dir"
    ):
        upload(v4_box, tree, str(v4_box.path("p")))
    assert v4_box.path("p/README/inside").is_dir()
    assert snapshot(v4_box.path("p/src")).keys() == snapshot(tree / "src").keys()
    assert litter(v4_box.root) == []


def test_a_home_that_is_not_set_is_told_as_such(v4_box: Box, local: Path) -> None:
    del v4_box.env["HOME"]
    with pytest.raises(SyncError, match=r"HOME is not set \(exit code 86\)\. Pass an absolute remote path"):
        upload(v4_box, local, "~/p")


@pytest.mark.parametrize(
    ("remote", "complaint"),
    [
        ("full", "exit code"),  # tar fails at once, with most of the archive still to come
        ("file", r"exit code 82\)"),
        ("~/p", "HOME is not set"),
    ],
)
def test_all_input_is_taken_whatever_fails_so_that_the_server_can_tell_it(
    v4_box: Box, tree: Path, remote: str, complaint: str
) -> None:
    v4_box.env.pop("HOME")
    v4_box.path("file").touch()
    (tree / "sealed").mkdir()
    (tree / "sealed").chmod(0o555)
    with (tree / "later").open("wb") as big:
        big.truncate(3_000_000)
    whole = upload(v4_box, tree, "elsewhere").wire_bytes
    if remote == "full":
        v4_box.largest_file = 4
    with pytest.raises(SyncError, match=complaint):
        upload(v4_box, tree, remote)
    assert v4_box.fed == whole


def test_a_single_file_is_taken_too_where_it_cannot_stay(v4_box: Box, local: Path) -> None:
    with (local / "big").open("wb") as big:
        big.truncate(3_000_000)
    v4_box.path("p/big").mkdir(parents=True)
    with pytest.raises(SyncError, match=r"exit code 85\)"):
        upload(v4_box, local / "big", "p")
    assert v4_box.fed > 3_000_000


def test_a_foreign_error_of_the_runner_passes_and_the_files_are_closed(local: Path) -> None:
    (local / "big").write_bytes(bytes(1_000_000))

    def lost(args: Sequence[str], stdin: Optional[Iterable[bytes]] = None) -> RemoteResult:
        next(iter(stdin or ()))
        raise ConnectionError("gone")

    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with pytest.raises(ConnectionError):
        upload(lost, local, "p")
    assert (len(os.listdir("/proc/self/fd")) if before else 0) == before


@pytest.mark.parametrize("options", [["-eu"], ["-e"], ["-u"]])
def test_the_script_runs_under_strict_shells(any_box: Box, tree: Path, options: list[str]) -> None:
    any_box.shell_options = options
    (tree / "src" / "deep").chmod(0o555)
    upload(any_box, tree, "p")
    upload(any_box, tree / "README", "p/new/README")
    with pytest.raises(SyncError, match="mkdir"):
        upload(any_box, tree, "p/README")
    assert snapshot(any_box.path("p/src")) == snapshot(tree / "src")
    assert litter(any_box.root) == []


def test_importing_file_sync_loads_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules)  # what site-packages may have loaded\n"
        "import devservers.crds.files.transfer\n"
        "heavy = {'tarfile', 'subprocess', 'tempfile', 'socket', 'ssl', 'logging', 'yaml'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
