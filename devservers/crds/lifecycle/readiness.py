"""When a DevServer can be used.

Ready means that a command can be run now: phase ``Running``, and the containers of its own pod are
ready. Operators say ``Running`` before there is a pod (a Deployment creates it later, or a quota
never lets it), so the phase alone counts only where pods may not be listed.

The DevServer is watched until it runs; its pod is polled. The watch is cut into slices, and after
each slice the signs that waiting is pointless are checked (:mod:`.failfast`). A wait that fails
carries a report of what was seen last.
"""

from __future__ import annotations

from contextlib import closing
from typing import Optional

from ...errors import ForbiddenError, ResourceDeletedError, ResourceFailedError, WaitTimeoutError
from ...transport.deadline import Backoff, Deadline
from ...transport.retry import LAST_LOOK, OVERRUN, TRANSIENT_FOR_READS, Patience
from .. import const
from ..model.expiry import expiry_note
from ..model.liveobject import LiveObject
from ..model.reference import ObjectRef
from .failfast import FailFast
from .pods import PodOwner, Pods, containers_ready, look_up_pods
from .podstate import pod_in_one_line
from .progress import Progress
from .report import failure_report
from .waiting import observe

SLICE_SECONDS = 5.0
"""Seconds between two lookups of the pod while the phase is not yet ``Running``."""
LOOK_LIMIT = 5.0
"""Seconds for one request; the next one may be answered, on another connection."""


def wait_for_ready(
    live: LiveObject, deadline: Deadline, fail_fast: bool, progress: Progress
) -> None:
    """Block until the DevServer is ready.

    Raises:
        ResourceFailedError: it will not get ready. ResourceDeletedError: it is gone.
            WaitTimeoutError.
    """
    ref = live.ref()
    clock = ref.client.clock
    seconds = deadline.seconds
    if deadline.expired:  # timeout=0: everything is read once
        deadline = Deadline(OVERRUN, clock)
    signs = FailFast(ref.client) if fail_fast else None
    try:
        if _Wait(live, ref, deadline, progress, signs).until_ready():
            return
        rest = Deadline(OVERRUN, clock)
        if _is_ready_after_all(live, ref, rest.sooner(LAST_LOOK), progress):
            return
    except ResourceDeletedError as error:
        message = str(error).partition("\n")[0]
        raise ResourceDeletedError(message, report=failure_report(live)) from None
    raise WaitTimeoutError(
        f"{live} was not ready within {seconds:g} s", report=failure_report(live, rest)
    )


def _is_ready_after_all(
    live: LiveObject, ref: ObjectRef, deadline: Deadline, progress: Progress
) -> bool:
    """The last look before giving up, over a new connection: what was seen may be out of date."""
    with ref.client.afresh() as fresh:
        return _Wait(live, ref.over(fresh), deadline, progress, None).is_ready_now()


class _Wait:
    """One wait, and since when nothing but failures came."""

    def __init__(
        self, live: LiveObject, ref: ObjectRef, deadline: Deadline, progress: Progress,
        signs: Optional[FailFast],
    ) -> None:  # fmt: skip
        self._live = live
        self._ref = ref
        self._clock = ref.client.clock
        self._deadline = deadline
        self._progress = progress
        self._signs = signs
        self._patience = Patience(self._clock)

    def until_ready(self) -> bool:
        """True when it is ready, False when the time is up."""
        while not self._deadline.expired:
            if self._until_running():
                if self._until_pod_ready():
                    return True
            else:
                self._check_pod()
        return False

    def is_ready_now(self) -> bool:
        """Whether it is ready, as far as can be read."""
        try:
            return self._still_running() and _has_ready_pod(self._look_up_pods())
        except TRANSIENT_FOR_READS:
            return False

    def _until_running(self) -> bool:
        """Watch the DevServer until its phase is ``Running``, for a slice at most."""
        try:
            slice_ = self._deadline.sooner(SLICE_SECONDS)
            with closing(observe(self._live, slice_, last_look=False)) as events:
                for event in events:
                    self._answered()
                    self._live.take(event["object"])
                    if self._is_running():
                        return True
        except WaitTimeoutError as error:  # it could not be read during the whole slice
            self._failed(error.__cause__ or error)
        return False

    def _is_running(self) -> bool:
        live = self._live
        if live.raw["metadata"].get("deletionTimestamp"):
            raise ResourceDeletedError(f"{live} is being deleted{self._expiry_note()}")
        phase, message = live.status.get("phase"), live.status.get("message")
        if phase:
            line = f"phase {phase}"
            if message:
                line += f": {message}"
            self._progress.report_change("phase", line)
        if phase in const.PHASES_FAILED:
            raise ResourceFailedError(f"{live} has failed", report=failure_report(live))
        return bool(phase == const.PHASE_RUNNING)

    def _until_pod_ready(self) -> bool:
        """True when the pod is ready; False when the time is up or the phase is not Running now."""
        backoff = Backoff(first=0.1, limit=1.0)
        while not self._deadline.expired:
            if self._check_pod():
                return True
            try:
                if not self._still_running():
                    return False
            except TRANSIENT_FOR_READS as error:
                self._failed(error)
            self._deadline.sleep(backoff.next())
        return False

    def _check_pod(self) -> bool:
        """Whether the pod is ready, or may not be read.

        Raises:
            ResourceFailedError: waiting longer is pointless.
        """
        try:
            pods = self._look_up_pods()
            self._answered()
        except TRANSIENT_FOR_READS as error:
            self._failed(error)
            return False
        reason = ""
        if self._signs is not None:
            reason = self._signs.reason(self._live.raw, pods, self._deadline)
        if reason:
            raise ResourceFailedError(
                f"{self._live} will not get ready: {reason}", report=failure_report(self._live)
            )
        return _has_ready_pod(pods)

    def _look_up_pods(self) -> Optional[Pods]:
        """The server's pods; None where they may not be listed."""
        owner = PodOwner.of(self._live.raw, self._ref.namespace or "", self._ref.name)
        try:
            pods = look_up_pods(self._ref.client, owner, self._deadline.sooner(LOOK_LIMIT))
        except ForbiddenError:
            line = "no permission to list pods: the phase alone decides whether it is ready"
            self._progress.report_change("pod", line)
            return None
        line = f"pod: {pods}" if pods.last is None else pod_in_one_line(pods.last)
        self._progress.report_change("pod", line)
        return pods

    def _still_running(self) -> bool:
        """Whether the phase is still Running while the pod is waited for."""
        live = self._live
        raw = self._ref.find(self._deadline.sooner(LOOK_LIMIT))
        if raw is None:
            raise ResourceDeletedError(f"{live} was deleted during the wait{self._expiry_note()}")
        if not live.ref().is_this(raw):
            raise ResourceDeletedError(f"{live} was deleted and recreated during the wait")
        live.take(raw)
        return self._is_running()

    def _expiry_note(self) -> str:
        return expiry_note(self._live.raw, self._clock.wall())

    def _answered(self) -> None:
        self._patience.succeeded()

    def _failed(self, error: BaseException) -> None:
        """Failures may pass, but not forever."""
        if self._patience.failed():
            raise error


def _has_ready_pod(pods: Optional[Pods]) -> bool:
    """Whether its pod is ready; True where pods may not be listed."""
    if pods is None:
        return True
    return pods.live is not None and containers_ready(pods.live)
