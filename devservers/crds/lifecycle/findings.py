"""What is known of a DevServer that did not get ready, as text, with its likely cause. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional

from .flavor import no_such_flavor
from .lastlog import LastLog
from .operatornotes import OperatorNotes
from .pods import Pods
from .podstate import pod_lines

EVENTS_SHOWN = 5

CAUSES = (
    (
        ('Flavor "',),
        "the flavor is misspelled or was never created: DevServerFlavor.list() shows which exist",
    ),
    (
        ("exceeded quota",),
        "the quota of the namespace is used up: free some of it, or choose a smaller flavor",
    ),
    (("OOMKilled",), "the container ran out of memory: choose a larger flavor"),
    (
        ("ImagePullBackOff", "ErrImagePull", "InvalidImageName"),
        "the image cannot be pulled: is spec.image right?",
    ),
    (("CrashLoopBackOff",), "the container keeps ending after each start: look at its logs"),
    (
        ("FailedMount", "FailedAttachVolume"),
        "a volume cannot be mounted: check spec.volumes and persistentHome",
    ),
    (
        ("Unschedulable", "FailedScheduling"),
        "no node has room for the pod: choose a smaller flavor, or free resources",
    ),
    (
        ("Evicted",),
        "the node ran out of a resource and evicted the pod: choose a larger flavor, or try again",
    ),
    (
        ("CreateContainerConfigError",),
        "the pod refers to a ConfigMap or Secret that does not exist",
    ),
    (
        ("FailedCreate",),
        "the pod cannot be created: check quotas and admission policies of the namespace",
    ),
)
"""Reasons of containers, conditions and events, and what they mean; the first match counts."""


class Findings(NamedTuple):
    """What could be read besides the DevServer itself."""

    pods: Pods = Pods([], [])
    pod_problem: str = ""
    events: tuple[Mapping[str, Any], ...] = ()
    events_problem: str = ""
    missing_flavor: Optional[str] = None
    """The name of its flavor, if that is known not to exist."""
    logs: tuple[LastLog, ...] = ()
    """Of containers that ended."""


def describe(raw: Mapping[str, Any], findings: Findings) -> str:
    """The failure report on the DevServer ``raw``: a line for each fact, and the likely cause."""
    facts = [*_status_lines(raw, findings), *_pod_lines(findings)]
    events = list(_event_lines(findings))
    logs = [f"  {line}" for log in findings.logs for line in log.lines_of_report()]
    lines = [*facts, *logs, *events]
    cause = _likely_cause([*facts, *events])  # without the logs: those may contain any word
    if cause:
        lines.append(f"likely cause: {cause}")
    return "\n".join(f"  {line}" for line in lines)


def _likely_cause(lines: list[str]) -> str:
    text = "\n".join(lines)
    for signs, cause in CAUSES:
        if any(sign in text for sign in signs):
            return cause
    return ""


def _status_lines(raw: Mapping[str, Any], findings: Findings) -> Iterator[str]:
    """Phase and message, what the operator left on the object, and a flavor that does not exist."""
    notes = OperatorNotes.of(raw)
    status = raw.get("status") or {}
    if status.get("phase"):
        yield f"phase: {status['phase']}"
    elif notes.seen or findings.pods.own:
        yield "phase: none yet"
    else:
        yield "phase: none yet: is the DevServer operator running?"
    if status.get("message"):
        yield f"message: {status['message']}"
    yield from notes.lines()
    if notes.finished and not status and not findings.pods.own:
        yield (
            "operator: has processed this spec without setting a status: it has given up "
            "(its log says why)"
        )
    if findings.missing_flavor is not None:
        yield f"flavor: {no_such_flavor(findings.missing_flavor)}"


def _pod_lines(findings: Findings) -> Iterator[str]:
    if findings.pods.last is None:
        yield f"pod: {findings.pod_problem or findings.pods}"
    else:
        yield from pod_lines(findings.pods.last)


def _event_lines(findings: Findings) -> Iterator[str]:
    if findings.events_problem:
        yield f"events: {findings.events_problem}"
    for event in sorted(findings.events, key=_last_seen)[-EVENTS_SHOWN:]:
        yield f"warning: {event.get('reason')}: {event.get('message') or event.get('note') or ''}"


def _last_seen(event: Mapping[str, Any]) -> str:
    """The time of an event; core and events.k8s.io keep it in different fields."""
    series = event.get("series") or {}
    time = event.get("lastTimestamp") or series.get("lastObservedTime") or event.get("eventTime")
    return str(time or "")
