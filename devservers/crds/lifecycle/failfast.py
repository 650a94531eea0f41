"""When waiting longer is pointless: signs that a DevServer will not get ready by itself.

Some signs are final at once (an invalid image name), some only if they last: an image that could
not be pulled may be there in a minute, an operator that has processed an object may be about to
write its status. So :class:`FailFast` remembers since when it has seen each sign.
``fail_fast=False`` leaves all of it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ...errors import DevServersError
from .. import const
from .flavor import missing_flavor, no_such_flavor
from .operatornotes import OperatorNotes
from .pods import Pods

if TYPE_CHECKING:
    from ...transport.deadline import Deadline
    from ...transport.rest import RESTClient


class Sign(NamedTuple):
    """A bad sign, and the seconds that it must last before it counts as final."""

    what: str
    seconds: float


PULL_SECONDS = 60.0
SILENCE_SECONDS = 30.0
"""Time for an operator that has processed an object to write a status or to create a pod."""
FLAVOR_SECONDS = 10.0
"""Time for a flavor that is created together with the DevServer to appear."""
CRASHES = 3
"""Restarts after which a container in CrashLoopBackOff is given up."""
PULL_FAILURES = frozenset({"ImagePullBackOff", "ErrImagePull"})

NO_POD = "no pod"
"""The sign that does not end a wait itself, but makes it ask whether the flavor exists."""


class FailFast:
    """The signs seen during one wait."""

    def __init__(self, client: RESTClient) -> None:
        self._client = client
        self._since: dict[str, float] = {}
        self._flavor_exists = False

    def reason(self, raw: Mapping[str, Any], pods: Optional[Pods], deadline: Deadline) -> str:
        """Why the wait may end now, or ``""``; ``pods`` is None where they may not be listed."""
        now = self._client.clock.now()
        signs = {sign.what: sign for sign in _signs(raw, pods)}
        self._since = {what: self._since.get(what, now) for what in signs}
        for what, since in self._since.items():
            if now - since < signs[what].seconds:
                continue
            if what != NO_POD:
                return what
            missing = self._missing_flavor(raw, deadline)
            if missing:
                return missing
        return ""

    def _missing_flavor(self, raw: Mapping[str, Any], deadline: Deadline) -> str:
        if self._flavor_exists:
            return ""
        try:
            missing = missing_flavor(self._client, raw, deadline)
        except DevServersError:
            return ""  # not known now: asked again the next time
        if missing is not None:
            return no_such_flavor(missing)
        self._flavor_exists = True
        return ""


def _signs(raw: Mapping[str, Any], pods: Optional[Pods]) -> Iterator[Sign]:
    """The signs that can be seen now. Pure."""
    if pods is not None and pods.last is not None:
        yield from _pod_signs(pods.last)
        return
    if (raw.get("status") or {}).get("phase") != const.PHASE_RUNNING:
        yield Sign(NO_POD, FLAVOR_SECONDS)
    if OperatorNotes.of(raw).finished and not raw.get("status"):
        what = "its operator has processed it but set no status"
        if pods is not None:
            what += " and created no pod"
        yield Sign(what, SILENCE_SECONDS)


def _pod_signs(pod: Mapping[str, Any]) -> Iterator[Sign]:
    """The signs in the states of a pod's containers."""
    status = pod.get("status") or {}
    init_containers = status.get("initContainerStatuses") or []
    for entry in [*init_containers, *(status.get("containerStatuses") or [])]:
        waiting = (entry.get("state") or {}).get("waiting") or {}
        reason, name = waiting.get("reason"), entry.get("name")
        if reason == "InvalidImageName":
            yield Sign(f"container {name}: InvalidImageName", 0)
        elif reason == "CrashLoopBackOff" and (entry.get("restartCount") or 0) >= CRASHES:
            yield Sign(f"container {name}: CrashLoopBackOff after {CRASHES} restarts or more", 0)
        elif reason in PULL_FAILURES:
            what = f"container {name}: its image could not be pulled for a minute"
            yield Sign(what, PULL_SECONDS)
