"""What an image has on board, told by its repository's last word: ``busybox``, ``alpine``, ``notar``, ``distroless``.

Every other image has this machine's own programs, and a ``ps`` should the machine have none. The special ones get a
``PATH`` of symbolic links, so that what is missing is missing for scripts, too. ``busybox`` and ``alpine`` take their
tools from the busybox of this machine; where that is not installed they are images like every other.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Callable

STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
WITHOUT_SHELL = frozenset({"cat", "echo", "env", "false", "head", "id", "ls", "printf", "pwd", "sleep", "true"})


_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?:{_WORD}(?:\.{_WORD})*(?::\d+)?/)?{_PATH}(?:/{_PATH})*(?::\w[\w.-]{{0,127}})?(?:@{_DIGEST})?", re.ASCII
)


@dataclass(frozen=True)
class Tools:
    """The search path of a container, and programs that it lacks even by their whole path."""

    path: str = STANDARD_PATH
    lacks: Callable[[str], bool] = field(default=lambda program: False)

    def has(self, name: str) -> bool:
        """May this first word of a command be looked for at all?"""
        directory, program = os.path.split(name)
        return bool(directory and directory not in STANDARD_PATH.split(":")) or not self.lacks(program)


def is_reference(image: str) -> bool:
    """Can an image have that name? ``[domain[:port]/]path[:tag][@digest]``; the path is in lower case."""
    return bool(_REFERENCE.fullmatch(image))


def repository(image: str) -> str:
    """The repository of an image reference, without registry tag and digest."""
    path, slash, last = image.partition("@")[0].rpartition("/")
    return path + slash + last.partition(":")[0]


def variant(image: str) -> str:
    """The last word of the repository, by which images of the fake choose their behaviour."""
    return repository(image).rpartition("/")[2]


def tools_for(image: str, directory: str) -> Tools:
    """The programs of an image; ``directory`` takes the links of a search path that has to be made."""
    return BUILDERS.get(variant(image), _machine)(directory)


def machine_path() -> str:
    """Where this machine keeps its programs: in the standard places, unless our own ``PATH`` leads to none of them.

    It does not on NixOS, nor where tests are to find less than there is.
    """
    path = os.environ.get("PATH", "")
    ours = path.split(os.pathsep)
    return path if path and not any(place in ours for place in STANDARD_PATH.split(":")) else STANDARD_PATH


def _machine(directory: str) -> Tools:
    path = machine_path()
    if shutil.which("ps", path=path) is not None:
        return Tools(path)
    _write_ps(directory)
    return Tools(f"{path}:{directory}")


def _write_ps(directory: str) -> None:
    os.makedirs(directory, exist_ok=True)
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ps.py")
    program = os.path.join(directory, "ps")
    with open(program, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-I", "-S", script])} "$@"\n')
    os.chmod(program, 0o755)


def _busybox(directory: str) -> Tools:
    busybox = shutil.which("busybox")
    if busybox is None:
        return _machine(directory)
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    _link(directory, ((applet, busybox) for applet in applets))
    return Tools(f"{directory}:{machine_path()}")


def _without_tar(directory: str) -> Tools:
    def lacks(program: str) -> bool:
        return "tar" in program  # also bsdtar, gtar

    return _selected(directory, lacks)


def _distroless(directory: str) -> Tools:
    return _selected(directory, lambda program: program not in WITHOUT_SHELL)


def _selected(directory: str, lacks: Callable[[str], bool]) -> Tools:
    programs = {
        name: os.path.join(place, name)
        for place in reversed(machine_path().split(":"))
        if os.path.isdir(place)
        for name in os.listdir(place)
        if not lacks(name)
    }
    _link(directory, programs.items())
    if "ps" not in programs and not lacks("ps"):
        _write_ps(directory)
    return Tools(directory, lacks)


def _link(directory: str, programs: Iterable[tuple[str, str]]) -> None:
    os.makedirs(directory, exist_ok=True)
    for name, target in programs:
        link = os.path.join(directory, name)
        if not os.path.lexists(link):
            os.symlink(target, link)


BUILDERS: dict[str, Callable[[str], Tools]] = {
    "busybox": _busybox,
    "alpine": _busybox,
    "notar": _without_tar,
    "distroless": _distroless,
}
