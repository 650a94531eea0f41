"""The rules for names: what the API server accepts as the name of an object or a namespace.

Rules and wording follow ``k8s.io/apimachinery``'s validation (RFC 1123), so that a name refused here
is one the API server refuses, and nothing that could change the meaning of a path (``""``, ``..``,
``a/b``, ``%2e``) ever reaches a URL. Pure.
"""

from __future__ import annotations

import re

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_RE = re.compile(_LABEL)
_SUBDOMAIN_RE = re.compile(rf"{_LABEL}(\.{_LABEL})*")

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'example.com')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character (e.g. 'my-name', or '123-abc')"
)


def validate_name(name: object, field: str = "metadata.name") -> str:
    """``name`` itself if it is a valid object name (RFC 1123 subdomain, 253 characters), else ValueError."""
    return _validate(name, field, _SUBDOMAIN_RE, 253, _SUBDOMAIN_RULE)


def validate_namespace(namespace: object, field: str = "metadata.namespace") -> str:
    """``namespace`` itself if it is a valid namespace name (RFC 1123 label, 63 characters), else ValueError."""
    return _validate(namespace, field, _LABEL_RE, 63, _LABEL_RULE)


def validate_generate_name(prefix: object) -> str:
    """``prefix`` itself if it can begin a generated name (a trailing ``-`` is fine), else ValueError."""
    if not isinstance(prefix, str) or not prefix:
        raise ValueError(
            f"metadata.generateName: Invalid value: {prefix!r}: must be a non-empty string"
        )
    validate_name(prefix[:-1] + "a" if prefix.endswith("-") else prefix, "metadata.generateName")
    return prefix


def _validate(value: object, field: str, pattern: re.Pattern[str], limit: int, rule: str) -> str:
    if not isinstance(value, str):
        raise ValueError(
            f"{field}: Invalid value: {value!r}: must be a string, not {type(value).__name__}"
        )
    if not value:
        raise ValueError(f"{field}: Required value: a name is needed")
    if len(value) > limit:
        raise ValueError(
            f'{field}: Invalid value: "{value[:40]}...": must be no more than {limit} characters'
        )
    if not pattern.fullmatch(value):
        raise ValueError(f'{field}: Invalid value: "{value}": {rule}')
    return value
