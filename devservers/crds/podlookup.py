"""The pod behind a DevServer: which one it is, whether it is ready, and which of its containers is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from ..errors import NotFoundError
from ..transport.paths import PODS
from . import const

if TYPE_CHECKING:
    from ..transport.deadline import Deadline
    from ..transport.rest import Object, RESTClient

LABEL_VALUE_LIMIT = 63
NAME_LIMIT = 253


def find_pod(
    client: RESTClient, namespace: str, name: str, *, uid: Optional[str] = None, deadline: Optional[Deadline] = None
) -> Optional[Object]:
    """The DevServer's pod: the newest live one labelled ``app=NAME``, else the one called ``NAME-0``.

    With the DevServer's ``uid``, a pod that belongs to a namesake of before, and has not gone yet, is not taken.
    """
    pod = newest_pod(client, namespace, name, uid=uid, deadline=deadline)
    return pod if pod is not None and is_live(pod) else None


def newest_pod(
    client: RESTClient, namespace: str, name: str, *, uid: Optional[str] = None, deadline: Optional[Deadline] = None
) -> Optional[Object]:
    """The same, or one that has ended where none is live."""
    pods = [pod for pod in _labelled(client, namespace, name, deadline) if _may_be_of(pod, uid)]
    if not any(map(is_live, pods)):
        pods += [pod for pod in _conventional(client, namespace, name, deadline) if _may_be_of(pod, uid)]
    return max(pods, key=_age, default=None)


def _may_be_of(pod: Mapping[str, Any], uid: Optional[str]) -> bool:
    """Not so if a DevServer owns it, and another one. (A StatefulSet in between tells nothing.)"""
    owners = [owner for owner in pod["metadata"].get("ownerReferences") or [] if owner.get("kind") == "DevServer"]
    return not uid or not owners or any(owner.get("uid") == uid for owner in owners)


def _labelled(client: RESTClient, namespace: str, name: str, deadline: Optional[Deadline]) -> list[Object]:
    if len(name) > LABEL_VALUE_LIMIT:  # no label can have that value
        return []
    selectors = {"labelSelector": f"{const.APP_LABEL}={name}"}
    pods, _ = client.list_all(PODS, namespace, selectors=selectors, deadline=deadline)
    return pods


def _conventional(client: RESTClient, namespace: str, name: str, deadline: Optional[Deadline]) -> list[Object]:
    """The first pod of a StatefulSet of that name."""
    if len(name) + 2 > NAME_LIMIT:
        return []
    try:
        return [client.get(PODS, namespace, f"{name}-0", deadline=deadline)]
    except NotFoundError:
        return []


def _age(pod: Mapping[str, Any]) -> tuple[bool, str, str]:
    return is_live(pod), pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]


def is_live(pod: Mapping[str, Any]) -> bool:
    """Whether it is neither terminating nor at its end."""
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
