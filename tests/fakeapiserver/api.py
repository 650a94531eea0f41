"""From a request to its answer: who asks, what for, may they, and which handler serves it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable, Optional

from .access.impersonation import impersonate
from .compat import discovery, reviews
from .compat.watchprefix import without_watch_prefix
from .core import deletes, patching, reads, writes
from .core.deadline import check_timeout
from .core.eventlog import Stored, encode
from .core.store import Object, Sources
from .forms import views
from .forms.negotiate import JSON, YAML, MediaType, dump, parse_accept
from .schema.crds import CRDController
from .serving.http import Reply, Request, Response
from .vocabulary.requestinfo import RequestInfo, request_info
from .vocabulary.resources import BUILTIN, ResourceType
from .vocabulary.status import (
    APIFailure,
    internal,
    method_not_supported,
    not_found,
    page_not_found,
    too_large_body,
    unserved,
    warning_headers,
)

if TYPE_CHECKING:
    from .operator.collector import Collector
    from .server import FakeAPIServer

VerbHandler = Callable[["API", ResourceType, Request], Reply]

VERBS: dict[str, VerbHandler] = {
    "get": reads.get,
    "list": reads.list_or_watch,
    "watch": reads.list_or_watch,
    "create": writes.create,
    "update": writes.update,
    "patch": patching.patch,
    "delete": deletes.delete,
    "deletecollection": deletes.delete_collection,
}
STATUS_VERBS = {verb: VERBS[verb] for verb in ("get", "update", "patch")}
BODY_LIMIT = 3 << 20
ACROSS_NAMESPACES = ("list", "watch")


class API:
    """The resources that are served, and the way to each request's handler."""

    def __init__(self, server: FakeAPIServer) -> None:
        self.server = server
        self.store = server.store
        self.watches = server.watches
        self.graceful_pods = False
        """Does a kubelet end the pods of this server? Then deleting a running pod waits for it."""
        self.collector: Optional[Collector] = None
        self._types: dict[tuple[str, str, str], ResourceType] = {}
        self.crds = CRDController(self)
        for resource in BUILTIN:
            self.serve(resource)

    def serve(self, resource: ResourceType) -> None:
        """Begin to serve a resource."""
        self._types[resource.group, resource.version, resource.plural] = resource
        self.store.register(resource)

    def withdraw(self, resource: ResourceType) -> None:
        """No longer serve a resource in a version; its objects go with the last version."""
        self._types.pop((resource.group, resource.version, resource.plural), None)
        if not any(other.key == resource.key for other in self._types.values()):
            self.store.forget(resource)

    def types(self) -> list[ResourceType]:
        return list(self._types.values())

    # requests

    def handle(self, request: Request) -> Reply:
        """Answer a request; every failure becomes a Status, and faults have their way."""
        try:
            request.user = self.server.tokens.authenticate(request)
        except APIFailure as failure:
            return self.finish(failure.response(), request)
        without_watch_prefix(request)
        request.info = request_info(request)
        return self.server.faults.around(request, lambda: self._answer(request))

    def _answer(self, request: Request) -> Reply:
        try:
            check_timeout(request)
            if len(request.body) > BODY_LIMIT:
                raise too_large_body(BODY_LIMIT)
            nobody = impersonate(request, self.server.rules)
            if nobody is not None:
                return nobody
            self.server.rules.check(request.user, request.info)
            return self.route(request, request.info)
        except APIFailure as failure:
            return self.finish(failure.response(), request)
        except Exception as error:  # a bug of ours must not look like a dead connection
            return internal(f"the fake API server failed: {error!r}").response()

    def route(self, request: Request, info: RequestInfo) -> Reply:
        if "//" in request.path:
            return page_not_found()
        if not info.is_resource:
            return discovery.serve(self, request)
        if info.group in reviews.GROUPS:
            return reviews.serve(self, request)
        resource = self.find(info)
        if resource is None:
            return unserved(info.group)
        if not resource.namespaced:  # a namespace's own path counts as in it, but it is not kept there
            request.info = info = info._replace(namespace="")
        if info.subresource:
            return self._subresource(request, info, resource)
        if info.verb not in VERBS:
            raise method_not_supported(info.group, info.resource, info.verb)
        return VERBS[info.verb](self, resource, request)

    def _subresource(self, request: Request, info: RequestInfo, resource: ResourceType) -> Reply:
        handler = self.server.subresource_handlers.get((resource.plural, info.subresource))
        if handler is not None:
            return handler(request, info.namespace, info.name)
        if info.subresource != "status" or not resource.has_subresource("status"):
            if not resource.custom:
                return unserved(info.group)
            raise not_found(resource, info.name)
        if info.verb not in STATUS_VERBS:
            raise method_not_supported(info.group, info.resource, info.verb)
        return STATUS_VERBS[info.verb](self, resource, request)

    def find(self, info: RequestInfo) -> Optional[ResourceType]:
        """The resource a path names, if it is served there: in a namespace, or not."""
        resource = self._types.get((info.group, info.version, info.resource))
        if resource is None or resource.plural == "namespaces":
            return resource
        if info.namespace and not resource.namespaced:
            return None
        if resource.namespaced and not info.namespace and info.verb not in ACROSS_NAMESPACES:
            return None
        return resource

    # answers

    def load(self, resource: ResourceType, stored: Stored) -> Object:
        """The stored object in the version of the request."""
        return {**stored.load(), "apiVersion": resource.api_version}

    def _raw(self, resource: ResourceType, raw: bytes) -> bytes:
        """Stored JSON in the version of the request."""
        if resource.api_version == resource.storage_api_version:
            return raw
        return encode({**json.loads(raw), "apiVersion": resource.api_version})

    def answer(
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
            return views.encode_view(views.table(resource, [obj], metadata, media, include, self.store.sources.now()))
        if media.view == "PartialObjectMetadata":
            return views.encode_view(views.partial_metadata(obj, media.view_version))
        raise views.not_a_list()

    def answer_list(
        self, resource: ResourceType, page: reads.Page, media: MediaType, include: str = "Metadata"
    ) -> Response:
        """A list in the form that was asked for."""
        if not media.view:
            plain = resource.api_version == resource.storage_api_version
            body = reads.list_body(resource, page) if plain else self._converted_list(resource, page)
            return Response(200, dump(body, media), media.type)
        items = [self.load(resource, stored) for stored in page.items]
        if media.view == "Table":
            shown = views.table(resource, items, page.metadata(), media, include, self.store.sources.now())
        elif media.view == "PartialObjectMetadataList":
            shown = views.partial_metadata_list(items, page.metadata(), media.view_version)
        else:
            message = "you requested PartialObjectMetadata, but the requested object is a list"
            raise APIFailure(406, "NotAcceptable", f"{message} (*unstructured.UnstructuredList)")
        return Response(200, dump(views.encode_view(shown), media), media.type)

    def _converted_list(self, resource: ResourceType, page: reads.Page) -> bytes:
        items = [Stored(s.key, self.load(resource, s), s.revision) for s in page.items]
        return reads.list_body(resource, reads.Page(items, page.revision, page.token, page.remaining))

    def watch_renderer(self, resource: ResourceType, media: MediaType, include: str) -> Callable[[Stored], bytes]:
        """How a watch shows each object."""
        if media.view == "Table":
            return _TableEvents(resource, media, include, self.store.sources)
        if media.view:
            return lambda s: views.encode_view(views.partial_metadata(self.load(resource, s), media.view_version))
        if resource.api_version == resource.storage_api_version:
            return lambda s: s.raw
        return lambda s: encode(self.load(resource, s))

    @staticmethod
    def finish(response: Response, request: Request) -> Response:
        """A Status in the form that the client reads: YAML perhaps; indented if none of its forms is known."""
        accept = request.headers.get("Accept") or JSON
        if accept == JSON or response.content_type != JSON:
            return response
        known = (media for media, parameters in parse_accept(accept) if "as" not in parameters)
        best = next((media for media in known if media in (JSON, YAML, "*/*", "application/*")), "")
        if best in (JSON, "*/*", "application/*"):
            return response
        form = MediaType(YAML) if best else MediaType(JSON, pretty=True)
        return Response(response.status, dump(response.payload(), form), form.type, response.headers)

    # what follows from a write

    def stored(self, resource: ResourceType, stored: Stored) -> None:
        """Called after an object was created or changed, with the store's lock held."""
        if resource.plural == "customresourcedefinitions":
            self.crds.changed(stored)

    def marked(self, resource: ResourceType, stored: Stored) -> None:
        """Called when a deletion has begun: a namespace's contents go first."""
        if self.collector is not None:
            self.collector.marked(resource, stored)
        if resource.plural == "namespaces":
            self._empty_namespace(stored.name)

    def removed(self, resource: ResourceType, last: Stored) -> None:
        if resource.plural == "customresourcedefinitions":
            self.crds.removed(last)

    def _empty_namespace(self, name: str) -> None:
        for resource in {kind.key: kind for kind in self.types() if kind.namespaced}.values():
            for stored in list(self.store.table(resource).under(name)):
                self.store.remove(resource, name, stored.name)
        self.store.remove(self.store.type("namespaces"), "", name)


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
