"""The failure report: what was seen last of a DevServer that did not get ready, and what is likely to help.

Looking (:func:`failure_report`) and telling (:func:`describe`, pure) are apart. What may not be looked at says so, and
the rest still shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ..transport.deadline import Deadline
from ..transport.paths import EVENTS
from .podlookup import newest_pod

if TYPE_CHECKING:
    from ..transport.rest import RESTClient
    from .devserver import DevServer

REPORT_SECONDS = 0.9
"""Seconds for gathering the report: a wait ends no later than a second after its time."""
EVENTS_SHOWN = 5

CAUSES = (
    (("OOMKilled",), "the container ran out of memory: choose a larger flavor"),
    (("ImagePullBackOff", "ErrImagePull", "InvalidImageName"), "the image cannot be pulled: is spec.image right?"),
    (("CrashLoopBackOff",), "the container starts and ends again: look at its logs"),
    (("FailedMount", "FailedAttachVolume"), "a volume cannot be mounted: check spec.volumes and persistentHome"),
    (("Unschedulable", "FailedScheduling"), "no node can take the pod: choose a smaller flavor, or free resources"),
    (("Evicted",), "the node ran out of a resource and evicted the pod: choose a larger flavor, or try again"),
    (("CreateContainerConfigError",), "the pod refers to a ConfigMap or Secret that is not there"),
    (("FailedCreate",), "the pod cannot be created: check quotas and admission policies of the namespace"),
)
"""Signs (reasons of containers, conditions and events) and what they mean; the first that is seen is told."""


class Seen(NamedTuple):
    """What could be looked at besides the DevServer itself."""

    pod: Optional[Mapping[str, Any]] = None
    pod_problem: str = ""
    events: tuple[Mapping[str, Any], ...] = ()
    events_problem: str = ""


def failure_report(server: DevServer) -> str:
    """What is known of ``server``: phase, pod, containers, warnings, and the likely cause. Never raises."""
    client, namespace, name = server._place()
    uid = (server._raw.get("metadata") or {}).get("uid")
    return describe(server._raw, _look(client, namespace or "", name, uid))


def _look(client: RESTClient, namespace: str, name: str, uid: Optional[str]) -> Seen:
    deadline = Deadline(REPORT_SECONDS, client.clock)
    pod: Optional[Mapping[str, Any]] = None
    events: list[Mapping[str, Any]] = []
    pod_problem = events_problem = ""
    try:
        pod = newest_pod(client, namespace, name, uid=uid, deadline=deadline)
    except Exception as error:  # the report must not hide the failure it is about
        pod_problem = f"cannot be looked at ({error})"
    try:
        found, _ = client.list_all(EVENTS, namespace, selectors={"fieldSelector": "type=Warning"}, deadline=deadline)
        events = [event for event in found if _concerns(event, name, uid, pod)]
    except Exception as error:
        events_problem = f"cannot be looked at ({error})"
    return Seen(pod, pod_problem, tuple(events), events_problem)


def _concerns(event: Mapping[str, Any], name: str, uid: Optional[str], pod: Optional[Mapping[str, Any]]) -> bool:
    """Whether it is about this server, its pod, or something of their names (a StatefulSet) that the operator made."""
    about = event.get("involvedObject") or event.get("regarding") or {}
    uids = {"DevServer": uid, "Pod": pod["metadata"].get("uid") if pod else None}
    known = uids.get(str(about.get("kind")))
    if known and about.get("uid") and about["uid"] != known:
        return False  # of a namesake before
    return about.get("name") in (name, f"{name}-0", pod["metadata"]["name"] if pod else name)


def describe(raw: Mapping[str, Any], seen: Seen) -> str:
    """The report as text. Pure."""
    lines = [*_status_lines(raw.get("status") or {}), *_pod_lines(seen), *_event_lines(seen)]
    text = "\n".join(f"  {line}" for line in lines)
    cause = next((fix for signs, fix in CAUSES if any(sign in text for sign in signs)), "")
    return f"{text}\n  likely cause: {cause}" if cause else text


def _status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    yield f"phase: {status.get('phase') or 'none yet: is the DevServer operator running?'}"
    if status.get("message"):
        yield f"message: {status['message']}"


def _pod_lines(seen: Seen) -> Iterator[str]:
    if seen.pod is None:
        yield f"pod: {seen.pod_problem or 'none was found'}"
        return
    status = seen.pod.get("status") or {}
    phase = "terminating" if seen.pod["metadata"].get("deletionTimestamp") else status.get("phase") or "no phase"
    yield _line(f"pod {seen.pod['metadata']['name']}: {phase}", status)
    for condition in status.get("conditions") or []:
        if condition.get("status") != "True":
            yield _line(f"  {condition.get('type')}: {condition.get('status')}", condition)
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        yield from _container_lines(container)


def _container_lines(container: Mapping[str, Any]) -> Iterator[str]:
    """Its waiting or terminated state, and how it ended the last time; a container that runs well has no line."""
    for when, key in (("", "state"), ("last time ", "lastState")):
        for state, detail in (container.get(key) or {}).items():
            if state != "running":
                code = (detail or {}).get("exitCode")
                ending = "" if code is None else f", exit code {code}"
                yield _line(f"  container {container.get('name')}: {when}{state}{ending}", detail or {})


def _line(start: str, detail: Mapping[str, Any]) -> str:
    return " ".join(str(part) for part in (start, detail.get("reason"), detail.get("message")) if part)


def _event_lines(seen: Seen) -> Iterator[str]:
    if seen.events_problem:
        yield f"events: {seen.events_problem}"
    for event in sorted(seen.events, key=_time)[-EVENTS_SHOWN:]:
        yield f"warning: {event.get('reason')}: {event.get('message') or event.get('note') or ''}"


def _time(event: Mapping[str, Any]) -> str:
    """When it was last seen; core and events.k8s.io keep that in different fields."""
    series = event.get("series") or {}
    return str(event.get("lastTimestamp") or series.get("lastObservedTime") or event.get("eventTime") or "")
