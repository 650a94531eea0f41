"""The operator of the fake: it keeps a pod for each DevServer, and tells in the DevServer's status how it goes.

It is level-triggered, as controllers are: whatever happens to a DevServer or its pod, it looks at both and writes the
status that follows. So a status that a careless PUT erased comes back, and a deleted pod is made anew. The phases:
``Pending`` (no node yet), ``Starting`` (its container is being created), ``Running`` (ready), ``Failed`` (its image
cannot be had). How a pod fares is :mod:`~tests.fakeapiserver.node`'s business.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Optional

from . import podspec
from .agenda import Agenda
from .node import Node, followed
from .status import APIFailure
from .store import Object, now

if TYPE_CHECKING:
    from .server import FakeAPIServer

ATTRIBUTE = "operator"
KIND = "DevServer"


class Operator:
    """Watches DevServers and their pods, and brings each to the state it asks for."""

    def __init__(self, server: FakeAPIServer) -> None:
        self._server = server
        self._store = server.store
        self._lock = threading.Lock()
        self._agenda = Agenda(server.stopping)
        self.node = Node(server, self._agenda)

    @classmethod
    def of(cls, server: FakeAPIServer) -> Operator:
        """A server's operator; the same as ``server.operator``."""
        operator = getattr(server, ATTRIBUTE)
        assert isinstance(operator, cls)
        return operator

    @property
    def delay(self) -> float:
        """Seconds between the steps of a pod's life."""
        return self.node.delay

    @delay.setter
    def delay(self, seconds: float) -> None:
        self.node.delay = seconds

    def pause(self) -> None:
        """Let nothing progress (pods stay as they are) until :meth:`resume`."""
        self._agenda.pause()

    def resume(self) -> None:
        self._agenda.resume()

    def start(self) -> None:
        self._server.spawn(self._agenda.run, "agenda")
        self._server.spawn(self._follow_devservers, "operator")
        self._server.spawn(self._follow_pods, "operator-pods")
        self._server.spawn(self.node.follow, "node")

    def stop(self) -> None:
        self._agenda.wake()

    def _follow_devservers(self) -> None:
        for kind, devserver in followed(self._server, "devservers"):
            metadata = devserver["metadata"]
            if kind == "DELETED":
                self._forget(devserver)
            else:
                self._reconcile(metadata["namespace"], metadata["name"])

    def _follow_pods(self) -> None:
        for kind, pod in followed(self._server, "pods"):
            for owner in pod["metadata"].get("ownerReferences") or []:
                if owner["kind"] == KIND:
                    if kind != "DELETED":
                        self._collect(pod, owner)
                    self._reconcile(pod["metadata"]["namespace"], owner["name"])

    def _reconcile(self, namespace: str, name: str) -> None:
        with self._lock:
            try:
                devserver = self._store.get("devservers", name, namespace)
                pod = self._pod_of(devserver)
                if pod is None and "deletionTimestamp" not in devserver["metadata"]:
                    pod = self._create_pod(devserver)
                self._write_status(devserver, pod)
            except APIFailure:
                pass  # gone meanwhile; its event follows

    def _collect(self, pod: Object, owner: Object) -> None:
        """What the garbage collector does: a pod without its owner terminates, then goes."""
        metadata = pod["metadata"]
        try:
            found = self._store.get("devservers", owner["name"], metadata["namespace"])["metadata"]["uid"]
        except APIFailure:
            found = ""
        if found != owner["uid"] and "deletionTimestamp" not in metadata:
            self._terminate(pod)

    def _pod_of(self, devserver: Object) -> Optional[Object]:
        try:
            return self._store.get("pods", podspec.pod_name(devserver), devserver["metadata"]["namespace"])
        except APIFailure:
            return None

    def _create_pod(self, devserver: Object) -> Object:
        pod = self._store.create("pods", podspec.pod_for(devserver))
        message = f"create Pod {pod['metadata']['name']} in DevServer {devserver['metadata']['name']} successful"
        self.node.event(devserver, "Normal", "SuccessfulCreate", message, "devserver-operator")
        return pod

    def _write_status(self, devserver: Object, pod: Optional[Object]) -> None:
        """Like a PUT of a kind without a status subresource: one more generation."""
        status = status_for(devserver, pod)

        def change(obj: Object) -> None:
            if same_but_for_times(obj.get("status") or {}, status):
                return
            obj["status"] = status
            obj["metadata"]["generation"] = obj["metadata"].get("generation", 0) + 1

        self._store.modify("devservers", devserver["metadata"]["name"], devserver["metadata"]["namespace"], change)

    def _forget(self, devserver: Object) -> None:
        for pod in self._store.list("pods", devserver["metadata"]["namespace"]):
            for owner in pod["metadata"].get("ownerReferences") or []:
                if owner["uid"] == devserver["metadata"]["uid"]:
                    self._collect(pod, owner)

    def _terminate(self, pod: Object) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]

        def mark(obj: Object) -> None:
            obj["metadata"].setdefault("deletionTimestamp", now())
            obj["metadata"].setdefault("deletionGracePeriodSeconds", 30)

        try:
            self._store.modify("pods", name, namespace, mark)
        except APIFailure:
            return
        self._agenda.after(self.delay, partial(self._remove, pod))

    def _remove(self, pod: Object) -> None:
        try:
            self._store.delete("pods", pod["metadata"]["name"], pod["metadata"]["namespace"])
        except APIFailure:
            pass


