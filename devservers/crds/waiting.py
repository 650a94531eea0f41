"""Waiting for one object: until its status holds, or until it is gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Optional

from ..errors import NotFoundError, ResourceDeletedError, WaitTimeoutError
from ..transport.deadline import Deadline
from ..transport.watch import LISTED, Event, Watch
from . import merge

if TYPE_CHECKING:
    from .base import BaseCustomResource, StatusWanted


def wait_for_status(resource: BaseCustomResource, wanted: StatusWanted, timeout: Optional[float]) -> Iterator[Event]:
    """See :meth:`BaseCustomResource.wait_for_status`; the time runs from this call."""
    if not callable(wanted) and not isinstance(wanted, Mapping):
        raise TypeError(f"status: a mapping or a predicate is needed, not {type(wanted).__name__}")
    client, _, _ = resource._place()
    return _until_status(resource, wanted, Deadline(timeout, client.clock))


def _until_status(resource: BaseCustomResource, wanted: StatusWanted, deadline: Deadline) -> Iterator[Event]:
    present = False
    for event in observe(resource, deadline):
        if event["type"] == "ADDED" and not present:
            present = True
            resource._take(event["object"])
            if holds(wanted, event["object"]):
                return
            yield event
            continue
        resource._take(event["object"])
        yield event
        if holds(wanted, event["object"]):
            return
    raise WaitTimeoutError(
        f"{resource!r} did not reach the wanted status within {deadline.seconds:g} s; "
        f"its last known status: {_brief(resource.to_dict().get('status'))}"
    )


def observe(resource: BaseCustomResource, deadline: Deadline) -> Iterator[Event]:
    """The present state as ADDED, then every change, until the deadline; :class:`ResourceDeletedError` when it goes.

    "It" is the very object that was read; without a uid, whichever is there first.
    """
    client, namespace, name = resource._place()
    uid = (resource._raw.get("metadata") or {}).get("uid")
    seen = False
    selectors = {"fieldSelector": f"metadata.name={name}"}
    with Watch(client, resource._resource(), namespace, selectors=selectors, deadline=deadline, marks=True) as watch:
        for event in watch:
            if event["type"] == LISTED:
                if not seen:
                    _missing(resource, uid)
                continue
            found = event["object"].get("metadata", {}).get("uid")
            uid = uid or found
            if event["type"] == "DELETED" or found != uid:
                _missing(resource, uid)
            seen = True
            yield event


def _missing(resource: BaseCustomResource, uid: Optional[str]) -> None:
    if uid is None:
        raise NotFoundError(
            f"{resource!r} does not exist", status=404, reason="NotFound", hint="create it before waiting for it"
        )
    raise ResourceDeletedError(f"{resource!r} was deleted while it was waited for")


def holds(wanted: StatusWanted, raw: Mapping[str, Any]) -> bool:
    """Whether the status of ``raw`` is what is wanted."""
    status = raw.get("status") or {}
    return bool(wanted(dict(status))) if callable(wanted) else merge.contains(status, wanted)


def wait_for_deletion(resource: BaseCustomResource, timeout: Optional[float]) -> None:
    """See :meth:`BaseCustomResource.wait_for_deletion`."""
    client, _, _ = resource._place()
    deadline = Deadline(timeout, client.clock)
    last: Mapping[str, Any] = {}
    try:
        for event in observe(resource, deadline):
            last = event["object"].get("metadata", {})
    except (ResourceDeletedError, NotFoundError):
        return
    finalizers = ", ".join(last.get("finalizers") or []) or "none"
    asked = "its deletion was asked for" if last.get("deletionTimestamp") else "nobody has asked for its deletion"
    raise WaitTimeoutError(
        f"{resource!r} is still there after {deadline.seconds:g} s: {asked}, finalizers that hold it: {finalizers}"
    )


def _brief(status: object) -> str:
    import json

    text = json.dumps(status, sort_keys=True, default=str) if status else "none"
    return text if len(text) <= 300 else text[:300] + "…"
