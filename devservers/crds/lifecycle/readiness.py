"""When a DevServer can be used.

Ready means that a command can be run now: phase ``Running``, and the containers of its own pod are
ready. Operators say ``Running`` before there is a pod (a Deployment makes it later, or a quota
never lets it), so the phase alone is taken at its word only where pods may not be listed.

The DevServer is watched until it runs; its pod is polled. The watch is taken in slices, between
which the signs of a wait without hope are read (:mod:`.hopeless`). A wait that fails carries a
report of what was seen last.
"""

from __future__ import annotations

from contextlib import closing
from typing import Optional

from ...errors import (
    ForbiddenError,
    ResourceDeletedError,
    ResourceFailedError,
    WaitTimeoutError,
)
from ...transport.deadline import Backoff, Deadline
from ...transport.retry import LAST_LOOK, OVERRUN, TRANSIENT_FOR_READS, Patience
from .. import const
from ..model.expiry import expiry_note
from ..model.liveobject import LiveObject
from .hopeless import Hopeless
from .pods import PodOwner, Pods, containers_ready, look_up_pods
from .progress import Teller
from .report import containers_line, failure_report
from .waiting import observe

SLICE_SECONDS = 5.0
"""Seconds between two looks at the pod while the phase is not yet ``Running``."""
LOOK_LIMIT = 5.0
"""Seconds for one look: a server that does not answer it may answer the next, over another
connection.
"""


def wait_for_ready(live: LiveObject, deadline: Deadline, fail_fast: bool, teller: Teller) -> None:
    """Block until the DevServer is ready.

    Raises:
        ResourceFailedError: it will not get ready. ResourceDeletedError: it is gone.
            WaitTimeoutError.
    """
    clock = live.connected().clock
    seconds = deadline.seconds
    if deadline.expired:  # timeout=0: one look
        deadline = Deadline(OVERRUN, clock)
    try:
        wait = _Wait(live, deadline, fail_fast, teller)
        if wait.until_ready():
            return
        rest = Deadline(OVERRUN, clock)
        if wait.is_ready_after_all(rest.sooner(LAST_LOOK)):
            return
    except ResourceDeletedError as error:
        message = str(error).partition("\n")[0]
        raise ResourceDeletedError(message, report=failure_report(live)) from None
    raise WaitTimeoutError(
        f"{live} was not ready within {seconds:g} s", report=failure_report(live, rest)
    )


class _Wait:
    """One wait, and what it has seen so far."""

    def __init__(
        self, live: LiveObject, deadline: Deadline, fail_fast: bool, teller: Teller
    ) -> None:
        self._live = live
        self._ref = live.ref()
        self._clock = self._ref.client.clock
        self._deadline = deadline
        self._hopeless = Hopeless(self._ref.client) if fail_fast else None
        self._teller = teller
        self._patience = Patience(self._clock)

    def until_ready(self) -> bool:
        """True when it is ready, False when the time is up."""
        while not self._deadline.expired:
            if self._until_running():
                if self._until_pod_ready():
                    return True
            else:
                self._look()
        return False

    def is_ready_after_all(self, deadline: Deadline) -> bool:
        """The look before giving up, over a new connection: what was heard so far may be long out
        of date.
        """
        self._deadline = deadline
        with self._ref.client.afresh() as fresh:
            self._ref = self._ref.over(fresh)
            try:
                return self._still_running() and self._is_pod_ready(self._pods())
            except TRANSIENT_FOR_READS:
                return False

    def _until_running(self) -> bool:
        """Watch the DevServer until it runs, for a slice at most."""
        try:
            slice_ = self._deadline.sooner(SLICE_SECONDS)
            with closing(observe(self._live, slice_, last_look=False)) as events:
                for event in events:
                    self._answered()
                    self._live.take(event["object"])
                    if self._is_running():
                        return True
        except WaitTimeoutError as error:  # it could not be looked at in all of the slice
            self._failed(error.__cause__ or error)
        return False

    def _is_running(self) -> bool:
        live = self._live
        if live.raw["metadata"].get("deletionTimestamp"):
            raise ResourceDeletedError(f"{live} is being deleted{self._expiry_note()}")
        phase, message = live.status.get("phase"), live.status.get("message")
        self._teller.tell_news(
            "phase", f"phase {phase}" + (f": {message}" if message else "") if phase else ""
        )
        if phase in const.PHASES_FAILED:
            raise ResourceFailedError(f"{live} has failed", report=failure_report(live))
        return bool(phase == const.PHASE_RUNNING)

    def _until_pod_ready(self) -> bool:
        """True when the pod is ready; False when the time is up, or the server has left its phase
        meanwhile.
        """
        backoff = Backoff(first=0.1, limit=1.0)
        while not self._deadline.expired:
            if self._look():
                return True
            try:
                if not self._still_running():
                    return False
            except TRANSIENT_FOR_READS as error:
                self._failed(error)
            self._deadline.sleep(backoff.next())
        return False

    def _look(self) -> bool:
        """Whether the pod is ready, or may not be looked at; raises if waiting on is pointless."""
        try:
            pods = self._pods()
            self._answered()
        except TRANSIENT_FOR_READS as error:
            self._failed(error)
            return False
        reason = (
            self._hopeless.reason(self._live.raw, pods, self._deadline) if self._hopeless else ""
        )
        if reason:
            raise ResourceFailedError(
                f"{self._live} will not get ready: {reason}", report=failure_report(self._live)
            )
        return self._is_pod_ready(pods)

    def _is_pod_ready(self, pods: Optional[Pods]) -> bool:
        return pods is None or (pods.live is not None and containers_ready(pods.live))

    def _pods(self) -> Optional[Pods]:
        """The server's pods; None where they may not be listed."""
        owner = PodOwner.of(self._live.raw, self._ref.namespace or "", self._ref.name)
        try:
            pods = look_up_pods(self._ref.client, owner, self._deadline.sooner(LOOK_LIMIT))
        except ForbiddenError:
            self._teller.tell_news(
                "pod", "its pod may not be looked at: the phase is taken at its word"
            )
            return None
        if pods.last is not None:
            self._teller.tell_news("pod", containers_line(pods.last))
        else:
            self._teller.tell_news("pod", f"pod: {pods}")
        return pods

    def _still_running(self) -> bool:
        """Notice while waiting for the pod that the server itself has gone or failed."""
        live = self._live
        raw = self._ref.find(self._deadline.sooner(LOOK_LIMIT))
        if raw is None:
            raise ResourceDeletedError(
                f"{live} was deleted while it was waited for{self._expiry_note()}"
            )
        if not live.ref().is_this(raw):
            raise ResourceDeletedError(
                f"{live} was deleted while it was waited for, and created again"
            )
        live.take(raw)
        return self._is_running()

    def _expiry_note(self) -> str:
        return expiry_note(self._live.raw, self._clock.wall())

    def _answered(self) -> None:
        self._patience.succeeded()

    def _failed(self, error: BaseException) -> None:
        if self._patience.failed():
            raise error
