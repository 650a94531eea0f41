"""Boxes that stand for containers: real shells and tars, with nothing on PATH but what the box holds."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Callable, Optional, Union

import pytest

from devservers.crds.result import RemoteResult
from devservers.errors import CommandNotFoundError
from tests.fakeapiserver.pods.sandbox import preparation
from tests.machine import BUSYBOX, TOYBOX, WITHOUT_BUSYBOX

TOOLS = ("sh", "head", "tar", "mkdir", "mv", "rm", "chmod")
MORE_TOOLS = (
    "cat",
    "chgrp",
    "find",
    "ls",
    "printf",
    "readlink",
    "rmdir",
)  # for special cases, and shells without printf
NOBODY = 65534


class Box:
    """A RemoteRunner. As in v4 its stdin stays open until the command ends, unless ``half_close`` (v5) is set.

    ``before_feeding`` is called with the command started and nothing sent yet; ``feed_at_most`` cuts the stream there,
    as a lost connection does. ``largest_file`` is how many bytes can be written to one file, as on a disk that is full
    then; ``groups`` are those of ``user`` beside its own. With ``own_processes`` it sees no process of this machine, as
    another container of the same pod.
    """

    def __init__(self, tools: Path, root: Path, *, half_close: bool) -> None:
        self.tools = tools
        self.root = root
        self.half_close = half_close
        self.env = {"PATH": str(tools), "HOME": str(root / "home")}
        self.umask = 0o022
        self.user: Optional[int] = None
        self.shell_options: list[str] = []
        self.groups: list[int] = []
        self.largest_file: Optional[int] = None
        self.before_feeding: Callable[[], None] = lambda: None
        self.feed_at_most: Optional[int] = None
        self.fed = 0
        self.last_command: list[str] = []
        self.mounts: list[str] = []
        self.own_processes = False

    def __call__(self, args: Sequence[str], stdin: Optional[Iterable[bytes]] = None) -> RemoteResult:
        self.last_command = list(args)
        executable = shutil.which(args[0], path=str(self.tools))
        if executable is None:
            raise CommandNotFoundError(f"the container has no {args[0]!r}", command=list(args))
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                [*self._isolating(), *self._mounting(), executable, *self.shell_options, *args[1:]],
                stdin=subprocess.PIPE, stdout=out, stderr=err, cwd=self.root, env=self.env, umask=self.umask,
                **({} if self.mounts else self._identity()), bufsize=0, preexec_fn=preparation(self.largest_file),
            )  # fmt: skip
            with process:
                self._feed(process, stdin or ())
                returncode = process.wait(timeout=30)
            return RemoteResult(returncode, _read(out.fileno()), _read(err.fileno()))

    def _feed(self, process: subprocess.Popen[bytes], chunks: Iterable[bytes]) -> None:
        assert process.stdin is not None
        self.before_feeding()
        self.fed = 0
        try:
            for chunk in chunks:
                left = len(chunk) if self.feed_at_most is None else self.feed_at_most - self.fed
                process.stdin.write(chunk[:left])
                self.fed += len(chunk[:left])
                if left < len(chunk):
                    break
        except BrokenPipeError:
            pass
        if self.half_close or self.feed_at_most is not None:
            process.stdin.close()

    def bind(self, source: Path, place: Path, options: str = "") -> None:
        """For commands ``source`` is mounted at ``place``; there only, and as long as they run."""
        self.mounts += [str(source), str(place), options]

    def _identity(self) -> dict[str, Any]:
        return {"user": self.user, "group": self.user, "extra_groups": None if self.user is None else self.groups}

    def _isolating(self) -> list[str]:
        if not self.own_processes:
            return []
        return [shutil.which("unshare") or "unshare", "--pid", "--fork", "--mount-proc"]

    def _mounting(self) -> list[str]:
        """The command before the command that mounts, as root, and then becomes ``user``."""
        if not self.mounts:
            return []
        identity: list[str] = []
        if self.user is not None:
            setpriv = shutil.which("setpriv")
            if setpriv is None:
                pytest.skip("setpriv is not on PATH")
            identity = [setpriv, f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        script = (
            'PATH=$0; while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 99;'
            ' [ -z "$3" ] || mount -o "remount,bind,$3" "$2" || exit 99; shift 3; done; shift;'
            ' PATH=$1; shift; exec "$@"'
        )
        path = os.environ.get("PATH", os.defpath)
        unshare = shutil.which("unshare") or "unshare"
        shell = shutil.which("sh") or "/bin/sh"
        return [unshare, "-m", shell, "-c", script, path, *self.mounts, "--", str(self.tools), *identity]

    def path(self, name: str) -> Path:
        """Where a path of the box lies on this machine."""
        return self.root / name

    def without(self, tool: str) -> Box:
        """The same box with one tool less."""
        poorer = Path(tempfile.mkdtemp(dir=self.root))
        for link in self.tools.iterdir():
            if link.name != tool:
                (poorer / link.name).symlink_to(os.readlink(link))
        return Box(poorer, self.root, half_close=self.half_close)


def _read(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0)


def gnu_tools(directory: Path) -> Optional[str]:
    """Fill ``directory`` with GNU tools and the system's sh; None, or why that cannot be done."""
    version = subprocess.run(["tar", "--version"], capture_output=True, text=True, check=False).stdout
    if "GNU tar" not in version:
        return "this machine's tar is not GNU tar"
    for tool in TOOLS + MORE_TOOLS:
        found = shutil.which(tool)
        if found is None:
            return f"{tool} is not installed"
        (directory / tool).symlink_to(found)
    return None


