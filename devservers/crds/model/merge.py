"""Three-way merge of objects, and "is this subset there": pure functions over JSON values.

``update()`` merges when the object has changed on the server since it was read: the caller's own
changes (the difference between the object as read and as it is here) are replayed onto what the
server has now. Only a field that both sides changed, and differently, is a conflict. Mappings merge
by key; anything else, lists included, is one value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ABSENT = object()


class MergeConflict(Exception):
    """A field was changed on both sides; ``path`` names it (``spec.image``)."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(path)


def three_way(
    base: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any], path: str = ""
) -> Any:
    """``theirs`` with the changes that lead from ``base`` to ``mine``.

    Raises:
        MergeConflict: a field was changed on both sides, and differently.
    """
    prefix = f"{path}." if path else ""
    merged = dict(theirs)
    for key in {**base, **mine}:
        was, here, there = base.get(key, _ABSENT), mine.get(key, _ABSENT), theirs.get(key, _ABSENT)
        value = _merge_value(was, here, there, f"{prefix}{key}")
        if value is _ABSENT:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def _merge_value(was: Any, here: Any, there: Any, path: str) -> Any:
    if here is there or same(here, there) or same(here, was):
        return there
    if same(there, was):
        return here
    if isinstance(here, Mapping) and isinstance(there, Mapping):
        if not isinstance(was, Mapping):
            was = {}
        return three_way(was, here, there, path)
    raise MergeConflict(path)


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: ``True`` is not ``1``."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if one.keys() != other.keys():
            return False
        return all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one is other or (isinstance(one, bool) == isinstance(other, bool) and bool(one == other))


def contains(whole: Any, part: Any) -> bool:
    """Whether ``part`` is in ``whole``: mappings key by key, everything else by equality."""
    if not isinstance(part, Mapping):
        return same(whole, part)
    if not isinstance(whole, Mapping):
        return False
    return all(key in whole and contains(whole[key], value) for key, value in part.items())
