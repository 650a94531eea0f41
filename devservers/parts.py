"""Parts of the package that a vendored copy may leave out, and what is said where one is missed.

Nothing outside a part imports it when it is loaded itself, only where it is used, and there in
``with needed_by(…)``. So what remains of a copy without some of them works as before, and what does
not remain says which files it needs. Paths are relative to the package; a part is left out whole.
"""

from __future__ import annotations

from types import TracebackType
from typing import Optional

from .errors import MissingDependencyError
from .version import __version__

PARTS: dict[str, tuple[str, ...]] = {
    "running commands": ("crds/commands",),
    "copying files": ("crds/files",),
    "the exec protocol": ("transport/exec",),
    "kubeconfig files": (
        "transport/config/kubeconfig.py",
        "transport/config/lookup.py",
        "transport/config/contexts.py",
        "transport/config/user.py",
        "transport/config/entry.py",
        "transport/config/document.py",
        "transport/config/goyaml.py",
        "transport/config/execstanza.py",
    ),
    "exec credential plugins": ("transport/auth/plugin.py", "transport/auth/process.py"),
    "proxies": ("transport/config/proxies.py", "transport/tls/tunnel.py"),
}
"""Copying files needs the running of commands, and that the exec protocol; credential plugins are
of use only together with kubeconfig files."""

PACKAGE = __name__.rpartition(".")[0]


class needed_by:
    """``with needed_by("exec"):`` around the imports of a part.

    Raises:
        MissingDependencyError: this copy of the package does not have it.
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:  # fmt: skip
        if not isinstance(error, ModuleNotFoundError) or error.name is None:
            return
        parent, _, path = error.name.partition(f"{PACKAGE}.")
        if parent or not path:
            return  # a module of somebody else
        part = _part_with(path.replace(".", "/"))
        raise MissingDependencyError(
            f"{self._what} needs {part}, which this copy of the package ({PACKAGE}) was made "
            f"without: add it from devservers {__version__}"
        ) from error


def _part_with(module: str) -> str:
    """All paths of the part that holds the module, for messages."""
    for paths in PARTS.values():
        for path in paths:
            if f"{module}/".startswith(f"{path.partition('.py')[0]}/"):
                return " and ".join(paths)
    return module
