"""The state of a pod in words: what it waits for, and why no command can be run in it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional

from .pods import Pods, can_run_commands, default_container


def pod_lines(pod: Mapping[str, Any]) -> Iterator[str]:
    """The pod, its conditions that do not hold, and its containers that do not run; a line each."""
    status = pod.get("status") or {}
    yield with_reason(_pod_phase(pod), status)
    for condition in status.get("conditions") or []:
        if condition.get("status") != "True":
            yield with_reason(f"  {condition.get('type')}: {condition.get('status')}", condition)
    for line in _container_lines(status):
        yield f"  {line}"


def pod_in_one_line(pod: Mapping[str, Any]) -> str:
    """The pod, and what it and its containers wait for."""
    status = pod.get("status") or {}
    containers = list(_container_lines(status))
    unready = [
        str(each.get("name"))
        for each in status.get("containerStatuses") or []
        if not each.get("ready")
    ]
    if not containers and unready:
        containers = [f"not ready yet: {', '.join(unready)}"]
    return "; ".join([with_reason(_pod_phase(pod), status), *_obstacles(status), *containers])


def container_state(pods: Pods, container: Optional[str]) -> str:
    """Why no command can be run in this container now, in one line; ``""`` if one can.

    ``container`` None is the default container.
    """
    pod = pods.live
    if pod is not None and can_run_commands(pod, container or default_container(pod)):
        return ""
    if pods.last is None:
        return f"pod: {pods}"
    return pod_in_one_line(pods.last)


def ended_for_good(pods: Pods, container: Optional[str]) -> str:
    """That this container has ended and will not be started again; ``""`` if that is not so.

    So it is with init containers that have succeeded, unless they are sidecars (restartPolicy
    Always), and with ephemeral containers.
    """
    if pods.last is None or container is None:
        return ""
    spec, status = pods.last.get("spec") or {}, pods.last.get("status") or {}
    sidecars = {
        each.get("name")
        for each in spec.get("initContainers") or []
        if each.get("restartPolicy") == "Always"
    }
    kinds = {"init": "initContainerStatuses", "ephemeral": "ephemeralContainerStatuses"}
    for kind, key in kinds.items():
        for entry in status.get(key) or []:
            terminated = (entry.get("state") or {}).get("terminated")
            if entry.get("name") != container or terminated is None or container in sidecars:
                continue
            code = terminated.get("exitCode")
            if kind == "ephemeral" or code == 0:
                return f"its {kind} container {container} has ended (exit code {code})"
    return ""


def _pod_phase(pod: Mapping[str, Any]) -> str:
    phase = (pod.get("status") or {}).get("phase") or "no phase"
    if pod["metadata"].get("deletionTimestamp"):
        phase = "terminating"
    return f"pod {pod['metadata']['name']}: {phase}"


def _obstacles(status: Mapping[str, Any]) -> Iterator[str]:
    """What keeps the containers from being started: no node, an init container that still runs."""
    conditions = {each.get("type"): each for each in status.get("conditions") or []}
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        yield with_reason("not scheduled yet:", scheduled)
    if (conditions.get("Initialized") or {}).get("status") == "False":
        for container in status.get("initContainerStatuses") or []:
            if "running" in (container.get("state") or {}):
                yield f"init container {container.get('name')} is still running"


def _container_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """The containers that do not run well, and how each of them ended the last time.

    Init containers that have completed are left out.
    """
    for container in status.get("initContainerStatuses") or []:
        terminated = (container.get("state") or {}).get("terminated") or {}
        if terminated.get("exitCode") != 0:
            yield from _state_lines(container)
    for container in status.get("containerStatuses") or []:
        yield from _state_lines(container)


def _state_lines(container: Mapping[str, Any]) -> Iterator[str]:
    for when, key in (("", "state"), ("previously ", "lastState")):
        for state, detail in (container.get(key) or {}).items():
            if state == "running":
                continue
            line = f"container {container.get('name')}: {when}{state}"
            code = (detail or {}).get("exitCode")
            if code is not None:
                line += f", exit code {code}"
            yield with_reason(line, detail or {})


def with_reason(line: str, detail: Mapping[str, Any]) -> str:
    """``line`` with the ``reason`` and ``message`` that the API gives for it."""
    parts = (line, detail.get("reason"), detail.get("message"))
    return " ".join(str(part) for part in parts if part)
