"""When a DevServer can be used, and what is known when it cannot.

Ready means: phase ``Running``, and the containers of its pod are ready. A pod that is not there within a short grace
after the operator said ``Running``, or that we may not look at, does not hold the wait up: the phase is what was
promised. A wait that fails carries a report of what was seen last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ..errors import ForbiddenError, NotFoundError, ResourceDeletedError, ResourceFailedError, WaitTimeoutError
from ..transport.deadline import Backoff, Deadline
from ..transport.paths import EVENTS, PODS, validate_name
from . import const
from .waiting import observe

if TYPE_CHECKING:
    from ..transport.rest import Object, RESTClient
    from .devserver import DevServer

POD_GRACE = 5.0
"""Seconds a DevServer in phase Running may have no pod to be seen before its phase alone is believed."""
REPORT_SECONDS = 0.9
"""Seconds for gathering the report: a wait ends no later than a second after its time."""
EVENTS_SHOWN = 5


def wait_for_ready(server: DevServer, deadline: Deadline) -> None:
    """Block until ``server`` is ready.

    Raises:
        ResourceFailedError: it is in a phase it does not leave. ResourceDeletedError: it is gone. WaitTimeoutError.
    """
    try:
        if _wait_for_phase(server, deadline) and _wait_for_pod(server, deadline):
            return
    except ResourceDeletedError as error:
        raise ResourceDeletedError(str(error), report=failure_report(server)) from None
    raise WaitTimeoutError(f"{server!r} was not ready within {deadline.seconds:g} s", report=failure_report(server))


def _wait_for_phase(server: DevServer, deadline: Deadline) -> bool:
    for event in observe(server, deadline):
        server._take(event["object"])
        phase = (event["object"].get("status") or {}).get("phase")
        if phase == const.PHASE_RUNNING:
            return True
        if phase in const.PHASES_FAILED:
            raise ResourceFailedError(f"{server!r} has failed", report=failure_report(server))
    return False


def _wait_for_pod(server: DevServer, deadline: Deadline) -> bool:
    client, namespace, name = server._place()
    grace = Deadline(POD_GRACE, client.clock)
    backoff = Backoff(first=0.1, limit=1.0)
    while not deadline.expired:
        try:
            pod = find_pod(client, namespace or "", name, deadline)
        except (ForbiddenError, NotFoundError):
            return True
        if containers_ready(pod) if pod is not None else grace.expired:
            return True
        client.clock.sleep(deadline.capped(backoff.next()) or 0.0)
        if pod is not None:
            _still_there(server)
    return False


def _still_there(server: DevServer) -> None:
    """Notice while waiting for the pod that the server itself has gone or failed."""
    uid = server.metadata.uid
    try:
        server.refresh()
    except NotFoundError:
        raise ResourceDeletedError(f"{server!r} was deleted while it was waited for") from None
    if server.metadata.uid != uid:
        raise ResourceDeletedError(f"{server!r} was deleted while it was waited for, and created again")
    if server.status.get("phase") in const.PHASES_FAILED:
        raise ResourceFailedError(f"{server!r} has failed", report=failure_report(server))


# -- the pod ------------------------------------------------------------------------------------------------------


def find_pod(client: RESTClient, namespace: str, name: str, deadline: Optional[Deadline] = None) -> Optional[Object]:
    """The DevServer's pod: the newest live one labelled ``app=NAME``, else the one called ``NAME-0``."""
    live: list[Object] = []
    if len(name) <= 63:  # a longer name is no label value
        selectors = {"labelSelector": f"{const.APP_LABEL}={name}"}
        pods, _ = client.list_all(PODS, namespace, selectors=selectors, deadline=deadline)
        live = [pod for pod in pods if _is_live(pod)]
    if live:
        return max(live, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))
    try:
        pod = client.get(PODS, namespace, validate_name(f"{name}-0"), deadline=deadline)
    except NotFoundError:
        return None
    return pod if _is_live(pod) else None


def _is_live(pod: Mapping[str, Any]) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return not pod["metadata"].get("deletionTimestamp") and phase not in ("Succeeded", "Failed")


def containers_ready(pod: Mapping[str, Any]) -> bool:
    """Whether every container is ready, by the pod's Ready condition or, without one, its container statuses."""
    status = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("type") == "Ready":
            return bool(condition.get("status") == "True")
    statuses = status.get("containerStatuses") or []
    if statuses:
        return all(container.get("ready") for container in statuses)
    return bool(status.get("phase") == "Running")


