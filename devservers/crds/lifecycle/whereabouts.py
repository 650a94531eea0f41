"""Where a DevServer is now: its live pod, or why there is none.

:func:`own_pod` is asked before something is done in the pod. When that has failed,
:func:`why_gone` and :func:`why_not_up` tell whether it failed because the server was deleted, or
because its container does not run: each looks once, and says nothing where it cannot tell, for the
failure itself is to be reported then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from ...errors import DevServersError, ExecError, ForbiddenError, NotFoundError, NotServedError
from ...transport.deadline import Deadline
from ...transport.retry import OVERRUN
from ..model.expiry import expiry_note
from .pods import PodOwner, Pods, look_up_pods
from .podstate import container_state, ended_for_good
from .report import failure_report

if TYPE_CHECKING:
    from ...transport.rest import Object
    from ..model.liveobject import LiveObject


def own_pod(live: LiveObject, deadline: Optional[Deadline] = None) -> Object:
    """The live pod of a DevServer.

    Raises:
        ExecError: it has none; the message says why, and what to do. APIError: the lookup failed.
    """
    ref = live.ref()
    owner = PodOwner.of(live.raw, ref.namespace or "", ref.name)
    pods = look_up_pods(ref.client, owner, deadline)
    if pods.live is not None:
        return pods.live
    raise ExecError(_no_pod(live, pods, deadline))


def _no_pod(live: LiveObject, pods: Pods, deadline: Optional[Deadline]) -> str:
    """Why there is no live pod, and what to do."""
    ref = live.ref()
    raw, problem = _read(live, deadline)
    gone = _how_gone(live, raw)
    if gone:
        return gone
    raw = raw or live.raw
    why = container_state(pods, None)
    if isinstance(problem, (NotFoundError, NotServedError)):
        why = f"{why}; {problem}"  # the kind itself is not there: so it is no wonder
    phase = (raw.get("status") or {}).get("phase") or "unknown"
    message = (
        f"{live} has no running pod in namespace {ref.namespace!r} (phase {phase}; {why}): "
        "call wait_for_ready() first, or use it in a with statement"
    )
    if pods.own:
        return message
    left = Deadline(OVERRUN, ref.client.clock)
    if deadline is not None:
        left = deadline.sooner(OVERRUN)
    return f"{message}\n{failure_report(live, left, raw)}"


def why_not_up(live: LiveObject, container: Optional[str], deadline: Deadline) -> str:
    """What a wait for readiness would say of a container that does not run; ``""`` if it does."""
    ref = live.ref()
    owner = PodOwner.of(live.raw, ref.namespace or "", ref.name)
    try:
        pods = look_up_pods(ref.client, owner, deadline)
    except DevServersError:
        return ""
    why = container_state(pods, container)
    if not why:
        return ""
    ended = ended_for_good(pods, container)
    if ended:
        return f"{live}: {ended} and is not started again: no command can be run in it"
    advice = "wait_for_ready() waits for it, or says why it does not come up"
    return f"{live} is not up: {why}; {advice}"


def why_name_was_guessed(live: LiveObject, deadline: Deadline) -> str:
    """That the pod's name was guessed because pods may not be listed; ``""`` if they may be."""
    ref = live.ref()
    owner = PodOwner.of(live.raw, ref.namespace or "", ref.name)
    try:
        look_up_pods(ref.client, owner, deadline)
    except ForbiddenError as refusal:
        return (
            f"the name {owner.statefulset_pod} was guessed, because pods may not be listed: "
            f"{refusal}"
        )
    except DevServersError:
        pass
    return ""


def why_gone(live: LiveObject, deadline: Optional[Deadline]) -> str:
    """What has become of a server that was deleted, or is being deleted; ``""`` if it stands."""
    raw, _ = _read(live, deadline)
    return _how_gone(live, raw)


def _read(
    live: LiveObject, deadline: Optional[Deadline]
) -> tuple[Optional[Object], Optional[DevServersError]]:
    """The object as it is now: empty if it is not there, None if an error keeps us from knowing."""
    ref = live.ref()
    try:
        return ref.get(deadline), None
    except NotFoundError as error:
        if ref.is_denied_by(error):
            return {}, None
        return None, error
    except DevServersError as error:
        return None, error


def _how_gone(live: LiveObject, raw: Optional[Object]) -> str:
    """See :func:`why_gone`; ``raw`` is what :func:`_read` found."""
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
