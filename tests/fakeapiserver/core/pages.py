"""Continue tokens: where a list goes on, and at which revision, in the form that Kubernetes gives them."""

from __future__ import annotations

import base64
import binascii
import json
import posixpath
import string
from typing import Any

from ..goish.gojson import JSONError, cannot_unmarshal, load
from ..vocabulary.status import APIFailure, bad_request, expired

VERSION = "meta.k8s.io/v1"
FIELDS: dict[str, tuple[Any, str]] = {"v": ("", "string"), "rv": (0, "int64"), "start": ("", "string")}
ALPHABET = set(string.ascii_letters + string.digits + "-_")

LIST_TOO_OLD = "The resourceVersion for the provided list is too old."
CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter."
)
INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def encode_token(last: str, revision: int) -> str:
    """A token that goes on after the key ``last``."""
    return _encode(f"/{last}\0", revision)


def _encode(start: str, revision: int) -> str:
    token = json.dumps({"v": VERSION, "rv": revision, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def inconsistent(start: str) -> APIFailure:
    """410 for a token whose revision is gone; it offers one that goes on at the newest revision."""
    failure = expired(INCONSISTENT)
    failure.metadata = {"continue": _encode(f"/{start}", -1)}
    return failure


def decode_token(token: str) -> tuple[str, int]:
    """The key to start at and the revision (-1: the newest); raises 400."""
    fields = _fields(token)
    version, revision, start = (fields[name] for name in FIELDS)
    if version != VERSION:
        raise _invalid(f"continue key is not valid: server does not recognize this encoded version {version}")
    if revision == 0:
        raise _invalid(f"continue key is not valid: incorrect encoded start resourceVersion (version {VERSION})")
    if not start:
        raise _invalid(f"continue key is not valid: encoded start key empty (version {VERSION})")
    key = start if start.startswith("/") else f"/{start}"
    if posixpath.normpath(key) != key:
        raise _invalid(f"continue key is not valid: {start}")
    return key[1:], revision


def _fields(token: str) -> dict[str, Any]:
    wrong = next((at for at, letter in enumerate(token) if letter not in ALPHABET), None)
    if wrong is None and len(token) % 4 == 1:
        wrong = len(token) - 1
    if wrong is not None:
        raise _invalid(f"continue key is not valid: illegal base64 data at input byte {wrong}")
    try:
        return _typed(load(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))))
    except (JSONError, binascii.Error) as error:
        raise _invalid(f"continue key is not valid: {error}") from None


def _typed(token: Any) -> dict[str, Any]:
    """The token's fields, each of its type; raises :class:`JSONError` for others."""
    if token is None:
        token = {}
    if not isinstance(token, dict):
        raise JSONError(cannot_unmarshal(token, "value of type storage.continueToken"))
    for name, (empty, shown) in FIELDS.items():
        value = token.get(name)
        if value is not None and type(value) is not type(empty):
            raise JSONError(cannot_unmarshal(value, f"struct field continueToken.{name} of type {shown}"))
    return {name: empty if token.get(name) is None else token[name] for name, (empty, _) in FIELDS.items()}


def _invalid(why: str) -> APIFailure:
    return bad_request(f"invalid continue token: {why}")
