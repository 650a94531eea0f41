"""The operator deletes a DevServer when its ``lifecycle.timeToLive`` has passed since its creation, used or not."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import Optional

from ..backbone import Backbone
from ..core.deletes import remove
from ..core.options import DeleteOptions
from ..goish.gotime import parse
from ..vocabulary.objects import Object
from ..vocabulary.status import APIFailure
from .agenda import Agenda
from .controllers import Key, find

_PATTERN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECONDS = (3600, 60, 1)


class TimeToLive:
    """Looks at each DevServer when its time is up."""

    def __init__(self, server: Backbone, agenda: Agenda) -> None:
        self._server = server
        self._agenda = agenda
        self._ends: dict[str, float] = {}  # by uid: when it will be looked at

    def changed(self, kind: str, devserver: Object) -> None:
        uid = devserver["metadata"]["uid"]
        end = None if kind == "DELETED" else end_of_life(devserver)
        if end is None:
            self._ends.pop(uid, None)
        elif self._ends.get(uid) != end:
            self._ends[uid] = end
            self._agenda.after(max(0.0, end - time.time()), partial(self._look, Key.of(devserver), uid))

    def _look(self, key: Key, uid: str) -> None:
        """Delete it if its time is still up: it may have been given more."""
        devserver = find(self._server.store, "devservers", key.name, key.namespace, uid)
        end = None if devserver is None else end_of_life(devserver)
        if devserver is None or end is None or end > time.time() or "deletionTimestamp" in devserver["metadata"]:
            return
        resource = self._server.store.type("devservers")
        try:
            remove(self._server.api, resource, key.namespace, key.name, DeleteOptions(preconditions={"uid": uid}))
        except APIFailure:
            pass  # deleted meanwhile


def end_of_life(devserver: Object) -> Optional[float]:
    """In seconds since the epoch; None for a DevServer that may live for ever."""
    text = ((devserver.get("spec") or {}).get("lifecycle") or {}).get("timeToLive")
    match = _PATTERN.fullmatch(text) if isinstance(text, str) else None
    if not text or match is None:
        return None
    parts = zip(match.groups(default="0"), _SECONDS)
    return parse(devserver["metadata"]["creationTimestamp"]) + sum(float(count) * unit for count, unit in parts)
