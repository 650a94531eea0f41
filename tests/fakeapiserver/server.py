"""FakeAPIServer: the whole server, started, stopped, and arranged from tests."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Optional, Union

import yaml

from .access.auth import MASTERS
from .access.kubeconfig import PathLike, kubeconfig, write_kubeconfig
from .backbone import Backbone
from .operator import collector
from .operator import operator as devserver_operator
from .pods import pods
from .router import Router
from .schema.crds import complete, shipped_crds
from .serving.http import Headers, HTTPServer, Reply, Request, Upgrade, User
from .vocabulary.objects import Object, Objects
from .vocabulary.resources import ResourceType
from .vocabulary.status import APIFailure

ADMIN_TOKEN = "fake-admin-token"
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
EXEC_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
REQUESTS_KEPT = 10_000


class LoggedRequest(NamedTuple):
    """A request as it was answered; ``status`` is 0 where there was no answer, 101 for an upgrade."""

    method: str
    target: str
    headers: Headers
    user: User
    status: int


class FakeAPIServer(Backbone):
    """A Kubernetes API server on a loopback port, in this process.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`. Stopped, it leaves nothing behind: no thread,
    socket, process or file.
    """

    def __init__(
        self,
        port: int = 0,
        tls: bool = False,
        operator: bool = True,
        exec_protocols: tuple[str, ...] = EXEC_PROTOCOLS,
        host: str = "127.0.0.1",
        history: int = 20_000,
        load_crds: bool = True,
    ) -> None:
        super().__init__(tuple(exec_protocols), history)
        self.tls = tls
        self.ca_pem: Optional[bytes] = None
        self.ca_file: Optional[Path] = None
        self.token = ADMIN_TOKEN
        self.tokens.add(self.token, "admin", (MASTERS,))
        self.requests: deque[LoggedRequest] = deque(maxlen=REQUESTS_KEPT)
        self._router = Router(self)
        self._http = HTTPServer(self._handle, host, port)
        for name in NAMESPACES:
            self._add_namespace(name)
        if load_crds:
            for crd in shipped_crds():
                self.apply(crd)
        self._install(operator)

    def _install(self, with_operator: bool) -> None:
        """Pods' subresources and the controllers are installed like any handler of a test's own."""
        pods.install(self)
        if with_operator:
            collector.install(self)
            devserver_operator.install(self)

    # life

    def start(self) -> FakeAPIServer:
        if self.tls:
            self._prepare_tls()
        self._http.start()
        self.write_kubeconfig(self.kubeconfig)
        for hook in self.on_start:
            hook()
        return self

    def stop(self) -> None:
        """End everything, wait for it, and remove the temporary directory. Safe to call twice."""
        if self.stopping.is_set():
            return
        self.wind_down()
        self._http.stop()
        self.clear_away()

    def __enter__(self) -> FakeAPIServer:
        return self.start()

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self.stop()

    def _prepare_tls(self) -> None:
        from .access import tlsfiles

        self._http.tls = tlsfiles.server_context("127.0.0.1", "localhost", "::1", "kubernetes.default.svc")
        self.ca_pem = tlsfiles.ca_pem()
        self.ca_file = self.tempdir / "ca.crt"
        self.ca_file.write_bytes(self.ca_pem)

    # where it is, and how to get in

    @property
    def host(self) -> str:
        return self._http.host

    @property
    def port(self) -> int:
        return self._http.port

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of the administrator: context ``fake``, namespace ``default``."""
        return self.tempdir / "kubeconfig"

    def write_kubeconfig(self, path: PathLike, **overrides: Any) -> Path:
        """Write a kubeconfig for this server (mode 0600); see :func:`kubeconfig` for the overrides."""
        token = overrides.pop("token", self.token)
        return write_kubeconfig(path, kubeconfig(self.url, token, self.ca_pem, **overrides))

    def add_token(self, token: str, user: str, groups: tuple[str, ...] = ()) -> None:
        """Let a bearer token in as a user, who may do what :attr:`rules` allow."""
        self.tokens.add(token, user, tuple(groups))

    def client_certificate(self, user: str, groups: tuple[str, ...] = ()) -> tuple[bytes, bytes]:
        """PEM of a client certificate and its key (a TLS server only)."""
        from .access import tlsfiles

        return tlsfiles.client_certificate(user, tuple(groups))

    # state

    def apply(self, manifest: Union[Object, str]) -> Objects:
        """Store objects (a dict, or YAML of one or many), replacing those of the same name; CRDs begin to be served."""
        documents = list(yaml.safe_load_all(manifest)) if isinstance(manifest, str) else [manifest]
        return [self._apply(document) for document in documents if document]

    def _apply(self, obj: Object) -> Object:
        resource = self._resource_of(obj)
        if resource.plural == "customresourcedefinitions":
            complete(obj)
        metadata = obj["metadata"]
        namespace = metadata.get("namespace") or ("default" if resource.namespaced else "")
        with self.store.lock:
            try:
                current = self.store.get(resource.plural, metadata["name"], namespace)
            except APIFailure:
                self.store.create(resource.plural, obj)
            else:
                self.store.update(resource.plural, {**obj, "metadata": {**current["metadata"], **metadata}})
            self.api.stored(resource, self.store.find(resource, namespace, metadata["name"]))
            return self.store.get(resource.plural, metadata["name"], namespace)

    def _resource_of(self, obj: Object) -> ResourceType:
        for resource in self.api.types():
            if (resource.api_version, resource.kind) == (obj.get("apiVersion"), obj.get("kind")):
                return resource
        raise KeyError(f"no resource serves {obj.get('apiVersion')} {obj.get('kind')}; apply its definition first")

    def _add_namespace(self, name: str) -> None:
        labels = {"kubernetes.io/metadata.name": name}
        self.store.create(
            "namespaces",
            {
                "metadata": {"name": name, "labels": labels},
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            },
        )

    # requests

    def _handle(self, request: Request) -> Reply:
        reply = self._router.handle(request)
        status = 101 if isinstance(reply, Upgrade) else reply.status
        self.requests.append(LoggedRequest(request.method, request.target, request.headers, request.user, status))
        return reply
