"""The pods behind a DevServer: which are its own, which of those is meant, and which container of it.

The label ``app=NAME`` is the commonest there is, so a pod that bears it may be anybody's. Who made
a pod is told by its controller, the one owner reference with ``controller: true``. A pod is the
DevServer's own if

1. its controller has the DevServer's uid, or
2. its controller is the StatefulSet NAME, or the ReplicaSet NAME-HASH whose HASH is the pod's own
   pod-template-hash (what a Deployment NAME makes), and the pod is not older than the DevServer
   (an older one was made for an earlier DevServer of the same name), or
3. nothing controls it, and it bears the label or is called NAME-0.

Others are never taken. Among its own the ready one goes before one that runs, and that before one
that does not, then the newest: a rollout's successor takes over when it is ready, not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ...transport.resources import PODS
from .. import const
from ..model.metadata import parse_time

if TYPE_CHECKING:
    from ...transport.deadline import Deadline
    from ...transport.rest import Object, RESTClient

LABEL_VALUE_LIMIT = 63
NAME_LIMIT = 253
CLOCK_SKEW_SECONDS = 2
"""By so much the clocks of two API servers may differ when the ages of two objects are compared."""


class PodOwner(NamedTuple):
    """The DevServer whose pods are looked for; uid and creation are None as long as it was never
    read.
    """

    namespace: str
    name: str
    uid: Optional[str] = None
    created: Optional[str] = None

    @classmethod
    def of(cls, raw: Mapping[str, Any], namespace: str, name: str) -> PodOwner:
        metadata = raw.get("metadata") or {}
        return cls(namespace, name, metadata.get("uid"), metadata.get("creationTimestamp"))

    def owns(self, pod: Mapping[str, Any]) -> bool:
        """Whether ``pod`` is this DevServer's own. Pure."""
        controller = controller_of(pod)
        if controller is None:
            return (
                pod["metadata"]["name"] == f"{self.name}-0"
                or _labels(pod).get(const.APP_LABEL) == self.name
            )
        kind, name = controller.get("kind"), controller.get("name")
        if kind == const.KIND_DEVSERVER:
            return name == self.name if self.uid is None else controller.get("uid") == self.uid
        if self.uid is not None and controller.get("uid") == self.uid:
            return True
        return self._made_for_its_name(pod) and not self._is_younger_than(pod)

    def outlived_by(self, pod: Mapping[str, Any]) -> bool:
        """Whether ``pod`` was made for an earlier DevServer of this name. Pure."""
        controller = controller_of(pod) or {}
        by_namesake = (
            controller.get("kind") == const.KIND_DEVSERVER and controller.get("name") == self.name
        )
        return (by_namesake or self._made_for_its_name(pod)) and not self.owns(pod)

    def _made_for_its_name(self, pod: Mapping[str, Any]) -> bool:
        controller = controller_of(pod) or {}
        kind, name = controller.get("kind"), controller.get("name")
        template_hash = _labels(pod).get(const.TEMPLATE_HASH_LABEL)
        return (kind == "StatefulSet" and name == self.name) or bool(
            kind == "ReplicaSet" and template_hash and name == f"{self.name}-{template_hash}"
        )

    def _is_younger_than(self, pod: Mapping[str, Any]) -> bool:
        its = pod["metadata"].get("creationTimestamp")
        if (
            not self.created or not its or self.created <= its
        ):  # as text: they are written alike, and parsing is dear
            return False
        mine, then = parse_time(self.created), parse_time(its)
        return bool(mine and then and (mine - then).total_seconds() > CLOCK_SKEW_SECONDS)


class Pods(NamedTuple):
    """What a look at the pods found: the DevServer's own, the one that is meant first, and others
    in their place.
    """

    own: list[Object]
    strangers: list[Object]
    outlived: frozenset[str] = frozenset()
    """Those strangers' names that were made for an earlier DevServer of this name."""

    @property
    def live(self) -> Optional[Object]:
        """The pod that is meant, if it is neither terminating nor at its end."""
        return self.own[0] if self.own and is_live(self.own[0]) else None

    @property
    def last(self) -> Optional[Object]:
        """The pod that is meant, or where none is live the newest of those that have ended."""
        return self.own[0] if self.own else None

    def __str__(self) -> str:
        """Why there is no pod, for messages."""
        if not self.strangers:
            return "none was found"
        named = ", ".join(map(self._described, self.strangers[:3]))
        more = f" and {len(self.strangers) - 3} more" if len(self.strangers) > 3 else ""
        return f"none of its own was found, only pods that belong to something else: {named}{more}"

    def _described(self, pod: Mapping[str, Any]) -> str:
        name = pod["metadata"]["name"]
        older = ", made for an earlier DevServer of this name" if name in self.outlived else ""
        return f"{name} ({_belongs_to(pod)}{older})"


