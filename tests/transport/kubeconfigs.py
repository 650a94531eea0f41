"""Small builders of kubeconfigs: a whole one from the parts a test is about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.config.contexts import client_config
from devservers.transport.config.kubeconfig import parse

Document = dict[str, Any]


def document(
    *, cluster: Optional[Mapping[str, Any]] = None, user: Optional[Mapping[str, Any]] = None, **context: str
) -> Document:
    """A kubeconfig with one context ``dev`` of cluster ``main`` and user ``alice``."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "dev",
        "clusters": [{"name": "main", "cluster": {"server": "https://api.example:6443", **(cluster or {})}}],
        "contexts": [{"name": "dev", "context": {"cluster": "main", "user": "alice", **context}}],
        "users": [{"name": "alice", "user": dict(user or {})}],
    }


def write(path: Path, content: Document) -> Path:
    """``content`` as the file ``path`` (JSON, which is YAML too)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def config_of(content: Document, path: str = "/etc/kube/config", context: Optional[str] = None) -> ClientConfig:
    """The configuration that a kubeconfig with this content at ``path`` gives; the file need not exist."""
    return client_config(parse(json.dumps(content).encode(), path), context, None)


def user_config(**user: Any) -> ClientConfig:
    return config_of(document(user=user))


def cluster_config(**cluster: Any) -> ClientConfig:
    return config_of(document(cluster=cluster))
