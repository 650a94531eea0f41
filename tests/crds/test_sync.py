"""sync() and upload(): the documented way of files into a server. (How they travel: tests/crds/workspace.)"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from tests.fakeapiserver import FakeAPIServer
from tests.machine import where_it_is

from .builders import LONG, SPEC, created, requests_of
from .staged import StagedServer


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small local workspace."""
    root = tmp_path / "local"
    (root / "src").mkdir(parents=True)
    (root / "hello.txt").write_text("hello from local workspace")
    (root / "src" / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (root / "src" / "run.sh").chmod(0o755)
    os.utime(root / "hello.txt", (1_700_000_000, 1_700_000_000))
    return root


def test_the_documented_example(either: StagedServer, tree: Path) -> None:
    server = DevServer(ObjectMeta(name="dev"), SPEC, sync_workspace={os.fspath(tree): "/workspace/project"})
    with server:
        server.sync()
        assert server.exec("cat /workspace/project/hello.txt").stdout == "hello from local workspace"


def test_over_tls_it_is_no_different(tls_server: FakeAPIServer, tree: Path) -> None:
    with DevServer(ObjectMeta(name="dev"), SPEC, sync_workspace={os.fspath(tree): "/workspace/project"}) as server:
        server.sync()
        data = bytes(range(256)) * 4000
        assert server.exec("cat - /workspace/project/hello.txt", input=data, text=False).stdout == (
            data + b"hello from local workspace"
        )


def test_both_sides_can_be_path_objects(operated: StagedServer, tree: Path) -> None:
    with DevServer(ObjectMeta(name="dev"), SPEC, sync_workspace={tree: PurePosixPath("/workspace/p")}) as server:
        assert [report.remote for report in server.sync()] == ["/workspace/p"]
        assert server.exec("cat /workspace/p/hello.txt").stdout == "hello from local workspace"


def test_every_entry_is_copied_in_order_directories_and_single_files(either: StagedServer, tree: Path) -> None:
    mapping = {tree / "src": "/workspace/a/b", tree / "hello.txt": "/workspace/a/b/renamed.txt"}
    with DevServer(ObjectMeta(name="dev"), SPEC, sync_workspace=mapping) as server:
        reports = server.sync()
        listing = server.exec("find . -type f", cwd="/workspace/a", check=True).stdout.split()
        assert sorted(listing) == ["./b/renamed.txt", "./b/run.sh"]
    assert [(report.files, report.remote) for report in reports] == [
        (1, "/workspace/a/b"),
        (1, "/workspace/a/b/renamed.txt"),
    ]


def test_modes_and_times_are_kept(devserver: DevServer, tree: Path) -> None:
    devserver.upload(tree, "/workspace/x")
    assert devserver.exec("/workspace/x/src/run.sh").stdout == "ran\n"
    assert devserver.exec(["stat", "-c", "%Y", "/workspace/x/hello.txt"]).stdout == "1700000000\n"


def test_on_busybox_it_is_no_different(busybox: DevServer, tree: Path) -> None:
    busybox.upload(tree, "/workspace/x")
    assert busybox.exec("sh /workspace/x/src/run.sh").stdout == "ran\n"


@pytest.mark.parametrize("image", where_it_is({"gnu": "ubuntu", "busybox": "busybox"}))
def test_a_full_disk_leaves_the_old_files(operated: StagedServer, tree: Path, image: str) -> None:
    server = DevServer.create(ObjectMeta(name="dev"), {"flavor": "cpu-small", "image": image})
    server.wait_for_ready(timeout=LONG).upload(tree, "/workspace/x")
    (tree / "hello.txt").write_text("changed")
    (tree / "large").write_bytes(bytes(100_000))
    with operated.fault.disk_full(), pytest.raises(errors.SyncError, match="Nothing was changed in the container"):
        server.upload(tree, "/workspace/x")
    assert server.exec("cat hello.txt", cwd="/workspace/x").stdout == "hello from local workspace"
    assert sorted(server.exec("ls -A", cwd="/workspace/x").stdout.split()) == ["hello.txt", "src"]


def test_nothing_to_sync_is_nothing_done(cluster: StagedServer) -> None:
    assert created().sync() == []
    assert not requests_of(cluster, "GET")


def test_a_local_path_that_is_not_there_is_a_file_not_found_error(modern: DevServer) -> None:
    modern.sync_workspace = {"/no/such/path": "/workspace"}
    with pytest.raises(FileNotFoundError):
        modern.sync()


def test_a_container_without_tar_is_a_sync_error(operated: StagedServer, tree: Path) -> None:
    server = DevServer.create(ObjectMeta(name="dev"), {"flavor": "cpu-small", "image": "notar"}).wait_for_ready(
        timeout=LONG
    )
    with pytest.raises(errors.SyncError, match="tar"):
        server.upload(tree, "/workspace/x")


def test_a_container_without_a_shell_is_a_sync_error(shell_less: DevServer, tree: Path) -> None:
    with pytest.raises(errors.SyncError, match="needs sh in the container"):
        shell_less.upload(tree, "/workspace/x")


def test_a_lost_connection_is_not_taken_for_a_copy(operated: StagedServer, modern: DevServer, tree: Path) -> None:
    with operated.fault.exec_closed_without_status(), pytest.raises(errors.ExecConnectionLostError):
        modern.upload(tree, "/workspace/x")
