"""Exec credential plugins for tests: shell scripts that print what a test wants and count their runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Optional

import pytest

from devservers.errors import KubeConfigError
from devservers.transport.config.clientconfig import ClientConfig

from .kubeconfigs import config_of, document

GROUP = "client.authentication.k8s.io"


def exec_credential(version: str = "v1", **status: Any) -> str:
    """An ExecCredential as a plugin prints it."""
    return json.dumps({"apiVersion": f"{GROUP}/{version}", "kind": "ExecCredential", "status": status})


class Plugin:
    """A plugin in ``directory``: ``stanza`` is its ``exec`` entry, ``runs`` how often it was run."""

    def __init__(self, directory: Path, script: str, *, version: str = "v1", **stanza: Any) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._log = directory / "runs"
        self.path = directory / "plugin"
        self.path.write_text(f"#!/bin/sh\necho run >> '{self._log}'\n{script}\n")
        self.path.chmod(0o755)
        self.stanza: dict[str, Any] = {
            "apiVersion": f"{GROUP}/{version}",
            "command": str(self.path),
            "interactiveMode": "Never",
            **stanza,
        }

    @property
    def runs(self) -> int:
        return len(self._log.read_text().splitlines()) if self._log.exists() else 0


def printing(directory: Path, output: Optional[str] = None, *, version: str = "v1", **stanza: Any) -> Plugin:
    """A plugin that prints ``output`` (by default: a token that never expires)."""
    text = exec_credential(version, token="t0ken") if output is None else output
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "output").write_text(text)
    return Plugin(directory, f"cat '{directory}/output'", version=version, **stanza)


def using(plugin: Plugin, cluster: Optional[dict[str, Any]] = None) -> ClientConfig:
    return config_of(document(user={"exec": plugin.stanza}, cluster=cluster))


def failure_of(plugin: Plugin) -> str:
    """The message that comes out of a request with this plugin."""
    with pytest.raises(KubeConfigError) as caught:
        using(plugin).credentials.headers()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)
