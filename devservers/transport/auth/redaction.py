"""Keeping secrets out of messages: each is replaced by ``***``.

The secrets are mostly known (:func:`redact`). Three sources may repeat them:

- an answer that echoes the request's ``Authorization`` header (:func:`secrets_in_headers`);
- a Status about exec, which quotes the URL with which the API server called the kubelet: it
  contains the command and the variables to be set (:func:`without_command`);
- the stderr of a credential plugin, which may also contain secrets of its own
  (:func:`redact_unmistakable`).

Only what cannot be anything else is taken for a secret of its own: everything that merely looks
random includes the ARNs and digests by which a failed login is understood.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

REDACTED = "***"

SHORTEST_SECRET = 6
"""Characters. A shorter value ("1", "true") may be a part of any word, and is left alone."""

SECRET_NAME = re.compile(
    r"(?i)token|passw|secret|credential|api[_-]?key|private[_-]?key|access[_-]?key"
)
"""Names of variables and flags whose values are secrets."""

_UNMISTAKABLE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)"
    r"|LS0tLS1CRUdJTi[\w+/=]+"  # PEM in base64, as kubeconfigs have it
    r"|(?<![\w-])eyJ[\w.+/=-]+"  # a JSON web token: this is how base64 of `{"` begins
    r"|(?i:(?<=\bbearer )|(?<=\bauthorization: basic ))\S+"
    r"|\bk8s-aws-v1\.\S+"  # the token of EKS, a signed URL in base64
    r"|(?<=://)[^/\s@]+(?=@)",  # user and password of a URL
    re.DOTALL,
)


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` with ``***`` for each of ``secrets``."""
    for secret in sorted(set(secrets), key=len, reverse=True):  # the whole before its parts
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, REDACTED)
    return text


def redact_unmistakable(text: str) -> str:
    """``text`` with ``***`` for what is not known to be a secret but cannot be anything else."""
    return _UNMISTAKABLE.sub(REDACTED, text)


def secrets_in_headers(headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What must not be shown of request headers: the credentials, with and without their scheme."""
    for name, value in headers:
        if name == "Authorization":
            yield value
            yield value.rpartition(" ")[2]


_EXEC_QUERY = re.compile(r'(/exec/[^\s?"]*\?)[^\s"]*')


def without_command(message: str) -> str:
    """``message`` with ``***`` for the query of each exec URL in it."""
    return _EXEC_QUERY.sub(_without_query, message)


def _without_query(match: re.Match[str]) -> str:
    return f"{match[1]}{REDACTED}"


def details_without_commands(details: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ``details`` of a Status with the same done to their causes, which repeat its message."""
    causes = details.get("causes")
    if not isinstance(causes, list):
        return details
    return {**details, "causes": [_cause_without_command(cause) for cause in causes]}


def _cause_without_command(cause: Any) -> Any:
    if not isinstance(cause, Mapping) or not isinstance(cause.get("message"), str):
        return cause
    return {**cause, "message": without_command(cause["message"])}
