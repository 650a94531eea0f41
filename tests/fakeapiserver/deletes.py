"""Deleting: one object or a collection, with preconditions, propagation and finalizers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Optional

from .eventlog import Stored
from .http import Reply, Request
from .negotiate import negotiate
from .reads import LIST_VIEWS, OBJECT_VIEWS, Selection, read_page
from .resources import ResourceType
from .status import details_of, success
from .store import Object, now

if TYPE_CHECKING:
    from .api import API


def delete(api: API, resource: ResourceType, request: Request) -> Reply:
    media = negotiate(request, OBJECT_VIEWS)
    info = request.info
    stored, gone = remove(api, resource, info.namespace, info.name)
    if not gone:
        return api.answer(200, resource, stored.raw, media)
    details = details_of(stored.name, resource.group, resource.plural, uid=stored.uid)
    return api.answer(200, resource, json.dumps(success(details)).encode(), media)


def remove(api: API, resource: ResourceType, namespace: str, name: str) -> tuple[Stored, bool]:
    """Delete an object, or mark it if finalizers hold it; True if it is gone."""
    with api.store.lock:
        current = api.store.find(resource, namespace, name)
        obj = current.load()
        if not obj["metadata"].get("finalizers"):
            return api.store.remove(resource, namespace, name), True

        def mark(stored: Stored) -> Optional[Object]:
            metadata = obj["metadata"]
            if "deletionTimestamp" in metadata:
                return None
            metadata["deletionTimestamp"] = now()
            metadata["deletionGracePeriodSeconds"] = 0
            metadata["generation"] = metadata.get("generation", 0) + 1
            return obj

        return api.store.change(resource, namespace, name, mark), False


def delete_collection(api: API, resource: ResourceType, request: Request) -> Reply:
    media = negotiate(request, LIST_VIEWS)
    selection = Selection(resource, request)
    page = read_page(api, resource, request, selection)
    for stored in page.items:
        remove(api, resource, stored.namespace, stored.name)
    return api.answer_list(resource, page, media)
