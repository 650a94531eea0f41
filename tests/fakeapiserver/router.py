"""From a request to its answer: who asks, what for, may they, and which handler serves it."""

from __future__ import annotations

from typing import Callable

from .access.auth import Access
from .access.impersonation import impersonate
from .backbone import Backbone
from .compat import discovery, reviews
from .compat.watchprefix import without_watch_prefix
from .core import deletes, patching, reads, writes
from .core.api import API
from .core.deadline import check_timeout
from .forms.negotiate import JSON, YAML, MediaType, dump, parse_accept
from .serving.http import Reply, Request, Response
from .vocabulary.requestinfo import RequestInfo, request_info
from .vocabulary.resources import ResourceType
from .vocabulary.status import (
    APIFailure,
    internal,
    method_not_supported,
    not_found,
    page_not_found,
    too_large_body,
    unserved,
)

VerbHandler = Callable[[API, ResourceType, Request], Reply]

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


class Router:
    """The way to each request's handler."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._api = backbone.api

    def handle(self, request: Request) -> Reply:
        """Answer a request; every failure becomes a Status, and faults have their way."""
        try:
            request.user = self._backbone.tokens.authenticate(request)
        except APIFailure as failure:
            return finish(failure.response(), request)
        without_watch_prefix(request)
        request.info = request_info(request)
        return self._backbone.faults.around(request, lambda: self._answer(request))

    def _answer(self, request: Request) -> Reply:
        try:
            check_timeout(request)
            if len(request.body) > BODY_LIMIT:
                raise too_large_body(BODY_LIMIT)
            nobody = impersonate(request, self._backbone.rules)
            if nobody is not None:
                return nobody
            self._backbone.rules.check(request.user, request.info)
            return self.route(request, request.info)
        except APIFailure as failure:
            return finish(failure.response(), request)
        except Exception as error:  # a bug of ours must not look like a dead connection
            return internal(f"the fake API server failed: {error!r}").response()

    def route(self, request: Request, info: RequestInfo) -> Reply:
        if "//" in request.path:
            return page_not_found()
        if not info.is_resource:
            return discovery.serve(self._api.types(), request)
        if info.group in reviews.GROUPS:
            return reviews.serve(Access(self._backbone.tokens, self._backbone.rules), request)
        resource = self._api.find(info)
        if resource is None:
            return unserved(info.group)
        if not resource.namespaced:  # a namespace's own path counts as in it, but it is not kept there
            request.info = info = info._replace(namespace="")
        if info.subresource:
            return self._subresource(request, info, resource)
        if info.verb not in VERBS:
            raise method_not_supported(info.group, info.resource, info.verb)
        return VERBS[info.verb](self._api, resource, request)

    def _subresource(self, request: Request, info: RequestInfo, resource: ResourceType) -> Reply:
        handler = self._backbone.subresource_handlers.get((resource.plural, info.subresource))
        if handler is not None:
            return handler(request, info.namespace, info.name)
        if info.subresource != "status" or not resource.has_subresource("status"):
            if not resource.custom:
                return unserved(info.group)
            raise not_found(resource, info.name)
        if info.verb not in STATUS_VERBS:
            raise method_not_supported(info.group, info.resource, info.verb)
        return STATUS_VERBS[info.verb](self._api, resource, request)


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
