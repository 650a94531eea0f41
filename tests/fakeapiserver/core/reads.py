"""Reading: get, list (with selectors and pages) and watch."""

from __future__ import annotations

from collections.abc import Iterator

from ..forms.negotiate import JSON, PROTOBUF, YAML, negotiate
from ..forms.views import include_object
from ..serving.http import Reply, Request, StreamResponse
from ..vocabulary.resources import ResourceType
from ..vocabulary.status import APIFailure, bad_request, expired, not_acceptable, too_large_version
from .answers import Page
from .api import API
from .eventlog import Stored
from .options import ListOptions, list_options, parse_version
from .pages import CONTINUE_EXPIRED, LIST_TOO_OLD, decode_token, encode_token, inconsistent
from .selection import Selection
from .watch import WatchRequest


def get(api: API, resource: ResourceType, request: Request) -> Reply:
    media = negotiate(request)
    info = request.info
    wanted = parse_version(request.arg("resourceVersion") or "")
    if wanted > api.store.revision:
        raise too_large_version(wanted, api.store.revision)
    stored = api.store.find(resource, info.namespace, info.name)
    return api.answers.one(
        200, resource, stored.raw, media, include=include_object(request.arg("includeObject"), media)
    )


def list_or_watch(api: API, resource: ResourceType, request: Request) -> Reply:
    watching = request.info.verb == "watch"
    media = negotiate(request)
    selection = Selection(resource, request)
    options = list_options(request, watching)
    if watching:
        return watch(api, resource, request, selection, options)
    page = read_page(api, resource, request.info.namespace, selection, options)
    return api.answers.list(resource, page, media, include_object(request.arg("includeObject"), media))


def read_page(api: API, resource: ResourceType, namespace: str, selection: Selection, options: ListOptions) -> Page:
    """The objects chosen, as they stood at the revision that the options call for."""
    after, wanted = _start(options)
    with api.store.lock:
        current = api.store.revision
        if wanted > current:
            raise too_large_version(wanted, current)
        revision = wanted if wanted > 0 and _exactly(options) else current
        source = _as_of(api, resource, namespace, after, revision, options)
        items, more = _take(source, selection, _limit(options))
    if not more or _is_one(resource, namespace, selection, options):
        return Page(items, revision)
    remaining = sum(1 for _ in source) + 1 if selection.empty else None
    return Page(items, revision, encode_token(_below(namespace, items[-1].key), revision), remaining)


def _start(options: ListOptions) -> tuple[str, int]:
    """The key to go on after, and the revision asked for (0 or less: whatever is newest)."""
    if not options.token:
        return "", _parsed(options.version)
    start, revision = decode_token(options.token)
    if options.version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    return start, revision


def _parsed(version: str) -> int:
    try:
        return parse_version(version)
    except APIFailure as failure:
        raise bad_request(f"invalid resource version: {failure.message}") from None


def _limit(options: ListOptions) -> int:
    """Whoever takes any version is given all there is: version 0 comes from a cache that knows no limit."""
    return 0 if options.version == "0" else max(0, options.limit)


def _exactly(options: ListOptions) -> bool:
    """Is it the state at that revision that is wanted, and not at least as new a one?"""
    return bool(options.token) or options.match == "Exact" or (options.limit > 0 and not options.match)


def _below(namespace: str, key: str) -> str:
    return key[len(namespace) + 1 :] if namespace else key


def _is_one(resource: ResourceType, namespace: str, selection: Selection, options: ListOptions) -> bool:
    """One object asked for by its name, where names are unique, is looked up: nothing follows it."""
    return selection.single and not options.token and bool(namespace or not resource.namespaced)


def _take(source: Iterator[Stored], selection: Selection, limit: int) -> tuple[list[Stored], bool]:
    """Up to ``limit`` chosen objects (0: all), and whether others follow, be they chosen or not."""
    items: list[Stored] = []
    for stored in source:
        if limit and len(items) == limit:
            return items, True
        if selection.matches(stored):
            items.append(stored)
    return items, False


def _as_of(
    api: API, resource: ResourceType, namespace: str, after: str, revision: int, options: ListOptions
) -> Iterator[Stored]:
    """The objects as they stood at a revision, from a key on: what there is, with later events undone."""
    table = api.store.table(resource)
    start = f"{namespace}/{after}" if namespace else after
    if revision == api.store.revision:
        return table.under(namespace, start)
    position = table.log.position_after(max(revision, table.log.compacted) if table.log.whole else revision)
    if position is None:
        raise _too_old(after, options)
    objects = {stored.key: stored for stored in table.under(namespace, start)}
    for change in reversed(table.log.since(position) or []):
        if change.previous is None:
            objects.pop(change.stored.key, None)
        elif change.stored.key >= start and (not namespace or change.stored.namespace == namespace):
            objects[change.stored.key] = change.previous
    return iter([objects[key] for key in sorted(objects)])


def _too_old(after: str, options: ListOptions) -> APIFailure:
    if not options.limit:
        return expired(LIST_TOO_OLD)
    return inconsistent(after) if options.token else expired(CONTINUE_EXPIRED)


def watch(
    api: API, resource: ResourceType, request: Request, selection: Selection, options: ListOptions
) -> StreamResponse:
    media = negotiate(request)
    if media.type == YAML:
        raise not_acceptable(f"{kind};stream=watch" for kind in (JSON, PROTOBUF))
    version = parse_version(options.version)
    render = api.answers.watch_renderer(resource, media, include_object(request.arg("includeObject"), media))
    wanted = WatchRequest(
        resource=resource,
        namespace=request.info.namespace,
        revision=None if options.initial_events else version,
        timeout=float(options.timeout or 0),
        bookmarks=options.bookmarks,
        initial_events=bool(options.initial_events),
        skip_initial=options.initial_events is False and version == 0,
        matches=selection.matches,
        render=render,
        gone=request.connection.peer_has_gone,
    )
    return StreamResponse(200, media.type, api.watches.stream(wanted))
