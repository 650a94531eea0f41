"""Objects compared, merged and pruned field by field, as structured merge does it.

Each function walks one or two values together with their type. A value that is not there is ``MISSING`` (null is
there). A list that is no set and no map, and a map that is atomic, count as one field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from .fieldset import FieldSet, Path, key_element, show, value_element
from .fieldset import field as field_element
from .fieldtypes import ATOMIC, DEDUCED, MAP, FieldType

MISSING: Any = object()


@dataclass
class Comparison:
    """What differs between two objects."""

    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)


def compare(old: Any, new: Any, kind: FieldType) -> Comparison:
    result = Comparison()
    _compare(old, new, kind, (), result)
    return result


def _compare(old: Any, new: Any, kind: FieldType, path: Path, out: Comparison) -> None:
    if MISSING not in (old, new) and kind.form(old) != kind.form(new):
        _compare_leaf(old, new, path, out)
        return
    here = old if new is MISSING else new
    if _is_leaf(old, new, kind, here):
        _compare_leaf(old, new, path, out)
        return
    before, after = children(old, kind), children(new, kind)
    for element in {**before, **after}:
        (old_child, child_kind), (new_child, new_kind) = before.get(element, ABSENT), after.get(element, ABSENT)
        _compare(old_child, new_child, new_kind if new_child is not MISSING else child_kind, (*path, element), out)
    if path:
        _mark_presence(old, new, path, out)


ABSENT = (MISSING, DEDUCED)


def _is_leaf(old: Any, new: Any, kind: FieldType, here: Any) -> bool:
    form = kind.form(here)
    if form == "scalar" or (form == "map" and kind.atomic):
        return True
    if form == "list" and kind.list_kind in ("", ATOMIC):
        return True
    return not (old is not MISSING and old) and not (new is not MISSING and new)


def _compare_leaf(old: Any, new: Any, path: Path, out: Comparison) -> None:
    if MISSING in (old, new):
        _mark_presence(old, new, path, out)
    elif old != new or type(old) is not type(new):
        out.modified.add(path)


def _mark_presence(old: Any, new: Any, path: Path, out: Comparison) -> None:
    if old is MISSING:
        out.added.add(path)
    elif new is MISSING:
        out.removed.add(path)


def children(value: Any, kind: FieldType) -> dict[str, tuple[Any, FieldType]]:
    """What a value is made of: element -> (child, its type)."""
    if isinstance(value, dict):
        return {field_element(name): (item, kind.child(name) or DEDUCED) for name, item in value.items()}
    if isinstance(value, list):
        return {list_element(item, kind): (item, kind.item or DEDUCED) for item in value}
    return {}


def list_element(item: Any, kind: FieldType) -> str:
    return key_element(item, kind.keys) if kind.list_kind == MAP and isinstance(item, dict) else value_element(item)


# what an applied configuration owns


def field_set(value: Any, kind: FieldType) -> FieldSet:
    """The fields that applying a configuration owns: its leaves, items of lists, and undeclared fields."""
    found: set[Path] = set()
    _collect(value, kind, (), found)
    return frozenset(found)


def _collect(value: Any, kind: FieldType, path: Path, found: set[Path]) -> None:
    form = kind.form(value)
    if form == "scalar" or kind.atomic or (form == "list" and kind.list_kind in ("", ATOMIC)):
        found.add(path)
        return
    for element, (child, child_kind) in children(value, kind).items():
        below = (*path, element)
        _collect(child, child_kind, below, found)
        declared = element.startswith("f:") and kind.declares(element[2:])
        if not declared or child is None or child == {}:
            found.add(below)


def with_named_fields(paths: FieldSet, kind: FieldType) -> FieldSet:
    """The set together with the declared fields on the way to its members."""
    result = set(paths)
    for path in paths:
        current: Optional[FieldType] = kind
        for depth, element in enumerate(path[:-1], start=1):
            if current is None:
                break
            if element.startswith("f:") and current.declares(element[2:]):
                result.add(path[:depth])
            current = current.child(element[2:]) if element.startswith("f:") else current.item
    return frozenset(result)


# merging and removing


def merge(old: Any, new: Any, kind: FieldType) -> Any:
    """The old value with the new one's fields set."""
    if new is MISSING:
        return old
    if old is MISSING or old is None:
        return new
    if new is None and old and not kind.deduced and not _is_whole(kind):
        return old  # null is a map, or a list, of nothing
    form = kind.form(new)
    if form == "map" and isinstance(new, dict) and isinstance(old, dict) and not kind.atomic:
        names = {**old, **new}
        return {
            name: merge(old.get(name, MISSING), new.get(name, MISSING), kind.child(name) or DEDUCED) for name in names
        }
    if form == "list" and kind.list_kind not in ("", ATOMIC) and isinstance(new, list) and isinstance(old, list):
        return _merge_lists(old, new, kind)
    return new


def _is_whole(kind: FieldType) -> bool:
    """Is a value of this type one field, whatever is in it?"""
    return kind.atomic or not (kind.is_map or kind.list_kind not in ("", ATOMIC))


