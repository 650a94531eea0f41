"""Hiding secrets in text that is worth showing: what a credential plugin wrote to stderr.

Known secrets are replaced wherever they stand. What only looks like one (a token, a key, the value after ``password=``)
is replaced too: a word too many hidden costs less than one too few. Prose such as "cannot get token: exit status 1"
stays readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHOWN = 2000  # characters; the last ones tell why it failed
_SHORTEST_SECRET = 6  # a value of "1" or "true" is none, and masking it would garble the text

SECRET_NAME = re.compile(r"(?i)token|passw|secret|credential|api[_-]?key|private[_-]?key|access[_-]?key")
"""Names of variables and flags whose values are secrets."""

_LOOKS = (
    re.compile(r"-----BEGIN [^-]*-----.*?(-----END [^-]*-----|\Z)", re.DOTALL),
    re.compile(r"(?<![\w-])ey[\w-]{8,}\.[\w-]+(\.[\w-]*)*"),  # JSON web tokens
    re.compile(r"(?i)(?<=\bbearer )\S+|(?<=\bbasic )\S+"),
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),  # user and password of a URL
    re.compile(r"(?<![\w./~-])[A-Za-z0-9+][A-Za-z0-9/+]{39,}={0,2}"),  # base64; a path begins with / or has dots
    re.compile(r"[A-Za-z0-9_+=-]{40,}"),  # nothing that is meant to be read is that long in one piece
)
_VALUE = r"""(?P<value>"[^"\n]*"?|'[^'\n]*'?|[^\s"',}]{4,}(?:,[^\s"']+)?)"""
_NAMED = (
    re.compile(rf"""(?i:(?P<name>passw\w*["']?\s*[:=]\s*)){_VALUE}"""),
    re.compile(rf"""(?i:(?P<name>(?:token|secret|credentials?|key)[\w-]*["']?\s*=\s*)){_VALUE}"""),
    re.compile(  # token: VALUE, "client_secret": "VALUE"; but not "cannot get token: exit status 1"
        r"""(?i:(?P<name>(?:token|secret|credentials?|key)[\w-]*["']?\s*:\s*))"""
        rf"""(?!(?:[a-z]+|[A-Z][a-z]*)(?:[\s.,;:]|\Z)){_VALUE}"""
    ),
)
_TERMINAL_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def without_controls(text: str) -> str:
    """``text`` without what would move the cursor of a terminal or colour it; line breaks and tabs stay."""
    return _TERMINAL_CONTROLS.sub("", text)


def masked(text: str, secrets: Iterable[str]) -> str:
    """The end of ``text``, known secrets and what looks like one replaced by ``***``."""
    text = without_controls(text)
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    for pattern in _LOOKS:
        text = pattern.sub("***", text)
    for pattern in _NAMED:
        text = pattern.sub(_with_masked_value, text)
    return text.strip()[-_SHOWN:]


def _with_masked_value(match: re.Match[str]) -> str:
    quote = match["value"][0] if match["value"][0] in "\"'" else ""
    return f"{match['name']}{quote}***{quote}"
