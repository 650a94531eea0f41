"""Where a command goes: the pod and container that are meant, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Optional

from ...errors import (
    CommandFailedError,
    DevServersError,
    ExecConnectionLostError,
    ExecError,
    ForbiddenError,
    NotFoundError,
    ServerError,
    SyncError,
)
from ...transport.deadline import Deadline
from ...transport.exec.session import ExecTarget
from ...transport.resources import PODS
from ..lifecycle.pods import PodOwner, default_container, look_up_pods
from ..model.expiry import expiry_note
from .run import incarnation

if TYPE_CHECKING:
    from ...transport.rest import Object
    from ..devserver import DevServer

LOOK_SECONDS = 0.9
"""Time for finding out whether a command ended because its server did."""
KILLED = (128 + 9, 128 + 15)
"""Exit codes of what was killed: so ends a command whose pod is deleted, if its connection is not lost before."""


@contextmanager
def telling_of_its_end(server: DevServer) -> Iterator[None]:
    """A command that ends because its server is deleted, its time being up or otherwise, says so."""
    try:
        yield
    except (NotFoundError, ServerError) as error:  # its pod went before the command began
        why = _gone(server, _look(server))
        if why:
            raise error.with_hint(why) from None
        raise
    except (ExecConnectionLostError, CommandFailedError, SyncError) as error:
        if isinstance(error, CommandFailedError) and error.returncode not in KILLED:
            raise
        why = _gone(server, _look(server))
        if why:
            error.args = (f"{error}; {why}",)
        raise


def _look(server: DevServer) -> Deadline:
    return Deadline(LOOK_SECONDS, server._place()[0].clock)


def locate(server: DevServer, container: Optional[str], deadline: Optional[Deadline] = None) -> ExecTarget:
    """The container that commands of ``server`` go to."""
    client, namespace, name = server._place()
    try:
        pod = own_pod(server, deadline)
    except ForbiddenError as error:
        conventional = f"{name}-0"  # of a StatefulSet
        try:
            client.get(PODS, namespace, conventional, deadline=deadline)
        except NotFoundError:
            raise error from None
        except ForbiddenError:
            pass  # no pod may be looked at, and this one may still be right
        return ExecTarget(namespace or "", conventional, container)
    container = container or default_container(pod)
    return ExecTarget(namespace or "", pod["metadata"]["name"], container, incarnation(pod, container))


def own_pod(server: DevServer, deadline: Optional[Deadline] = None) -> Object:
    """The live pod of ``server``.

    Raises:
        ExecError: it has none; the message says why, and what to do. APIError: the lookup failed.
    """
    client, namespace, name = server._place()
    pods = look_up_pods(client, PodOwner.of(server._raw, namespace or "", name), deadline)
    if pods.live is not None:
        return pods.live
    why = f"pod: {pods}"
    if pods.own:
        why = f"its pod {pods.own[0]['metadata']['name']} is at its end"
    phase = (server._raw.get("status") or {}).get("phase") or "unknown"
    raise ExecError(
        _gone(server, deadline)
        or f"{server!r} has no running pod in namespace {namespace!r} (phase {phase}; {why}): "
        "call wait_for_ready() first, or use it in a with statement"
    )


def _gone(server: DevServer, deadline: Optional[Deadline]) -> str:
    """What to say of a server that is not there any more, or is on its way out; ``""`` if it stands."""
    client, namespace, name = server._place()
    uid = (server._raw.get("metadata") or {}).get("uid")
    try:
        raw = client.get(server._resource(), namespace, name, deadline=deadline)
    except NotFoundError as error:
        if not error.is_about(server._resource(), name):
            return ""
        if uid is None:
            return f"{server!r} does not exist: create it first"
        return f"{server!r} was deleted{expiry_note(server._raw, client.clock.wall())}"
    except DevServersError:
        return ""  # not to be told: the lack of a pod is
    metadata = raw.get("metadata") or {}
    if uid is not None and metadata.get("uid") != uid:
        return f"{server!r} was deleted, and another one of its name was created: get() that one"
    if metadata.get("deletionTimestamp"):
        return f"{server!r} is being deleted{expiry_note(raw, client.clock.wall())}"
    return ""
