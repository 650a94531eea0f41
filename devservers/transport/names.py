"""The rules for names: what the API server accepts as the name of an object or a namespace.

Rules and wording follow ``k8s.io/apimachinery``'s validation (RFC 1123), so that a name refused
here is one the API server refuses, and nothing that could change the meaning of a path (``""``,
``..``, ``a/b``, ``%2e``) ever reaches a URL. Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    limit: int
    words: str


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_RULE = _Rule(
    re.compile(_LABEL),
    63,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character (e.g. 'my-name', or '123-abc')",
)
_SUBDOMAIN_RULE = _Rule(
    re.compile(rf"{_LABEL}(\.{_LABEL})*"),
    253,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com')",
)


def validate_name(name: object, field: str = "metadata.name") -> str:
    """``name`` itself, if it is a valid object name: RFC 1123 subdomain, 253 characters.

    Raises: ValueError beginning with ``field``.
    """
    return _validate(name, field, _SUBDOMAIN_RULE)


def validate_namespace(namespace: object, field: str = "metadata.namespace") -> str:
    """``namespace`` itself, if it is a valid namespace name: RFC 1123 label, 63 characters.

    Raises: ValueError beginning with ``field``.
    """
    return _validate(namespace, field, _LABEL_RULE)


def validate_generate_name(prefix: object) -> str:
    """``prefix`` itself, if it can start a generated name (a trailing ``-`` is fine).

    Raises: ValueError.
    """
    if not isinstance(prefix, str) or not prefix:
        raise ValueError(
            f"metadata.generateName: Invalid value: {prefix!r}: must be a non-empty string"
        )
    example = prefix  # of a generated name
    if prefix.endswith("-"):
        example = prefix[:-1] + "a"
    validate_name(example, "metadata.generateName")
    return prefix


def _validate(value: object, field: str, rule: _Rule) -> str:
    if not isinstance(value, str):
        raise ValueError(
            f"{field}: Invalid value: {value!r}: must be a string, not {type(value).__name__}"
        )
    if not value:
        raise ValueError(f"{field}: Required value: a name is required")
    if len(value) > rule.limit:
        raise ValueError(
            f'{field}: Invalid value: "{value[:40]}...": '
            f"must be no more than {rule.limit} characters"
        )
    if not rule.pattern.fullmatch(value):
        raise ValueError(f'{field}: Invalid value: "{value}": {rule.words}')
    return value
