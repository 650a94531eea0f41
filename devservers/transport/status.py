"""What an answer that is not 2xx means: its Status as an exception, with advice where that fits.

A proxy's answer is no Status: then the code decides, and of its body a short plain text is shown or
nothing. No message holds the credentials that were sent, though the answer may echo them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import urlsplit

from ..errors import APIError, ConnectionFailedError, NotServedError, ProtocolError, error_class
from . import retry
from .quoted import details_without_commands, without_command
from .resources import RequestInfo, request_info
from .served import HTML_PAGE

if TYPE_CHECKING:
    from email.message import Message


def failure_answer(
    method: str, target: str, code: int, headers: Message, read: Callable[[], bytes], sent: list[tuple[str, str]]
) -> Exception:
    """The exception for an answer that is not 2xx, from its Status or, where a proxy answered, from the code.

    A 404 that is no Status is a :class:`NotServedError`; what that means is for
    :class:`ServedKinds` to judge. The body is read, so that the connection can be used again.
    ``sent`` are the request's headers: should the answer echo the credentials among them, they are
    cut out.
    """
    if 300 <= code < 400:
        return _redirect_refused(method, target, code, headers.get("Location"))
    try:
        raw = read()
    except ConnectionFailedError:
        raw = b""
    for secret in _secrets(sent):
        raw = raw.replace(secret, b"(hidden)")
    retry_after = retry.parse_retry_after(headers.get("Retry-After"))
    found = _status(raw)
    status = {"message": _plain(raw), **(found or {})}
    failure = failure_of({**status, "code": status.get("code") or code}, method, target, retry_after=retry_after)
    return failure if found or code != 404 else failure.recast(NotServedError, "")


SHORTEST_SECRET = 6
"""Characters. A shorter one is cut out with its scheme only: alone it may be a part of any word."""


def _secrets(headers: list[tuple[str, str]]) -> Iterator[bytes]:
    for name, value in headers:
        if name == "Authorization":
            yield value.encode("latin-1")
            secret = value.rpartition(" ")[2].encode("latin-1")
            if len(secret) >= SHORTEST_SECRET:
                yield secret


def _redirect_refused(method: str, target: str, code: int, location: Optional[str]) -> ProtocolError:
    """The error for a redirect: it names the host it leads to, and nothing else of the target."""
    try:
        host = urlsplit(location or "").hostname
    except ValueError:
        host = None
    return ProtocolError(
        f"{request_info(method, target)}: the server answers with a redirect ({code}) to {host or 'an unnamed host'}, "
        "which is not followed so that credentials stay where they belong; check the server URL in the kubeconfig"
    )


def failure_of(status: Mapping[str, Any], method: str, target: str, *, retry_after: Optional[float] = None) -> APIError:
    """The exception for a Status object, wherever it came from (an answer, a watch's ERROR event, exec's channel 3)."""
    code, reason = status.get("code"), status.get("reason")
    code = code if isinstance(code, int) else 0
    reason = reason if isinstance(reason, str) else ""
    details = status.get("details")
    details = details_without_commands(details) if isinstance(details, Mapping) else {}
    if retry_after is None and isinstance(details.get("retryAfterSeconds"), int):
        retry_after = float(details["retryAfterSeconds"]) or None
    info = request_info(method, target)
    message = without_command(str(status.get("message") or "").strip())
    kind = error_class(code, reason)
    return kind(
        message, status=code, reason=reason, details=details, retry_after=retry_after, context=str(info),
        hint=_hint(code, message, info),
    )  # fmt: skip


_NOT_BY_ROLE = ("exceeded quota", "admission", "denied the request", "is being terminated", "violates PodSecurity")
"""What other refusals with code 403 say: quotas, webhooks and policies, where no Role would help."""


def _hint(code: int, message: str, info: RequestInfo) -> str:
    if code == 500 and ("error dialing backend" in message or "error sending request" in message):
        return "the API server does not reach the kubelet of the pod's node: is that node ready?"
    if code in (414, 431) and info.subresource == "exec":
        return "command and environment travel in the request's URL: pass what is long as input, or upload it as a file"
    if code == 401:
        return "the API server does not accept these credentials: log in again, or check the user of the kubeconfig"
    if code != 403 or any(sign in message for sign in _NOT_BY_ROLE):
        return ""
    kind = f'a Role in namespace "{info.namespace}"' if info.namespace else "a ClusterRole"
    return f"{kind} bound to the user would allow it with the rule {info.rule()}"


def _status(raw: bytes) -> Optional[dict[str, Any]]:
    try:
        decoded = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) and decoded.get("kind") == "Status" else None


def _plain(raw: bytes) -> str:
    """A short message out of a body that is no Status: plain text as it is, HTML and the rest only named."""
    text = raw[:2000].decode("utf-8", "replace").strip()
    if text.startswith("<"):
        return HTML_PAGE
    return " ".join(text[:300].split())