def busybox_tools(directory: Path) -> Optional[str]:
    """Fill ``directory`` with busybox under the tools' names; None, or why that cannot be done."""
    if not BUSYBOX:
        return WITHOUT_BUSYBOX
    for tool in TOOLS + MORE_TOOLS:
        (directory / tool).symlink_to(BUSYBOX)
    return None


def toybox_tools(directory: Path) -> Optional[str]:
    """Fill ``directory`` with toybox under the tools' names, beside mksh or what sh there is; None, or why not."""
    if not TOYBOX:
        return "toybox is not on PATH"
    for tool in TOOLS + MORE_TOOLS:
        (directory / tool).symlink_to(TOYBOX)
    return use_mksh(directory)


def bsd_tools(directory: Path) -> Optional[str]:
    """Fill ``directory`` with bsdtar and the machine's other tools; None, or why that cannot be done."""
    bsdtar = shutil.which("bsdtar")
    if bsdtar is None:
        return "bsdtar is not on PATH"
    hindrance = gnu_tools(directory)
    if hindrance is None:
        (directory / "tar").unlink()
        (directory / "tar").symlink_to(bsdtar)
        hindrance = use_mksh(directory)
    return hindrance


def use_mksh(directory: Path) -> Optional[str]:
    shell = shutil.which("mksh") or shutil.which("sh")
    if shell is None:
        return "there is no shell"
    (directory / "sh").unlink()
    (directory / "sh").symlink_to(shell)
    return None


ONE_AT_A_TIME = ("mv", "rm", "chmod", "rmdir", "mkdir")
"""Tools that the script never runs side by side."""


def deleting(box: Box, place: Path, call: int, what: str = "", tools: Sequence[str] = ONE_AT_A_TIME) -> Box:
    """The same box, but something deletes all staging directories in ``place``, or ``what`` in them.

    That happens before the ``call``-th run of one of ``tools``.
    """
    shims = Path(tempfile.mkdtemp(dir=box.root.parent))
    (shims / "count").write_text("0\n")
    for tool in box.tools.iterdir():
        (shims / tool.name).symlink_to(tool)
    if BUSYBOX and os.path.samefile(shims / "sh", BUSYBOX):
        use_mksh(shims)  # busybox's own shell runs its own tools, whatever is on PATH
    for name in tools:
        (shims / name).unlink()
        (shims / name).write_text(
            f"#!{shutil.which('sh')}\n"
            f"read -r n <{shims}/count; n=$((n + 1)); echo $n >{shims}/count\n"
            f"[ $n -ne {call} ] || {shutil.which('rm')} -rf {place}/.devservers-*{what}\n"
            f'exec {box.tools / name} "$@"\n'
        )
        (shims / name).chmod(0o755)
    shims.chmod(0o755)
    watched = Box(shims, box.root, half_close=box.half_close)
    watched.mounts = box.mounts
    return watched


def calls(box: Box) -> int:
    """How often a box of :func:`deleting` has run one of the tools."""
    return int((box.tools / "count").read_text())


def snapshot(root: Union[str, Path]) -> dict[str, tuple[object, ...]]:
    """All below ``root``: type, mode, whole-second mtime, and content or link text (of symlinks only the text)."""
    found: dict[str, tuple[object, ...]] = {}
    for directory, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, root)] = _facts(path)
    return found


def _facts(path: str) -> tuple[object, ...]:
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return ("symlink", os.readlink(path))
    kind = "directory" if stat.S_ISDIR(status.st_mode) else "file"
    content = Path(path).read_bytes() if stat.S_ISREG(status.st_mode) else b""
    return (kind, oct(stat.S_IMODE(status.st_mode)), int(status.st_mtime), content)
