"""REST over the Kubernetes API: JSON in and out, failures as typed exceptions, resends where they are safe.

A :class:`RESTClient` serves many threads. Each call has one deadline that covers connecting, every resend and the whole
answer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Optional
from urllib.parse import urlsplit

from .. import __version__
from ..errors import APIError, ConnectionFailedError, ExpiredError, ProtocolError, UnauthorizedError, error_class
from . import retry
from .config import ClientConfig, load_config
from .deadline import SYSTEM_CLOCK, Backoff, Clock, Deadline
from .http import Answer, Pool, Request, build_opener
from .paths import Query, Resource, request_info, with_query

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

REQUEST_TIMEOUT = 60.0
"""Seconds for one call unless the caller says otherwise: the API server's own limit for what is not a watch."""
PAGE_SIZE = 500
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
        self.config = config if config is not None else load_config()
        self.clock = clock
        self._timeout = timeout
        self._pool = Pool(self.config)
        self._opener = build_opener(self.config, self._pool)
        self._user_agent = self.config.user_agent or user_agent()

    def __repr__(self) -> str:
        return f"RESTClient({self.config!r})"

    def __enter__(self) -> RESTClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections. The client stays usable; what it opens from now on is closed after each call."""
        self._pool.close()

    # -- resources ------------------------------------------------------------------------------------------------

    def get(
        self, resource: Resource, namespace: Optional[str], name: str, *, deadline: Optional[Deadline] = None
    ) -> Object:
        """Read one object."""
        return self.request("GET", resource.item(namespace, name), deadline=deadline)

    def create(
        self, resource: Resource, namespace: Optional[str], body: Object, *, dry_run: bool = False,
        field_manager: Optional[str] = None, deadline: Optional[Deadline] = None,
    ) -> Object:  # fmt: skip
        """Create an object; the answer is the object as stored."""
        query = {"dryRun": "All" if dry_run else None, "fieldManager": field_manager}
        return self.request("POST", resource.collection(namespace), query=query, body=body, deadline=deadline)

    def replace(
        self, resource: Resource, namespace: Optional[str], name: str, body: Object, *,
        field_manager: Optional[str] = None,
    ) -> Object:  # fmt: skip
        """Replace an object whole (PUT); ``body`` carries metadata.resourceVersion."""
        query = {"fieldManager": field_manager}
        return self.request("PUT", resource.item(namespace, name), query=query, body=body)

    def patch(
        self, resource: Resource, namespace: Optional[str], name: str, body: object, content_type: str, *,
        query: Optional[Query] = None,
    ) -> Object:  # fmt: skip
        """Patch an object; ``content_type`` says how ``body`` is meant."""
        return self.request("PATCH", resource.item(namespace, name), query=query, body=body, content_type=content_type)

    def delete(
        self, resource: Resource, namespace: Optional[str], name: str, *, uid: Optional[str] = None,
        propagation_policy: Optional[str] = None, deadline: Optional[Deadline] = None,
    ) -> Object:  # fmt: skip
        """Delete an object; with ``uid`` only if it is still that very object (ConflictError else)."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if propagation_policy is not None:
            options["propagationPolicy"] = propagation_policy
        body = options if len(options) > 2 else None
        return self.request("DELETE", resource.item(namespace, name), body=body, deadline=deadline)

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
            page = self.list_page(resource, namespace, selectors=selectors, limit=limit, token=token, deadline=deadline)
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
        page = self.list_page(resource, namespace, selectors=selectors, limit=None, deadline=deadline)
        return list_items(page, resource), (page.get("metadata") or {}).get("resourceVersion") or ""

    # -- requests -------------------------------------------------------------------------------------------------

    def request(
        self, method: str, path: str, *, query: Optional[Query] = None, body: object = None,
        content_type: str = "application/json", deadline: Optional[Deadline] = None,
    ) -> Object:  # fmt: skip
        """Send and decode: the JSON object of a 2xx answer.

        Raises:
            APIError: a subclass by the Status's reason. TransportError: no whole answer. ProtocolError: not JSON.
        """
        target = with_query(path, query)
        data = None if body is None else json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        deadline = (deadline or Deadline(None, self.clock)).sooner(self._timeout)
        answer = self.send(method, target, data, content_type=content_type, deadline=deadline)
        return _decode(answer.read(), method, target)

    def stream(self, path: str, *, query: Optional[Query] = None, deadline: Deadline, idle: float) -> Answer:
        """GET whose body is read as it comes; ``idle`` is the longest silence borne between two bytes, in seconds."""
        first = deadline.sooner(self._timeout)
        answer = self.send("GET", with_query(path, query), None, deadline=first, idle=idle)
        answer.extend(deadline)
        return answer

    def send(
        self, method: str, target: str, data: Optional[bytes], *, content_type: str = "application/json",
        deadline: Deadline, idle: Optional[float] = None,
    ) -> Answer:  # fmt: skip
        """Send until an answer of 2xx is had or nothing more may be tried; other answers are raised as APIError."""
        backoff = Backoff(first=0.1, limit=2.0)
        refreshed = False
        for attempt in range(1, retry.ATTEMPTS + 1):
            request = self._build(method, target, data, content_type, deadline, fresh=attempt > 1)
            request.idle = idle
            try:
                answer = self._open(request)
            except ConnectionFailedError as error:
                # A kept-alive connection that turns out to be closed says nothing about the server: no wait.
                pause = 0.0 if request.reused else backoff.next()
                self._pause(retry.retry_transport(method, not request.sent, pause), attempt, deadline, error)
                continue
            if 200 <= answer.status < 300:
                return answer
            failure = _failure(method, target, answer, self.config)
            if isinstance(failure, UnauthorizedError) and not refreshed and self.config.credentials.refresh(deadline):
                refreshed = True
                self._pool.drop_idle()
                continue
            retry_after = failure.retry_after if isinstance(failure, APIError) else None
            wait = retry.retry_answer(method, answer.status, retry_after, backoff.next())
            self._pause(wait, attempt, deadline, failure)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _pause(self, wait: Optional[float], attempt: int, deadline: Deadline, error: Exception) -> None:
        """Wait before the next attempt, or raise ``error`` where there is to be none."""
        left = deadline.remaining()
        if wait is None or attempt >= retry.ATTEMPTS or (left is not None and wait >= left):
            raise error
        self.clock.sleep(wait)

    def _open(self, request: Request) -> Answer:
        answer = self._opener.open(request, timeout=None)
        assert isinstance(answer, Answer)
        return answer

    def _build(
        self, method: str, target: str, data: Optional[bytes], content_type: str, deadline: Deadline, *, fresh: bool
    ) -> Request:
        headers = self.headers(deadline)
        if data is not None:
            headers.append(("Content-Type", content_type))
        request = Request(self.config.server + target, method, headers, data, deadline)
        request.fresh = fresh
        return request

    def headers(self, deadline: Deadline) -> list[tuple[str, str]]:
        """What every request carries, upgrades included: who we are and what we accept."""
        return [
            ("User-Agent", self._user_agent),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            *self.config.credentials.headers(deadline),
        ]


