"""Scheduler and kubelet of the fake: they bring every pod that has no node yet to run, in small steps.

The last word of an image's repository decides otherwise: ``never`` finds no node, ``failed`` cannot be pulled,
``crash`` ends again and again, ``slow`` takes its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from . import podspec
from .agenda import Agenda
from .images import variant
from .pods import Pods
from .status import APIFailure
from .store import Object, new_uid, now

if TYPE_CHECKING:
    from .server import FakeAPIServer

NODE = "fake-node-1"
NO_NODE = (
    "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found."
)
EXIT_CODE = 1  # of a container that crashes


class Node:
    """Takes pods from Pending to Running, or to where their image leads."""

    def __init__(self, server: FakeAPIServer, agenda: Agenda) -> None:
        self._store = server.store
        self._server = server
        self._agenda = agenda
        self.delay = 0.02
        """Seconds between a pod's steps (scheduled, pulled, running)."""
        self.slow = 1.0
        """The same for images whose repository ends in ``slow``."""

    def follow(self) -> None:
        """The thread's work: every new pod is taken in hand."""
        for kind, pod in followed(self._server, "pods"):
            if kind == "ADDED" and not (pod.get("spec") or {}).get("nodeName"):
                self._later(pod, UNSCHEDULED.get(image_variant(pod), Node._schedule))

    def _later(self, pod: Object, step: Callable[[Node, Object], None]) -> None:
        delay = self.slow if image_variant(pod) == "slow" else self.delay
        self._agenda.after(delay, partial(self._on_current, pod, step))

    def _on_current(self, pod: Object, step: Callable[[Node, Object], None]) -> None:
        """Run a step on the pod as it is now, if it is still there."""
        metadata = pod["metadata"]
        try:
            current = self._store.get("pods", metadata["name"], metadata["namespace"])
            if current["metadata"]["uid"] == metadata["uid"] and "deletionTimestamp" not in current["metadata"]:
                step(self, current)
        except APIFailure:
            pass  # deleted meanwhile

    def _write(self, pod: Object, status: Object, **spec: Any) -> None:
        def change(obj: Object) -> None:
            obj["status"] = status
            obj["spec"].update(spec)

        self._store.modify("pods", pod["metadata"]["name"], pod["metadata"]["namespace"], change)

    def _schedule(self, pod: Object) -> None:
        if pod["spec"].get("nodeName"):
            return
        self._write(pod, podspec.not_ready(pod, waiting("ContainerCreating")), nodeName=NODE)
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        self.event(pod, "Normal", "Scheduled", f"Successfully assigned {name} to {NODE}", "default-scheduler")
        self.event(pod, "Normal", "Pulling", f'Pulling image "{image(pod)}"')
        self._later(pod, AFTER_SCHEDULING.get(image_variant(pod), Node._run))

    def _never(self, pod: Object) -> None:
        self._write(pod, podspec.unschedulable(NO_NODE))
        self.event(pod, "Warning", "FailedScheduling", NO_NODE, "default-scheduler")

    def _run(self, pod: Object) -> None:
        self._write(pod, podspec.ready(pod))
        self.event(pod, "Normal", "Pulled", f'Successfully pulled image "{image(pod)}" in 20ms')
        for container in pod["spec"]["containers"]:
            name = container["name"]
            self.event(pod, "Normal", "Created", f"Created container: {name}")
            self.event(pod, "Normal", "Started", f"Started container {name}")
            self._print(pod, name, f"{pod['metadata']['name']}: ready")

    def _cannot_pull(self, pod: Object) -> None:
        why = f'failed to pull and unpack image "{image(pod)}": {image(pod)}: not found'
        self._write(pod, podspec.not_ready(pod, waiting("ErrImagePull", why)))
        self.event(pod, "Warning", "Failed", f'Failed to pull image "{image(pod)}": {why}')
        self.event(pod, "Warning", "Failed", "Error: ErrImagePull")
        self._later(pod, Node._back_off)

    def _back_off(self, pod: Object) -> None:
        message = f'Back-off pulling image "{image(pod)}"'
        self._write(pod, podspec.not_ready(pod, waiting("ImagePullBackOff", message)))
        self.event(pod, "Normal", "BackOff", message)
        self.event(pod, "Warning", "Failed", "Error: ImagePullBackOff")

    def _crash(self, pod: Object) -> None:
        name = pod["spec"]["containers"][0]["name"]
        self._print(pod, name, "fatal: the image's main process failed")
        Pods.of(self._server).container_log(pod["metadata"]["namespace"], pod["metadata"]["name"], name).restart()
        last = {"exitCode": EXIT_CODE, "reason": "Error", "startedAt": now(), "finishedAt": now()}
        message = f"back-off 10s restarting failed container={name} pod={pod['metadata']['name']}"
        state = waiting("CrashLoopBackOff", message)
        self._write(pod, podspec.not_ready(pod, state, restarts=1, last={"terminated": last}))
        self.event(
            pod, "Warning", "BackOff", f"Back-off restarting failed container {name} in pod {pod['metadata']['name']}"
        )

    def _print(self, pod: Object, container: str, text: str) -> None:
        metadata = pod["metadata"]
        Pods.of(self._server).log(metadata["namespace"], metadata["name"], text, container=container)

    def event(self, obj: Object, kind: str, reason: str, message: str, source: str = "kubelet") -> None:
        """Tell the world about an object."""
        metadata = obj["metadata"]
        moment = now()
        self._store.create(
            "events",
            {
                "metadata": {
                    "name": f"{metadata['name']}.{new_uid()[:8]}{new_uid()[:8]}",
                    "namespace": metadata["namespace"],
                },
                "involvedObject": {
                    "kind": obj["kind"],
                    "namespace": metadata["namespace"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "apiVersion": obj["apiVersion"],
                    "resourceVersion": metadata["resourceVersion"],
                },
                "reason": reason,
                "message": message,
                "type": kind,
                "source": {"component": source},
                "reportingComponent": source,
                "reportingInstance": "",
                "firstTimestamp": moment,
                "lastTimestamp": moment,
                "eventTime": None,
                "count": 1,
            },
        )


def followed(server: FakeAPIServer, resource: str) -> Iterator[tuple[str, Object]]:
    """Every change until the server stops; from the beginning again should the history be lost on the way."""
    while not server.stopping.is_set():
        yield from server.watch_objects(resource)


def image(pod: Object) -> str:
    containers = pod["spec"].get("containers") or [{}]
    return str(containers[0].get("image", ""))


def image_variant(pod: Object) -> str:
    return variant(image(pod))


def waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


UNSCHEDULED: dict[str, Callable[[Node, Object], None]] = {"never": Node._never}
AFTER_SCHEDULING: dict[str, Callable[[Node, Object], None]] = {"failed": Node._cannot_pull, "crash": Node._crash}
