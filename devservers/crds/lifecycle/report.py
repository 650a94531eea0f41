"""The failure report: reads whatever can be read of a DevServer that did not get ready.

Nothing here may fail: the report must not hide the failure that it is about. What may not be read
says so, and the rest still shows. The text is made by :mod:`.findings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from ...transport.deadline import Deadline
from ...transport.resources import EVENTS
from ...transport.retry import OVERRUN
from ..model.reference import Collection
from .findings import Findings, describe
from .flavor import missing_flavor
from .lastlog import last_logs
from .pods import PodOwner, Pods, look_up_pods

if TYPE_CHECKING:
    from ...transport.rest import RESTClient
    from ..model.liveobject import LiveObject


def failure_report(
    live: LiveObject, deadline: Optional[Deadline] = None, raw: Optional[Mapping[str, Any]] = None
) -> str:
    """What is known of a DevServer: phase, operator, pod, containers, warnings, likely cause.

    ``raw`` is the object as it was read last, if that is not the one that ``live`` holds.
    """
    ref = live.ref()
    if raw is None:
        raw = live.raw
    owner = PodOwner.of(raw, ref.namespace or "", ref.name)
    deadline = deadline or Deadline(OVERRUN, ref.client.clock)
    return describe(raw, _gather(ref.client, raw, owner, deadline))


def _gather(
    client: RESTClient, raw: Mapping[str, Any], owner: PodOwner, deadline: Deadline
) -> Findings:
    pods, events = Pods([], []), []
    pod_problem = events_problem = ""
    flavor = None
    try:
        pods = look_up_pods(client, owner, deadline)
    except Exception as error:
        pod_problem = f"could not be read ({error})"
    if pods.last is None:
        try:
            flavor = missing_flavor(client, raw, deadline)
        except Exception:
            pass  # whether it exists is not known
    try:
        warnings = {"fieldSelector": "type=Warning"}
        found = Collection(client, EVENTS, owner.namespace).list_all(warnings, deadline)
        events = [event for event in found if _concerns(event, owner, pods.last)]
    except Exception as error:
        events_problem = f"could not be read ({error})"
    logs = []
    if pods.last is not None:
        # Last, because the kubelet answers it: if it does not, the rest of the report is there.
        logs = last_logs(client, pods.last, deadline)
    return Findings(pods, pod_problem, tuple(events), events_problem, flavor, tuple(logs))


def _concerns(event: Mapping[str, Any], owner: PodOwner, pod: Optional[Mapping[str, Any]]) -> bool:
    """Whether it is about this server, its pod, or what its operator created under its name."""
    about = event.get("involvedObject") or event.get("regarding") or {}
    kind, name = str(about.get("kind")), str(about.get("name"))
    pod_metadata = (pod or {}).get("metadata") or {}
    known = {"DevServer": owner.uid, "Pod": pod_metadata.get("uid")}.get(kind)
    if known and about.get("uid") and about["uid"] != known:
        return False  # about an earlier object of that name
    if kind == "ReplicaSet":  # of the Deployment: NAME-HASH
        prefix, _, template_hash = name.rpartition("-")
        return prefix == owner.name and bool(template_hash)
    return name in (owner.name, owner.statefulset_pod, pod_metadata.get("name"))
