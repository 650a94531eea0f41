from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import without_mounts

from .boxes import Box, bsd_tools, busybox_tools, gnu_tools, toybox_tools

INSTALLERS = {"gnu": gnu_tools, "busybox": busybox_tools, "toybox": toybox_tools, "bsd": bsd_tools}


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory that every user may enter: pytest's own is closed to the one that a box may run as."""
    directory = Path(tempfile.mkdtemp(prefix="devservers-box-"))
    directory.chmod(0o755)
    yield directory
    for here, folders, _ in os.walk(directory):
        for path in (os.path.join(here, name) for name in folders):
            if not os.path.islink(path):
                os.chmod(path, 0o700)  # else only root can empty it
    shutil.rmtree(directory)


@pytest.fixture(params=["gnu-v4", "gnu-v5", "busybox-v4", "busybox-v5"])
def box(request: pytest.FixtureRequest, ground: Path) -> Box:
    """A container with GNU tar or with busybox, reached by a protocol without or with a way to end stdin."""
    family, protocol = request.param.split("-")
    return make_box(family, ground, half_close=protocol == "v5")


@pytest.fixture(params=["gnu", "busybox"])
def v4_box(request: pytest.FixtureRequest, ground: Path) -> Box:
    """Where the protocol makes no difference: the harder one."""
    return make_box(request.param, ground, half_close=False)


@pytest.fixture(params=list(INSTALLERS))
def any_box(request: pytest.FixtureRequest, ground: Path) -> Box:
    """Each tar that there is, under several shells: where tars and tools have habits of their own."""
    return make_box(request.param, ground, half_close=False)


@pytest.fixture
def gnu_box(ground: Path) -> Box:
    return make_box("gnu", ground, half_close=False)


@pytest.fixture
def busybox_box(ground: Path) -> Box:
    return make_box("busybox", ground, half_close=False)


def make_box(family: str, ground: Path, *, half_close: bool) -> Box:
    tools = ground / "tools"
    tools.mkdir()
    hindrance = INSTALLERS[family](tools)
    if hindrance:
        pytest.skip(hindrance)
    root = ground / "root"
    (root / "home").mkdir(parents=True)
    root.chmod(0o777)
    return Box(tools, root, half_close=half_close)


@pytest.fixture
def small_disk(ground: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid() != 0 or without_mounts():
        pytest.skip(without_mounts() or "only root may mount")
    disk = ground / "root" / "disk"
    disk.mkdir()
    options = "size=256k,mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """An empty local directory to fill and upload."""
    directory = tmp_path / "local"
    directory.mkdir()
    return directory


@pytest.fixture
def tree(local: Path) -> Path:
    """A local directory with one of everything that can be copied, each with a mode and mtime of its own."""
    (local / "src" / "deep").mkdir(parents=True)
    (local / "empty").mkdir()
    (local / "README").write_bytes(b"read me\n")
    (local / "src" / "run.sh").write_bytes(b"#!/bin/sh\n")
    (local / "src" / "deep" / "data").write_bytes(os.urandom(70_000))
    (local / "src" / "nothing").write_bytes(b"")
    (local / "src" / "here").symlink_to("deep/data")
    (local / "away").symlink_to("/nowhere/at/all")
    (local / "src" / "run.sh").chmod(0o755)
    (local / "README").chmod(0o640)
    (local / "empty").chmod(0o711)
    age(local)
    return local


def age(root: Path) -> None:
    """Give everything below ``root`` an mtime of its own, long ago and with a fraction of a second."""
    for number, (directory, folders, files) in enumerate(os.walk(root, topdown=False)):
        for offset, name in enumerate(folders + files):
            when = 1_000_000_000_500_000_000 + (1000 * number + offset) * 1_000_000_000
            os.utime(os.path.join(directory, name), ns=(when, when), follow_symlinks=False)
