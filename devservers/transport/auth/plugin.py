"""Exec credential plugins (``client.authentication.k8s.io``): commands that print credentials.

:class:`ExecPlugin` keeps the answer until it expires, and lets one thread at a time run the
command: fifty requests with an expired token run it once. The command learns from
``KUBERNETES_EXEC_INFO`` what is asked of it and answers on stdout with an ExecCredential in JSON.
``process.py`` runs it.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from ...arguments import is_encodable
from ...errors import KubeConfigError, RequestTimeoutError
from ..deadline import Deadline
from ..locks import ForkSafeLock
from ..text import json_or_none
from ..tls.pem import ClientCertificate, PEMSource
from .credentials import BLANKS, Authorizer, Credential, check_token
from .process import PluginRun

GROUP = "client.authentication.k8s.io"
API_VERSIONS = (f"{GROUP}/v1", f"{GROUP}/v1beta1", f"{GROUP}/v1alpha1")
NEVER, IF_AVAILABLE, ALWAYS = "Never", "IfAvailable", "Always"
"""``interactiveMode``: whether the plugin may talk to the user, who needs a terminal for that."""

TIME_LIMIT = 60.0  # seconds for a plugin that needs nobody
INTERACTIVE_TIME_LIMIT = 300.0  # and for one that may wait for somebody to log in

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:[.,]\d+)?([Zz]|[+-]\d\d:\d\d)\Z")
_ZERO_TIME = "0001-01-01T00:00:00Z"  # what a plugin in Go prints if it set none
_ESCAPED_IN_GO = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}


@dataclass(frozen=True)
class PluginCommand:
    """Which command to run, and how: the checked ``exec`` entry of a user."""

    source: str
    api_version: str
    command: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    interactive_mode: str = IF_AVAILABLE
    install_hint: str = ""
    cluster: Optional[Mapping[str, Any]] = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"exec plugin {os.path.basename(self.command)!r} ({self.source})"


class ExecPlugin(Authorizer):
    """The credentials that a plugin prints: kept until they expire, renewed by one thread."""

    def __init__(self, plugin: PluginCommand, wall_clock: Callable[[], float] = time.time) -> None:
        self._plugin = plugin
        self._wall_clock = wall_clock
        self._running = ForkSafeLock()
        # When it expires, and the credential; replaced as a whole, so that readers need no lock.
        self._kept: Optional[tuple[float, Credential]] = None

    def current(self, deadline: Deadline) -> Credential:
        kept = self._kept
        if kept is None:
            return self._renew(None, deadline)
        expires, credential = kept
        if self._wall_clock() < expires:
            return credential
        return self._renew(credential, deadline)

    def renewed(self, refused: Credential, deadline: Deadline) -> Credential:
        return self._renew(refused, deadline)

    def _renew(self, outdated: Optional[Credential], deadline: Deadline) -> Credential:
        """Run the plugin, unless another thread replaced ``outdated`` while this one waited."""
        if not deadline.wait(self._acquire):
            raise RequestTimeoutError(
                f"{self._plugin}: still running when the time of the request was up"
            )
        try:
            if self._kept is None or self._kept[1] is outdated:
                self._kept = _run_plugin(self._plugin, deadline)
            return self._kept[1]
        finally:
            self._running.release()

    def _acquire(self, seconds: Optional[float]) -> bool:
        if seconds is None:
            return self._running.acquire()
        return self._running.acquire(timeout=seconds)


def _run_plugin(plugin: PluginCommand, deadline: Deadline) -> tuple[float, Credential]:
    """Run the plugin once: when its answer expires, and the credential."""
    interactive = _may_interact(plugin)
    limit = INTERACTIVE_TIME_LIMIT if interactive else TIME_LIMIT
    run = PluginRun(
        [plugin.command, *plugin.args],
        {**os.environ, **plugin.env, "KUBERNETES_EXEC_INFO": _exec_info(plugin, interactive)},
        label=str(plugin),
        install_hint=plugin.install_hint,
        interactive=interactive,
        private=[*plugin.env],
    )
    return read_credential(run.output(deadline, limit), plugin)


def _exec_info(plugin: PluginCommand, interactive: bool) -> str:
    """The request, byte for byte as kubectl writes it: some plugins read it with grep."""
    spec: dict[str, Any] = {}
    if plugin.cluster is not None:
        spec["cluster"] = plugin.cluster
    spec["interactive"] = interactive
    request = {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}
    text = json.dumps(request, separators=(",", ":"))  # ASCII: the environment may not be UTF-8
    return text.translate(_ESCAPED_IN_GO) + "\n"


def _may_interact(plugin: PluginCommand) -> bool:
    if plugin.interactive_mode == NEVER:
        return False
    try:
        terminal = os.isatty(0)
    except OSError:
        terminal = False
    if plugin.interactive_mode == ALWAYS and not terminal:
        raise KubeConfigError(
            f"{plugin}: needs to talk to the user (interactiveMode: Always), but standard input is "
            "not a terminal; run it in a terminal, or use credentials that need nobody "
            "(a service account token)"
        )
    return terminal


def read_credential(output: bytes, plugin: PluginCommand) -> tuple[float, Credential]:
    """What a plugin printed, an ExecCredential.

    Returns: when it expires (seconds since the epoch, or infinity), and the credential.
    """
    answer = _Answer(plugin, output)
    token = answer.text("token").strip(BLANKS)
    certificate = answer.text("clientCertificateData")
    key = answer.text("clientKeyData")
    if bool(certificate) != bool(key):
        raise answer.wrong("has only one of clientCertificateData and clientKeyData")
    if not token and not certificate:
        raise answer.wrong("has neither a token nor a client certificate")
    pair = None
    if certificate:
        pair = ClientCertificate(
            PEMSource(f"clientCertificateData of {plugin}", certificate.encode()),
            PEMSource(f"clientKeyData of {plugin}", key.encode()),
        )
    header = None
    if token:
        header = f"Bearer {check_token(token, f'token of {plugin}')}"
    return answer.expires(), Credential(header, pair)


class _Answer:
    """The ``status`` of an ExecCredential. No message quotes what was printed."""

    def __init__(self, plugin: PluginCommand, output: bytes) -> None:
        self._plugin = plugin
        answer = json_or_none(output)  # which also reads past a byte order mark
        if not isinstance(answer, dict) or answer.get("kind", "ExecCredential") != "ExecCredential":
            raise self.wrong("is not an ExecCredential in JSON")
        if answer.get("apiVersion") != plugin.api_version:
            raise self.wrong(
                f"is not of apiVersion {plugin.api_version}, which its kubeconfig entry asks for"
            )
        status = answer.get("status")
        if not isinstance(status, dict):
            raise self.wrong("has no status")
        self._status: dict[str, Any] = status

    def wrong(self, problem: str) -> KubeConfigError:
        return KubeConfigError(
            f"{self._plugin}: its output (not shown) {problem}; run it by hand, or update it"
        )

    def text(self, name: str) -> str:
        """The string at ``name``, ``""`` if there is none."""
        value = self._status.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(f"has a field {name} that is not a string")
        if not is_encodable(value):
            raise self.wrong(f"has a field {name} that is not valid Unicode text")
        return value

    def expires(self) -> float:
        """When it does, in seconds since the epoch, or infinity."""
        text = self.text("expirationTimestamp")
        if text in ("", _ZERO_TIME):
            return float("inf")
        try:
            return _epoch_seconds(text)
        except ValueError:
            pass
        raise self.wrong("has an expirationTimestamp that is not an RFC 3339 time")


def _epoch_seconds(timestamp: str) -> float:
    from datetime import datetime

    match = _TIMESTAMP.match(timestamp)
    if match is None:
        raise ValueError("not RFC 3339")
    day, clock, zone = match.groups()
    if zone in "Zz":
        zone = "+00:00"  # datetime reads a Z from Python 3.11 on
    return datetime.fromisoformat(f"{day}T{clock}{zone}").timestamp()
