"""JSON patch (RFC 6902) as the API server applies it, which is kinder than the RFC.

* ``replace`` adds a member that is not there, and ``copy`` of one that is not there adds null.
* Negative indices count from the end; an index may have a sign and leading zeros.
* What stands before a path's first slash is not read; only ``test`` and ``replace`` know the whole document.
* A member that is not there passes a test for null, and one for no value.

Whatever goes wrong is a :class:`PatchError`; the API's answer tells no more than that.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any, Callable, Union

from ..goish.gonumbers import parse_int

Container = Union[dict[str, Any], list[Any]]
Operation = dict[str, Any]


class PatchError(ValueError):
    """An operation that cannot be done, or a test that fails."""


def apply(document: Container, operations: list[Operation]) -> Any:
    """The document after all operations; the one given is left as it is."""
    patched = copy.deepcopy(document)
    for operation in operations:
        do = OPERATIONS.get(operation.get("op") or "")
        if do is None:
            raise PatchError(f"unexpected kind: {operation.get('op')}")
        patched = do(patched, operation)
    return patched


# paths


def _pointer(operation: Operation, name: str) -> str:
    path = operation.get(name)
    if path is None:
        raise PatchError(f"operation missing {name} field")
    return str(path)


def _find(document: Any, path: str) -> tuple[Container, str]:
    """What holds the value, and the value's key in it."""
    _, *parts = path.split("/")
    if not parts:
        raise PatchError(f"doc is missing path: {path!r}")
    found = document
    for part in parts[:-1]:
        found = _get(found, _unescape(part))
        if not isinstance(found, (dict, list)):
            raise PatchError(f"doc is missing path: {path!r}")
    return found, _unescape(parts[-1])


def _unescape(part: str) -> str:
    return re.sub("~[01]", lambda match: "~" if match[0] == "~0" else "/", part)


def _get(holder: Container, key: str) -> Any:
    return holder.get(key) if isinstance(holder, dict) else holder[_index(key, len(holder))]


def _index(key: str, size: int) -> int:
    """The place in a list of this size that a key means."""
    try:
        index = parse_int(key)
    except ValueError as error:
        raise PatchError(str(error)) from None
    if not -size <= index < size:
        raise PatchError(f"invalid index: {index}")
    return index + size if index < 0 else index


def _put(holder: Container, key: str, value: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = value
    else:
        holder.insert(len(holder) if key == "-" else _index(key, len(holder) + 1), value)


def _take(holder: Container, key: str) -> Any:
    if isinstance(holder, list):
        return holder.pop(_index(key, len(holder)))
    if key not in holder:
        raise PatchError(f"nonexistent key: {key}")
    return holder.pop(key)


# operations: each takes the document and gives it back, or another in its place


def _add(document: Any, operation: Operation) -> Any:
    _put(*_find(document, _pointer(operation, "path")), operation.get("value"))
    return document


def _remove(document: Any, operation: Operation) -> Any:
    _take(*_find(document, _pointer(operation, "path")))
    return document


def _replace(document: Any, operation: Operation) -> Any:
    path, value = _pointer(operation, "path"), operation.get("value")
    if not path:
        if not isinstance(value, (dict, list)):
            raise PatchError("the whole document must be an object or an array")
        return value
    holder, key = _find(document, path)
    if isinstance(holder, dict):
        holder[key] = value
    else:
        holder[_index(key, len(holder))] = value
    return document


def _move(document: Any, operation: Operation) -> Any:
    value = _take(*_find(document, _pointer(operation, "from")))
    _put(*_find(document, _pointer(operation, "path")), value)
    return document


def _copy(document: Any, operation: Operation) -> Any:
    value = _get(*_find(document, _pointer(operation, "from")))
    _put(*_find(document, _pointer(operation, "path")), copy.deepcopy(value))
    return document


def _test(document: Any, operation: Operation) -> Any:
    path = _pointer(operation, "path")
    found = _get(*_find(document, path)) if path else document
    if _written(found) != _written(operation.get("value")):
        raise PatchError(f"testing value {path} failed")
    return document


def _written(value: Any) -> str:
    """Values are the same if they are written the same: 1 is not true."""
    return json.dumps(value, sort_keys=True)


OPERATIONS: dict[str, Callable[[Any, Operation], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
