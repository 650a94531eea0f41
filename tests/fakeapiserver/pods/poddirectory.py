"""Laying out the directory that stands for a container's root.

The places that are the pod's own (mount points, home directories, temporary directories) are real directories. All
the rest of a root directory is there, too, as symbolic links to this machine's, so that ``ls /`` looks as it should
and ``tar -C /`` finds its way.
"""

from __future__ import annotations

import os

from .pathmap import PathMap

OF_THE_SYSTEM = frozenset(
    {"bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "usr", "var"}
)


def lay_out(paths: PathMap) -> None:
    """Make the pod's own directories, and links for the rest."""
    own = [mount.strip("/").split("/") for mount in paths.mounts]
    os.makedirs(paths.root, exist_ok=True)
    _fill(paths.root, "/", own, OF_THE_SYSTEM)
    for sticky in ("/tmp", "/var/tmp"):
        os.chmod(paths.root + sticky, 0o1777)
    os.chmod(paths.root + "/root", 0o700)


def _fill(here: str, there: str, own: list[list[str]], wanted: frozenset[str]) -> None:
    """``own`` holds the pod's own paths below here: directories on the way to them are real, the siblings links."""
    firsts = {parts[0] for parts in own}
    for name in wanted - firsts:
        link = os.path.join(here, name)
        if os.path.lexists(os.path.join(there, name)) and not os.path.lexists(link):
            os.symlink(os.path.join(there, name), link)
    for name in firsts:
        place = os.path.join(here, name)
        os.makedirs(place, exist_ok=True)
        below = [parts[1:] for parts in own if parts[0] == name]
        deeper = [parts for parts in below if parts]
        if deeper and [] not in below:
            _fill(place, os.path.join(there, name), deeper, _entries(os.path.join(there, name)))
        else:
            for parts in deeper:
                os.makedirs(os.path.join(place, *parts), exist_ok=True)


def _entries(directory: str) -> frozenset[str]:
    """What a directory of the machine holds; of a pod's own places (/home) nothing shows."""
    top = directory.strip("/").split("/")[0]
    if top not in OF_THE_SYSTEM:
        return frozenset()
    try:
        return frozenset(os.listdir(directory))
    except OSError:
        return frozenset()
