"""Reading: get, list (with selectors and pages) and watch."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional

from .eventlog import DELETED, Stored, encode
from .http import Reply, Request, StreamResponse
from .negotiate import MediaType, negotiate
from .resources import ResourceType
from .selectors import FieldTerm, Requirement, SelectorError, labels_match, parse_fields, parse_labels
from .status import APIFailure, bad_request, expired
from .watch import WatchRequest

if TYPE_CHECKING:
    from .api import API

OBJECT_VIEWS = ("Table", "PartialObjectMetadata")
LIST_VIEWS = ("Table", "PartialObjectMetadataList")


class Selection:
    """The objects that a request's label and field selectors choose."""

    def __init__(self, resource: ResourceType, request: Request) -> None:
        try:
            self.labels: list[Requirement] = parse_labels(request.arg("labelSelector") or "")
            self.fields: list[FieldTerm] = parse_fields(request.arg("fieldSelector") or "")
        except SelectorError as error:
            raise bad_request(str(error)) from None
        for term in self.fields:
            _check_field(resource, term.field)

    @property
    def empty(self) -> bool:
        return not self.labels and not self.fields

    def matches(self, stored: Stored) -> bool:
        return labels_match(self.labels, stored.labels) and all(
            (field_value(stored, term.field) == term.value) == term.equal for term in self.fields
        )


POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)
EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)
FIELDS = {"pods": POD_FIELDS, "events": EVENT_FIELDS, "namespaces": ("status.phase",), "secrets": ("type",)}


def _check_field(resource: ResourceType, label: str) -> None:
    known: tuple[str, ...] = ("metadata.name",)
    if resource.namespaced or not resource.custom:
        known += ("metadata.namespace",)
    known += tuple(path.lstrip(".") for path in resource.selectable)
    known += () if resource.custom else FIELDS.get(resource.plural, ())
    if label in known:
        return
    if resource.custom or resource.plural in FIELDS:
        raise bad_request(f"field label not supported: {label}")
    raise bad_request(f'"{label}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def field_value(stored: Stored, path: str) -> str:
    """A field as selectors compare it: text, empty if absent."""
    if path == "metadata.name":
        return stored.name
    if path == "metadata.namespace":
        return stored.namespace
    value: Any = stored.load()
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return str(value.get("component", ""))
    return "" if value is None else str(value)


def get(api: API, resource: ResourceType, request: Request) -> Reply:
    media = negotiate(request, OBJECT_VIEWS)
    info = request.info
    stored = api.store.find(resource, info.namespace, info.name)
    return api.answer(200, resource, stored.raw, media)


def list_or_watch(api: API, resource: ResourceType, request: Request) -> Reply:
    if request.info.verb == "watch":
        return watch(api, resource, request)
    media = negotiate(request, LIST_VIEWS)
    selection = Selection(resource, request)
    page = read_page(api, resource, request, selection)
    return api.answer_list(resource, page, media)


class Page:
    """One page of a list."""

    def __init__(self, items: list[Stored], revision: int, token: str = "", remaining: Optional[int] = None) -> None:
        self.items = items
        self.revision = revision
        self.token = token
        self.remaining = remaining

    def metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = {"continue": self.token, "resourceVersion": str(self.revision)}
        if self.remaining:
            metadata["remainingItemCount"] = self.remaining
        return metadata


def read_page(api: API, resource: ResourceType, request: Request, selection: Selection) -> Page:
    limit = int(request.arg("limit") or 0)
    token = request.arg("continue")
    after, revision = _decode(token) if token else ("", 0)
    if token and request.arg("resourceVersion") not in (None, "", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    namespace = request.info.namespace
    with api.store.lock:
        revision = revision or api.store.revision
        source = _as_of(api, resource, namespace, after, revision)
        items, more = _take(source, selection, limit)
    if not more:
        return Page(items, revision)
    last = items[-1].key[len(namespace) + 1 :] if namespace else items[-1].key
    remaining = sum(1 for _ in source) + 1 if selection.empty else None
    return Page(items, revision, _encode(last, revision), remaining)


def _take(source: Iterator[Stored], selection: Selection, limit: int) -> tuple[list[Stored], bool]:
    """Up to ``limit`` chosen objects (0: all), and whether there may be more."""
    items: list[Stored] = []
    for stored in source:
        if limit and len(items) == limit:
            return items, True
        if selection.matches(stored):
            items.append(stored)
    return items, False


def _as_of(api: API, resource: ResourceType, namespace: str, after: str, revision: int) -> Iterator[Stored]:
    """The objects as they stood at a revision, from a key on: what there is, with later events undone."""
    table = api.store.table(resource)
    start = f"{namespace}/{after}" if namespace else after
    if revision == api.store.revision:
        return table.under(namespace, start)
    position = table.log.position_after(revision)
    if position is None:
        raise expired(CONTINUE_TOO_OLD)
    objects = {stored.key: stored for stored in table.under(namespace, start)}
    for change in reversed(table.log.since(position) or []):
        if namespace and change.stored.namespace != namespace:
            continue
        if change.previous is None:
            objects.pop(change.stored.key, None)
        elif change.stored.key >= start or change.type == DELETED:
            objects[change.stored.key] = change.previous
    return iter([objects[key] for key in sorted(objects) if key >= start])


CONTINUE_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def _encode(last: str, revision: int) -> str:
    token = {"v": "meta.k8s.io/v1", "rv": revision, "start": f"/{last}\0"}
    return base64.urlsafe_b64encode(json.dumps(token, separators=(",", ":")).encode()).decode().rstrip("=")


def _decode(token: str) -> tuple[str, int]:
    try:
        decoded = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return str(decoded["start"]).lstrip("/"), int(decoded["rv"])
    except (ValueError, KeyError):
        raise bad_request("continue key is not valid") from None


def watch(api: API, resource: ResourceType, request: Request) -> Reply:
    media = negotiate(request, LIST_VIEWS)
    selection = Selection(resource, request)
    version = request.arg("resourceVersion") or ""
    if version and not version.isdigit():
        raise APIFailure(
            500,
            "",
            f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax',
        )
    wanted = WatchRequest(
        resource=resource,
        namespace=request.info.namespace,
        revision=int(version) if version else None,
        timeout=float(request.arg("timeoutSeconds") or 0),
        bookmarks=request.flag("allowWatchBookmarks"),
        initial_events=request.flag("sendInitialEvents"),
        matches=selection.matches,
        render=lambda stored: api.render(resource, stored.raw, media),
        gone=request.connection.peer_has_gone,
    )
    return StreamResponse(200, media.type, api.watches.stream(wanted))


def list_body(resource: ResourceType, page: Page) -> bytes:
    """A list of custom resources as the API writes it, joined from the stored JSON."""
    kind = encode({"kind": resource.list_kind, "metadata": page.metadata()})
    items = b",".join(stored.raw for stored in page.items)
    return b'{"apiVersion":"%s","items":[%s],%s\n' % (resource.api_version.encode(), items, kind[1:])


def unknown_view(media: MediaType) -> bool:
    return bool(media.view)
