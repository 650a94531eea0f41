"""What kopf, the framework of the DevServer operator, keeps in the objects that it handles.

* A finalizer, so that no object goes without the operator.
* ``last-handled-configuration``: what has been handled, for good or with success. It is how a change is told.
* An annotation named after the handler while that is at work, or waits for its next try; empty fields are left out.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from ..core.store import new_uid
from ..vocabulary.objects import Object
from ..vocabulary.status import APIFailure

FINALIZER = "kopf.zalando.org/KopfFinalizerMarker"
LAST_HANDLED = "kopf.zalando.org/last-handled-configuration"
HANDLER = "create_or_update_devserver"
PROGRESS = f"kopf.zalando.org/{HANDLER}"


def is_held(obj: Object) -> bool:
    return FINALIZER in (obj["metadata"].get("finalizers") or ())


def hold(obj: Object) -> None:
    """Put the finalizer on."""
    if not is_held(obj):
        obj["metadata"]["finalizers"] = [*(obj["metadata"].get("finalizers") or ()), FINALIZER]


def is_handled(obj: Object) -> bool:
    """Is the spec the one that was handled last?"""
    try:
        return bool(json.loads(_annotations(obj)[LAST_HANDLED])["spec"] == obj.get("spec"))
    except (KeyError, TypeError, ValueError):  # not there, or somebody else wrote it
        return False


def progress(obj: Object) -> Object:
    """What the handler has got to; empty if it is neither at work nor waiting."""
    try:
        return dict(json.loads(_annotations(obj)[PROGRESS]))
    except (KeyError, TypeError, ValueError):
        return {}


def begin(obj: Object) -> None:
    """The handler goes to work; what it tried before is not forgotten."""
    if not progress(obj):
        purpose = "update" if LAST_HANDLED in _annotations(obj) else "create"
        _set_progress(obj, started=_time(0), purpose=purpose, retries=0, success=False, failure=False)


def fail(obj: Object, message: str, delay: float) -> None:
    """A try has failed; the next one follows after so many seconds."""
    begin(obj)
    before = progress(obj)
    tries = before.get("retries", 0) + 1
    _set_progress(obj, **{**before, "delayed": _time(delay), "retries": tries, "message": message})


def finish(obj: Object) -> None:
    """The handler is done with the spec as it is, one way or the other."""
    annotations = obj["metadata"].setdefault("annotations", {})
    annotations.pop(PROGRESS, None)
    annotations[LAST_HANDLED] = json.dumps({"spec": obj.get("spec")}, separators=(",", ":")) + "\n"


def message_of(error: Exception) -> str:
    """An exception as the operator sees it: the API's failures are those of the official client."""
    if not isinstance(error, APIFailure):
        return str(error)
    reason = {404: "Not Found", 409: "Conflict", 422: "Unprocessable Entity"}.get(error.code, "Error")
    headers = {"Audit-Id": new_uid(), "Cache-Control": "no-cache, private", "Content-Type": "application/json"}
    return (
        f"({error.code})\nReason: {reason}\nHTTP response headers: HTTPHeaderDict({headers})\n"
        f"HTTP response body: {json.dumps(error.status())}\n\n"
    )


def _annotations(obj: Object) -> dict[str, str]:
    annotations: dict[str, str] = obj["metadata"].get("annotations") or {}
    return annotations


def _set_progress(obj: Object, **record: Any) -> None:
    obj["metadata"].setdefault("annotations", {})[PROGRESS] = json.dumps(record, separators=(",", ":"))


def _time(seconds: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat()