def look_up_pods(client: RESTClient, owner: PodOwner, deadline: Optional[Deadline] = None) -> Pods:
    """The pods labelled ``app=NAME`` and, where none of them is the DevServer's own and live, the one
    called NAME-0.

    Needs the right to list pods, and no other.
    """
    pods: list[Object] = []
    if len(owner.name) <= LABEL_VALUE_LIMIT:  # no label can have a longer value
        selectors = {"labelSelector": f"{const.APP_LABEL}={owner.name}"}
        pods, _ = client.list_all(PODS, owner.namespace, selectors=selectors, deadline=deadline)
    own = list(filter(owner.owns, pods))
    if not any(map(is_live, own)) and len(owner.name) + 2 <= NAME_LIMIT:
        selectors = {"fieldSelector": f"metadata.name={owner.name}-0"}
        named, _ = client.list_all(PODS, owner.namespace, selectors=selectors, deadline=deadline)
        known = {pod["metadata"].get("uid") for pod in pods}
        pods += [pod for pod in named if pod["metadata"].get("uid") not in known]
        own = list(filter(owner.owns, pods))
    mine = set(map(id, own))
    strangers = [pod for pod in pods if id(pod) not in mine]
    own.sort(key=_preference, reverse=True)
    outlived = frozenset(pod["metadata"]["name"] for pod in strangers if owner.outlived_by(pod))
    return Pods(own, strangers, outlived)


def controller_of(pod: Mapping[str, Any]) -> Optional[Mapping[str, Any]]:
    """The owner reference of what manages the pod; None if nothing does.

    A DevServer among the owners counts as one even where it is not marked so: nothing else would
    name it there.
    """
    owners: list[Mapping[str, Any]] = pod["metadata"].get("ownerReferences") or []
    for owner in owners:
        if owner.get("controller"):
            return owner
    for owner in owners:
        if owner.get("kind") == const.KIND_DEVSERVER:
            return owner
    return None


def _belongs_to(pod: Mapping[str, Any]) -> str:
    controller = controller_of(pod)
    return f"{controller.get('kind')} {controller.get('name')}" if controller else "nothing"


def _labels(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    return pod["metadata"].get("labels") or {}


def _preference(pod: Mapping[str, Any]) -> tuple[bool, bool, bool, str, str]:
    running = (pod.get("status") or {}).get("phase") == "Running"
    metadata = pod["metadata"]
    return (
        is_live(pod), containers_ready(pod), running, metadata.get("creationTimestamp") or "", metadata["name"],
    )  # fmt: skip


def is_live(pod: Mapping[str, Any]) -> bool:
    """Whether it is neither terminating nor at its end."""
    phase = (pod.get("status") or {}).get("phase")
    return not pod["metadata"].get("deletionTimestamp") and phase not in ("Succeeded", "Failed")


def containers_ready(pod: Mapping[str, Any]) -> bool:
    """Whether every container is ready, by the pod's Ready condition or, without one, its container
    statuses.
    """
    status = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("type") == "Ready":
            return bool(condition.get("status") == "True")
    statuses = status.get("containerStatuses") or []
    if statuses:
        return all(container.get("ready") for container in statuses)
    return bool(status.get("phase") == "Running")


def containers_of(pod: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names of its containers by kind; kinds that it has none of are left out."""
    spec = pod.get("spec") or {}
    kinds = {
        "containers": spec.get("containers"),
        "init containers": spec.get("initContainers"),
        "ephemeral containers": spec.get("ephemeralContainers"),
    }
    return {
        kind: [str(each.get("name")) for each in entries]
        for kind, entries in kinds.items()
        if entries
    }


def can_run_commands(pod: Mapping[str, Any], container: Optional[str]) -> bool:
    """Whether this container of the pod is running: by its status, else by the pod's phase."""
    status = pod.get("status") or {}
    for kind in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for entry in status.get(kind) or []:
            if entry.get("name") == container and entry.get("state"):
                return "running" in entry["state"]
    return bool(status.get("phase") == "Running")


def default_container(pod: Mapping[str, Any]) -> Optional[str]:
    """The container meant when none is named: the annotated one, else ``devserver``, else the
    first.
    """
    names = [container.get("name") for container in (pod.get("spec") or {}).get("containers") or []]
    annotated = (pod["metadata"].get("annotations") or {}).get(const.DEFAULT_CONTAINER_ANNOTATION)
    if annotated in names:
        return str(annotated)
    if const.DEFAULT_CONTAINER in names:
        return const.DEFAULT_CONTAINER
    return names[0] if names else None


def incarnation(pod: Mapping[str, Any], container: Optional[str]) -> str:
    """What tells this very container from others of its name: it may be restarted with another image."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    ids = [
        status.get("containerID") or "" for status in statuses if status.get("name") == container
    ]
    return " ".join([pod["metadata"].get("uid") or "", *ids])
