"""REST over the Kubernetes API: JSON in and out, failures as typed exceptions, resends where they are safe.

A :class:`RESTClient` serves many threads. Each call has one deadline that covers connecting, every resend and the whole
answer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from .. import arguments
from ..errors import (
    APIError,
    ConnectionFailedError,
    ExpiredError,
    NotServedError,
    ProtocolError,
    RequestTimeoutError,
    TransportError,
    UnauthorizedError,
)
from ..version import __version__
from . import retry
from .apiwarning import pass_on_warnings
from .auth.credentials import Identity, check_header_text
from .auth.login import Login
from .config.clientconfig import ClientConfig
from .deadline import SYSTEM_CLOCK, Backoff, Clock, Deadline
from .http.opener import Answer, Request, build_opener
from .http.pool import Pool
from .memory import Memory
from .resources import Query, Resource, request_info, with_query
from .served import ServedKinds
from .status import failure_answer
from .text import json_or_none
from .told import Exchange, tell_resend

if TYPE_CHECKING:
    pass

T = TypeVar("T")
Object = dict[str, Any]
"""A Kubernetes object as JSON."""

REQUEST_TIMEOUT = 60.0
"""Seconds for one call unless the caller says otherwise: the API server's own limit for what is not a watch."""
PAGE_SIZE = 500
PROPAGATION_POLICIES = ("Foreground", "Background", "Orphan")
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def user_agent() -> str:
    """``devservers/<version> (python/<v>; <os>/<arch>)``; what stands before ``/`` becomes the field manager."""
    import platform

    version = ".".join(str(part) for part in sys.version_info[:3])
    return f"devservers/{__version__} (python/{version}; {sys.platform}/{platform.machine() or 'unknown'})"


