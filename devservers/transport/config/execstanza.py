"""The ``exec`` entry of a kubeconfig user: which credential plugin to run, and how.

Imported only for a user that has one.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from typing import Any

from ..auth.plugin import ALWAYS, API_VERSIONS, GROUP, IF_AVAILABLE, NEVER, PluginCommand
from ..text import without_terminal_controls
from ..tls.pem import PEMSource
from .entry import Entry

_EXTENSION = f"{GROUP}/exec"


def plugin_command(stanza: Entry, cluster: Entry) -> PluginCommand:
    """The command that ``stanza`` (the ``exec`` of a user) names, for use with ``cluster``.

    Raises: KubeConfigError naming the key that is wrong.
    """
    api_version = stanza.text("apiVersion")
    if api_version not in API_VERSIONS:
        versions = ", ".join(API_VERSIONS)
        raise stanza.wrong(f"apiVersion must be one of {versions}; update the plugin and its entry")
    command = stanza.text("command")
    if not command:
        raise stanza.wrong("names no command; set it to the plugin's executable")
    if os.sep in command:
        command = stanza.resolve(command)
    cluster_info = None
    if stanza.flag("provideClusterInfo"):
        cluster_info = _cluster_info(cluster)
    return PluginCommand(
        source=str(stanza),
        api_version=api_version,
        command=command,
        args=tuple(stanza.texts("args")),
        env=_environment(stanza),
        interactive_mode=_interactive_mode(stanza, api_version),
        install_hint=without_terminal_controls(stanza.text("installHint")).strip(),
        cluster=cluster_info,
    )


def _environment(stanza: Entry) -> dict[str, str]:
    env = {}
    for number, item in enumerate(stanza.items("env"), 1):
        if not isinstance(item, dict):
            raise stanza.wrong(f"entry {number} of env must be a mapping of name and value")
        pair = Entry(f"entry {number} of env, {stanza.label}", stanza.file, item)
        name, value = pair.text("name"), pair.text("value")
        if not name or "=" in name or "\0" in name + value:
            raise pair.wrong(
                "is not an environment variable: the name is empty or contains '=', or there is a "
                "NUL character"
            )
        env[name] = value
    return env


def _interactive_mode(stanza: Entry, api_version: str) -> str:
    mode = stanza.text("interactiveMode")
    if not mode and api_version == API_VERSIONS[0]:
        raise stanza.wrong("interactiveMode is required with apiVersion v1; set it to IfAvailable")
    if mode not in ("", NEVER, IF_AVAILABLE, ALWAYS):
        raise stanza.wrong("interactiveMode must be Never, IfAvailable or Always")
    return mode or IF_AVAILABLE


def _cluster_info(cluster: Entry) -> dict[str, Any]:
    """The ``Cluster`` of the ExecCredential API: the CA as data, and the extension for plugins.

    Empty fields are left out, except ``config``; all are in the order of the API's type, as kubectl
    writes them.
    """
    ca = b""
    path = cluster.path("certificate-authority")
    if path:
        ca = PEMSource(f"certificate-authority of {cluster}", path=path).read()
    ca = ca or cluster.data("certificate-authority-data")
    fields: dict[str, Any] = {
        "server": cluster.text("server"),
        "tls-server-name": cluster.text("tls-server-name"),
        "insecure-skip-tls-verify": cluster.flag("insecure-skip-tls-verify"),
        "certificate-authority-data": b64encode(ca).decode("ascii"),
        "proxy-url": cluster.text("proxy-url"),
        "disable-compression": cluster.flag("disable-compression"),
    }
    info = {key: value for key, value in fields.items() if value}
    info["config"] = None
    for item in cluster.items("extensions"):
        if isinstance(item, dict) and item.get("name") == _EXTENSION:
            info["config"] = item.get("extension")
    if not _has_json_form(info):
        raise cluster.wrong(
            f"the extension {_EXTENSION} has a value that JSON cannot represent; remove it"
        )
    return info


def _has_json_form(value: object) -> bool:
    """YAML has values that JSON does not: bytes, sets, cycles, ``.nan``."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
