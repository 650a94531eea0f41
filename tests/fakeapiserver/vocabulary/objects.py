"""Objects of the API as plain data, and their JSON as the API server writes it."""

from __future__ import annotations

import json
from typing import Any

Object = dict[str, Any]
Objects = list[Object]


def encode(obj: Any) -> bytes:
    """JSON as Go writes an unstructured object: sorted keys, no spaces, HTML characters escaped."""
    text = json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if "<" in text or ">" in text or "&" in text:
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text.encode("utf-8", "surrogatepass")
