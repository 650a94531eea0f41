"""From a failure Status to an exception, with advice where some is certain to fit.

:func:`failure_of` does that for a Status, wherever it comes from. :func:`failure_answer` does it
for an HTTP answer that is not 2xx: what answered may be a proxy, whose answer is no Status. Then
the code decides the exception, and of the body only a short plain text is shown. Credentials that
the answer echoes are cut out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import urlsplit

from ..errors import APIError, ConnectionFailedError, NotServedError, ProtocolError, error_class
from . import retry
from .advice import advice
from .auth.redaction import details_without_commands, redact, secrets_in_headers, without_command
from .resources import request_info
from .served import HTML_PAGE, UNKNOWN_PATH
from .text import json_or_none

if TYPE_CHECKING:
    from email.message import Message

_LIST_OF_PATHS = re.compile(r'\{\s*"paths"\s*:')


def failure_answer(
    method: str,
    target: str,
    code: int,
    headers: Message,
    read: Callable[[], bytes],
    sent: list[tuple[str, str]],
) -> Exception:
    """The exception for an HTTP answer that is not 2xx.

    A 404 that is no Status is a :class:`NotServedError`; :class:`ServedKinds` decides what it
    means.

    Args:
        method, target: the request's.
        code, headers: the answer's.
        read: reads the answer's body, all of it, so that the connection can be used again.
        sent: the request's headers; the credentials among them are cut out of the body.
    """
    if 300 <= code < 400:
        return _redirect_refused(method, target, code, headers.get("Location"))
    try:
        body = read().decode("latin-1")  # as headers are: what was sent is found whatever it is
    except ConnectionFailedError:
        body = ""
    raw = redact(body, secrets_in_headers(sent)).encode("latin-1")
    retry_after = retry.parse_retry_after(headers.get("Retry-After"))
    status = json_or_none(raw)
    if isinstance(status, dict) and status.get("kind") == "Status":
        status = {"message": _short_text(raw), **status, "code": status.get("code") or code}
        return failure_of(status, method, target, retry_after=retry_after)
    status = {"message": _short_text(raw), "code": code}
    failure = failure_of(status, method, target, retry_after=retry_after)
    if code == 404:
        return failure.recast(NotServedError, "")
    return failure


def failure_of(
    status: Mapping[str, Any], method: str, target: str, *, retry_after: Optional[float] = None
) -> APIError:
    """The exception for a Status: of an answer, a watch's ERROR event, or exec's channel 3.

    ``retry_after`` is the answer's header; without it ``retryAfterSeconds`` of the details counts.
    """
    code, reason, details = status.get("code"), status.get("reason"), status.get("details")
    if not isinstance(code, int):
        code = 0
    if not isinstance(reason, str):
        reason = ""
    if not isinstance(details, Mapping):
        details = {}
    if retry_after is None and isinstance(details.get("retryAfterSeconds"), int):
        retry_after = float(details["retryAfterSeconds"]) or None
    info = request_info(method, target)
    message = without_command(str(status.get("message") or "").strip())
    return error_class(code, reason)(
        message,
        status=code,
        reason=reason,
        details=details_without_commands(details),
        retry_after=retry_after,
        context=str(info),
        hint=advice(code, reason, message, info, len(target)),
    )


def _redirect_refused(
    method: str, target: str, code: int, location: Optional[str]
) -> ProtocolError:
    """The error for a redirect. It names the host of the location and nothing else of it."""
    try:
        host = urlsplit(location or "").hostname
    except ValueError:
        host = None
    return ProtocolError(
        f"{request_info(method, target)}: the server redirects ({code}) to "
        f"{host or 'an unnamed host'}; redirects are refused so that credentials stay with the "
        "server they are meant for; check the server URL in the kubeconfig"
    )


def _short_text(raw: bytes) -> str:
    """A short message out of a body: plain text as it is, HTML and lists of paths only named."""
    text = raw[:2000].decode("utf-8", "replace").strip()
    if text.startswith("<"):
        return HTML_PAGE
    if _LIST_OF_PATHS.match(text):
        return UNKNOWN_PATH
    return " ".join(text[:300].split())
