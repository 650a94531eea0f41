"""Kubeconfig files that lead to a fake API server."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any, Optional, Union

PathLike = Union[str, "os.PathLike[str]"]


def kubeconfig(url: str, token: Optional[str], ca_pem: Optional[bytes] = None, **overrides: Any) -> dict[str, Any]:
    """A kubeconfig's content: context ``fake``, namespace ``default``.

    ``overrides`` replace or add fields: ``cluster=…``, ``user=…``, ``context=…`` are merged into the one entry of each
    kind, anything else goes to the top level.
    """
    cluster: dict[str, Any] = {"server": url}
    if ca_pem is not None:
        cluster["certificate-authority-data"] = base64.b64encode(ca_pem).decode()
    user = {} if token is None else {"token": token}
    context = {"cluster": "fake", "user": "fake", "namespace": "default"}
    cluster.update(overrides.pop("cluster", {}))
    context.update(overrides.pop("context", {}))
    user = overrides.pop("user", user)
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": cluster}],
        "users": [{"name": "fake", "user": user}],
        "contexts": [{"name": "fake", "context": context}],
    }
    config.update(overrides)
    return config


def write_private(path: PathLike, content: Union[str, bytes]) -> Path:
    """Write a file that only its owner can read, from the first byte on."""
    data = content.encode() if isinstance(content, str) else content
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
    return Path(path)


def write_kubeconfig(path: PathLike, config: dict[str, Any]) -> Path:
    """Write it as JSON, which is YAML."""
    return write_private(path, json.dumps(config, indent=2) + "\n")
