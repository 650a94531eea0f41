"""kubeconfig files: read, taken apart into named entries, and merged.

Parsing and merging are pure. kubectl's rules apply: unknown keys are ignored, and of several files
the first that has an entry wins all of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ...errors import KubeConfigError
from ..text import shown_path
from .document import load_document
from .entry import Entry, kind_of


@dataclass(frozen=True)
class KubeConfig:
    """What one file says, or several merged ones: their entries by name."""

    files: tuple[str, ...]
    current_context: str = ""
    clusters: Mapping[str, Entry] = field(default_factory=dict)
    contexts: Mapping[str, Entry] = field(default_factory=dict)
    users: Mapping[str, Entry] = field(default_factory=dict)

    def __str__(self) -> str:
        return shown_path(os.pathsep.join(self.files))


def merge(configs: Iterable[KubeConfig]) -> KubeConfig:
    """Several files as one: the first with an entry of a name wins, as does its current-context."""
    files: list[str] = []
    current_context = ""
    clusters: dict[str, Entry] = {}
    contexts: dict[str, Entry] = {}
    users: dict[str, Entry] = {}
    for config in configs:
        files += config.files
        current_context = current_context or config.current_context
        clusters = {**config.clusters, **clusters}
        contexts = {**config.contexts, **contexts}
        users = {**config.users, **users}
    return KubeConfig(tuple(files), current_context, clusters, contexts, users)


def read(path: str) -> Optional[KubeConfig]:
    """The kubeconfig at ``path``, None if there is no such file.

    Raises: KubeConfigError if it cannot be read or is malformed.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise KubeConfigError(
            f"kubeconfig {shown_path(path)}: cannot be read: {reason}; "
            "check its permissions, or name another file in KUBECONFIG"
        ) from error
    return parse(data, path)


def parse(data: bytes, path: str) -> KubeConfig:
    """The kubeconfig in ``data`` (YAML or JSON, UTF-8); nothing in it is an empty configuration."""
    document = load_document(data, path)
    if document is None:
        return KubeConfig((path,))
    return _from_document(document, path)


def from_mapping(document: Mapping[str, Any]) -> KubeConfig:
    """A kubeconfig given as a dict. Its relative paths are relative to the working directory."""
    return _from_document(dict(document), "(a dict)")


def _from_document(document: object, path: str) -> KubeConfig:
    if not isinstance(document, dict):
        raise KubeConfigError(
            f"kubeconfig {shown_path(path)}: must be a mapping, not {kind_of(document)}; "
            "check that it is a kubeconfig"
        )
    top = Entry("kubeconfig", path, document)
    if top.text("kind") not in ("", "Config") or top.text("apiVersion") not in ("", "v1"):
        raise KubeConfigError(
            f"kubeconfig {shown_path(path)}: is of another kind; "
            "a kubeconfig has `apiVersion: v1`, `kind: Config`"
        )
    return KubeConfig(
        files=(path,),
        current_context=top.text("current-context"),
        clusters=_named_entries(top, "clusters", "cluster"),
        contexts=_named_entries(top, "contexts", "context"),
        users=_named_entries(top, "users", "user"),
    )


def _named_entries(top: Entry, section: str, kind: str) -> dict[str, Entry]:
    """A list of ``{name: NAME, KIND: {…}}`` as a dict of its inner mappings."""
    entries: dict[str, Entry] = {}
    for number, item in enumerate(top.items(section), 1):
        if item is None:
            continue
        if not isinstance(item, dict):
            raise top.wrong(f"entry {number} of {section} must be a mapping, not {kind_of(item)}")
        name = Entry(f"entry {number} of {section}", top.file, item).text("name")
        if not name:
            continue  # nothing can refer to it; kubectl ignores it, too
        if name in entries:
            raise top.wrong(f"{section} has {name!r} twice; rename or remove one of them")
        label = f"{kind} {name!r}"
        inner = Entry(label, top.file, item).child(kind)
        entries[name] = Entry(label, top.file, inner.body if inner else {})
    return entries
