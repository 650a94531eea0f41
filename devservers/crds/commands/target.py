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
    from ..model.liveobject import LiveObject

LOOK_SECONDS = 0.9
"""Time for finding out whether a command ended because its server did."""
KILLED = (128 + 9, 128 + 15)
"""Exit codes of what was killed: so ends a command whose pod is deleted, if its connection is not lost before."""


@contextmanager
def telling_of_its_end(live: LiveObject) -> Iterator[None]:
    """A command that ends because its server is deleted, its time being up or otherwise, says so."""
    try:
        yield
    except (NotFoundError, ServerError) as error:  # its pod went before the command began
        why = _gone(live, _look(live))
        if why:
            raise error.with_hint(why) from None
        raise
    except (ExecConnectionLostError, CommandFailedError, SyncError) as error:
        if isinstance(error, CommandFailedError) and error.returncode not in KILLED:
            raise
        why = _gone(live, _look(live))
        if why:
            error.args = (f"{error}; {why}",)
        raise


def _look(live: LiveObject) -> Deadline:
    return Deadline(LOOK_SECONDS, live.connected().clock)


def locate(live: LiveObject, container: Optional[str], deadline: Optional[Deadline] = None) -> ExecTarget:
    """The container that commands go to."""
    ref = live.ref()
    client, namespace = ref.client, ref.namespace
    try:
        pod = own_pod(live, deadline)
    except ForbiddenError as error:
        conventional = f"{ref.name}-0"  # of a StatefulSet
        try:
            client.get(PODS, namespace, conventional, deadline=deadline)
        except NotFoundError:
            raise error from None
        except ForbiddenError:
            pass  # no pod may be looked at, and this one may still be right
        return ExecTarget(namespace or "", conventional, container)
    container = container or default_container(pod)
    return ExecTarget(namespace or "", pod["metadata"]["name"], container, incarnation(pod, container))


def own_pod(live: LiveObject, deadline: Optional[Deadline] = None) -> Object:
    """The live pod of a DevServer.

    Raises:
        ExecError: it has none; the message says why, and what to do. APIError: the lookup failed.
    """
    ref = live.ref()
    pods = look_up_pods(ref.client, PodOwner.of(live.raw, ref.namespace or "", ref.name), deadline)
    if pods.live is not None:
        return pods.live
    why = f"pod: {pods}"
    if pods.own:
        why = f"its pod {pods.own[0]['metadata']['name']} is at its end"
    phase = live.status.get("phase") or "unknown"
    raise ExecError(
        _gone(live, deadline)
        or f"{live} has no running pod in namespace {ref.namespace!r} (phase {phase}; {why}): "
        "call wait_for_ready() first, or use it in a with statement"
    )


def _gone(live: LiveObject, deadline: Optional[Deadline]) -> str:
    """What to say of a server that is not there any more, or is on its way out; ``""`` if it stands."""
    ref = live.ref()
    now = ref.client.clock.wall()
    try:
        raw = ref.get(deadline)
    except NotFoundError as error:
        if not ref.is_denied_by(error):
            return ""
        if ref.uid is None:
            return f"{live} does not exist: create it first"
        return f"{live} was deleted{expiry_note(live.raw, now)}"
    except DevServersError:
        return ""  # not to be told: the lack of a pod is
    if ref.uid is not None and not ref.is_this(raw):
        return f"{live} was deleted, and another one of its name was created: get() that one"
    if raw["metadata"].get("deletionTimestamp"):
        return f"{live} is being deleted{expiry_note(raw, now)}"
    return ""
