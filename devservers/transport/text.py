"""Text that comes from elsewhere: what of it may be shown, and what it says if it is JSON. Pure.

A terminal obeys control characters, a file name need not be text in any encoding, and a proxy may
answer with anything where JSON is expected. Whether a string can be sent at all is a question about
arguments (``is_encodable`` of ``arguments.py``); secrets are cut out by ``auth/redaction.py``.
"""

from __future__ import annotations

import json
import re
from typing import Any, Union

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_TERMINAL_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def has_controls(text: str) -> bool:
    """Whether ``text`` contains an ASCII control character, which could end a header or URL."""
    return _CONTROLS.search(text) is not None


def without_terminal_controls(text: str) -> str:
    """``text`` without what would move a cursor or set colors; newlines and tabs stay."""
    return _TERMINAL_CONTROLS.sub("", text)


def printable(text: str, replacement: str = " ") -> str:
    """``text`` with ``replacement`` for what cannot be printed, line breaks included."""
    return "".join(letter if letter.isprintable() else replacement for letter in text)


def shown_path(path: str) -> str:
    """A path that can be printed: file names are bytes, and need not be text in any encoding."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def json_or_none(text: Union[str, bytes]) -> Any:
    """The value of ``text`` as JSON, None if it is not JSON.

    Whoever asks has to check the type anyway, so that ``null`` and no JSON at all need no telling
    apart. Nesting beyond Python's limit counts as no JSON, too.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
