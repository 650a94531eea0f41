"""Warnings to the user: those of the API server, and our own."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from ..errors import APIWarning

if TYPE_CHECKING:
    from email.message import Message

_WARNING = re.compile(r'299 [^\s"]+ "((?:[^"\\]|\\.)*)"')


def pass_on_warnings(headers: Message, doing: str) -> None:
    """``Warning`` headers of an answer (RFC 7234, code 299) as :class:`APIWarning`."""
    for header in headers.get_all("Warning") or ():
        for text in _WARNING.findall(header):
            plain = re.sub(r"[^ -~]+", " ", text.replace("\\", ""))
            warn_user(f"{doing}: the API server warns: {plain}")


def warn_user(text: str, category: type[Warning] = APIWarning) -> None:
    """A warning, told of the line outside of this package that led to it."""
    try:
        import warnings
    except ImportError:  # the interpreter is ending: nobody is there to be warned
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(
        _PACKAGE
    ):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)


_PACKAGE = __name__.rpartition(".transport.")[0] + "."
