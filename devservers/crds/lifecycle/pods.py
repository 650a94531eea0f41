"""The pods behind a DevServer: which are its own, which of those is meant, and which container.

``app=NAME`` is the most common label there is, so a pod that has it may be anybody's. Who made a
pod is known from its controller, the one owner reference with ``controller: true``. A pod is the
DevServer's own if

1. its controller has the DevServer's uid, or
2. its controller is the StatefulSet NAME, or the ReplicaSet NAME-HASH whose HASH is the pod's own
   pod-template-hash (what a Deployment NAME makes), and the pod is not older than the DevServer
   (an older one was made for an earlier DevServer of that name), or
3. nothing controls it, and it has the label or is called NAME-0.

Others are never used. Among its own a ready one comes before one that runs, and that before one
that does not, then the newest: a rollout's new pod takes over when it is ready, not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ...transport.resources import PODS
from .. import const
from ..model.metadata import parse_time
from ..model.reference import Collection

if TYPE_CHECKING:
    from ...transport.deadline import Deadline
    from ...transport.rest import Object, RESTClient

LABEL_VALUE_LIMIT = 63
NAME_LIMIT = 253
CLOCK_SKEW_SECONDS = 2
"""How far the clocks of two API servers may differ when the ages of two objects are compared."""


class PodOwner(NamedTuple):
    """The DevServer whose pods are wanted; uid and created are None if it was never read."""

    namespace: str
    name: str
    uid: Optional[str] = None
    created: Optional[str] = None

    @classmethod
    def of(cls, raw: Mapping[str, Any], namespace: str, name: str) -> PodOwner:
        metadata = raw.get("metadata") or {}
        return cls(namespace, name, metadata.get("uid"), metadata.get("creationTimestamp"))

    @property
    def statefulset_pod(self) -> str:
        """``NAME-0``: the name that its pod has if a StatefulSet makes it."""
        return f"{self.name}-0"

    def owns(self, pod: Mapping[str, Any]) -> bool:
        """Whether ``pod`` is this DevServer's own. Pure."""
        controller = controller_of(pod)
        if controller is None:
            labeled = _labels(pod).get(const.APP_LABEL) == self.name
            return labeled or pod["metadata"]["name"] == self.statefulset_pod
        kind, name, uid = controller.get("kind"), controller.get("name"), controller.get("uid")
        if self.uid is not None and uid == self.uid:
            return True
        if kind == const.KIND_DEVSERVER:
            return self.uid is None and name == self.name
        return self._made_for_its_name(pod) and not self._is_younger_than(pod)

    def outlived(self, pod: Mapping[str, Any]) -> bool:
        """Whether ``pod`` is left over from an earlier DevServer of this name. Pure."""
        controller = controller_of(pod) or {}
        kind, name = controller.get("kind"), controller.get("name")
        by_namesake = kind == const.KIND_DEVSERVER and name == self.name
        return (by_namesake or self._made_for_its_name(pod)) and not self.owns(pod)

    def _made_for_its_name(self, pod: Mapping[str, Any]) -> bool:
        """Whether a StatefulSet or a Deployment of this name made the pod."""
        controller = controller_of(pod) or {}
        kind, name = controller.get("kind"), controller.get("name")
        if kind == "StatefulSet":
            return bool(name == self.name)
        template_hash = _labels(pod).get(const.TEMPLATE_HASH_LABEL)
        of_deployment = template_hash and name == f"{self.name}-{template_hash}"
        return bool(kind == "ReplicaSet" and of_deployment)

    def _is_younger_than(self, pod: Mapping[str, Any]) -> bool:
        pod_created = pod["metadata"].get("creationTimestamp")
        if not self.created or not pod_created:
            return False
        if self.created <= pod_created:  # as text: the format is fixed, and parsing is slow
            return False
        mine, its = parse_time(self.created), parse_time(pod_created)
        return bool(mine and its and (mine - its).total_seconds() > CLOCK_SKEW_SECONDS)


