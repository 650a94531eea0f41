"""The failure report: what was seen last of a DevServer that did not get ready, and what is likely to help.

Looking (:func:`failure_report`) and telling (:func:`describe`, pure) are apart. What may not be looked at says so, and
the rest still shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ...transport.deadline import Deadline
from ...transport.resources import EVENTS
from .hopeless import missing_flavor, no_such_flavor
from .operatornotes import OperatorNotes
from .pods import PodOwner, Pods, look_up_pods

if TYPE_CHECKING:
    from ...transport.rest import RESTClient
    from ..devserver import DevServer

REPORT_SECONDS = 0.9
"""Seconds for gathering the report: a wait ends no later than a second after its time."""
EVENTS_SHOWN = 5

CAUSES = (
    (('Flavor "',), "the flavor is misspelt or was never made: DevServerFlavor.list() tells which there are"),
    (("exceeded quota",), "a quota of the namespace is used up: free some of it, or choose a smaller flavor"),
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

    pods: Pods = Pods([], [])
    pod_problem: str = ""
    events: tuple[Mapping[str, Any], ...] = ()
    events_problem: str = ""
    missing_flavor: Optional[str] = None
    """The name of its flavor, if that is known not to exist."""


def failure_report(server: DevServer, deadline: Optional[Deadline] = None) -> str:
    """What is known of ``server``: phase, operator, pod, containers, warnings, and the likely cause. Never raises."""
    client, namespace, name = server._place()
    owner = PodOwner.of(server._raw, namespace or "", name)
    return describe(server._raw, _look(client, server._raw, owner, deadline or Deadline(REPORT_SECONDS, client.clock)))


def _look(client: RESTClient, raw: Mapping[str, Any], owner: PodOwner, deadline: Deadline) -> Seen:
    """Whatever can be had; the report must not hide the failure it is about."""
    pods, events = Pods([], []), []
    pod_problem = events_problem = ""
    flavor = None
    try:
        pods = look_up_pods(client, owner, deadline)
    except Exception as error:
        pod_problem = f"cannot be looked at ({error})"
    if pods.last is None:
        try:
            flavor = missing_flavor(client, raw, deadline)
        except Exception:
            pass  # not to be told: may not be read, or not now
    try:
        selectors = {"fieldSelector": "type=Warning"}
        found, _ = client.list_all(EVENTS, owner.namespace, selectors=selectors, deadline=deadline)
        events = [event for event in found if _concerns(event, owner, pods.last)]
    except Exception as error:
        events_problem = f"cannot be looked at ({error})"
    return Seen(pods, pod_problem, tuple(events), events_problem, flavor)


def _concerns(event: Mapping[str, Any], owner: PodOwner, pod: Optional[Mapping[str, Any]]) -> bool:
    """Whether it is about this server, its pod, or what its operator made under its name."""
    about = event.get("involvedObject") or event.get("regarding") or {}
    kind, name = str(about.get("kind")), str(about.get("name"))
    pod_metadata = pod["metadata"] if pod else {}
    known = {"DevServer": owner.uid, "Pod": pod_metadata.get("uid")}.get(kind)
    if known and about.get("uid") and about["uid"] != known:
        return False  # of a namesake before
    if kind == "ReplicaSet":  # of the Deployment: NAME-HASH
        prefix, _, template_hash = name.rpartition("-")
        return prefix == owner.name and bool(template_hash)
    return name in (owner.name, f"{owner.name}-0", pod_metadata.get("name"))


def describe(raw: Mapping[str, Any], seen: Seen) -> str:
    """The report as text. Pure."""
    notes = OperatorNotes.of(raw)
    lines = [
        *_status_lines(raw, seen, notes), *_pod_lines(seen), *_event_lines(seen),
    ]  # fmt: skip
    text = "\n".join(f"  {line}" for line in lines)
    cause = next((fix for signs, fix in CAUSES if any(sign in text for sign in signs)), "")
    return f"{text}\n  likely cause: {cause}" if cause else text


def _status_lines(raw: Mapping[str, Any], seen: Seen, notes: OperatorNotes) -> Iterator[str]:
    """Phase and message, and what the operator left where it set none."""
    status = raw.get("status") or {}
    if status.get("phase"):
        yield f"phase: {status['phase']}"
    elif notes.seen or seen.pods.own:
        yield "phase: none yet"
    else:
        yield "phase: none yet: is the DevServer operator running?"
    if status.get("message"):
        yield f"message: {status['message']}"
    yield from notes.lines()
    if notes.handled and not status and not seen.pods.own:
        yield "operator: has handled this spec without setting a status: it has given up (its log says why)"
    if seen.missing_flavor is not None:
        yield f"flavor: {no_such_flavor(seen.missing_flavor)}"


def _pod_lines(seen: Seen) -> Iterator[str]:
    pod = seen.pods.last
    if pod is None:
        yield f"pod: {seen.pod_problem or seen.pods}"
        return
    status = pod.get("status") or {}
    yield _line(_pod_phase(pod), status)
    for condition in status.get("conditions") or []:
        if condition.get("status") != "True":
            yield _line(f"  {condition.get('type')}: {condition.get('status')}", condition)
    for container in _containers(status):
        yield from (f"  {line}" for line in _container_lines(container))


def containers_line(pod: Mapping[str, Any]) -> str:
    """A pod and what its containers wait for, in one line."""
    status = pod.get("status") or {}
    states = [line for container in _containers(status) for line in _container_lines(container)]
    unready = [str(c.get("name")) for c in status.get("containerStatuses") or [] if not c.get("ready")]
    if not states and unready:
        states = [f"not ready yet: {', '.join(unready)}"]
    return "; ".join([_pod_phase(pod), *states])


def _pod_phase(pod: Mapping[str, Any]) -> str:
    phase = (pod.get("status") or {}).get("phase") or "no phase"
    return f"pod {pod['metadata']['name']}: {'terminating' if pod['metadata'].get('deletionTimestamp') else phase}"


def _containers(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Init containers that have done their work are left out: they have nothing to tell."""
    initial = [c for c in status.get("initContainerStatuses") or [] if not _is_completed(c)]
    return [*initial, *(status.get("containerStatuses") or [])]


def _is_completed(container: Mapping[str, Any]) -> bool:
    terminated = (container.get("state") or {}).get("terminated") or {}
    return bool(terminated.get("exitCode") == 0)


def _container_lines(container: Mapping[str, Any]) -> Iterator[str]:
    """Its waiting or terminated state, and how it ended the last time; a container that runs well has no line."""
    for when, key in (("", "state"), ("last time ", "lastState")):
        for state, detail in (container.get(key) or {}).items():
            if state != "running":
                code = (detail or {}).get("exitCode")
                ending = "" if code is None else f", exit code {code}"
                yield _line(f"container {container.get('name')}: {when}{state}{ending}", detail or {})


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
