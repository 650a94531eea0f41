"""The failure report: what was seen last of a DevServer that did not get ready, and what is likely to
help.

Looking (:func:`failure_report`) and telling (:func:`describe`, pure) are apart. What may not be
looked at says so, and the rest still shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ...transport.deadline import Deadline
from ...transport.resources import EVENTS
from ...transport.retry import OVERRUN
from .hopeless import missing_flavor, no_such_flavor
from .lastlog import LastLog, last_logs
from .operatornotes import OperatorNotes
from .pods import PodOwner, Pods, can_run_commands, default_container, look_up_pods

if TYPE_CHECKING:
    from ...transport.rest import RESTClient
    from ..model.liveobject import LiveObject

EVENTS_SHOWN = 5

CAUSES = (
    (
        ('Flavor "',),
        "the flavor is misspelt or was never made: DevServerFlavor.list() tells which there are",
    ),
    (
        ("exceeded quota",),
        "a quota of the namespace is used up: free some of it, or choose a smaller flavor",
    ),
    (("OOMKilled",), "the container ran out of memory: choose a larger flavor"),
    (
        ("ImagePullBackOff", "ErrImagePull", "InvalidImageName"),
        "the image cannot be pulled: is spec.image right?",
    ),
    (("CrashLoopBackOff",), "the container starts and ends again: look at its logs"),
    (
        ("FailedMount", "FailedAttachVolume"),
        "a volume cannot be mounted: check spec.volumes and persistentHome",
    ),
    (
        ("Unschedulable", "FailedScheduling"),
        "no node can take the pod: choose a smaller flavor, or free resources",
    ),
    (
        ("Evicted",),
        "the node ran out of a resource and evicted the pod: choose a larger flavor, or try again",
    ),
    (("CreateContainerConfigError",), "the pod refers to a ConfigMap or Secret that is not there"),
    (
        ("FailedCreate",),
        "the pod cannot be created: check quotas and admission policies of the namespace",
    ),
)
"""Signs (reasons of containers, conditions and events) and what they mean; the first that is seen
is told.
"""


class Seen(NamedTuple):
    """What could be looked at besides the DevServer itself."""

    pods: Pods = Pods([], [])
    pod_problem: str = ""
    events: tuple[Mapping[str, Any], ...] = ()
    events_problem: str = ""
    missing_flavor: Optional[str] = None
    """The name of its flavor, if that is known not to exist."""
    logs: tuple[LastLog, ...] = ()
    """Of containers that ended."""


def failure_report(
    live: LiveObject, deadline: Optional[Deadline] = None, raw: Optional[Mapping[str, Any]] = None
) -> str:
    """What is known of a DevServer: phase, operator, pod, containers, warnings, and the likely cause.
    Never raises.

    ``raw`` is the object as it was read last, where that is not the one that ``live`` holds.
    """
    ref = live.ref()
    raw = live.raw if raw is None else raw
    owner = PodOwner.of(raw, ref.namespace or "", ref.name)
    deadline = deadline or Deadline(OVERRUN, ref.client.clock)
    return describe(raw, _look(ref.client, raw, owner, deadline))


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
    # Last, for it is the kubelet that answers: it may not, and must not cost the report the rest.
    logs = last_logs(client, pods.last, deadline) if pods.last is not None else []
    return Seen(pods, pod_problem, tuple(events), events_problem, flavor, tuple(logs))


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
    facts = [*_status_lines(raw, seen, notes), *_pod_lines(seen)]
    warnings = list(_event_lines(seen))
    logs = [f"  {line}" for log in seen.logs for line in log.report()]
    signs_in = "\n".join([*facts, *warnings])  # a log may hold any word
    cause = next((fix for signs, fix in CAUSES if any(sign in signs_in for sign in signs)), "")
    text = "\n".join(f"  {line}" for line in [*facts, *logs, *warnings])
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
    """A pod and what it and its containers wait for, in one line."""
    status = pod.get("status") or {}
    states = [line for container in _containers(status) for line in _container_lines(container)]
    unready = [
        str(c.get("name")) for c in status.get("containerStatuses") or [] if not c.get("ready")
    ]
    if not states and unready:
        states = [f"not ready yet: {', '.join(unready)}"]
    return "; ".join([_line(_pod_phase(pod), status), *_obstacles(status), *states])


def _obstacles(status: Mapping[str, Any]) -> Iterator[str]:
    """What keeps its containers from being started: no node, an init container that still runs."""
    conditions = {each.get("type"): each for each in status.get("conditions") or []}
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        yield _line("no node yet:", scheduled)
    if (conditions.get("Initialized") or {}).get("status") == "False":
        for container in status.get("initContainerStatuses") or []:
            if "running" in (container.get("state") or {}):
                yield f"init container {container.get('name')} is still running"


def container_state(pods: Pods, container: Optional[str]) -> str:
    """Why no command can be run in this container now, in one line; ``""`` if one can.

    None is the default container.
    """
    pod = pods.live
    if pod is not None and can_run_commands(pod, container or default_container(pod)):
        return ""
    return f"pod: {pods}" if pods.last is None else containers_line(pods.last)


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
    """Its waiting or terminated state, and how it ended the last time; a container that runs well
    has no line.
    """
    for when, key in (("", "state"), ("last time ", "lastState")):
        for state, detail in (container.get(key) or {}).items():
            if state != "running":
                code = (detail or {}).get("exitCode")
                ending = "" if code is None else f", exit code {code}"
                yield _line(
                    f"container {container.get('name')}: {when}{state}{ending}", detail or {}
                )


def _line(start: str, detail: Mapping[str, Any]) -> str:
    return " ".join(
        str(part) for part in (start, detail.get("reason"), detail.get("message")) if part
    )


def _event_lines(seen: Seen) -> Iterator[str]:
    if seen.events_problem:
        yield f"events: {seen.events_problem}"
    for event in sorted(seen.events, key=_time)[-EVENTS_SHOWN:]:
        yield f"warning: {event.get('reason')}: {event.get('message') or event.get('note') or ''}"


def _time(event: Mapping[str, Any]) -> str:
    """When it was last seen; core and events.k8s.io keep that in different fields."""
    series = event.get("series") or {}
    return str(
        event.get("lastTimestamp") or series.get("lastObservedTime") or event.get("eventTime") or ""
    )
