"""What this machine has, and marks for tests that need it: without it they skip and say why."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from typing import Any

import pytest

BUSYBOX = shutil.which("busybox") or ""
TOYBOX = shutil.which("toybox") or ""
KUBECTL = shutil.which("kubectl") or ""
PS = shutil.which("ps") or ""

WITHOUT_BUSYBOX = "busybox is not on PATH"
needs_busybox = pytest.mark.skipif(not BUSYBOX, reason=WITHOUT_BUSYBOX)
needs_kubectl = pytest.mark.skipif(not KUBECTL, reason="kubectl is not on PATH")


def _is_procps() -> bool:
    return bool(PS) and b"procps" in subprocess.run([PS, "--version"], capture_output=True, check=False).stdout


needs_procps = pytest.mark.skipif(not _is_procps(), reason="ps of procps is not on PATH")


def where_it_is(named: dict[str, Any]) -> list[Any]:
    """Parameters by name; those that need busybox skip where it is missing."""
    return [
        pytest.param(value, id=name, marks=(needs_busybox,) if "busybox" in name else ())
        for name, value in named.items()
    ]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="not root: other users' files cannot be made")


@functools.cache
def without_mounts() -> str:
    """Why nothing can be mounted here; empty if it can."""
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return "unshare or mount is not on PATH"
    trial = ["unshare", "-m", "mount", "--bind", "/", "/"]
    tried = subprocess.run(trial, capture_output=True, text=True, check=False)
    return f"nothing may be mounted here: {tried.stderr.strip()}" if tried.returncode else ""


FOREIGN = b"\x7fELF\2\1\1".ljust(16, b"\0") + b"\2\0\xff\xff\1\0\0\0".ljust(48, b"\0") + b"\0)\n" * 40
"""A program for another machine, and nothing else: what a shell says about it depends on its contents."""
