"""``/watch/`` in front of a resource: the older way to ask for a watch, deprecated and still served.

``GET /apis/GROUP/VERSION/watch/namespaces/NS/RESOURCE`` is a watch of the collection, with ``/NAME`` behind it one of a
single object. Both are rewritten to the path and query that ask for the same in today's way.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from ..serving.http import Request

_PREFIXED = re.compile(r"(/api/[^/]+|/apis/[^/]+/[^/]+)/watch(/[^/].*)")
NAMED = 2  # resource, name


def without_watch_prefix(request: Request) -> None:
    """Rewrite the request if its path has the prefix."""
    found = _PREFIXED.fullmatch(request.path) if request.method == "GET" else None
    if found is None:
        return
    parts = [part for part in found[2].split("/") if part]
    query = {"watch": "true"}
    if len(in_namespace(parts)) == NAMED:
        query["fieldSelector"] = f"metadata.name={parts.pop()}"
    request.path = "/".join([found[1], *parts])
    request.query_string = urlencode(query) + (f"&{request.query_string}" if request.query_string else "")


def in_namespace(parts: list[str]) -> list[str]:
    """Resource and name, without the namespace they are in."""
    return parts[2:] if parts[0] == "namespaces" and len(parts) > NAMED else parts
