"""YAML as kubectl reads it: PyYAML's safe loader, with Go's view of scalars and tags.

A plain ``2024-01-01``, ``12:30`` (a base-60 number to PyYAML), ``=`` and ``<<`` (except as a key,
where it merges) are strings; ``!!binary`` is the text it encodes; unknown tags are ignored. Only
plain data comes out: no tag creates an object, and those that would create a Python object are
refused.
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

_DEEPEST = 100  # collections inside each other
_LARGEST = 1_000_000  # nodes, each alias counted with all that it refers to

_OPENING = ("MappingStartEvent", "SequenceStartEvent")
_CLOSING = ("MappingEndEvent", "SequenceEndEvent")


def first_document(text: str) -> Any:
    """The first document of ``text``, None if there is none or it is empty.

    Raises: yaml.YAMLError; RecursionError for a document too deep, or too large with its aliases
    expanded.
    """
    import yaml

    try:
        _check_size(text, _loader_class())
    except yaml.YAMLError:
        _check_depth(text)
        raise
    with _loader(text, _loader_class()) as loader:
        if not loader.check_data():
            return None
        return loader.get_data()


def _check_depth(text: str) -> None:
    """Raise RecursionError if depth is what made libyaml report a syntax error.

    libyaml has had a depth limit of its own since 0.2.6 and words of its own for it. Python's
    parser has none.
    """
    import yaml

    try:
        _check_size(text, yaml.SafeLoader)
    except yaml.YAMLError:
        pass  # not too deep: libyaml's error is the one to raise


def _check_size(text: str, loader_class: Any) -> None:
    """Go through the events of the first document, which takes neither stack nor memory.

    Both limits keep a document from ending the process: before 0.2.6 libyaml recursed on the C
    stack without a limit, and merge keys (``<<``) copy what an alias refers to, so that a dozen
    lines of aliases to aliases fill any memory.
    """
    anchored: dict[Any, int] = {}  # nodes under each anchor
    open_nodes: list[list[Any]] = [[None, 0]]  # anchor and size so far; the document first
    with _loader(text, loader_class) as loader:
        while loader.check_event():
            event = loader.get_event()
            kind = type(event).__name__
            size = 0
            if kind == "DocumentEndEvent":
                return
            if kind in _OPENING:
                open_nodes.append([event.anchor, 1])
            elif kind in _CLOSING:
                anchor, size = open_nodes.pop()
                anchored[anchor] = size
            elif kind == "AliasEvent":
                size = anchored.get(event.anchor, 1)
            elif kind == "ScalarEvent":
                size = 1
            open_nodes[-1][1] += size
            if len(open_nodes) > _DEEPEST or open_nodes[-1][1] > _LARGEST:
                raise RecursionError


@contextmanager
def _loader(text: str, loader_class: Any) -> Iterator[Any]:
    loader = loader_class(text)
    try:
        yield loader
    finally:
        loader.dispose()


@lru_cache(maxsize=1)
def _loader_class() -> Any:
    """The loader's class, based on libyaml where PyYAML was built with it."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [
            (tag, _without_colon(tag, pattern))
            for tag, pattern in candidates
            if tag not in _STRINGS_IN_GO
        ]
        for first, candidates in base.yaml_implicit_resolvers.items()
    }
    loader: Any = type("GoLikeLoader", (base,), {"yaml_implicit_resolvers": resolvers})
    loader.add_constructor(_YAML + "binary", _construct_binary)
    loader.add_constructor(_YAML + "merge", base.construct_yaml_str)
    loader.add_constructor(None, _construct_untagged)
    return loader


def _without_colon(tag: str, pattern: re.Pattern[str]) -> re.Pattern[str]:
    """The pattern of plain scalars of a type; Go knows no base-60 numbers."""
    if tag not in _NUMBERS:
        return pattern
    return re.compile("(?!.*:)" + pattern.pattern, pattern.flags)


def _construct_binary(loader: Any, node: Any) -> str:
    return b64decode(loader.construct_scalar(node)).decode("utf-8")


def _construct_untagged(loader: Any, node: Any) -> Any:
    """What a node with an unknown tag is without it."""
    if node.tag.startswith(_YAML + "python/"):
        loader.construct_undefined(node)  # raises
    if node.id == "mapping":
        return loader.construct_mapping(node, deep=True)
    if node.id == "sequence":
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)
