"""When a DevServer can be used.

Ready means: phase ``Running``, and the containers of its pod are ready. A pod that is not there within a short grace
after the operator said ``Running``, or that we may not look at, does not hold the wait up: the phase is what was
promised. A wait that fails carries a report of what was seen last.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ..errors import (
    ForbiddenError,
    NotFoundError,
    ResourceDeletedError,
    ResourceFailedError,
    ServerError,
    TooManyRequestsError,
    TransportError,
    WaitTimeoutError,
)
from ..transport.deadline import Backoff, Deadline
from . import const
from .podlookup import containers_ready, find_pod
from .report import failure_report
from .waiting import LOOK_SECONDS, observe

if TYPE_CHECKING:
    from .devserver import DevServer

POD_GRACE = 3.0
"""Seconds (at most half of those left) a Running DevServer may have no pod to be seen until its phase is believed."""
PATIENCE = 300.0
"""Seconds without any answer about the pod after which the failure itself is reported."""

_PASSING = (TransportError, ServerError, TooManyRequestsError)


def wait_for_ready(server: DevServer, deadline: Deadline) -> None:
    """Block until ``server`` is ready.

    Raises:
        ResourceFailedError: it is in a phase it does not leave. ResourceDeletedError: it is gone. WaitTimeoutError.
    """
    client, _, _ = server._place()
    seconds = deadline.seconds
    if deadline.expired:  # timeout=0: one look
        deadline = Deadline(LOOK_SECONDS, client.clock)
    try:
        if _until_ready(server, deadline):
            return
    except ResourceDeletedError as error:
        message = str(error).partition("\n")[0]
        raise ResourceDeletedError(message, report=failure_report(server)) from None
    raise WaitTimeoutError(f"{server!r} was not ready within {seconds:g} s", report=failure_report(server))


def _until_ready(server: DevServer, deadline: Deadline) -> bool:
    while _until_running(server, deadline):
        if _until_pod_ready(server, deadline):
            return True
        if deadline.expired:
            break
    return False


def _until_running(server: DevServer, deadline: Deadline) -> bool:
    with closing(observe(server, deadline)) as events:
        for event in events:
            server._take(event["object"])
            if _is_running(server):
                return True
    return False


def _is_running(server: DevServer) -> bool:
    if server.metadata.deletion_timestamp is not None:
        raise ResourceDeletedError(f"{server!r} is being deleted")
    phase = server.status.get("phase")
    if phase in const.PHASES_FAILED:
        raise ResourceFailedError(f"{server!r} has failed", report=failure_report(server))
    return bool(phase == const.PHASE_RUNNING)


def _until_pod_ready(server: DevServer, deadline: Deadline) -> bool:
    """True when the pod is ready; False when the time is up, or the server has left its phase meanwhile."""
    client, _, _ = server._place()
    left = deadline.remaining()
    grace = Deadline(POD_GRACE if left is None else min(POD_GRACE, left / 2), client.clock)
    patience = Deadline(PATIENCE, client.clock)
    backoff = Backoff(first=0.1, limit=1.0)
    while not deadline.expired:
        try:
            if _pod_ready(server, grace, deadline):
                return True
            if not _still_running(server, deadline):
                return False
            patience = Deadline(PATIENCE, client.clock)
        except _PASSING:
            if patience.expired:
                raise
        pause = backoff.next()
        client.clock.sleep(deadline.capped(min(pause, grace.remaining() or pause)) or 0.0)
    return False


def _pod_ready(server: DevServer, grace: Deadline, deadline: Deadline) -> bool:
    client, namespace, name = server._place()
    try:
        pod = find_pod(client, namespace or "", name, uid=server.metadata.uid, deadline=deadline)
    except (ForbiddenError, NotFoundError):  # not for us to see
        return True
    return grace.expired if pod is None else containers_ready(pod)


def _still_running(server: DevServer, deadline: Deadline) -> bool:
    """Notice while waiting for the pod that the server itself has gone or failed."""
    client, namespace, name = server._place()
    uid = server.metadata.uid
    try:
        raw = client.get(server._resource(), namespace, name, deadline=deadline)
    except ForbiddenError:  # list and watch are allowed, or we would not be here; get need not be
        return True
    except NotFoundError:
        raise ResourceDeletedError(f"{server!r} was deleted while it was waited for") from None
    if (raw.get("metadata") or {}).get("uid") != uid:
        raise ResourceDeletedError(f"{server!r} was deleted while it was waited for, and created again")
    server._take(raw)
    return _is_running(server)
