"""YAML as kubectl reads it: PyYAML's safe loader with the ideas that Go's parser has of scalars and tags.

A plain ``2024-01-01``, ``12:30`` (to PyYAML a number to the base of 60), ``=`` and ``<<`` (but as a key, where it
merges) are strings; ``!!binary`` is the text it encodes; a tag that nobody knows is passed over. Only plain data comes
out: no tag makes an object, and those that would make one of Python's are refused.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

_YAML = "tag:yaml.org,2002:"
_STRINGS_IN_GO = (_YAML + "timestamp", _YAML + "value")
_NUMBERS = (_YAML + "int", _YAML + "float")


_DEEPEST = 100  # collections within each other; libyaml recurses on the stack, before 0.2.6 without a limit
_LARGEST = 1_000_000  # nodes with every alias written out: a few lines of aliases to aliases can stand for billions


def first_document(text: str) -> Any:
    """The first document of ``text``, None if there is none or it is empty.

    Raises: yaml.YAMLError; RecursionError for a document too deep, or too large with its aliases written out.
    """
    import yaml

    try:
        _check_size(text, _loader())
    except yaml.YAMLError:
        _check_depth(text)
        raise
    with _loader_of(text, _loader()) as loader:
        return loader.get_data() if loader.check_data() else None


def _check_depth(text: str) -> None:
    """libyaml has a limit of its own since 0.2.6, and reports it as a fault of syntax: ask the parser that has none."""
    import yaml

    try:
        _check_size(text, yaml.SafeLoader)
    except yaml.YAMLError:
        pass  # not too deep: the error of the first parser stands


def _check_size(text: str, loader_class: Any) -> None:
    """Go through the events of the first document, which needs neither a deep stack nor much memory."""
    anchored: dict[Any, int] = {}  # nodes under each anchor
    within: list[list[Any]] = [[None, 0]]  # anchor and nodes so far of each open collection, the document first
    with _loader_of(text, loader_class) as loader:
        while loader.check_event():
            event = loader.get_event()
            kind = type(event).__name__
            if kind == "DocumentEndEvent":
                return
            if kind in _OPENING:
                within.append([event.anchor, 1])
            size = anchored.get(event.anchor, 1) if kind == "AliasEvent" else int(kind == "ScalarEvent")
            if kind in _CLOSING:
                anchor, size = within.pop()
                anchored[anchor] = size
            within[-1][1] += size
            if len(within) > _DEEPEST or within[-1][1] > _LARGEST:
                raise RecursionError


_OPENING = ("MappingStartEvent", "SequenceStartEvent")
_CLOSING = ("MappingEndEvent", "SequenceEndEvent")


@contextmanager
def _loader_of(text: str, loader_class: Any) -> Iterator[Any]:
    loader = loader_class(text)
    try:
        yield loader
    finally:
        loader.dispose()


@lru_cache(maxsize=1)
def _loader() -> Any:
    """The loader class, in C where PyYAML has that."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [(tag, _without_colon(tag, pattern)) for tag, pattern in candidates if tag not in _STRINGS_IN_GO]
        for first, candidates in base.yaml_implicit_resolvers.items()
    }
    loader: Any = type("GoLikeLoader", (base,), {"yaml_implicit_resolvers": resolvers})
    loader.add_constructor(_YAML + "binary", _decoded)
    loader.add_constructor(_YAML + "merge", base.construct_yaml_str)
    loader.add_constructor(None, _by_kind)
    return loader


def _without_colon(tag: str, pattern: re.Pattern[str]) -> re.Pattern[str]:
    return re.compile("(?!.*:)" + pattern.pattern, pattern.flags) if tag in _NUMBERS else pattern


def _decoded(loader: Any, node: Any) -> str:
    return b64decode(loader.construct_scalar(node)).decode("utf-8")


def _by_kind(loader: Any, node: Any) -> Any:
    """What a node with an unknown tag is without it."""
    if node.tag.startswith(_YAML + "python/"):
        loader.construct_undefined(node)  # raises
    if node.id == "mapping":
        return loader.construct_mapping(node, deep=True)
    if node.id == "sequence":
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)
