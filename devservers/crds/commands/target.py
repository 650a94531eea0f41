"""Where a command goes: the pod and container that are meant, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Optional

from ...errors import (
    BadRequestError,
    CommandFailedError,
    DevServersError,
    ExecConnectionLostError,
    ExecError,
    ForbiddenError,
    NotFoundError,
    NotServedError,
    ServerError,
    SyncError,
)
from ...transport.deadline import Deadline
from ...transport.exec.session import ExecTarget
from ...transport.resources import PODS
from ..lifecycle.pods import PodOwner, containers_of, default_container, look_up_pods
from ..lifecycle.podstate import why_not_up
from ..lifecycle.report import REPORT_SECONDS, failure_report
from ..model.expiry import expiry_note
from .run import incarnation

if TYPE_CHECKING:
    from ...transport.rest import Object
    from ..model.liveobject import LiveObject

LOOK_SECONDS = 0.9
"""Time for finding out whether a command ended because its server did."""
KILLED = (128 + 9, 128 + 15)
"""Exit codes of what was killed: so ends a command whose pod is deleted, if its connection is not lost before."""


_NO_CONTAINER = "is not valid for pod"
"""The API server's words, and ours, for a container that the pod does not have."""
_NOT_RUNNING = ("not running", "no running task", "stopped container", "paused container")
"""So say container runtimes that a container is not up; what they say is an :class:`ExecError`."""


@contextmanager
def telling_of_its_end(live: LiveObject, container: Optional[str] = None) -> Iterator[None]:
    """A command that ends, or cannot begin, because its server is deleted or not up, says so."""
    try:
        yield
    except (NotFoundError, ServerError, BadRequestError) as error:  # refused before the command began
        if _NO_CONTAINER in error.message:
            raise
        deadline = _look(live)
        gone = _gone(live, deadline)
        if gone:
            raise error.with_hint(gone) from None
        why = _not_up(live, container, deadline)
        if why:
            raise ExecError(why) from error
        raise
    except ExecError as error:
        if _may_tell_of_its_end(error):
            deadline = _look(live)
            why = _gone(live, deadline) or _not_up(live, container, deadline)
            if why:
                error.args = (f"{error}; {why}",)
        raise
    except SyncError as error:
        deadline = _look(live)
        why = _gone(live, deadline) or _not_up(live, container, deadline)
        if why:
            error.args = (f"{error}; {why}",)
        raise


def _may_tell_of_its_end(error: ExecError) -> bool:
    if isinstance(error, CommandFailedError):
        return error.returncode in KILLED
    if isinstance(error, ExecConnectionLostError):
        return True
    said = str(error)
    return "could not be started" in said and any(sign in said for sign in _NOT_RUNNING)


def _look(live: LiveObject) -> Deadline:
    return Deadline(LOOK_SECONDS, live.connected().clock)


def locate(live: LiveObject, container: Optional[str], deadline: Optional[Deadline] = None) -> ExecTarget:
    """The container that commands go to.

    Raises:
        ExecError: there is no pod. BadRequestError: there is no such container in it.
    """
    ref = live.ref()
    client, namespace = ref.client, ref.namespace
    try:
        pod = own_pod(live, deadline)
    except ForbiddenError as error:
        conventional = PodOwner.of(live.raw, namespace or "", ref.name).statefulset_pod
        try:
            pod = client.get(PODS, namespace, conventional, deadline=deadline)
        except NotFoundError:
            raise error from None
        except ForbiddenError:  # no pod may be looked at, and this one may still be right
            return ExecTarget(namespace or "", conventional, container)
    container = _container_in(pod, container)
    return ExecTarget(namespace or "", pod["metadata"]["name"], container, incarnation(pod, container))


def _container_in(pod: Object, wanted: Optional[str]) -> Optional[str]:
    """The container that is meant; an unknown one is refused with the list of those there are."""
    if not wanted:
        return default_container(pod)
    there = containers_of(pod)
    if there and not any(wanted in names for names in there.values()):
        listed = "; ".join(f"its {kind}: {', '.join(names)}" for kind, names in there.items())
        message = f"container {wanted} {_NO_CONTAINER} {pod['metadata']['name']}"
        raise BadRequestError(message, status=400, reason="BadRequest", hint=listed)
    return wanted


def own_pod(live: LiveObject, deadline: Optional[Deadline] = None) -> Object:
    """The live pod of a DevServer.

    Raises:
        ExecError: it has none; the message says why, and what to do. APIError: the lookup failed.
    """
    ref = live.ref()
    pods = look_up_pods(ref.client, PodOwner.of(live.raw, ref.namespace or "", ref.name), deadline)
    if pods.live is not None:
        return pods.live
    raw, problem = _read(live, deadline)
    gone = _gone_as(live, raw)
    if gone:
        raise ExecError(gone)
    raw = raw or live.raw
    why = why_not_up(pods, None)
    if isinstance(problem, (NotFoundError, NotServedError)):
        why = f"{why}; {problem}"  # the kind itself is not there: so it is no wonder
    phase = (raw.get("status") or {}).get("phase") or "unknown"
    message = (
        f"{live} has no running pod in namespace {ref.namespace!r} (phase {phase}; {why}): "
        "call wait_for_ready() first, or use it in a with statement"
    )
    if pods.own:
        raise ExecError(message)
    left = Deadline(REPORT_SECONDS, ref.client.clock) if deadline is None else deadline.sooner(REPORT_SECONDS)
    raise ExecError(f"{message}\n{failure_report(live, left, raw)}")


def _not_up(live: LiveObject, container: Optional[str], deadline: Deadline) -> str:
    """What a wait for readiness would say of a container that is not up; ``""`` if it is."""
    ref = live.ref()
    try:
        pods = look_up_pods(ref.client, PodOwner.of(live.raw, ref.namespace or "", ref.name), deadline)
    except DevServersError:
        return ""  # not to be told: the failure itself is
    why = why_not_up(pods, container)
    if not why:
        return ""
    advice = "wait_for_ready() waits for it, or says why it does not come up"
    return f"{live} is not up: {why}; {advice}"


def _gone(live: LiveObject, deadline: Optional[Deadline]) -> str:
    """What to say of a server that is not there any more, or is on its way out; ``""`` if it stands."""
    raw, _ = _read(live, deadline)
    return _gone_as(live, raw)


def _read(live: LiveObject, deadline: Optional[Deadline]) -> tuple[Optional[Object], Optional[DevServersError]]:
    """The object as it is now: empty if it is not there, None if that cannot be told for an error."""
    ref = live.ref()
    try:
        return ref.get(deadline), None
    except NotFoundError as error:
        return ({}, None) if ref.is_denied_by(error) else (None, error)
    except DevServersError as error:
        return None, error


def _gone_as(live: LiveObject, raw: Optional[Object]) -> str:
    """See :func:`_gone`; ``raw`` is what :func:`_read` found."""
    if raw is None:
        return ""
    ref = live.ref()
    now = ref.client.clock.wall()
    if not raw and ref.uid is None:
        return f"{live} does not exist: create it first"
    if not raw:
        return f"{live} was deleted{expiry_note(live.raw, now)}"
    if ref.uid is not None and not ref.is_this(raw):
        return f"{live} was deleted, and another one of its name was created: get() that one"
    if raw["metadata"].get("deletionTimestamp"):
        return f"{live} is being deleted{expiry_note(raw, now)}"
    return ""
