"""Where a command goes: the pod and the container that are meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from ...errors import BadRequestError, ForbiddenError, NotFoundError
from ...transport.deadline import Deadline
from ...transport.exec.session import ExecTarget
from ...transport.resources import PODS
from ..lifecycle.pods import containers_of, default_container, incarnation
from ..lifecycle.whereabouts import own_pod

if TYPE_CHECKING:
    from ...transport.rest import Object
    from ..model.liveobject import LiveObject

NO_CONTAINER = "is not valid for pod"
"""The API server's words, and ours, for a container that the pod does not have."""


def locate(
    live: LiveObject, container: Optional[str], deadline: Optional[Deadline] = None
) -> ExecTarget:
    """The container that commands go to.

    Where pods may not be listed, the one that a StatefulSet would make is tried: it may be right.

    Raises:
        ExecError: there is no pod. BadRequestError: there is no such container in it.
    """
    try:
        pod = own_pod(live, deadline)
    except ForbiddenError as error:
        ref = live.ref()
        conventional = f"{ref.name}-0"
        try:
            pod = ref.client.get(PODS, ref.namespace, conventional, deadline=deadline)
        except NotFoundError:
            raise error from None
        except ForbiddenError:
            return ExecTarget(ref.namespace or "", conventional, container)
    container = _container_in(pod, container)
    metadata = pod["metadata"]
    return ExecTarget(
        metadata["namespace"], metadata["name"], container, incarnation(pod, container)
    )


def _container_in(pod: Object, wanted: Optional[str]) -> Optional[str]:
    """The container that is meant; an unknown one is refused with the list of those there are."""
    if not wanted:
        return default_container(pod)
    there = containers_of(pod)
    if there and not any(wanted in names for names in there.values()):
        listed = "; ".join(f"its {kind}: {', '.join(names)}" for kind, names in there.items())
        message = f"container {wanted} {NO_CONTAINER} {pod['metadata']['name']}"
        raise BadRequestError(message, status=400, reason="BadRequest", hint=listed)
    return wanted
