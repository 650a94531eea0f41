"""The status of a pod at each step of its life, as plain objects; and what a status tells."""

from __future__ import annotations

from typing import Any, Optional

from ..core.store import now
from ..vocabulary.objects import Object, Objects

ENDED = ("Succeeded", "Failed")


def is_live(pod: Object) -> bool:
    """Is it neither on its way out nor at its end?"""
    return "deletionTimestamp" not in pod["metadata"] and (pod.get("status") or {}).get("phase") not in ENDED


def is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def condition(kind: str, holds: bool, reason: str = "", message: str = "") -> Object:
    entry = {"type": kind, "status": "True" if holds else "False", "lastProbeTime": None, "lastTransitionTime": now()}
    return {**entry, **({"reason": reason} if reason else {}), **({"message": message} if message else {})}


def unschedulable(why: str) -> Object:
    return {"phase": "Pending", "conditions": [condition("PodScheduled", False, "Unschedulable", why)]}


def initializing(pod: Object, state: Object) -> Object:
    """Scheduled, with its init containers in a state, and all others waiting for them."""
    why = ("ContainersNotInitialized", _names("incomplete", pod["spec"]["initContainers"]))
    return {
        **not_ready(pod, waiting("PodInitializing"), condition("Initialized", False, *why)),
        "initContainerStatuses": [container_status(each, state) for each in pod["spec"]["initContainers"]],
    }


def not_ready(
    pod: Object,
    state: Object,
    initialized: Optional[Object] = None,
    *,
    restarts: int = 0,
    last: Optional[Object] = None,
) -> Object:
    """Scheduled, with every container in a state (``{"waiting": …}``)."""
    why = ("ContainersNotReady", _names("unready", pod["spec"]["containers"]))
    conditions = [
        initialized or condition("Initialized", True),
        condition("Ready", False, *why),
        condition("ContainersReady", False, *why),
    ]
    statuses = [container_status(each, state, restarts=restarts, last=last) for each in pod["spec"]["containers"]]
    return _scheduled(pod, "Running" if restarts else "Pending", conditions, statuses)


def ready(pod: Object) -> Object:
    state: Object = {"running": {"startedAt": now()}}
    conditions = [condition("Initialized", True), condition("Ready", True), condition("ContainersReady", True)]
    statuses = [container_status(each, state, is_ready=True) for each in pod["spec"]["containers"]]
    addresses = {"podIP": "10.244.0.10", "podIPs": [{"ip": "10.244.0.10"}]}
    return {**_scheduled(pod, "Running", conditions, statuses), **addresses}


def _names(how: str, containers: Objects) -> str:
    return f"containers with {how} status: [{' '.join(each['name'] for each in containers)}]"


def _scheduled(pod: Object, phase: str, conditions: Objects, statuses: Objects) -> Object:
    status = {
        "phase": phase,
        "conditions": [*conditions, condition("PodScheduled", True)],
        "containerStatuses": statuses,
        "hostIP": "192.168.1.2",
        "startTime": (pod.get("status") or {}).get("startTime") or now(),
        "qosClass": qos_class(pod),
    }
    done = [_completed(each) for each in pod["spec"].get("initContainers") or []]
    return {**status, "initContainerStatuses": done} if done else status


def qos_class(pod: Object) -> str:
    return "Burstable" if any(each.get("resources") for each in pod["spec"]["containers"]) else "BestEffort"


def _completed(container: Object) -> Object:
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": now(), "finishedAt": now()}
    return {**container_status(container, {"terminated": ended}, is_ready=True), "started": False}


def container_status(
    container: Object, state: Object, *, is_ready: bool = False, restarts: int = 0, last: Optional[Object] = None
) -> Object:
    status: dict[str, Any] = {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": f"{container.get('image', '')}@sha256:{'0' * 64}" if is_ready else "",
        "ready": is_ready,
        "started": is_ready,
        "restartCount": restarts,
        "state": state,
        "lastState": last or {},
    }
    if is_ready:
        status["containerID"] = f"containerd://{'0' * 64}"
    return status
