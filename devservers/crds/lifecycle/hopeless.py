"""When waiting on is pointless: signs that a DevServer will not get ready by itself.

Some are final at once (an image name that is none), some only if they last: an image that could not
be pulled may be there in a minute, an operator that has handled an object may be about to write its
status. So this remembers since when it has seen each sign. ``fail_fast=False`` leaves all of it
out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ...errors import DevServersError, NotFoundError
from ...transport.resources import Resource
from .. import const
from .operatornotes import OperatorNotes
from .pods import Pods

if TYPE_CHECKING:
    from ...transport.deadline import Deadline
    from ...transport.rest import RESTClient

FLAVORS = Resource(
    const.GROUP, const.VERSION, const.PLURAL_DEVSERVERFLAVOR, "DevServerFlavor", namespaced=False
)


class Sign(NamedTuple):
    """Something that bodes ill, and the seconds it must last until it is taken for final."""

    what: str
    seconds: float


PULL_SECONDS = 60.0
SILENCE_SECONDS = 30.0
"""Time for an operator that has handled an object to write a status or to make a pod."""
FLAVOR_SECONDS = 10.0
"""Time for a flavor that is created together with the DevServer to be there."""
CRASHES = 3
"""Restarts after which a container in CrashLoopBackOff is given up."""
PULL_FAILURES = frozenset({"ImagePullBackOff", "ErrImagePull"})


class Hopeless:
    """Watches over one wait."""

    def __init__(self, client: RESTClient) -> None:
        self._client = client
        self._since: dict[str, float] = {}
        self._flavor_is_there = False

    def reason(self, raw: Mapping[str, Any], pods: Optional[Pods], deadline: Deadline) -> str:
        """Why the wait may as well end now, or ``""``; ``pods`` is None where they may not be
        listed.
        """
        now = self._client.clock.now()
        signs = {sign.what: sign for sign in self._signs(raw, pods)}
        self._since = {what: self._since.get(what, now) for what in signs}
        for what, since in self._since.items():
            if now - since < signs[what].seconds:
                continue
            if what != NO_POD:
                return what
            missing = "" if self._flavor_is_there else self._missing_flavor(raw, deadline)
            if missing:
                return missing
        return ""

    def _signs(self, raw: Mapping[str, Any], pods: Optional[Pods]) -> Iterator[Sign]:
        pod = None if pods is None else pods.last
        if pod is not None:
            yield from pod_signs(pod)
            return
        if (raw.get("status") or {}).get("phase") != const.PHASE_RUNNING:
            yield Sign(NO_POD, FLAVOR_SECONDS)
        if OperatorNotes.of(raw).handled and not raw.get("status"):
            made = "" if pods is None else " and made no pod"
            yield Sign(f"its operator has handled it, and has set no status{made}", SILENCE_SECONDS)

    def _missing_flavor(self, raw: Mapping[str, Any], deadline: Deadline) -> str:
        try:
            missing = missing_flavor(self._client, raw, deadline)
        except DevServersError:
            return ""  # not to be told now: asked again at the next look
        self._flavor_is_there = missing is None
        return no_such_flavor(missing) if missing else ""


NO_POD = "no pod"


def no_such_flavor(name: str) -> str:
    return f'Flavor "{name}" does not exist'


def pod_signs(pod: Mapping[str, Any]) -> Iterator[Sign]:
    """What the states of a pod's containers say."""
    status = pod.get("status") or {}
    for entry in [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]:
        waiting = (entry.get("state") or {}).get("waiting") or {}
        reason, name = waiting.get("reason"), entry.get("name")
        if reason == "InvalidImageName":
            yield Sign(f"container {name}: InvalidImageName", 0)
        elif reason == "CrashLoopBackOff" and (entry.get("restartCount") or 0) >= CRASHES:
            yield Sign(f"container {name}: CrashLoopBackOff after {CRASHES} restarts or more", 0)
        elif reason in PULL_FAILURES:
            yield Sign(
                f"container {name}: its image could not be pulled for a minute", PULL_SECONDS
            )


def missing_flavor(client: RESTClient, raw: Mapping[str, Any], deadline: Deadline) -> Optional[str]:
    """The name of the DevServer's flavor if it does not exist; None if it does, or the spec names
    none.

    Raises:
        DevServersError: it may not be looked at (403), or not now.
    """
    flavor = (raw.get("spec") or {}).get("flavor")
    if not isinstance(flavor, str) or not flavor:
        return None
    try:
        client.get(FLAVORS, None, flavor, deadline=deadline)
    except ValueError:
        return flavor  # no name that an object can have
    except NotFoundError as error:
        if error.is_about(FLAVORS, flavor):  # else it is the kind that is not there
            return flavor
        raise
    return None
