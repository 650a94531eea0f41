"""Validation against a CRD's schema, with the causes and the wording of the API server's own validator.

jsonschema decides well but words it its own way; which keyword failed, on what, in which order and in what words is
what clients see in a 422, so the keywords of structural schemas are checked here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, Callable

from ..vocabulary.fielderrors import (
    Cause,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
    type_invalid,
)
from .schema import Schema

INT_OR_STRING = "x-kubernetes-int-or-string"


def validate(obj: Any, schema: Schema) -> list[Cause]:
    """All causes why the object does not satisfy the schema."""
    return [*_check(obj, schema, ""), *_list_types(obj, schema, "")]


def json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    return {float: "number", str: "string", list: "array"}.get(type(value), "object")


def _check(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if value is None and schema.get("nullable"):
        return
    yield from _type(value, schema, path)
    yield from _combinations(value, schema, path)
    yield from _KEYWORDS.get(json_type(value), _nothing)(value, schema, path)
    yield from _enum(value, schema, path)
    if isinstance(value, dict):
        yield from _object(value, schema, path)


def _nothing(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    return iter(())


def _type(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    wanted = schema.get("type")
    if wanted is None:
        return
    found = json_type(value)
    if found == wanted or (wanted == "number" and found == "integer"):
        return
    yield type_invalid(path, found, f'{path} in body must be of type {wanted}: "{found}"')


def _combinations(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if schema.get(INT_OR_STRING):
        if json_type(value) not in ("integer", "string"):
            found = json_type(value)
            yield type_invalid(path, found, f'{path} in body must be of type integer,string: "{found}"')
        return
    for branch in schema.get("allOf") or ():
        yield from _check(value, branch, path)
    if schema.get("anyOf") and all(any(_check(value, branch, path)) for branch in schema["anyOf"]):
        yield invalid("<nil>", "", f'"{path}" must validate at least one schema (anyOf)')
    if schema.get("oneOf"):
        passing = sum(1 for branch in schema["oneOf"] if not any(_check(value, branch, path)))
        if passing != 1:
            found = f"Found {passing} valid alternatives" if passing else "Found none valid"
            yield invalid("<nil>", "", f'"{path}" must validate one and only one schema (oneOf). {found}')
    if "not" in schema and not any(_check(value, schema["not"], path)):
        yield invalid("<nil>", "", f'"{path}" must not validate the schema (not)')


def _string(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    yield from _text(value, schema, path)
    known = FORMATS.get(schema.get("format", ""))
    if known is not None and not known(value):
        yield type_invalid(path, value, f"{path} in body must be of type {schema['format']}: {json.dumps(value)}")


def _text(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    """Length and pattern: the first that fails is the only one told."""
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        yield too_long(path, schema["maxLength"])
    elif "minLength" in schema and len(value) < schema["minLength"]:
        yield invalid(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    elif "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield invalid(path, value, f"{path} in body should match '{schema['pattern']}'")


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> re.Pattern[str]:
    """Go's ``$`` is the end of the text; Python's also stands before a last newline."""
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern), re.ASCII)


def _is_date_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return False
    return "T" in value


FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _is_date_time,
    "date": lambda value: re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", value) is not None,
    "uuid": lambda value: (
        re.fullmatch(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", value) is not None
    ),
    "ipv4": lambda value: (
        re.fullmatch(r"(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}", value) is not None
    ),
    "email": lambda value: re.fullmatch(r"[^@\s]+@[^@\s]+", value) is not None,
}


def _number(value: float, schema: Schema, path: str) -> Iterator[Cause]:
    maximum, minimum, factor = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    if factor is not None and value % factor:
        yield invalid(path, value, f"{path} in body should be a multiple of {factor}")
    if maximum is not None and schema.get("exclusiveMaximum") and value >= maximum:
        yield invalid(path, value, f"{path} in body should be less than {maximum}")
    elif maximum is not None and value > maximum:
        yield invalid(path, value, f"{path} in body should be less than or equal to {maximum}")
    if minimum is not None and schema.get("exclusiveMinimum") and value <= minimum:
        yield invalid(path, value, f"{path} in body should be greater than {minimum}")
    elif minimum is not None and value < minimum:
        yield invalid(path, value, f"{path} in body should be greater than or equal to {minimum}")


def _array(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    items = schema.get("items")
    if items is not None:
        for index, item in enumerate(value):
            yield from _check(item, items, f"{path}[{index}]")
    if "minItems" in schema and len(value) < schema["minItems"]:
        yield invalid(path, len(value), f"{path} in body should have at least {schema['minItems']} items")
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        yield too_many(path, len(value), schema["maxItems"])


_KEYWORDS: dict[str, Callable[[Any, Schema, str], Iterator[Cause]]] = {
    "string": _string,
    "integer": _number,
    "number": _number,
    "array": _array,
}


def _enum(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    allowed = schema.get("enum")
    if allowed is not None and not any(type(value) is type(other) and value == other for other in allowed):
        shown = [other if isinstance(other, str) else json.dumps(other, separators=(",", ":")) for other in allowed]
        yield not_supported(path, value, shown)


def _object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Cause]:
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    if "minProperties" in schema and len(value) < schema["minProperties"]:
        yield invalid(path, len(value), f"{path} in body should have at least {schema['minProperties']} properties")
    if "maxProperties" in schema and len(value) > schema["maxProperties"]:
        yield too_many(path, len(value), schema["maxProperties"])
    for name in sorted(value):
        child = properties.get(name, additional if isinstance(additional, dict) else None)
        if child is not None:
            yield from _check(value[name], child, f"{path}.{name}" if path else name)
    for name in schema.get("required") or ():
        if name not in value:
            yield required(f"{path}.{name}" if path else name)


def _list_types(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    """Duplicates in lists that are sets or maps."""
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        for name in sorted(value):
            if name in properties:
                yield from _list_types(value[name], properties[name], f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield from _duplicates(value, schema, path)
        for index, item in enumerate(value):
            yield from _list_types(item, schema.get("items") or {}, f"{path}[{index}]")


def _duplicates(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("set", "map"):
        return
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    seen: set[str] = set()
    for index, item in enumerate(value):
        identity = {key: item[key] for key in keys if key in item} if kind == "map" and isinstance(item, dict) else item
        text = json.dumps(identity, sort_keys=True)
        if text in seen:
            yield duplicate(f"{path}[{index}]", identity)
        seen.add(text)
