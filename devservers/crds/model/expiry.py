"""Whether a DevServer is gone because its time to live was up. Pure.

Its operator deletes it then, and nothing on the cluster says why: only its ages tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .metadata import parse_time
from .timetolive import parse_time_to_live

CLOCK_SKEW_SECONDS = 2
"""How far this machine's clock may be behind that of the API server."""


def expiry_note(raw: Mapping[str, Any], now: float) -> str:
    """``": its timeToLive of 1h was up …"``, or ``""`` if it was not, or that is not known.

    ``raw`` is the DevServer as last seen, ``now`` seconds since the epoch. If it has a
    deletionTimestamp, that is compared instead of ``now``: it was written by the clock that wrote
    the creationTimestamp.
    """
    metadata = raw.get("metadata") or {}
    lifecycle = (raw.get("spec") or {}).get("lifecycle")
    time_to_live = lifecycle.get("timeToLive") if isinstance(lifecycle, Mapping) else None
    try:
        created, marked = (
            parse_time(metadata.get(key)) for key in ("creationTimestamp", "deletionTimestamp")
        )
        if created is None or not isinstance(time_to_live, str) or not time_to_live:
            return ""
        seconds = parse_time_to_live(time_to_live, "timeToLive").total_seconds()
    except (ValueError, TypeError, OverflowError):
        return ""
    ended = now + CLOCK_SKEW_SECONDS
    if marked is not None:
        ended = marked.timestamp()
    if not 0 < seconds <= ended - created.timestamp():
        return ""
    return (
        f": its timeToLive of {time_to_live} was up (it was created at "
        f"{metadata['creationTimestamp']}); for more time set a longer spec.lifecycle.timeToLive"
    )
