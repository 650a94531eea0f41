"""From a request to its answer: who asks, what for, may they, and which handler serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from . import deletes, discovery, reads, writes
from .http import Reply, Request, Response
from .negotiate import MediaType
from .requestinfo import RequestInfo, request_info
from .resources import BUILTIN, ResourceType
from .status import APIFailure, internal, method_not_supported, not_found, page_not_found

if TYPE_CHECKING:
    from .server import FakeAPIServer

VerbHandler = Callable[["API", ResourceType, Request], Reply]

VERBS: dict[str, VerbHandler] = {
    "get": reads.get,
    "list": reads.list_or_watch,
    "watch": reads.list_or_watch,
    "create": writes.create,
    "update": writes.update,
    "patch": writes.patch,
    "delete": deletes.delete,
    "deletecollection": deletes.delete_collection,
}
STATUS_VERBS = {verb: VERBS[verb] for verb in ("get", "update", "patch")}
ACROSS_NAMESPACES = ("list", "watch")


class API:
    """The resources that are served, and the way to each request's handler."""

    def __init__(self, server: FakeAPIServer) -> None:
        self.server = server
        self.store = server.store
        self.watches = server.watches
        self._types: dict[tuple[str, str, str], ResourceType] = {}
        for resource in BUILTIN:
            self.serve(resource)

    def serve(self, resource: ResourceType) -> None:
        """Begin to serve a resource."""
        self._types[resource.group, resource.version, resource.plural] = resource
        self.store.register(resource)

    def types(self) -> list[ResourceType]:
        return list(self._types.values())

    def handle(self, request: Request) -> Reply:
        """Answer a request; every failure becomes a Status."""
        try:
            request.user = self.server.tokens.authenticate(request)
            request.info = info = request_info(request)
            self.server.rules.check(request.user, info)
            return self.route(request, info)
        except APIFailure as failure:
            return failure.response()
        except Exception as error:  # a bug of ours must not look like a dead connection
            return internal(f"the fake API server failed: {error!r}").response()

    def route(self, request: Request, info: RequestInfo) -> Reply:
        if not info.is_resource:
            return discovery.serve(self, request)
        resource = self.find(info)
        if resource is None:
            return page_not_found()
        handler = self.server.subresource_handlers.get((resource.plural, info.subresource))
        if info.subresource and handler is not None:
            return handler(request, info.namespace, info.name)
        verbs = VERBS
        if info.subresource:
            if info.subresource != "status" or not resource.has_subresource("status"):
                raise not_found(resource, info.name)
            verbs = STATUS_VERBS
        if info.verb not in verbs:
            raise method_not_supported(info.group, info.resource, info.verb)
        return verbs[info.verb](self, resource, request)

    def find(self, info: RequestInfo) -> Optional[ResourceType]:
        """The resource a path names, if it is served there: in a namespace, or not."""
        resource = self._types.get((info.group, info.version, info.resource))
        if resource is None:
            return None
        if resource.plural == "namespaces":
            return resource
        if info.namespace and not resource.namespaced:
            return None
        if resource.namespaced and not info.namespace and info.verb not in ACROSS_NAMESPACES:
            return None
        return resource

    def render(self, resource: ResourceType, raw: bytes, media: MediaType) -> bytes:
        return raw

    def answer(self, code: int, resource: ResourceType, raw: bytes, media: MediaType) -> Response:
        return Response(code, self.render(resource, raw, media) + b"\n", media.type)

    def answer_list(self, resource: ResourceType, page: reads.Page, media: MediaType) -> Response:
        return Response(200, reads.list_body(resource, page), media.type)
