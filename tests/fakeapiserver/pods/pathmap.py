"""Which paths of a container mean something in its pod's directory, and how text is translated between the two.

A pod of the fake has no mount namespace: its commands are ordinary processes of this machine, and a directory stands
for the container's root. So paths are translated in the text of commands on the way in, and back in the bytes of
their output on the way out. That keeps commands real (the machine's own ``sh``, ``tar``, ``find``) at the price of
these rules:

* *Inward*: a path below a mapped prefix (the pod's mount points, and places a command is likely to write to: ``/tmp``,
  ``/home``, ``/root``, ``/opt``, ...) is put below the pod's directory wherever it stands in an argument, also inside
  ``sh -c`` text, if it begins and ends at a path boundary. An argument that is nothing but an absolute path is mapped
  too when this machine has no such top-level entry, so that ``mkdir -p /app`` cannot touch the machine. System
  directories (``/usr``, ``/etc``, ``/dev``...) are this machine's own.
* *Outward*: the pod's directory, a name that nothing else can contain by chance, is cut from stdout and stderr, so
  that ``pwd`` and ``find /workspace`` print what a container prints. In a stream that begins as a tar archive only the
  members' names are cut (:mod:`~tests.fakeapiserver.pods.tarnames`), so that checksums and contents stay right.
* Bytes of stdin are never changed: paths that a command reads from stdin have to be relative.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Optional

from .tarnames import TarNames, is_tar

LACKING = "/.lacking"
"""Below it there is nothing: where the paths of programs lead that an image lacks."""
DEFAULT_MOUNTS = ("/workspace", "/home/dev", "/data")
STANDARD = ("/home", "/root", "/tmp", "/var/tmp", "/opt", "/srv", "/mnt", "/media")  # the pod's own, in every pod
LIKELY = ("/app", "/code", "/project", "/src")  # mapped, in case a command makes them

_OPENS_A_PATH = frozenset(" \t\r\n=:,;|&<>([{!@%+#^")
_GLUED_OPTION = re.compile(r"(?:^|\s)-[A-Za-z]$")  # tar -C/workspace
_PLAIN_PATH = re.compile(r"/[\w@+-][\w.@+-]*(?:/[\w.@+-]+)*")
_ROOT_IN_SCRIPT = re.compile(r"(?P<before>(?:\bcd|-C|--directory)[ \t=]+)/(?=[\s;&|)]|$)")


class PathMap:
    """Translates the text of commands, for one pod and its mapped prefixes.

    Args:
        root: the directory that stands for the container's root; paths below its parent are this machine's already.
        mounts: mapped prefixes beside the standard ones.
    """

    def __init__(self, root: str, mounts: Iterable[str] = DEFAULT_MOUNTS) -> None:
        self.root = root
        self._kept = os.path.dirname(root)
        self.mounts = sorted({*(normal(mount) for mount in mounts), *STANDARD} - {"/"})
        longest_first = sorted((*self.mounts, *LIKELY), key=len, reverse=True)
        names = "|".join(re.escape(path[1:]) for path in longest_first)
        self._mapped = re.compile(rf"/(?:{names})(?![\w.-])")

    def path(self, path: str) -> str:
        """The place on this machine that stands for an absolute path of the container."""
        return self.root if path == "/" else self.root + normal(path)

    def inward(self, text: str) -> str:
        """An argument as the command must see it."""
        if text == "/":
            return self.root
        if _PLAIN_PATH.fullmatch(text) and not os.path.lexists("/" + text.split("/")[1]):
            return self.root + text
        text = self._mapped.sub(self._put_below_root, text)
        return _ROOT_IN_SCRIPT.sub(lambda match: match["before"] + self.root, text)

    def executable(self, name: str) -> str:
        """The first word of a command: a program of the machine keeps its path unless the pod has a file there."""
        mapped = self.inward(name)
        return mapped if os.path.lexists(mapped) or not os.path.exists(name) else name

    def _put_below_root(self, match: re.Match[str]) -> str:
        text, start = match.string, match.start()
        if text.startswith(self._kept, start) or not begins_a_path(text, start):
            return match[0]
        return self.root + match[0]


def normal(path: str) -> str:
    """An absolute path without ``.``, ``..`` and doubled slashes."""
    return os.path.normpath("/" + path.lstrip("/"))


def begins_a_path(text: str, at: int) -> bool:
    """Can the slash at this place be the first character of an absolute path?"""
    if at == 0:
        return True
    before = text[at - 1]
    if before in _OPENS_A_PATH:
        return True
    if before in "\"'`":  # an opening quote; after a word it closes: "$HOME"/data
        return at == 1 or text[at - 2] in _OPENS_A_PATH or text[at - 2] in "\"'$\\"
    return bool(_GLUED_OPTION.search(text[:at]))


class Outward:
    """Cuts the pod's directory from a stream of output, wherever the stream is split."""

    def __init__(self, root: str) -> None:
        self._root = os.fsencode(root)
        self._held = b""
        self._after_root = False  # the root ended a chunk and "/" was written for it
        self._tar: Optional[TarNames] = None
        self._begun = False

    def feed(self, chunk: bytes) -> bytes:
        if not self._begun:
            self._begun = True
            self._tar = TarNames(os.fsdecode(self._root)) if is_tar(chunk) else None
        if self._tar is not None:
            return self._tar.feed(chunk)
        data = self._held + chunk
        if self._after_root and data:
            data = data[1:] if data[:1] == b"/" else data
            self._after_root = False
        keep = self._beginning_of_root(data, len(chunk))
        self._held = data[len(data) - keep :]
        return self._cut(data[: len(data) - keep])

    def flush(self) -> bytes:
        """What was held back for its sequel, at the end of the stream."""
        if self._tar is not None:
            return self._tar.flush()
        held, self._held = self._held, b""
        return held

    def _cut(self, data: bytes) -> bytes:
        if self._root not in data:
            return data
        self._after_root = data.endswith(self._root)
        data = data.replace(self._root + os.fsencode(LACKING) + b"/", b"/")
        return data.replace(self._root + b"/", b"/").replace(self._root, b"/")

    def _beginning_of_root(self, data: bytes, chunk_length: int) -> int:
        """How many bytes at the end may be a cut-off root.

        Only large writes are ever split (POSIX writes up to PIPE_BUF whole), so the end of a small chunk, a prompt
        perhaps that someone waits for, is held back only when it can hardly be anything else.
        """
        shortest = 1 if chunk_length >= 4096 else 12
        for length in range(min(len(self._root) - 1, len(data)), shortest - 1, -1):
            if data.endswith(self._root[:length]):
                return length
        return 0