def default_container(pod: Mapping[str, Any]) -> Optional[str]:
    """The container meant when none is named: the annotated one, else ``devserver``, else the first."""
    names = [container.get("name") for container in (pod.get("spec") or {}).get("containers") or []]
    annotated = (pod["metadata"].get("annotations") or {}).get(const.DEFAULT_CONTAINER_ANNOTATION)
    if annotated in names:
        return str(annotated)
    if const.DEFAULT_CONTAINER in names:
        return const.DEFAULT_CONTAINER
    return names[0] if names else None


# -- the report ---------------------------------------------------------------------------------------------------

_CAUSES = (
    (("ImagePullBackOff", "ErrImagePull", "InvalidImageName"), "the image cannot be pulled: is spec.image right?"),
    (("CrashLoopBackOff",), "the container starts and ends again: look at its logs"),
    (("OOMKilled",), "the container ran out of memory: choose a larger flavor"),
    (("FailedMount", "FailedAttachVolume"), "a volume cannot be mounted: check spec.volumes and persistentHome"),
    (("Unschedulable", "FailedScheduling"), "no node can take the pod: choose a smaller flavor, or free resources"),
    (("CreateContainerConfigError",), "the pod refers to a ConfigMap or Secret that is not there"),
    (("FailedCreate",), "the pod cannot be created: check quotas and admission policies of the namespace"),
)  # fmt: skip


class _Seen(NamedTuple):
    pod: Optional[Mapping[str, Any]]
    pod_problem: str
    events: list[Mapping[str, Any]]
    events_problem: str


def failure_report(server: DevServer) -> str:
    """What is known of ``server``: phase, pod, containers, warnings, and the likely cause. Never raises."""
    client, namespace, name = server._place()
    deadline = Deadline(REPORT_SECONDS, client.clock)
    return describe(server._raw, _look(client, namespace or "", name, deadline))


def _look(client: RESTClient, namespace: str, name: str, deadline: Deadline) -> _Seen:
    pod: Optional[Mapping[str, Any]] = None
    events: list[Mapping[str, Any]] = []
    pod_problem = events_problem = ""
    try:
        pod = find_pod(client, namespace, name, deadline)
    except Exception as error:  # the report must not hide the failure it is about
        pod_problem = f"cannot be looked at ({error})"
    try:
        found, _ = client.list_all(EVENTS, namespace, selectors={"fieldSelector": "type=Warning"}, deadline=deadline)
        events = [event for event in found if _concerns(event, name, pod)]
    except Exception as error:
        events_problem = f"cannot be looked at ({error})"
    return _Seen(pod, pod_problem, events, events_problem)


def _concerns(event: Mapping[str, Any], name: str, pod: Optional[Mapping[str, Any]]) -> bool:
    about = (event.get("involvedObject") or event.get("regarding") or {}).get("name")
    return about in (name, f"{name}-0", pod["metadata"]["name"] if pod else name)


def describe(raw: Mapping[str, Any], seen: _Seen) -> str:
    """The report as text. Pure."""
    lines = [*_status_lines(raw.get("status") or {}), *_pod_lines(seen), *_event_lines(seen)]
    text = "\n".join(f"  {line}" for line in lines)
    cause = next((fix for signs, fix in _CAUSES if any(sign in text for sign in signs)), "")
    return f"{text}\n  likely cause: {cause}" if cause else text


def _status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    yield f"phase: {status.get('phase') or 'none yet: is the DevServer operator running?'}"
    if status.get("message"):
        yield f"message: {status['message']}"


def _pod_lines(seen: _Seen) -> Iterator[str]:
    if seen.pod is None:
        yield f"pod: {seen.pod_problem or 'none was found'}"
        return
    status = seen.pod.get("status") or {}
    yield f"pod {seen.pod['metadata']['name']}: {status.get('phase') or 'no phase'}"
    for condition in status.get("conditions") or []:
        if condition.get("status") != "True":
            yield _line(f"  {condition.get('type')}: {condition.get('reason') or 'not yet'}", condition)
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        for name, state in (container.get("state") or {}).items():
            if name != "running":
                yield _line(f"  container {container.get('name')}: {name} {state.get('reason') or ''}", state)


def _line(start: str, detail: Mapping[str, Any]) -> str:
    return f"{start.rstrip()} {detail.get('message') or ''}".rstrip()


def _event_lines(seen: _Seen) -> Iterator[str]:
    if seen.events_problem:
        yield f"events: {seen.events_problem}"
    latest = sorted(seen.events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    for event in latest[-EVENTS_SHOWN:]:
        yield f"warning: {event.get('reason')}: {event.get('message') or event.get('note') or ''}"
