"""Selectors of lists and watches, as the API takes them, checked before they are sent. Pure.

A mapping of labels is checked by the API server's rules for labels: a value that is None, a number
or contains a comma would select something other than what was meant, mostly nothing. A selector
that is a string (``tier in (1,2)``) is left to the API server, which refuses what it does not
understand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Optional, Union

from ... import arguments
from ...transport.names import validate_name

LabelSelector = Union[str, Mapping[str, str]]
"""``"team=red,tier in (1,2)"``, or a mapping of labels that must be equal."""

_WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_WORD_LIMIT = 63
_RULE = (
    f"at most {_WORD_LIMIT} letters, digits, '-', '_' and '.', beginning and ending with a letter "
    "or digit (pass a string for selectors such as 'tier in (1,2)')"
)


def selectors_of(
    label_selector: Optional[LabelSelector], field_selector: Optional[str]
) -> dict[str, Optional[str]]:
    """The query parameters of a label selector and a field selector.

    Raises:
        TypeError, ValueError: one of them is wrong; the message names the label.
    """
    if isinstance(label_selector, Mapping):
        label_selector = ",".join(_equal(key, value) for key, value in label_selector.items())
    return {
        "labelSelector": _checked(label_selector, "label_selector", "a string or a dict of labels"),
        "fieldSelector": _checked(field_selector, "field_selector", "a string"),
    }


def _checked(selector: Optional[str], name: str, wanted: str) -> Optional[str]:
    """The selector; None for an empty one, which selects everything."""
    if selector is None or selector == "":
        return None
    if not isinstance(selector, str):
        raise TypeError(f"{name}: must be {wanted}, not {type(selector).__name__}")
    return arguments.sendable(selector, name)


def _equal(key: object, value: object) -> str:
    """``key=value``, both checked by the API server's rules."""
    if not isinstance(key, str):
        raise TypeError(
            f"label_selector: the key {key!r} must be a string, not {type(key).__name__}"
        )
    prefix, slash, name = key.rpartition("/")
    if slash:
        validate_name(prefix, f"label_selector: the prefix of {key!r}")
    if not _is_word(name):
        raise ValueError(f"label_selector: the key {key!r} is not a valid label key: {_RULE}")
    field = f"label_selector[{key!r}]"
    if not isinstance(value, str):
        raise TypeError(f"{field}: must be a string, not {type(value).__name__}")
    if value and not _is_word(value):
        raise ValueError(f"{field}: {value!r} is not a valid label value: {_RULE}")
    return f"{key}={value}"


def _is_word(text: str) -> bool:
    return len(text) <= _WORD_LIMIT and _WORD.fullmatch(text) is not None