class Pods(NamedTuple):
    """What a lookup found: the DevServer's own pods, the one that is meant first, and others."""

    own: list[Object]
    strangers: list[Object]
    leftovers: frozenset[str] = frozenset()
    """Names of those strangers that were made for an earlier DevServer of this name."""

    @property
    def live(self) -> Optional[Object]:
        """The pod that is meant, if it is neither terminating nor finished."""
        if self.own and is_live(self.own[0]):
            return self.own[0]
        return None

    @property
    def last(self) -> Optional[Object]:
        """The pod that is meant; if none is live, the newest of those that are finished."""
        return next(iter(self.own), None)

    def __str__(self) -> str:
        """Why there is no pod, for messages."""
        if not self.strangers:
            return "none was found"
        named = ", ".join(map(self._described, self.strangers[:3]))
        more = f" and {len(self.strangers) - 3} more" if len(self.strangers) > 3 else ""
        return f"none of its own was found, only pods that belong to something else: {named}{more}"

    def _described(self, pod: Mapping[str, Any]) -> str:
        name = pod["metadata"]["name"]
        controller = controller_of(pod)
        owner = "nothing"
        if controller is not None:
            owner = f"{controller.get('kind')} {controller.get('name')}"
        if name in self.leftovers:
            owner += ", made for an earlier DevServer of this name"
        return f"{name} ({owner})"


def look_up_pods(client: RESTClient, owner: PodOwner, deadline: Optional[Deadline] = None) -> Pods:
    """The pods with the label ``app=NAME`` and, if none of them is its own and live, NAME-0.

    Needs the right to list pods, and no other.
    """
    collection = Collection(client, PODS, owner.namespace)
    pods: list[Object] = []
    if len(owner.name) <= LABEL_VALUE_LIMIT:  # no label can have a longer value
        labeled = {"labelSelector": f"{const.APP_LABEL}={owner.name}"}
        pods = collection.list_all(labeled, deadline)
    found = any(is_live(pod) and owner.owns(pod) for pod in pods)
    if not found and len(owner.statefulset_pod) <= NAME_LIMIT:
        known = {pod["metadata"].get("uid") for pod in pods}
        named = collection.named(owner.statefulset_pod).field_selector
        for pod in collection.list_all(named, deadline):
            if pod["metadata"].get("uid") not in known:
                pods.append(pod)
    own = [pod for pod in pods if owner.owns(pod)]
    own.sort(key=_preference, reverse=True)
    strangers = [pod for pod in pods if not owner.owns(pod)]
    leftovers = frozenset(pod["metadata"]["name"] for pod in strangers if owner.outlived(pod))
    return Pods(own, strangers, leftovers)


def controller_of(pod: Mapping[str, Any]) -> Optional[Mapping[str, Any]]:
    """The owner reference of what manages the pod; None if nothing does.

    A DevServer among the owners counts as the controller even if it is not marked as one: nothing
    else would name it there.
    """
    owners: list[Mapping[str, Any]] = pod["metadata"].get("ownerReferences") or []
    for owner in owners:
        if owner.get("controller"):
            return owner
    for owner in owners:
        if owner.get("kind") == const.KIND_DEVSERVER:
            return owner
    return None


def _labels(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    return pod["metadata"].get("labels") or {}


def _preference(pod: Mapping[str, Any]) -> tuple[bool, bool, bool, str, str]:
    running = (pod.get("status") or {}).get("phase") == "Running"
    created = pod["metadata"].get("creationTimestamp") or ""
    return is_live(pod), containers_ready(pod), running, created, pod["metadata"]["name"]


def is_live(pod: Mapping[str, Any]) -> bool:
    """Whether it is neither terminating nor finished."""
    phase = (pod.get("status") or {}).get("phase")
    return not pod["metadata"].get("deletionTimestamp") and phase not in ("Succeeded", "Failed")


def containers_ready(pod: Mapping[str, Any]) -> bool:
    """Whether every container is ready: by the Ready condition, else by the container statuses."""
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
    """The container if none is named: the annotated one, else ``devserver``, else the first."""
    names = [container.get("name") for container in (pod.get("spec") or {}).get("containers") or []]
    annotated = (pod["metadata"].get("annotations") or {}).get(const.DEFAULT_CONTAINER_ANNOTATION)
    if annotated in names:
        return str(annotated)
    if const.DEFAULT_CONTAINER in names:
        return const.DEFAULT_CONTAINER
    return next(iter(names), None)


def incarnation(pod: Mapping[str, Any], container: Optional[str]) -> str:
    """What tells this very container from others of its name, before and after a restart."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    ids = [
        status.get("containerID") or "" for status in statuses if status.get("name") == container
    ]
    return " ".join([pod["metadata"].get("uid") or "", *ids])
