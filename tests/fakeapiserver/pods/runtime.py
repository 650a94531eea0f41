"""The container runtime of the fake: each pod gets a sandbox, a directory that stands for the container's root and in
which commands really run, as processes of this machine.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any, Callable, Optional

from .pathmap import DEFAULT_MOUNTS
from .sandbox import CannotStart, Sandbox

Pod = Mapping[str, Any]


class Runtime:
    """The sandboxes of all pods, made when they are first needed; stopping it leaves nothing behind."""

    def __init__(self, directory: Callable[[], str]) -> None:
        self._directory = directory  # asked for only when there is a sandbox to be made
        self._sandboxes: dict[str, Sandbox] = {}
        self._lock = threading.Lock()
        self._gone: set[str] = set()
        self._stopped = False

    def sandbox(self, pod: Pod, container: Optional[str] = None) -> Sandbox:
        """The pod's sandbox; raises :class:`CannotStart` when the pod is gone.

        A pod's containers share one directory: what differs between their images is not modelled.
        """
        key = pod_key(pod)
        with self._lock:
            if self._stopped or key in self._gone:
                raise CannotStart("no running task found: task not found")
            if key not in self._sandboxes:
                self._sandboxes[key] = make_sandbox(os.path.join(self._directory(), key), pod, container)
            return self._sandboxes[key]

    def remove(self, pod: Pod) -> None:
        """Kill the pod's processes and delete its directory; returns when that is done, whoever does it."""
        with self._lock:
            self._gone.add(pod_key(pod))
            sandbox = self._sandboxes.get(pod_key(pod))
        if sandbox is None:
            return
        sandbox.remove()
        with self._lock:
            self._sandboxes.pop(pod_key(pod), None)

    def stop(self) -> None:
        """Remove every sandbox."""
        with self._lock:
            self._stopped = True
            sandboxes, self._sandboxes = list(self._sandboxes.values()), {}
        for sandbox in sandboxes:
            sandbox.remove()


def pod_key(pod: Pod) -> str:
    """Names the pod's directory: unique in time, for a pod of the same name may come again."""
    metadata = pod["metadata"]
    return f"{metadata.get('namespace', '')}_{metadata['name']}_{metadata.get('uid', '')}"


def container_of(pod: Pod, name: Optional[str] = None) -> Mapping[str, Any]:
    """A container's spec: the named one, else the first; empty if there is none."""
    containers = pod.get("spec", {}).get("containers") or []
    return next((c for c in containers if name in (None, c.get("name"))), {})


def make_sandbox(directory: str, pod: Pod, container: Optional[str] = None) -> Sandbox:
    spec = container_of(pod, container)
    mounts = [
        mount["mountPath"] for c in pod.get("spec", {}).get("containers") or [] for mount in c.get("volumeMounts") or []
    ]
    env = {item["name"]: item["value"] for item in spec.get("env") or [] if "value" in item}
    return Sandbox(
        directory,
        hostname=pod.get("spec", {}).get("hostname") or pod["metadata"]["name"],
        mounts=[*DEFAULT_MOUNTS, *mounts],
        env=env,
        working_dir=spec.get("workingDir") or "/",
        image=spec.get("image") or "",
    )
