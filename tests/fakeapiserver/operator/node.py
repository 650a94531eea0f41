"""Scheduler and kubelet of the fake: they bring every pod that has no node yet to run, in small steps, and end pods.

A pod is scheduled; its init containers run, one after the other's image has been pulled, and end; then its containers
start. The last word of an image's repository decides otherwise: ``never`` finds no node, ``failed`` cannot be pulled,
``crash`` ends again and again, ``slow`` takes its time. What is no name of an image is not even tried to be pulled.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Optional

from ..backbone import Backbone
from ..core.store import now
from ..pods.images import is_reference, variant
from ..pods.pods import Pods
from ..vocabulary.objects import Object
from ..vocabulary.status import APIFailure
from . import podstatus
from .agenda import Agenda
from .controllers import Key, find, modify, tell_event
from .podstatus import waiting

NODE = "fake-node-1"
NO_NODE = (
    "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found."
)
EXIT_CODE = 1  # of a container that crashes


class Node:
    """Takes pods from Pending to Running, or to where their image leads; and to their end."""

    def __init__(self, server: Backbone, agenda: Agenda) -> None:
        self._store = server.store
        self._server = server
        self._agenda = agenda
        self.delay = 0.02
        """Seconds between a pod's steps (scheduled, initialized, pulled, running; terminating, gone)."""
        self.slow = 1.0
        """Seconds that pulling takes for images whose repository ends in ``slow``."""

    def pod_changed(self, kind: str, pod: Object) -> None:
        """Take a new pod in hand; end one whose deletion has begun."""
        if kind == "ADDED" and not (pod.get("spec") or {}).get("nodeName"):
            self._later(pod, UNSCHEDULED.get(image_variant(pod), Node._schedule))
        if kind != "DELETED" and "deletionTimestamp" in pod["metadata"]:
            self._agenda.after(self.delay, partial(self._end, pod))

    def _end(self, pod: Object) -> None:
        key = Key.of(pod)
        current = find(self._store, "pods", key.name, key.namespace, pod["metadata"]["uid"])
        if current is not None and not current["metadata"].get("finalizers"):
            try:
                self._store.delete("pods", key.name, key.namespace)
            except APIFailure:
                pass  # somebody else was faster

    def _later(self, pod: Object, step: Callable[[Node, Object], None], seconds: Optional[float] = None) -> None:
        self._agenda.after(self.delay if seconds is None else seconds, partial(self._on_current, pod, step))

    def _on_current(self, pod: Object, step: Callable[[Node, Object], None]) -> None:
        """Run a step on the pod as it is now, if it is still there."""
        key = Key.of(pod)
        current = find(self._store, "pods", key.name, key.namespace, pod["metadata"]["uid"])
        if current is not None and "deletionTimestamp" not in current["metadata"]:
            try:
                step(self, current)
            except APIFailure:
                pass  # deleted meanwhile

    def _write(self, pod: Object, status: Object, **spec: Any) -> None:
        def change(obj: Object) -> None:
            obj["status"] = status
            obj["spec"].update(spec)

        modify(self._store, "pods", Key.of(pod), change)

    def _never(self, pod: Object) -> None:
        self._write(pod, podstatus.unschedulable(NO_NODE))
        self._event(pod, "Warning", "FailedScheduling", NO_NODE, "default-scheduler")

    def _schedule(self, pod: Object) -> None:
        if pod["spec"].get("nodeName"):
            return
        name = "/".join(Key.of(pod))
        self._event(pod, "Normal", "Scheduled", f"Successfully assigned {name} to {NODE}", "default-scheduler")
        if pod["spec"].get("initContainers"):
            self._write(pod, podstatus.initializing(pod, waiting("PodInitializing")), nodeName=NODE)
            self._later(pod, Node._initialize)
        else:
            self._write(pod, podstatus.not_ready(pod, waiting("ContainerCreating")), nodeName=NODE)
            self._pull(pod)

    def _initialize(self, pod: Object) -> None:
        self._write(pod, podstatus.initializing(pod, {"running": {"startedAt": now()}}))
        for container in pod["spec"]["initContainers"]:
            self._started(pod, container)
        self._later(pod, Node._initialized)

    def _initialized(self, pod: Object) -> None:
        self._write(pod, podstatus.not_ready(pod, waiting("PodInitializing")))
        self._pull(pod)

    def _pull(self, pod: Object) -> None:
        if image(pod) and not is_reference(image(pod)):
            self._cannot_name(pod)
            return
        self._event(pod, "Normal", "Pulling", f'Pulling image "{image(pod)}"')
        step = AFTER_PULLING.get(image_variant(pod), Node._run)
        self._later(pod, step, self.slow if image_variant(pod) == "slow" else None)

    def _cannot_name(self, pod: Object) -> None:
        name = image(pod)
        why = f'couldn\'t parse image name "{name}": invalid reference format'
        message = f'Failed to apply default image tag "{name}": {why}'
        self._write(pod, podstatus.not_ready(pod, waiting("InvalidImageName", message)))
        self._event(pod, "Warning", "InspectFailed", message)
        self._event(pod, "Warning", "Failed", "Error: InvalidImageName")

    def _run(self, pod: Object) -> None:
        self._write(pod, podstatus.ready(pod))
        for container in pod["spec"]["containers"]:
            self._started(pod, container)
            self._print(pod, container["name"], f"{pod['metadata']['name']}: ready")

    def _started(self, pod: Object, container: Object) -> None:
        name, pulled = container["name"], container.get("image", "")
        self._event(pod, "Normal", "Pulled", f'Successfully pulled image "{pulled}" in 20ms')
        self._event(pod, "Normal", "Created", f"Created container: {name}")
        self._event(pod, "Normal", "Started", f"Started container {name}")

    def _cannot_pull(self, pod: Object) -> None:
        why = f'failed to pull and unpack image "{image(pod)}": {image(pod)}: not found'
        self._write(pod, podstatus.not_ready(pod, waiting("ErrImagePull", why)))
        self._event(pod, "Warning", "Failed", f'Failed to pull image "{image(pod)}": {why}')
        self._event(pod, "Warning", "Failed", "Error: ErrImagePull")
        self._later(pod, Node._back_off)

    def _back_off(self, pod: Object) -> None:
        message = f'Back-off pulling image "{image(pod)}"'
        self._write(pod, podstatus.not_ready(pod, waiting("ImagePullBackOff", message)))
        self._event(pod, "Normal", "BackOff", message)
        self._event(pod, "Warning", "Failed", "Error: ImagePullBackOff")

    def _crash(self, pod: Object) -> None:
        key, name = Key.of(pod), pod["spec"]["containers"][0]["name"]
        self._print(pod, name, "fatal: the image's main process failed")
        Pods.of(self._server).container_log(*key, name).restart()
        last = {"exitCode": EXIT_CODE, "reason": "Error", "startedAt": now(), "finishedAt": now()}
        state = waiting("CrashLoopBackOff", f"back-off 10s restarting failed container={name} pod={key.name}")
        self._write(pod, podstatus.not_ready(pod, state, restarts=1, last={"terminated": last}))
        self._event(pod, "Warning", "BackOff", f"Back-off restarting failed container {name} in pod {key.name}")

    def _print(self, pod: Object, container: str, text: str) -> None:
        Pods.of(self._server).log(*Key.of(pod), text, container=container)

    def _event(self, pod: Object, kind: str, reason: str, message: str, source: str = "kubelet") -> None:
        tell_event(self._store, pod, kind, reason, message, source)


def image(pod: Object) -> str:
    containers = pod["spec"].get("containers") or [{}]
    return str(containers[0].get("image", ""))


def image_variant(pod: Object) -> str:
    return variant(image(pod))


UNSCHEDULED: dict[str, Callable[[Node, Object], None]] = {"never": Node._never}
AFTER_PULLING: dict[str, Callable[[Node, Object], None]] = {"failed": Node._cannot_pull, "crash": Node._crash}
