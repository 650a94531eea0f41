"""Deleting: one object or a collection, with preconditions, propagation, grace and finalizers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from ..forms.negotiate import body_type, dump, negotiate
from ..forms.views import include_object
from ..serving.http import Reply, Request, Response
from ..vocabulary.objects import Object
from ..vocabulary.resources import ResourceType
from ..vocabulary.status import APIFailure, conflict, details_of, success
from .api import API
from .eventlog import Stored
from .options import DeleteOptions, delete_options, list_options
from .reads import read_page
from .selection import Selection

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
RETURNS_OBJECT = ("pods", "namespaces", "services", "serviceaccounts", "persistentvolumeclaims")


def delete(api: API, resource: ResourceType, request: Request) -> Reply:
    media = negotiate(request)
    info = request.info
    options = delete_options(request, body_type(request, resource.custom) if request.body else "")
    last, gone = remove(api, resource, info.namespace, info.name, options)
    if not gone or resource.plural in RETURNS_OBJECT:
        accepted = not gone and options.orphan is False  # as old clients ask for cascading deletion
        return api.answers.one(202 if accepted else 200, resource, last.raw, media)
    details = details_of(last.name, resource.group, resource.plural, uid=last.uid)
    body = Response(200, success(details)).payload()
    return Response(200, dump(body, media), media.type)


def delete_collection(api: API, resource: ResourceType, request: Request) -> Reply:
    """Delete all that a selector chooses; the answer lists them as they were."""
    media = negotiate(request)
    selection = Selection(resource, request)
    lists = list_options(request, watching=False)
    options = delete_options(request, body_type(request, resource.custom) if request.body else "")
    page = read_page(api, resource, request.info.namespace, selection, lists)
    for stored in page.items:
        try:
            remove(api, resource, stored.namespace, stored.name, options)
        except APIFailure as failure:
            if failure.code != 404:  # somebody else was faster
                raise
    return api.answers.list(resource, page, media, include_object(request.arg("includeObject"), media))


def remove(api: API, resource: ResourceType, namespace: str, name: str, options: DeleteOptions) -> tuple[Stored, bool]:
    """Delete an object, or mark it if finalizers or grace hold it; True if it is gone (or would be, with dryRun)."""
    with api.store.lock:
        current = api.store.find(resource, namespace, name)
        _check_preconditions(resource, current, options)
        obj = current.load()
        if _mark(api, resource, obj, options):
            if options.dry_run:
                return Stored(current.key, obj, current.revision), False
            stored = api.store.change(resource, namespace, name, lambda _: obj)
            api.marked(resource, stored)
            return stored, False
        if not options.dry_run:
            last = api.store.remove(resource, namespace, name)
            api.removed(resource, last)
            return last, True
        return current, True


def release(api: API, resource: ResourceType, namespace: str, name: str, finalizer: str) -> None:
    """Take a finalizer off an object whose deletion has begun; the last one's removal deletes it."""
    with api.store.lock:
        current = api.store.find(resource, namespace, name)
        obj = current.load()
        left = [each for each in obj["metadata"].get("finalizers") or () if each != finalizer]
        if left or obj["metadata"].get("deletionGracePeriodSeconds"):
            _set(obj["metadata"], "finalizers", left)
            api.store.change(resource, namespace, name, lambda _: obj)
        else:
            api.removed(resource, api.store.remove(resource, namespace, name))


def _check_preconditions(resource: ResourceType, current: Stored, options: DeleteOptions) -> None:
    wanted = options.preconditions
    uid, version = wanted.get("uid"), wanted.get("resourceVersion")
    if uid is not None and uid != current.uid:
        why = f"the UID in the precondition ({uid}) does not match the UID in record ({current.uid})"
        hint = "The object might have been deleted and then recreated"
        raise conflict(resource, current.name, f"{why}. {hint}", resource.kind)
    if version is not None and version != str(current.revision):
        why = f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record"
        hint = "The object might have been modified"
        raise conflict(resource, current.name, f"{why} ({current.revision}). {hint}", resource.kind)


def _mark(api: API, resource: ResourceType, obj: Object, options: DeleteOptions) -> bool:
    """Put the marks of a pending deletion on an object; False if nothing holds it and it goes at once."""
    metadata = obj["metadata"]
    grace = _grace(api, resource, obj, options)
    finalizers = _finalizers(resource, metadata.get("finalizers") or [], options)
    if not finalizers and not grace and resource.plural != "namespaces":
        return False
    _set(metadata, "finalizers", finalizers)
    if "deletionTimestamp" not in metadata and metadata.get("generation"):
        metadata["generation"] += 1
    if grace:
        _mark_graceful(metadata, grace)
    else:
        metadata.setdefault("deletionTimestamp", api.store.sources.now())
        metadata["deletionGracePeriodSeconds"] = 0
    if resource.plural == "namespaces":
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        metadata.pop("deletionGracePeriodSeconds")
    return True


def _set(metadata: Object, name: str, value: Any) -> None:
    if value:
        metadata[name] = value
    else:
        metadata.pop(name, None)


def _mark_graceful(metadata: Object, grace: int) -> None:
    """A grace period once begun can only be shortened."""
    pending = metadata.get("deletionGracePeriodSeconds")
    if pending is not None and grace >= pending:
        return
    metadata["deletionTimestamp"] = (datetime.now(timezone.utc) + timedelta(seconds=grace)).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    metadata["deletionGracePeriodSeconds"] = grace


def _grace(api: API, resource: ResourceType, obj: Object, options: DeleteOptions) -> int:
    """Seconds that a running pod gets to end; 0 for everything else, and where no kubelet would end it."""
    if resource.plural != "pods" or not api.graceful_pods or not (obj.get("spec") or {}).get("nodeName"):
        return 0
    if (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    default = obj["spec"].get("terminationGracePeriodSeconds", 30)
    asked: Optional[int] = options.grace
    return int(default) if asked is None else (1 if asked < 0 else asked)


def _finalizers(resource: ResourceType, there: list[str], options: DeleteOptions) -> list[str]:
    """The finalizers that hold the object, with the garbage collector's that the propagation policy calls for."""
    kept = [name for name in there if name not in (ORPHAN, FOREGROUND)]
    wanted = _collector(there, options)
    return [*kept, wanted] if wanted else kept


def _collector(there: list[str], options: DeleteOptions) -> str:
    """An explicit policy overrides a finalizer that is already there, which overrides the default (background)."""
    if options.orphan is not None:
        return ORPHAN if options.orphan else ""
    if options.policy:
        return {"Orphan": ORPHAN, "Foreground": FOREGROUND}.get(options.policy, "")
    return next((name for name in there if name in (ORPHAN, FOREGROUND)), "")
