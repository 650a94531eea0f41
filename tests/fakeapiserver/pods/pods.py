"""Pods beyond their REST: exec, attach, log and port-forward, and the sandboxes behind them.

``server.pods`` is how tests arrange and look: write what a container prints, see a pod's directory, say where a pod's
port really listens.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any, Callable, Optional

from ..backbone import Backbone
from ..core.eventlog import DELETED, EventLog
from ..serving.http import Reply, Request, Response
from ..serving.wschannel import V5
from ..serving.wshandshake import is_websocket
from ..vocabulary.status import APIFailure, bad_request, wrong_method
from . import exec as exec_session
from . import logs, portforward
from .attach import Attached
from .exec import Running, Target
from .logs import ContainerLog
from .process import Process, Sink
from .runtime import Pod, Runtime, pod_key
from .sandbox import Sandbox

LogKey = tuple[str, str]
Subresource = Callable[[Request, str, str], Reply]
ATTRIBUTE = "pods"
CONTAINER_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
CONNECT = ("GET", "POST")


class Pods:
    """What runs in the pods of one server."""

    def __init__(self, server: Backbone) -> None:
        self._server = server
        self._lock = threading.Lock()
        self.runtime = Runtime(lambda: str(server.tempdir / "pods"))
        self._logs: dict[LogKey, ContainerLog] = defaultdict(ContainerLog)
        self._ports: dict[tuple[str, int], portforward.Address] = {}

    @classmethod
    def of(cls, server: Backbone) -> Pods:
        """A server's pods; the same as ``server.pods``."""
        pods = getattr(server, ATTRIBUTE)
        assert isinstance(pods, cls)
        return pods

    # for tests and the operator

    def log(
        self, namespace: str, name: str, text: str, *, container: str = "", written: Optional[float] = None
    ) -> None:
        """Let a container print lines; ``written`` is seconds since the epoch, now if not given."""
        self.container_log(namespace, name, container).write(text, written)

    def container_log(self, namespace: str, name: str, container: str = "") -> ContainerLog:
        pod = self._server.store.get("pods", name, namespace)
        return self._log_of(pod, valid_container(pod, container))

    def sandbox(self, namespace: str, name: str) -> Sandbox:
        """The pod's sandbox: its directory is ``.paths.root``."""
        return self.sandbox_of(self._server.store.get("pods", name, namespace))

    def listen(self, namespace: str, name: str, port: int, address: portforward.Address) -> None:
        """A port of the pod is served at this address of this machine."""
        pod = self._server.store.get("pods", name, namespace)
        with self._lock:
            self._ports[pod_key(pod), port] = address

    def sandbox_of(self, pod: Pod) -> Sandbox:
        return self.runtime.sandbox(pod)

    def remove(self, pod: Pod) -> None:
        """End everything in a pod that is no more."""
        key = pod_key(pod)
        with self._lock:
            gone = [self._logs.pop(entry) for entry in list(self._logs) if entry[0] == key]
            for port in [entry for entry in self._ports if entry[0] == key]:
                del self._ports[port]
        for log in gone:
            log.end()
        self.runtime.remove(pod)

    def stop(self) -> None:
        with self._lock:
            running = list(self._logs.values())
        for log in running:
            log.end()
        self.runtime.stop()

    def start(self) -> None:
        """Begin to look for deleted pods: from now on, whenever the thread gets to run."""
        store = self._server.store
        with store.lock:
            log = store.table(store.type("pods")).log
            position = log.end
        self._server.spawn(partial(self._follow_deletions, log, position), "pods")

    def _follow_deletions(self, log: EventLog, position: int) -> None:
        stopping = self._server.stopping.is_set
        while not stopping():
            with log.changed:
                while (changes := log.since(position)) == [] and not stopping():
                    log.changed.wait()
                position = log.end
            for change in changes or []:
                if change.type == DELETED:
                    self.remove(change.stored.load())

    def _log_of(self, pod: Pod, container: str) -> ContainerLog:
        with self._lock:
            return self._logs[pod_key(pod), container]

    # subresources

    def exec(self, request: Request, namespace: str, name: str) -> Reply:
        pod, container = self._located(request, namespace, name)
        refusal = kubelet_refusal(pod, container)
        command = exec_session.command_of(request)
        fault = partial(self._server.faults.exec_fault, request)

        def start(**streams: Any) -> Process:
            largest_file = self._server.faults.largest_file(request)
            return self.sandbox_of(pod).start(command, largest_file=largest_file, **streams)

        target = Target(start, self._server.stopping, refusal, fault)
        return exec_session.serve(request, target, self._server.exec_protocols)

    def attach(self, request: Request, namespace: str, name: str) -> Reply:
        pod, container = self._located(request, namespace, name)
        log = self._log_of(pod, container)
        target = Target(partial(attach_to, log, len(log.lines)), self._server.stopping, kubelet_refusal(pod, container))
        return exec_session.serve(request, target, self._server.exec_protocols)

    def portforward(self, request: Request, namespace: str, name: str) -> Reply:
        ports = portforward.ports_of(request)  # looked at before the pod, as the API server does
        self._require_create(request)
        pod = self._server.store.get("pods", name, namespace)
        require_host(pod)
        require_upgrade(request)
        key = pod_key(pod)

        def resolve(port: int) -> portforward.Address:
            with self._lock:
                return self._ports.get((key, port), ("127.0.0.1", port))

        return portforward.serve(request, name, ports, self._server.exec_protocols, resolve, self._server.stopping)

    def logs(self, request: Request, namespace: str, name: str) -> Reply:
        options = logs.LogOptions.of(request, name)  # looked at before the pod, as the API server does
        pod = self._server.store.get("pods", name, namespace)
        container = valid_container(pod, request.arg("container") or "")
        if not pod.get("spec", {}).get("nodeName"):
            return Response(204, b"", "")
        status = container_status(pod, container)
        why = "" if options.previous else logs.not_started(name, container, status)
        if why:
            raise bad_request(why)
        log, waits = self._log_of(pod, container), "waiting" in (status.get("state") or {})
        return logs.serve(options, request, name, container, log, self._server.stopping.is_set, waits)

    def _located(self, request: Request, namespace: str, name: str) -> tuple[Pod, str]:
        """Pod and container of a streaming request, or the API server's refusal."""
        self._require_create(request)
        pod = self._server.store.get("pods", name, namespace)
        container = valid_container(pod, request.arg("container") or "")
        require_host(pod)
        require_upgrade(request)
        return pod, container

    def _require_create(self, request: Request) -> None:
        """Since 1.35 a WebSocket, which is a GET, needs the right to create as well."""
        if V5 in self._server.exec_protocols and is_websocket(request):
            self._server.rules.check(request.user, request.info._replace(verb="create"))