def status_for(devserver: Object, pod: Optional[Object]) -> Object:
    """What a DevServer's status says when its pod is as it is."""
    phase, message = phase_of(devserver, pod)
    ready = phase == "Running"
    return {
        "phase": phase,
        "message": message,
        "podName": podspec.pod_name(devserver),
        "conditions": [
            {
                "type": "Ready",
                "status": "True" if ready else "False",
                "reason": "PodReady" if ready else f"Pod{phase}",
                "message": message,
                "lastTransitionTime": now(),
            }
        ],
    }


def phase_of(devserver: Object, pod: Optional[Object]) -> tuple[str, str]:
    """Phase and message."""
    uid = devserver["metadata"]["uid"]
    owners = [] if pod is None else pod["metadata"].get("ownerReferences") or []
    if pod is None or all(owner["uid"] != uid for owner in owners):
        return "Pending", "waiting for the pod to be created"
    name = pod["metadata"]["name"]
    if "deletionTimestamp" in pod["metadata"]:
        return "Pending", f"pod {name} is terminating"
    status = pod.get("status") or {}
    conditions = {entry["type"]: entry for entry in status.get("conditions") or []}
    if conditions.get("Ready", {}).get("status") == "True":
        return "Running", "DevServer is ready"
    for entry in status.get("containerStatuses") or []:
        waiting = (entry.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") == "ImagePullBackOff":
            return "Failed", f"container {entry['name']}: ImagePullBackOff: {waiting.get('message', '')}"
        if waiting.get("reason") == "CrashLoopBackOff":
            return "Starting", f"container {entry['name']}: CrashLoopBackOff: {waiting.get('message', '')}"
    unscheduled = conditions.get("PodScheduled", {})
    if unscheduled.get("status") == "False":
        return "Pending", f"pod {name} cannot be scheduled: {unscheduled.get('message', '')}"
    if (pod.get("spec") or {}).get("nodeName"):
        return "Starting", f"pod {name} is starting"
    return "Pending", f"pod {name} is waiting for a node"


def same_but_for_times(old: Object, new: Object) -> bool:
    """A transition's time is no news by itself."""

    def timeless(status: Object) -> Object:
        conditions = [{**entry, "lastTransitionTime": ""} for entry in status.get("conditions") or []]
        return {**status, "conditions": conditions}

    return timeless(old) == timeless(new)


def install(server: FakeAPIServer) -> None:
    """Give a server its operator, which starts and stops with it."""
    operator = Operator(server)
    setattr(server, ATTRIBUTE, operator)
    server.on_start.append(operator.start)
    server.on_stop.append(operator.stop)
