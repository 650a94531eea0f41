"""Selectors of lists and watches, as the API takes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional, Union

LabelSelector = Union[str, Mapping[str, str]]
"""``"team=red,tier in (1,2)"``, or a mapping of labels that must be equal."""


def selectors_of(label_selector: Optional[LabelSelector], field_selector: Optional[str]) -> dict[str, Optional[str]]:
    """The query parameters of a label selector and a field selector."""
    if isinstance(label_selector, Mapping):
        label_selector = ",".join(f"{key}={value}" for key, value in label_selector.items())
    return {"labelSelector": label_selector or None, "fieldSelector": field_selector or None}
