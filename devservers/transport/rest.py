"""REST over the Kubernetes API: JSON in and out, failures as typed exceptions, safe resends.

A :class:`RESTClient` serves many threads. Each call has one deadline that covers connecting, every
resend and the whole answer. A request takes this road: :meth:`RESTClient.request` is the loop of
its attempts (:mod:`.resend`), each of them sent once over urllib's opener with a handler of ours
(:mod:`.http.opener`); an answer other than 2xx becomes an exception (:mod:`.status`,
:mod:`.served`), and a lost one too (:mod:`.http.translate`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Callable, Optional

from .. import arguments
from ..errors import (
    APIError,
    ConnectionFailedError,
    ExpiredError,
    ProtocolError,
    RequestTimeoutError,
    TransportError,
)
from ..version import __version__
from . import retry
from .apiwarning import pass_on_warnings
from .auth.credentials import Identity, check_header_text
from .auth.login import Login
from .config.clientconfig import ClientConfig
from .deadline import SYSTEM_CLOCK, Clock, Deadline
from .http.opener import Answer, Request, build_opener
from .http.pool import Pool
from .memory import Memory
from .resend import RequestAttempts
from .resources import Query, Resource, request_info, with_query
from .served import ServedKinds
from .status import failure_answer
from .text import json_or_none
from .told import Exchange

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

REQUEST_TIMEOUT = 60.0
"""Seconds for one call unless the caller says otherwise: the API server's own limit, except for
watches."""
PAGE_SIZE = 500
"""Objects of a list asked for at a time, as client-go does."""
PROPAGATION_POLICIES = ("Foreground", "Background", "Orphan")
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def user_agent() -> str:
    """``devservers/<version> (python/<v>; <os>/<arch>)``.

    The API server takes the part before ``/`` as the field manager.
    """
    import platform

    version = ".".join(str(part) for part in sys.version_info[:3])
    machine = platform.machine() or "unknown"
    return f"devservers/{__version__} (python/{version}; {sys.platform}/{machine})"


class RESTClient:
    """A client of one API server. Thread-safe; a context manager that closes it.

    Args:
        config: where the server is and who asks; default: :func:`load_config`.
        timeout: seconds for one call (connecting, resends and the whole answer); None: no limit.
        clock: the source of time, replaced in tests.
    """

    def __init__(
        self, config: Optional[ClientConfig] = None, *, timeout: Optional[float] = REQUEST_TIMEOUT,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:  # fmt: skip
        if config is not None and not isinstance(config, ClientConfig):
            raise TypeError(
                "config: must be a ClientConfig (load_config() makes one), "
                f"not {type(config).__name__}"
            )
        timeout = arguments.timeout(timeout)
        if config is None:
            from .config.sources import load_config

            config = load_config()
        self.config: ClientConfig = config
        self.clock: Clock = clock
        self.served = ServedKinds()
        self.memory = Memory()
        self._timeout = timeout
        self._pool = Pool(self.config, clock)
        self._opener = build_opener(self.config, self._pool)
        self._user_agent = check_header_text(self.config.user_agent or user_agent(), "user_agent")

    def __repr__(self) -> str:
        return f"RESTClient({self.config!r})"

    def __enter__(self) -> RESTClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections.

        The client stays usable; from now on a connection is closed after each call.
        """
        self._pool.close()

    def afresh(self) -> RESTClient:
        """A client for the same server that has no connection yet."""
        return RESTClient(self.config, clock=self.clock)

    # -- resources --------------------------------------------------------------------------------

    def get(
        self,
        resource: Resource,
        namespace: Optional[str],
        name: str,
        *,
        deadline: Optional[Deadline] = None,
    ) -> Object:
        """Read one object."""
        return self.request("GET", resource.item(namespace, name), deadline=deadline)

    def create(
        self, resource: Resource, namespace: Optional[str], body: Object, *, dry_run: bool = False,
        field_manager: Optional[str] = None, field_validation: Optional[str] = None,
        deadline: Optional[Deadline] = None, sending: Optional[Callable[[], None]] = None,
    ) -> Object:  # fmt: skip
        """Create an object; the answer is the object as stored."""
        query = {
            "dryRun": "All" if dry_run else None,
            "fieldManager": field_manager,
            "fieldValidation": field_validation,
        }
        path = resource.collection(namespace)
        return self.request(
            "POST", path, query=query, body=body, deadline=deadline, sending=sending
        )

    def replace(
        self, resource: Resource, namespace: Optional[str], name: str, body: Object, *,
        field_manager: Optional[str] = None, field_validation: Optional[str] = None,
    ) -> Object:  # fmt: skip
        """Replace an object whole (PUT); ``body`` carries metadata.resourceVersion."""
        query = {"fieldManager": field_manager, "fieldValidation": field_validation}
        return self.request("PUT", resource.item(namespace, name), query=query, body=body)

    def patch(
        self, resource: Resource, namespace: Optional[str], name: str, body: object,
        content_type: str, *, query: Optional[Query] = None,
    ) -> Object:  # fmt: skip
        """Patch an object; ``content_type`` says which kind of patch ``body`` is."""
        path = resource.item(namespace, name)
        return self.request("PATCH", path, query=query, body=body, content_type=content_type)

    def delete(
        self, resource: Resource, namespace: Optional[str], name: str, *, uid: Optional[str] = None,
        propagation_policy: Optional[str] = None, deadline: Optional[Deadline] = None,
    ) -> Object:  # fmt: skip
        """Delete an object; with ``uid`` only that very object (else ConflictError)."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if propagation_policy is not None:
            options["propagationPolicy"] = arguments.choice(
                propagation_policy, "propagation_policy", PROPAGATION_POLICIES
            )
        body = options if len(options) > 2 else None
        path, repeatable = resource.item(namespace, name), uid is not None
        return self.request("DELETE", path, body=body, deadline=deadline, repeatable=repeatable)

    def pages(
        self, resource: Resource, namespace: Optional[str], *,
        selectors: Optional[Mapping[str, Optional[str]]] = None,
        limit: Optional[int] = PAGE_SIZE, deadline: Optional[Deadline] = None,
    ) -> Iterator[Object]:  # fmt: skip
        """The pages of one consistent list, of ``limit`` objects each; None: all in one.

        Raises while iterating:
            ExpiredError: the snapshot grew too old between two pages; start again.
        """
        path = resource.collection(namespace)
        query = {**(selectors or {}), "limit": limit}
        while True:
            page = self.request("GET", path, query=query, deadline=deadline)
            yield page
            query["continue"] = (page.get("metadata") or {}).get("continue")
            if not query["continue"]:
                return

    def list_all(
        self, resource: Resource, namespace: Optional[str], *,
        selectors: Optional[Mapping[str, Optional[str]]] = None,
        deadline: Optional[Deadline] = None,
    ) -> tuple[list[Object], str]:  # fmt: skip
        """Every object, and the resourceVersion of the list."""
        scope = partial(self.pages, resource, namespace, selectors=selectors, deadline=deadline)
        try:
            pages = list(scope())
        except ExpiredError:
            # The server compacts its history faster than the pages come. As client-go does: a list
            # in one piece needs no history.
            pages = list(scope(limit=None))
        items = [item for page in pages for item in list_items(page, resource)]
        return items, (pages[-1].get("metadata") or {}).get("resourceVersion") or ""

    # -- requests ---------------------------------------------------------------------------------

    def request(
        self, method: str, path: str, *, query: Optional[Query] = None, body: object = None,
        content_type: str = "application/json", deadline: Optional[Deadline] = None,
        repeatable: bool = False, sending: Optional[Callable[[], None]] = None,
    ) -> Object:  # fmt: skip
        """Send, and decode the JSON object of a 2xx answer. ``repeatable``: see :mod:`.retry`.

        ``sending`` is called each time the first byte of the request is about to go out.

        Raises:
            APIError: a subclass by the Status's reason. TransportError: no whole answer.
            ProtocolError: the answer is not JSON.
        """
        target = with_query(path, query)
        doing = _doing(method, target, body)
        limit = Deadline(self._timeout, self.clock)
        if deadline is not None:
            limit = deadline.sooner(self._timeout)
        data = None if body is None else _encode(body)
        url = self.config.server + target
        request = Request(method, url, data, limit, doing=doing, sending=sending)
        try:
            for attempt in self.attempts(method, target, limit, repeatable=repeatable):
                with attempt:
                    raw = self._send_once(request, target, attempt, content_type).read()
        except (ConnectionFailedError, RequestTimeoutError) as error:
            error.args = (_told(error, doing, method),)
            raise
        answer = _decode(raw, method, target)
        self.served.answered(target)
        return answer

    def stream(
        self, path: str, *, query: Optional[Query] = None, deadline: Deadline, idle: float
    ) -> Answer:
        """GET whose body is read as it comes.

        ``idle`` is the longest silence tolerated between two bytes, in seconds. Until the answer
        begins, the client's own timeout counts as well as ``deadline``.
        """
        target = with_query(path, query)
        opening = deadline.sooner(self._timeout)
        doing = _doing("GET", target, None)
        request = Request("GET", self.config.server + target, None, opening, doing=doing)
        for attempt in self.attempts("GET", target, opening):
            with attempt:
                answer = self._send_once(request, target, attempt)
        self.served.answered(target)
        answer.extend(deadline, idle)
        return answer

    def attempts(
        self, method: str, target: str, deadline: Deadline, *, repeatable: bool = False
    ) -> RequestAttempts:
        """The attempts at one request, each with the identity to send it with."""
        login = Login(self.config.credentials, deadline)
        return RequestAttempts(
            method, target, deadline, login, self._pool.drop_idle, repeatable=repeatable
        )

    def _send_once(
        self, request: Request, target: str, attempt: RequestAttempts, content_type: str = ""
    ) -> Answer:
        """The answer to one sending; one other than 2xx is raised."""
        method = request.get_method()
        headers = self.headers(attempt.identity)
        if request.body is not None:
            headers.append(("Content-Type", content_type))
        request.identity, request.header_list = attempt.identity, headers
        request.fresh = attempt.number > 1
        with Exchange(method, target, self.clock) as exchange:
            answer = self._opener.open(request, timeout=None)
            assert isinstance(answer, Answer)
            exchange.status = answer.status
            if not 200 <= answer.status < 300:
                raise self._refusal(method, target, answer, headers)
        try:
            pass_on_warnings(answer.headers, request.doing)
        except Warning:  # where warnings are errors: nobody will read this answer
            answer.close()
            raise
        return answer

    def _refusal(
        self, method: str, target: str, answer: Answer, headers: list[tuple[str, str]]
    ) -> Exception:
        try:
            failure = failure_answer(
                method, target, answer.status, answer.headers, answer.read, headers
            )
        finally:
            answer.close()  # for one that was not read to its end
        if isinstance(failure, APIError):
            return self.served.judged(failure, method, target)
        return failure

    def headers(self, identity: Identity) -> list[tuple[str, str]]:
        """What every request carries, upgrades included: who we are and what we accept."""
        return [
            ("User-Agent", self._user_agent),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            *identity.headers,
        ]


def _doing(method: str, target: str, body: object) -> str:
    """What a request is for, for messages; the name of what it creates is in its body."""
    info = request_info(method, target)
    if info.verb == "create" and not info.name and isinstance(body, Mapping):
        metadata = body.get("metadata") or {}
        info = info._replace(name=metadata.get("name") or f"{metadata.get('generateName', '')}…")
    return str(info)


def _told(error: TransportError, doing: str, method: str) -> str:
    """The message for a request without a whole answer.

    It names the object, and says whether the request may have been executed.
    """
    text = str(error)
    if not text.startswith(doing):
        text = f"{doing}: {text}"
    if retry.may_have_been_executed(error, method):
        return f"{text}; it may have been executed"
    return text


def list_items(page: Object, resource: Resource) -> list[Object]:
    """The items of a list, with apiVersion and kind, which the server omits for built-in kinds."""
    items: list[Object] = page.get("items") or []
    api_version = resource.api_version
    for item in items:
        item.setdefault("apiVersion", api_version)
        item.setdefault("kind", resource.kind)
    return items


def _encode(body: object) -> bytes:
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        pass
    raise ValueError(
        "the object contains text that is not Unicode (a lone surrogate): decode it from its bytes "
        "first"
    )


def _decode(raw: bytes, method: str, target: str) -> Object:
    decoded = json_or_none(raw)
    if isinstance(decoded, dict):
        return decoded
    where = request_info(method, target)
    raise ProtocolError(
        f"{where}: the answer is not a JSON object; is the server URL that of a Kubernetes API "
        "server?"
    )
