"""Exec credential plugins (``client.authentication.k8s.io``): a command that prints a token or a client certificate.

:class:`ExecPlugin` keeps the answer until it expires and lets one thread at a time run the command, so that fifty
requests with an expired token run it once. The command runs without a shell, in its own session (killed as a whole
when its time is up) unless it may talk to the user. What it prints is a secret and appears in no message; its stderr
appears, with everything that looks like a secret masked.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from ...errors import KubeConfigError, RequestTimeoutError
from ..config.kubeconfig import Entry
from ..deadline import Deadline
from ..tls.context import ClientCertificate, Material
from .credentials import BLANKS, Authorizer, Credential, check_token
from .process import PluginRun
from .redaction import without_controls

GROUP = "client.authentication.k8s.io"
API_VERSIONS = (f"{GROUP}/v1", f"{GROUP}/v1beta1", f"{GROUP}/v1alpha1")
TIME_LIMIT = 60.0  # seconds for a plugin that works alone
INTERACTIVE_TIME_LIMIT = 300.0  # and for one that may wait for somebody to log in

_NEVER, _IF_AVAILABLE, _ALWAYS = "Never", "IfAvailable", "Always"
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:[.,]\d+)?([Zz]|[+-]\d\d:\d\d)\Z")
_ZERO_TIME = "0001-01-01T00:00:00Z"  # how a plugin written in Go prints that it set none


@dataclass(frozen=True)
class PluginCommand:
    """The ``exec`` stanza of a user, checked."""

    source: str
    api_version: str
    command: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    interactive_mode: str = _IF_AVAILABLE
    install_hint: str = ""
    cluster: Optional[Mapping[str, Any]] = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"exec plugin {os.path.basename(self.command)!r} ({self.source})"


def exec_plugin(stanza: Entry, cluster: Entry) -> ExecPlugin:
    """The plugin that ``stanza`` (the ``exec`` of a user) describes, for use with ``cluster``."""
    api_version = stanza.text("apiVersion")
    if api_version not in API_VERSIONS:
        raise stanza.wrong(f"apiVersion must be one of {', '.join(API_VERSIONS)}; update the plugin and its entry")
    command = stanza.text("command")
    if not command:
        raise stanza.wrong("names no command; set it to the plugin's executable")
    return ExecPlugin(
        PluginCommand(
            source=str(stanza),
            api_version=api_version,
            command=stanza.resolve(command) if os.sep in command else command,
            args=tuple(stanza.texts("args")),
            env=_environment(stanza),
            interactive_mode=_interactive_mode(stanza, api_version),
            install_hint=without_controls(stanza.text("installHint")).strip(),
            cluster=_cluster_info(cluster) if stanza.flag("provideClusterInfo") else None,
        )
    )


def _environment(stanza: Entry) -> dict[str, str]:
    env = {}
    for number, item in enumerate(stanza.items("env"), 1):
        if not isinstance(item, dict):
            raise stanza.wrong(f"entry {number} of env must be a mapping of name and value")
        pair = Entry(f"entry {number} of env, {stanza.label}", stanza.file, item)
        name, value = pair.text("name"), pair.text("value")
        if not name or "=" in name or "\0" in name + value:
            raise pair.wrong("is not an environment variable: its name is empty or holds '=', or there is a NUL in it")
        env[name] = value
    return env


def _interactive_mode(stanza: Entry, api_version: str) -> str:
    mode = stanza.text("interactiveMode")
    if not mode and api_version == API_VERSIONS[0]:
        raise stanza.wrong("interactiveMode is required with apiVersion v1; set it to IfAvailable")
    if mode not in ("", _NEVER, _IF_AVAILABLE, _ALWAYS):
        raise stanza.wrong("interactiveMode must be Never, IfAvailable or Always")
    return mode or _IF_AVAILABLE


def _cluster_info(cluster: Entry) -> dict[str, Any]:
    """The ``Cluster`` of the ExecCredential API: the CA as data, and the extension that is meant for plugins.

    Empty fields are left out, but for ``config``; all stand in the order of the API's type, as kubectl writes them.
    """
    path = cluster.path("certificate-authority")
    ca = Material(f"certificate-authority of {cluster}", path=path).read() if path else b""
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
        if isinstance(item, dict) and item.get("name") == f"{GROUP}/exec":
            info["config"] = item.get("extension")
    try:
        json.dumps(info, allow_nan=False)  # YAML knows values that JSON does not: bytes, sets, cycles, .nan
    except (TypeError, ValueError, RecursionError):
        info = {}
    if not info:
        raise cluster.wrong(f"the extension {GROUP}/exec holds a value that JSON cannot carry; remove it")
    return info


class ExecPlugin(Authorizer):
    """The credentials that a plugin gives: cached until they expire, renewed by one thread for all."""

    def __init__(self, plugin: PluginCommand, wall_clock: Callable[[], float] = time.time) -> None:
        self._plugin = plugin
        self._wall_clock = wall_clock
        self._running = threading.Lock()
        self._kept: Optional[tuple[float, Credential]] = None  # replaced whole, so that reading it needs no lock

    def current(self, deadline: Deadline) -> Credential:
        kept = self._kept
        if kept is None:
            return self._renew(None, deadline)
        expires, credential = kept
        return credential if self._wall_clock() < expires else self._renew(credential, deadline)

    def renewed(self, refused: Credential, deadline: Deadline) -> Credential:
        return self._renew(refused, deadline)

    def _renew(self, outdated: Optional[Credential], deadline: Deadline) -> Credential:
        """Run the plugin, unless another thread has replaced ``outdated`` while we waited for our turn."""
        if not deadline.wait(lambda seconds: self._running.acquire(timeout=-1 if seconds is None else seconds)):
            raise RequestTimeoutError(f"{self._plugin}: still running when the time of the request was up")
        try:
            if self._kept is None or self._kept[1] is outdated:
                self._kept = _ask(self._plugin, deadline)
            return self._kept[1]
        finally:
            self._running.release()


def _ask(plugin: PluginCommand, deadline: Deadline) -> tuple[float, Credential]:
    """Run the plugin once: when its answer expires, and the answer."""
    interactive = _may_interact(plugin)
    limit = INTERACTIVE_TIME_LIMIT if interactive else TIME_LIMIT
    env = {**os.environ, **plugin.env, "KUBERNETES_EXEC_INFO": _exec_info(plugin, interactive)}
    run = PluginRun([plugin.command, *plugin.args], env, str(plugin), plugin.install_hint, interactive, [*plugin.env])
    return read_credential(run.output(deadline, limit), plugin)


def _exec_info(plugin: PluginCommand, interactive: bool) -> str:
    """The request, as kubectl writes it to the byte: some plugins read it with grep."""
    spec: dict[str, Any] = {} if plugin.cluster is None else {"cluster": plugin.cluster}
    spec["interactive"] = interactive
    request = {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}
    text = json.dumps(request, separators=(",", ":"))  # ASCII: the environment may not be UTF-8
    return text.translate(_ESCAPED_IN_GO) + "\n"


_ESCAPED_IN_GO = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}


def _may_interact(plugin: PluginCommand) -> bool:
    if plugin.interactive_mode == _NEVER:
        return False
    try:
        terminal = os.isatty(0)
    except OSError:
        terminal = False
    if plugin.interactive_mode == _ALWAYS and not terminal:
        raise KubeConfigError(
            f"{plugin}: wants to talk to the user (interactiveMode: Always), and standard input is not a terminal; "
            "run it in a terminal, or use credentials that need nobody (a service account token)"
        )
    return terminal


def read_credential(output: bytes, plugin: PluginCommand) -> tuple[float, Credential]:
    """The ExecCredential that a plugin printed: its expiry (seconds since the epoch, or infinity) and credential."""
    answer = _Answer(str(plugin), output, plugin.api_version)
    token, certificate, key = (answer.text(name) for name in ("token", "clientCertificateData", "clientKeyData"))
    if bool(certificate) != bool(key):
        raise answer.wrong("holds only one of clientCertificateData and clientKeyData")
    if not token and not certificate:
        raise answer.wrong("holds neither a token nor a client certificate")
    pair = None
    if certificate:
        pair = ClientCertificate(
            Material(f"clientCertificateData of {plugin}", certificate.encode()),
            Material(f"clientKeyData of {plugin}", key.encode()),
        )
    header = f"Bearer {check_token(token.strip(BLANKS), f'token of {plugin}')}" if token else None
    return answer.expires(), Credential(header, pair)


def _decoded(output: bytes) -> Any:
    """The answer: JSON, or YAML (which kubectl reads as well) where it can be read; None for anything else."""
    try:
        text = output.decode("utf-8-sig")
    except ValueError:
        return None
    try:
        if text.lstrip()[:1] in ("", "{", "["):
            return json.loads(text)
    except (ValueError, RecursionError):
        return None
    try:
        from ..config.goyaml import first_document

        return first_document(text)
    except Exception:  # no PyYAML, or no YAML: told without a word of what was printed
        return None


class _Answer:
    """The status of an ExecCredential. Problems are told without a word of what was printed."""

    def __init__(self, label: str, output: bytes, api_version: str) -> None:
        self._label = label
        decoded = _decoded(output)
        if not isinstance(decoded, dict) or decoded.get("kind", "ExecCredential") != "ExecCredential":
            raise self.wrong("is not an ExecCredential in JSON")
        if decoded.get("apiVersion") != api_version:
            raise self.wrong(f"is not of apiVersion {api_version}, which its kubeconfig entry asks for")
        status = decoded.get("status")
        if not isinstance(status, dict):
            raise self.wrong("has no status")
        self._status: dict[str, Any] = status

    def wrong(self, problem: str) -> KubeConfigError:
        return KubeConfigError(f"{self._label}: its output (not shown) {problem}; run it by hand, or update it")

    def text(self, name: str) -> str:
        value = self._status.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or not _encodable(value):
            raise self.wrong(f"holds something else than a string as {name}")
        return value

    def expires(self) -> float:
        text = self.text("expirationTimestamp")
        if text in ("", _ZERO_TIME):
            return float("inf")
        try:
            return _epoch_seconds(text)
        except ValueError:
            pass
        raise self.wrong("holds an expirationTimestamp that is not an RFC 3339 time")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
        return False
    return True


def _epoch_seconds(timestamp: str) -> float:
    from datetime import datetime

    match = _TIMESTAMP.match(timestamp)
    if match is None:
        raise ValueError("not RFC 3339")
    day, clock, zone = match.groups()
    return datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}").timestamp()