class RESTClient:
    """A client of one API server. Thread-safe; a context manager; :meth:`close` drops the kept-alive connections.

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
                f"config: must be a ClientConfig (load_config() makes one), not {type(config).__name__}"
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
        self._pool = Pool(self.config)
        self._opener = build_opener(self.config, self._pool)
        self._user_agent = check_header_text(self.config.user_agent or user_agent(), "user_agent")

    def __repr__(self) -> str:
        return f"RESTClient({self.config!r})"

    def __enter__(self) -> RESTClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections. The client stays usable; what it opens from now on is closed after each call."""
        self._pool.close()

    def afresh(self) -> RESTClient:
        """A client for the same server that has no connection yet."""
        return RESTClient(self.config, clock=self.clock)

    # -- resources ------------------------------------------------------------------------------------------------

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
        self, resource: Resource, namespace: Optional[str], name: str, body: object, content_type: str, *,
        query: Optional[Query] = None,
    ) -> Object:  # fmt: skip
        """Patch an object; ``content_type`` says how ``body`` is meant."""
        return self.request(
            "PATCH",
            resource.item(namespace, name),
            query=query,
            body=body,
            content_type=content_type,
        )

    def delete(
        self, resource: Resource, namespace: Optional[str], name: str, *, uid: Optional[str] = None,
        propagation_policy: Optional[str] = None, deadline: Optional[Deadline] = None,
    ) -> Object:  # fmt: skip
        """Delete an object; with ``uid`` only if it is still that very object (ConflictError else)."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if propagation_policy is not None:
            options["propagationPolicy"] = arguments.choice(
                propagation_policy, "propagation_policy", PROPAGATION_POLICIES
            )
        body = options if len(options) > 2 else None
        path = resource.item(namespace, name)
        return self.request(
            "DELETE", path, body=body, deadline=deadline, repeatable=uid is not None
        )

    def list_page(
        self, resource: Resource, namespace: Optional[str], *, selectors: Optional[Mapping[str, Optional[str]]] = None,
        limit: Optional[int] = PAGE_SIZE, token: Optional[str] = None, deadline: Optional[Deadline] = None,
    ) -> Object:  # fmt: skip
        """One page of a list; ``token`` is the ``metadata.continue`` of the page before."""
        query = {**(selectors or {}), "limit": limit, "continue": token}
        return self.request("GET", resource.collection(namespace), query=query, deadline=deadline)

    def pages(
        self, resource: Resource, namespace: Optional[str], *, selectors: Optional[Mapping[str, Optional[str]]] = None,
        limit: int = PAGE_SIZE, deadline: Optional[Deadline] = None,
    ) -> Iterator[Object]:  # fmt: skip
        """The pages of one consistent list. An expired token in mid-list is :class:`ExpiredError`: start again."""
        token: Optional[str] = None
        while True:
            page = self.list_page(
                resource,
                namespace,
                selectors=selectors,
                limit=limit,
                token=token,
                deadline=deadline,
            )
            yield page
            token = (page.get("metadata") or {}).get("continue") or None
            if token is None:
                return

    def list_all(
        self, resource: Resource, namespace: Optional[str], *, selectors: Optional[Mapping[str, Optional[str]]] = None,
        deadline: Optional[Deadline] = None,
    ) -> tuple[list[Object], str]:  # fmt: skip
        """Every object and the resourceVersion of the list, page by page; a list that expires is begun again."""
        for last_try in (False, False, True):
            items: list[Object] = []
            version = ""
            try:
                for page in self.pages(resource, namespace, selectors=selectors, deadline=deadline):
                    items.extend(list_items(page, resource))
                    version = (page.get("metadata") or {}).get("resourceVersion") or ""
                return items, version
            except ExpiredError:
                if last_try:
                    break
        # The collection changes faster than it can be paged through: one unpaged list is always consistent.
        page = self.list_page(
            resource, namespace, selectors=selectors, limit=None, deadline=deadline
        )
        return list_items(page, resource), (page.get("metadata") or {}).get("resourceVersion") or ""

    # -- requests -------------------------------------------------------------------------------------------------

    def request(
        self, method: str, path: str, *, query: Optional[Query] = None, body: object = None,
        content_type: str = "application/json", deadline: Optional[Deadline] = None, repeatable: bool = False,
        sending: Optional[Callable[[], None]] = None,
    ) -> Object:  # fmt: skip
        """Send and decode: the JSON object of a 2xx answer. ``repeatable``: see :func:`.retry.wait_after`.

        ``sending`` is called each time the first byte of the request is about to go out.

        Raises:
            APIError: a subclass by the Status's reason. TransportError: no whole answer. ProtocolError: not JSON.
        """
        target = with_query(path, query)
        data = None if body is None else _encode(body)
        doing = _doing(method, target, body)
        deadline = (deadline or Deadline(None, self.clock)).sooner(self._timeout)

        def attempt(identity: Identity, fresh: bool) -> bytes:
            return self._exchange(
                method, target, data, content_type, identity, deadline, doing, fresh, sending
            ).read()

        try:
            raw = self.resend(method, target, deadline, attempt, repeatable=repeatable)
        except (ConnectionFailedError, RequestTimeoutError) as error:
            error.args = (_told(error, doing, method),)
            raise
        answer = _decode(raw, method, target)
        self.served.answered(target)
        return answer

    def stream(
        self, path: str, *, query: Optional[Query] = None, deadline: Deadline, idle: float
    ) -> Answer:
        """GET whose body is read as it comes; ``idle`` is the longest silence borne between two bytes, in seconds."""
        target = with_query(path, query)
        first = deadline.sooner(self._timeout)

        def attempt(identity: Identity, fresh: bool) -> Answer:
            return self._exchange(
                "GET", target, None, "", identity, first, _doing("GET", target, None), fresh
            )

        answer = self.resend("GET", target, first, attempt)
        self.served.answered(target)
        answer.extend(deadline, idle)
        return answer

    def resend(
        self, method: str, target: str, deadline: Deadline, attempt: Callable[[Identity, bool], T], *,
        repeatable: bool = False,
    ) -> T:  # fmt: skip
        """``attempt(identity, fresh)`` until it succeeds or nothing more may be tried.

        What may go again is decided by :mod:`.retry`. Credentials that are refused (401) are renewed as :mod:`.login`
        says, and the request is sent with the new ones; that is not counted. ``fresh`` is True from the second time on.
        """
        login = Login(self.config.credentials, deadline)
        backoff = Backoff(first=0.1, limit=2.0)
        patience = (
            deadline if deadline.seconds is not None else deadline.sooner(retry.NOT_SERVED_PATIENCE)
        )
        again, failures, number = False, 0, 0
        while True:
            identity = login.identity()
            number += 1
            try:
                result = attempt(identity, again)
                login.answered()
                return result
            except (APIError, ConnectionFailedError) as error:
                again = True
                if isinstance(error, UnauthorizedError):
                    self._pool.drop_idle()  # whatever it was that the server did not like about them
                    if login.renew():
                        tell_resend(
                            method,
                            target,
                            error,
                            number,
                            0.0,
                            "sending it with renewed credentials",
                        )
                        continue
                    raise login.explained(error) from None
                if isinstance(error, APIError):
                    login.answered(error)
                failures += not isinstance(error, NotServedError)
                wait = retry.wait_after(error, method, backoff, repeatable=repeatable)
                left = (patience if isinstance(error, NotServedError) else deadline).remaining()
                if (
                    wait is None
                    or failures >= retry.ATTEMPTS
                    or (left is not None and wait >= left)
                ):
                    raise
                tell_resend(method, target, error, number, wait)
            deadline.sleep(wait)

    def _exchange(
        self, method: str, target: str, data: Optional[bytes], content_type: str, identity: Identity,
        deadline: Deadline, doing: str, fresh: bool, sending: Optional[Callable[[], None]] = None,
    ) -> Answer:  # fmt: skip
        """Send once; an answer other than 2xx is raised."""
        with Exchange(method, target, self.clock) as exchange:
            headers = self.headers(identity)
            if data is not None:
                headers.append(("Content-Type", content_type))
            request = Request(
                self.config.server + target, method, headers, data, deadline,
                identity=identity, doing=doing, fresh=fresh, sending=sending,
            )  # fmt: skip
            answer = self._opener.open(request, timeout=None)
            assert isinstance(answer, Answer)
            exchange.status = answer.status
            if not 200 <= answer.status < 300:
                raise self._refusal(method, target, answer, headers)
        pass_on_warnings(answer.headers, doing)
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
        return (
            self.served.judged(failure, method, target)
            if isinstance(failure, APIError)
            else failure
        )

    def headers(self, identity: Identity) -> list[tuple[str, str]]:
        """What every request carries, upgrades included: who we are and what we accept."""
        return [
            ("User-Agent", self._user_agent),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            *identity.headers,
        ]


def _doing(method: str, target: str, body: object) -> str:
    """What a request is for, for messages; the name of what is created stands in its body."""
    info = request_info(method, target)
    if info.verb == "create" and not info.name and isinstance(body, Mapping):
        metadata = body.get("metadata") or {}
        info = info._replace(name=metadata.get("name") or f"{metadata.get('generateName', '')}…")
    return str(info)


def _told(error: TransportError, doing: str, method: str) -> str:
    """The message of a request that had no whole answer: on what object, and whether it may have been executed."""
    text = str(error)
    if not text.startswith(doing):
        text = f"{doing}: {text}"
    if method in retry.READS or error.nothing_sent:
        return text
    return f"{text}; it may have been executed"


def list_items(page: Object, resource: Resource) -> list[Object]:
    """The items of a list. The server leaves apiVersion and kind out of built-in kinds' items: they are put back."""
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
        "the object holds text that is not Unicode (a lone surrogate): decode it from its bytes first"
    )


def _decode(raw: bytes, method: str, target: str) -> Object:
    decoded = json_or_none(raw)
    if isinstance(decoded, dict):
        return decoded
    where = request_info(method, target)
    raise ProtocolError(
        f"{where}: the answer is not a JSON object; is the server URL that of a Kubernetes API server?"
    )
