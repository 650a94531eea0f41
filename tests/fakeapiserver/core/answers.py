"""Answers with objects: one, a list, or the events of a watch, each in the form and version that was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Callable, Optional

from ..forms import views
from ..forms.negotiate import JSON, MediaType, dump
from ..serving.http import Response
from ..vocabulary.objects import Object, encode
from ..vocabulary.resources import ResourceType
from ..vocabulary.status import APIFailure, warning_headers
from .eventlog import Stored
from .store import Sources


class Page:
    """One page of a list."""

    def __init__(self, items: list[Stored], revision: int, token: str = "", remaining: Optional[int] = None) -> None:
        self.items = items
        self.revision = revision
        self.token = token
        self.remaining = remaining

    def metadata(self) -> dict[str, object]:
        metadata: dict[str, object] = {"continue": self.token, "resourceVersion": str(self.revision)}
        if self.remaining:
            metadata["remainingItemCount"] = self.remaining
        return metadata


class Answers:
    """Objects become answers; the time, which Tables show ages by, comes from ``sources``."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def _raw(self, resource: ResourceType, raw: bytes) -> bytes:
        """Stored JSON in the version of the request."""
        if resource.api_version == resource.storage_api_version:
            return raw
        return encode({**json.loads(raw), "apiVersion": resource.api_version})

    def one(
        self,
        code: int,
        resource: ResourceType,
        raw: bytes,
        media: MediaType,
        warnings: Iterable[str] = (),
        include: str = "Metadata",
    ) -> Response:
        """An object in the form that was asked for."""
        headers = warning_headers(warnings)
        body = self._raw(resource, raw)
        if media.view:
            body = self._view(resource, json.loads(body), media, include)
        elif media.type == JSON and not media.pretty:
            return Response(code, body + b"\n", JSON, headers)
        return Response(code, dump(body, media), media.type, headers)

    def _view(self, resource: ResourceType, obj: Object, media: MediaType, include: str) -> bytes:
        if media.view == "Table":
            metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            return views.encode_view(views.table(resource, [obj], metadata, media, include, self._sources.now()))
        if media.view == "PartialObjectMetadata":
            return views.encode_view(views.partial_metadata(obj, media.view_version))
        raise views.not_a_list()

    def list(self, resource: ResourceType, page: Page, media: MediaType, include: str = "Metadata") -> Response:
        """A list in the form that was asked for."""
        if not media.view:
            plain = resource.api_version == resource.storage_api_version
            body = list_body(resource, page) if plain else self._converted_list(resource, page)
            return Response(200, dump(body, media), media.type)
        items = [load(resource, stored) for stored in page.items]
        if media.view == "Table":
            shown = views.table(resource, items, page.metadata(), media, include, self._sources.now())
        elif media.view == "PartialObjectMetadataList":
            shown = views.partial_metadata_list(items, page.metadata(), media.view_version)
        else:
            message = "you requested PartialObjectMetadata, but the requested object is a list"
            raise APIFailure(406, "NotAcceptable", f"{message} (*unstructured.UnstructuredList)")
        return Response(200, dump(views.encode_view(shown), media), media.type)

    def _converted_list(self, resource: ResourceType, page: Page) -> bytes:
        items = [Stored(s.key, load(resource, s), s.revision) for s in page.items]
        return list_body(resource, Page(items, page.revision, page.token, page.remaining))

    def watch_renderer(self, resource: ResourceType, media: MediaType, include: str) -> Callable[[Stored], bytes]:
        """How a watch shows each object."""
        if media.view == "Table":
            return _TableEvents(resource, media, include, self._sources)
        if media.view:
            return lambda s: views.encode_view(views.partial_metadata(load(resource, s), media.view_version))
        if resource.api_version == resource.storage_api_version:
            return lambda s: s.raw
        return lambda s: encode(load(resource, s))


class _TableEvents:
    """Watch events as Tables of one row; only the first carries the headings."""

    def __init__(self, resource: ResourceType, media: MediaType, include: str, sources: Sources) -> None:
        self._resource, self._media, self._include = resource, media, include
        self._sources = sources
        self._first = True

    def __call__(self, stored: Stored) -> bytes:
        obj: dict[str, Any] = stored.load()
        metadata = {"resourceVersion": str(stored.revision)}
        shown = views.table(
            self._resource, [obj], metadata, self._media, self._include, self._sources.now(), self._first
        )
        self._first = False
        return views.encode_view(shown)


def load(resource: ResourceType, stored: Stored) -> Object:
    """The stored object in the version of the request."""
    return {**stored.load(), "apiVersion": resource.api_version}


def list_body(resource: ResourceType, page: Page) -> bytes:
    """A list as the API writes it, joined from the stored JSON."""
    if not resource.custom:
        return _typed_list(resource, page)
    rest = encode({"kind": resource.list_kind, "metadata": page.metadata()})
    items = b",".join(stored.raw for stored in page.items)
    return b'{"apiVersion":"%s","items":[%s],%s\n' % (resource.api_version.encode(), items, rest[1:])


def _typed_list(resource: ResourceType, page: Page) -> bytes:
    """Of the kinds that a server is built with: what the list says of kind and version, its items need not."""
    metadata = {name: value for name, value in page.metadata().items() if value != ""}
    items = (stored.load() for stored in page.items)
    bare = [{name: value for name, value in item.items() if name not in ("apiVersion", "kind")} for item in items]
    head = {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": metadata}
    return json.dumps({**head, "items": bare}, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