def attach_to(
    log: ContainerLog, position: int, *, stdout: Optional[Sink], on_exit: Callable[[int], None], **unheard: Any
) -> Running:
    return Attached(log, position, stdout, on_exit)


def valid_container(pod: Pod, container: str) -> str:
    """The container that is meant, or a 400 in the API server's words."""
    spec = pod.get("spec") or {}
    name = pod["metadata"]["name"]
    names = [c["name"] for c in spec.get("containers") or []]
    initial = [c["name"] for c in spec.get("initContainers") or []]
    ephemeral = [c["name"] for c in spec.get("ephemeralContainers") or []]
    if container:
        if container not in names + initial + ephemeral:
            raise bad_request(f"container {container} is not valid for pod {name}")
        return container
    if len(names) == 1:
        return str(names[0])
    choice = f", choose one of: [{' '.join(initial + names + ephemeral)}]" if names else ""
    raise bad_request(f"a container name must be specified for pod {name}{choice}")


def require_host(pod: Pod) -> None:
    if not (pod.get("spec") or {}).get("nodeName"):
        raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")


def require_upgrade(request: Request) -> None:
    if not is_websocket(request):
        raise upgrade_refused(request)


def upgrade_refused(request: Request) -> APIFailure:
    return bad_request("Upgrade request required")


def container_status(pod: Pod, container: str) -> dict[str, Any]:
    status = pod.get("status") or {}
    known = [entry for kind in CONTAINER_STATUSES for entry in status.get(kind) or []]
    return next((entry for entry in known if entry.get("name") == container), {})


def kubelet_refusal(pod: Mapping[str, Any], container: str) -> str:
    """Why the kubelet has no such container, or empty: it must be running."""
    status = container_status(pod, container)
    if status:
        running = "running" in (status.get("state") or {})
    else:
        running = (pod.get("status") or {}).get("phase", "Running") == "Running"
    return "" if running else f'container not found ("{container}")'


def only(methods: tuple[str, ...], handler: Subresource) -> Subresource:
    """The handler for these methods; others get the 405 of a path that has no such route."""

    def handle(request: Request, namespace: str, name: str) -> Reply:
        if request.method not in methods:
            raise wrong_method()
        return handler(request, namespace, name)

    return handle


def install(server: Backbone) -> None:
    """Give a server its pods."""
    pods = Pods(server)
    setattr(server, ATTRIBUTE, pods)
    connects = {"exec": pods.exec, "attach": pods.attach, "portforward": pods.portforward}
    for subresource, handler in connects.items():
        server.subresource_handlers["pods", subresource] = only(CONNECT, handler)
    server.subresource_handlers["pods", "log"] = only(("GET",), pods.logs)
    server.on_start.append(pods.start)
    server.on_stop.append(pods.stop)
