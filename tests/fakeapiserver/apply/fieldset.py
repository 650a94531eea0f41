"""Field sets: which fields of an object somebody owns, as ``managedFields`` writes them.

A field set is a set of paths; a path is a tuple of elements in their written form: ``f:NAME`` for a field,
``k:{...}`` for an item of a list by its keys, ``v:VALUE`` for an item of a set. A path in the set is owned itself;
owning ``spec.image`` does not mean owning ``spec``. In the written form (FieldsV1, a nested object) a path that is
owned and has owned fields below it has a ``.`` beside them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

Path = tuple[str, ...]
FieldSet = frozenset[Path]

EMPTY: FieldSet = frozenset()
KINDS = ("f:", "k:", "v:", "i:")


def field(name: str) -> str:
    return f"f:{name}"


def value_element(value: Any) -> str:
    return f"v:{json.dumps(value, separators=(',', ':'), sort_keys=True, ensure_ascii=False)}"


def key_element(item: dict[str, Any], keys: Iterable[str]) -> str:
    chosen = {key: item[key] for key in keys if key in item}
    return f"k:{json.dumps(chosen, separators=(',', ':'), sort_keys=True, ensure_ascii=False)}"


def to_fields_v1(paths: FieldSet) -> dict[str, Any]:
    """The nested form that managedFields holds."""
    root: dict[str, Any] = {}
    for path in sorted(paths, key=len):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _without_lonely_dots(root)


def _without_lonely_dots(node: dict[str, Any]) -> dict[str, Any]:
    """A leaf is written ``{}``, not ``{".": {}}``."""
    if set(node) == {"."}:
        return {}
    return {element: _without_lonely_dots(child) for element, child in node.items()}


def is_fields_v1(fields: Any) -> bool:
    """Is this a nested form, each of its keys an element?"""
    if not isinstance(fields, dict):
        return False
    return all(key == "." or (key[:2] in KINDS and is_fields_v1(child)) for key, child in fields.items())


def from_fields_v1(fields: dict[str, Any]) -> FieldSet:
    return frozenset(_read(fields, ()))


def _read(node: dict[str, Any], path: Path) -> Iterator[Path]:
    for element, child in node.items():
        if element == ".":
            yield path
        elif child:
            yield from _read(child, (*path, element))
        else:
            yield (*path, element)


def without_below(paths: FieldSet, prefixes: Iterable[Path]) -> FieldSet:
    """The set less the prefixes and everything under them."""
    roots = tuple(prefixes)
    return frozenset(path for path in paths if not any(path[: len(root)] == root for root in roots))


def in_order(paths: FieldSet) -> list[Path]:
    """The order in which sets are walked: a level's own members first, then what is below it."""
    return sorted(paths, key=_walk_key)


def _walk_key(path: Path) -> list[tuple[int, str]]:
    return [*((1, element) for element in path[:-1]), (0, path[-1])] if path else []


def show(path: Path) -> str:
    """A path as conflicts show it: ``.spec.image``, ``.metadata.finalizers[="x"]``."""
    return "".join(_show(element) for element in path)


def _show(element: str) -> str:
    kind, _, text = element.partition(":")
    if kind == "f":
        return f".{text}"
    if kind == "k":
        return "[" + ",".join(f"{key}={_literal(value)}" for key, value in sorted(json.loads(text).items())) + "]"
    return f"[={_literal(json.loads(text))}]" if kind == "v" else f"[{text}]"


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
