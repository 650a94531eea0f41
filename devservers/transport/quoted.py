"""What an API server quotes of an exec request: the URL by which it asked the kubelet in vain.

The command stands in it, and with it the variables that were to be set: perhaps secrets. So the
query is cut out of whatever a Status says. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_EXEC_QUERY = re.compile(r'(/exec/[^\s?"]*\?)[^\s"]*')


def without_command(message: str) -> str:
    """``message`` with ``…`` for the query of each exec URL in it."""
    return _EXEC_QUERY.sub(_abridged, message)  # a template would be compiled by an import each time


def _abridged(match: re.Match[str]) -> str:
    return f"{match[1]}…"


def details_without_commands(details: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ``details`` of a Status; their causes repeat its message."""
    causes = details.get("causes")
    if not isinstance(causes, list):
        return details
    return {**details, "causes": [_cause(cause) for cause in causes]}


def _cause(cause: Any) -> Any:
    message = cause.get("message") if isinstance(cause, Mapping) else None
    return {**cause, "message": without_command(message)} if isinstance(message, str) else cause