def _merge_lists(old: list[Any], new: list[Any], kind: FieldType) -> list[Any]:
    before = {list_element(item, kind): item for item in old}
    after = {list_element(item, kind): item for item in new}
    item_kind = kind.item or DEDUCED
    order = _merged_order(list(before), list(after))
    return [merge(before.get(e, MISSING), after.get(e, MISSING), item_kind) for e in order]


def _merged_order(old: list[str], new: list[str]) -> list[str]:
    """The new elements in their order, each old one that is not among them before what followed it."""
    shared = [element for element in new if element in old]
    order: list[str] = []
    for element in old:
        if element not in new:
            order.append(element)
        elif shared and element == shared[0]:
            at = new.index(element) + 1
            order.extend(e for e in new[:at] if e not in order)
            del shared[0]
    return order + [element for element in new if element not in order]


def remove(value: Any, paths: FieldSet, kind: FieldType) -> Any:
    """The value without the given paths (and what is below them)."""
    if not paths or not isinstance(value, (dict, list)):
        return value
    kept: dict[str, Any] = {}
    for element, (child, child_kind) in children(value, kind).items():
        if (element,) in paths:
            continue
        below = frozenset(path[1:] for path in paths if path[0] == element and len(path) > 1)
        kept[element] = remove(child, below, child_kind)
    if isinstance(value, list):
        return list(kept.values())
    return {element[2:]: child for element, child in kept.items()}


# typing


def type_errors(value: Any, kind: FieldType, path: str = "", strict: bool = False) -> list[str]:
    """Why an object is not of its type: ``PATH: what is wrong``; ``strict`` refuses items that are in a list twice."""
    if value is None or kind.deduced:
        return []
    form = kind.form(value)
    if form == "map":
        return _map_errors(value, kind, path, strict)
    if form == "list":
        return _list_errors(value, kind, path, strict)
    wrong = _scalar_error(value, kind.scalar)
    return [f"{path}: {wrong}"] if wrong else []


def _map_errors(value: Any, kind: FieldType, path: str, strict: bool) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: expected map, got {_shown(value)}"]
    errors = []
    for name, item in value.items():
        child = kind.child(name)
        if child is None:
            errors.append(f"{path}.{name}: field not declared in schema")
        else:
            errors.extend(type_errors(item, child, f"{path}.{name}", strict))
    return errors


def _list_errors(value: Any, kind: FieldType, path: str, strict: bool) -> list[str]:
    if not isinstance(value, list):
        return [f"{path}: expected list, got {_shown(value)}"]
    errors: list[str] = []
    seen: set[str] = set()
    for index, item in enumerate(value):
        element = f"[{index}]"
        if kind.list_kind not in ("", ATOMIC):
            wrong = _item_error(item, kind)
            if wrong:
                return [*errors, f"{path}: element {index}: {wrong}"]
            element = show((list_element(item, kind),))
            if strict and element in seen:
                errors.append(f"{path}: duplicate entries for key {element}")
            seen.add(element)
        errors.extend(type_errors(item, kind.item or DEDUCED, path + element, strict))
    return errors


def _item_error(item: Any, kind: FieldType) -> str:
    """Why an item cannot be told from others in its list."""
    form = _form(item)
    if kind.list_kind != MAP:
        return NOT_IN_A_SET.get(form, "")
    if form != "map":
        return f"associative list with keys may not have {'a null element' if form == 'null' else 'non-map elements'}"
    missing = next((key for key in kind.keys if key not in item and not _has_default(kind, key)), "")
    why = f'associative list with keys has an element that omits key field "{missing}"'
    return f"{why} (and doesn't have default value)" if missing else ""


def _form(value: Any) -> str:
    if value is None:
        return "null"
    return "map" if isinstance(value, dict) else "list" if isinstance(value, list) else "scalar"


def _has_default(kind: FieldType, key: str) -> bool:
    child = kind.item.child(key) if kind.item is not None else None
    return child is not None and child.defaulted


NOT_IN_A_SET = {
    "map": "associative list without keys has an element that's a map type",
    "list": "not supported: associative list with lists as elements",
    "null": "associative list without keys has an element that's an explicit null",
}


def _scalar_error(value: Any, scalar: str) -> str:
    if scalar == "string" and not isinstance(value, str):
        return f"expected string, got &value.valueUnstructured{{Value:{_go(value)}}}"
    if scalar == "numeric" and (isinstance(value, bool) or not isinstance(value, (int, float))):
        return f"expected numeric (int or float), got {_go_type(value)}"
    if scalar == "boolean" and not isinstance(value, bool):
        return f"expected boolean, got {_shown(value)}"
    return ""


def _shown(value: Any) -> str:
    return f"&{{{_plain(value)}}}"


def _plain(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, bool) or value is None:
        return {None: "<nil>", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{' '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{_plain(item)}' for name, item in sorted(value.items()))}]"
    return str(value)


def _go(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(_go(item) for item in value) + "}"
    if isinstance(value, dict):
        return "map[string]interface {}{" + ", ".join(f'"{k}":{_go(v)}' for k, v in sorted(value.items())) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (list, dict)):
        return "[]interface {}" if isinstance(value, list) else "map[string]interface {}"
    return "string"