def list_items(page: Object, resource: Resource) -> list[Object]:
    """The items of a list. The server leaves apiVersion and kind out of built-in kinds' items: they are put back."""
    items: list[Object] = page.get("items") or []
    for item in items:
        item.setdefault("apiVersion", resource.api_version)
        item.setdefault("kind", resource.kind)
    return items


def _decode(raw: bytes, method: str, target: str) -> Object:
    try:
        decoded = json.loads(raw)
    except ValueError:
        decoded = None
    if isinstance(decoded, dict):
        return decoded
    where = request_info(method, target)
    raise ProtocolError(f"{where}: the answer is not a JSON object; is the server URL that of a Kubernetes API server?")


def _failure(method: str, target: str, answer: Answer, config: ClientConfig) -> Exception:
    """The exception for an answer that is not 2xx. Its body is read, so that the connection can be used again."""
    if 300 <= answer.status < 400:
        answer.close()
        where = str(request_info(method, target))
        return redirect_refused(where, answer.status, answer.headers.get("Location"), config)
    try:
        raw = answer.read()
    except ConnectionFailedError:
        raw = b""
    retry_after = retry.parse_retry_after(answer.headers.get("Retry-After"))
    return status_error(answer.status, raw, method, target, retry_after=retry_after)


def redirect_refused(where: str, status: int, location: Optional[str], config: ClientConfig) -> ProtocolError:
    """The error for a redirect: it names the host it leads to, and nothing else of the target."""
    try:
        host = urlsplit(location or "").hostname
    except ValueError:
        host = None
    return ProtocolError(
        f"{where}: the server answers with a redirect ({status}) to {host or 'an unnamed host'}, which is not followed "
        f"so that credentials stay with {config.host}; check the server URL in the kubeconfig"
    )


def status_error(code: int, raw: bytes, method: str, target: str, *, retry_after: Optional[float] = None) -> APIError:
    """The exception for a failure answer: from its Status, or from the code where a proxy answered in its own way."""
    status = _status(raw)
    return failure_of(status or {"code": code, "message": _plain(raw)}, method, target, retry_after=retry_after)


def failure_of(status: Mapping[str, Any], method: str, target: str, *, retry_after: Optional[float] = None) -> APIError:
    """The exception for a Status object, wherever it came from (an answer, a watch's ERROR event, exec's channel 3)."""
    code, reason = status.get("code"), status.get("reason")
    code = code if isinstance(code, int) else 0
    reason = reason if isinstance(reason, str) else ""
    details = status.get("details")
    details = details if isinstance(details, Mapping) else {}
    if retry_after is None and isinstance(details.get("retryAfterSeconds"), int):
        retry_after = float(details["retryAfterSeconds"]) or None
    info = request_info(method, target)
    message = str(status.get("message") or "").strip()
    kind = error_class(code, reason)
    return kind(
        message, status=code, reason=reason, details=details, retry_after=retry_after, context=str(info),
        hint=_hint(code, info.rule(), info.namespace),
    )  # fmt: skip


def _hint(code: int, rule: str, namespace: str) -> str:
    if code == 401:
        return "the API server does not accept these credentials: log in again, or check the user of the kubeconfig"
    if code == 403:
        kind = f'a Role in namespace "{namespace}"' if namespace else "a ClusterRole"
        return f"{kind} bound to the user would allow it with the rule {rule}"
    return ""


def _status(raw: bytes) -> Optional[Object]:
    try:
        decoded = json.loads(raw)
    except ValueError:
        return None
    return decoded if isinstance(decoded, dict) and decoded.get("kind") == "Status" else None


def _plain(raw: bytes) -> str:
    """A short message out of a body that is no Status: plain text as it is, HTML and the rest only named."""
    text = raw[:2000].decode("utf-8", "replace").strip()
    if text.startswith("<"):
        return "the answer is an HTML page, not a Status: a proxy or load balancer answered"
    return " ".join(text[:300].split())
