"""Waiting for one object: until its status is as wanted, or until it is gone.

A watch that says nothing proves nothing: its connection may be half-open, and the wanted status may
have been there for long. So before a wait gives up, it reads the object once, over a new
connection, within the second by which a wait may exceed its time. Likewise a 404 proves nothing
unless it is about this very object (:mod:`..model.reference`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from typing import Any, Callable, Optional, Union

from ...errors import DevServersError, NotFoundError, ResourceDeletedError, WaitTimeoutError
from ...transport.deadline import Backoff, Deadline
from ...transport.rest import Object
from ...transport.retry import LAST_LOOK, OVERRUN, TRANSIENT_AT_FIRST, Patience
from ...transport.watch import LISTED, Event, Watch
from ..model import merge
from ..model.expiry import expiry_note
from ..model.jsonvalue import copy_json
from ..model.liveobject import LiveObject
from ..model.reference import ObjectRef, describe_finalizers

StatusWanted = Union[Mapping[str, Any], Callable[[dict[str, Any]], bool]]
"""A nested subset of the wanted status, or a predicate of the whole of it."""


def wait_for_status(
    live: LiveObject, wanted: StatusWanted, timeout: Optional[float]
) -> Generator[Event, None, None]:
    """See :meth:`BaseCustomResource.wait_for_status`; the time runs from this call."""
    if not callable(wanted) and not isinstance(wanted, Mapping):
        raise TypeError(f"status: must be a mapping or a predicate, not {type(wanted).__name__}")
    live.ref()  # refuses an invalid name now, not in the first next()
    return _until_status(live, wanted, Deadline(timeout, live.connected().clock))


def _until_status(
    live: LiveObject, wanted: StatusWanted, deadline: Deadline
) -> Generator[Event, None, None]:
    present = True  # the first event is the present state
    with closing(observe(live, deadline)) as events:
        for event in events:
            live.take(copy_json(event["object"]))
            reached = holds(wanted, event["object"])
            if not (reached and present):
                yield event
            if reached:
                return
            present = False
    raise WaitTimeoutError(
        f"{live} did not reach the wanted status within {deadline.seconds:g} s",
        report=_last_status(live),
    )


def observe(
    live: LiveObject, deadline: Deadline, *, last_look: bool = True
) -> Generator[Event, None, None]:
    """The present state as ADDED, then every change, until the deadline.

    It follows the very object that was read; if none was, whichever is there first. With
    ``last_look`` the state at the deadline comes too, as MODIFIED, if the watch has not shown it.

    Raises:
        ResourceDeletedError: it was deleted. NotFoundError: it was never read, and there is none.
    """
    ref = live.ref()
    uid = ref.uid
    seen = False
    last: Mapping[str, Any] = live.raw
    one_read = deadline.expired  # timeout=0
    source = _read_once(ref) if one_read else _watch_until(live, ref, deadline, last_look)
    with closing(source) as changes:
        for event in changes:
            if event["type"] == LISTED:
                if not seen:
                    raise _missing_error(live, uid, last)
                continue
            found = event["object"].get("metadata", {}).get("uid")
            uid = uid or found
            if found == uid:
                last = event["object"]
            if event["type"] == "DELETED" or found != uid:
                raise _missing_error(live, uid, last)
            seen = True
            yield event


def _watch_until(
    live: LiveObject, ref: ObjectRef, deadline: Deadline, last_look: bool
) -> Generator[Event, None, None]:
    """The changes until the deadline, and the last look.

    What the last look finds is yielded as the event that the watch has missed.
    """
    version = ""
    failure: Optional[DevServersError] = None
    try:
        with closing(_changes(ref, deadline)) as changes:
            for event in changes:
                version = event["object"].get("metadata", {}).get("resourceVersion", version)
                yield event
    except WaitTimeoutError as error:
        failure = error
    if not deadline.expired:
        return  # the caller closed the watch
    if last_look:
        try:
            raw = _read_afresh(ref)
        except DevServersError as error:
            raise WaitTimeoutError(
                f"{live} could not be read within {deadline.seconds:g} s",
                report=f"{_last_status(live)}\n  last failure: {failure or error}",
            ) from error
        if raw is None:
            yield {"type": "DELETED" if version else LISTED, "object": {}}
        elif raw["metadata"].get("resourceVersion") != version:
            yield {"type": "MODIFIED" if version else "ADDED", "object": raw}
    elif failure is not None:
        raise failure


def _read_afresh(ref: ObjectRef) -> Optional[Object]:
    """The object as it is now, read over a new connection; None if it is known not to be there.

    Raises:
        DevServersError: there was no answer within :data:`.retry.LAST_LOOK`, or it proves nothing.
    """
    with ref.client.afresh() as fresh:
        return ref.over(fresh).find(Deadline(LAST_LOOK, fresh.clock))


def _changes(ref: ObjectRef, deadline: Deadline) -> Generator[Event, None, None]:
    """A watch of this one object; if it cannot begin, it is tried again for a while.

    Once it has begun, it resumes by itself, and a failure that ends it is final.
    """
    client, resource, namespace = ref.client, ref.resource, ref.namespace
    patience, backoff = Patience(client.clock), Backoff()
    failure: Optional[Exception] = None
    while failure is None or not deadline.expired:
        begun = False
        watch = Watch(
            client, resource, namespace, selectors=ref.field_selector, deadline=deadline, marks=True
        )
        try:
            with watch:
                for event in watch:
                    begun = True
                    yield event
            if begun or failure is None:
                return
        except TRANSIENT_AT_FIRST as error:
            if begun or patience.failed() or ref.uid is None:  # never read: perhaps nobody may
                raise
            failure = error
        deadline.sleep(backoff.next())
    raise WaitTimeoutError(str(failure)) from failure  # :func:`_watch_until` words it


def _read_once(ref: ObjectRef) -> Generator[Event, None, None]:
    raw = ref.find(Deadline(OVERRUN, ref.client.clock))
    if raw is not None:
        yield {"type": "ADDED", "object": raw}
    yield {"type": LISTED, "object": {}}


def _missing_error(
    live: LiveObject, uid: Optional[str], last: Mapping[str, Any]
) -> Union[NotFoundError, ResourceDeletedError]:
    """The error for an object that is not there; ``last`` is the object as it was seen last."""
    if uid is None:
        kind, name = live.resource, live.ref().name
        return NotFoundError(
            f"{live} does not exist", status=404, reason="NotFound",
            details={"name": name, "group": kind.group, "kind": kind.plural},
            hint="create it before waiting for it",
        )  # fmt: skip
    note = expiry_note(last, live.connected().clock.wall())
    message = f"{live} was deleted during the wait{note}"
    return ResourceDeletedError(message, report=_last_status(live))


def holds(wanted: StatusWanted, raw: Mapping[str, Any]) -> bool:
    """Whether the status of ``raw`` is what is wanted."""
    status = raw.get("status") or {}
    if callable(wanted):
        return bool(wanted(dict(status)))
    return merge.contains(status, wanted)


def wait_for_deletion(live: LiveObject, deadline: Deadline) -> None:
    """See :meth:`BaseCustomResource.wait_for_deletion`."""
    last: Mapping[str, Any] = {}
    try:
        with closing(observe(live, deadline)) as events:
            for event in events:
                last = event["object"]
    except ResourceDeletedError:
        return
    except NotFoundError as error:
        if live.ref().is_denied_by(error):
            return
        raise
    request = "no deletion was requested"
    if (last.get("metadata") or {}).get("deletionTimestamp"):
        request = "its deletion was requested"
    raise WaitTimeoutError(
        f"{live} still exists after {deadline.seconds:g} s",
        report=f"  {request}; remaining finalizers: {describe_finalizers(last)}",
    )


def _last_status(live: LiveObject) -> str:
    import json

    text = "none"
    if live.status:
        text = json.dumps(live.status, sort_keys=True, default=str)
    if len(text) > 300:
        text = f"{text[:300]}…"
    return f"  last known status: {text}"
