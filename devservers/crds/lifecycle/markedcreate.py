"""The create of a ``with`` statement, marked so that its object can be recognized.

The answer to a create can be lost (a reset, a timeout, Ctrl-C), and then it is not known whether
there is a server. So the create names a field manager that no other create uses, and the API server
notes that in managedFields: an object that has it is ours, and no other object is touched. After a
lost answer the object is searched for as long as it may still be created: an abandoned request
until its time would have been up, a request that was cut off for :data:`LOOK_SECONDS`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Optional

from ...errors import (
    AlreadyExistsError,
    APIError,
    DevServersError,
    KubeConfigError,
    MissingDependencyError,
    TransportError,
    WaitTimeoutError,
)
from ...notes import add_note
from ...transport.deadline import Backoff, Deadline
from ...transport.rest import REQUEST_TIMEOUT, Object
from ...transport.retry import OUTCOME_UNKNOWN, TRANSIENT, Polls
from ..model.metadata import metadata_to_recreate
from ..model.reference import describe_finalizers, describe_new
from .creation import advice_on_taken_name, create, getting
from .deletion import last_seen
from .obligation import Obligation, fulfill
from .progress import warn
from .withstate import Managed

FIELD_MANAGER = "devservers"
LOOK_SECONDS = 10.0
"""Seconds of the search, at least: after a lost answer the API server may still be working on the
request (admission webhooks)."""


class MarkedCreate:
    """The create of one ``with`` statement."""

    def __init__(self, server: Managed) -> None:
        self._server = server
        history = server.history
        self._collection = server.live.collection()
        self._clock = self._collection.client.clock
        self._body = server.live.to_create()
        if history.sent_metadata is not None:
            self._body["metadata"] = metadata_to_recreate(
                self._body["metadata"], server.live.metadata_as_read(), history.sent_metadata
            )
        if history.generated_name and history.generated_name == self._body["metadata"].get("name"):
            del self._body["metadata"]["name"]  # entered again: the server generates another
        history.sent_metadata = self._body["metadata"]
        self._what = describe_new(self._collection.resource, self._body)
        self.generates_name = "name" not in self._body["metadata"]
        self.deadline = Deadline(server.settings.wait_timeout, self._clock)
        """For all of entering: waiting until a namesake is gone, the create, and getting ready."""
        self._manager = f"{FIELD_MANAGER}-{os.urandom(6).hex()}"
        self._search_begun = False
        # While the outcome of a request is not known: until when it may be answered.
        self._sent: Optional[Deadline] = None
        self.obligation: Optional[Obligation] = None
        """To delete the object; None if it is not known to be created, or not by us."""

    def create(self) -> Object:
        """Create the object, once no namesake is being deleted any more.

        With ``if_exists="attach"`` it may return a namesake; there is no obligation then.
        """
        backoff = Backoff(first=0.1, limit=1.0)
        while True:
            try:
                return self._create_once()
            except AlreadyExistsError as error:
                found = self._wait_for_namesake(error)
                if found is not None:
                    return found
            self.deadline.sleep(backoff.next())

    def undo(self, error: BaseException) -> bool:
        """Delete what was created, if anything was; ``error`` is the exception under way.

        True if it is marked for deletion, and may be waited for.
        """
        if self.obligation is None and self._sent is not None:
            self._determine_outcome(error, self._sent.remaining() or 0.0)
        if self.obligation is None or self.obligation.settled:
            return False
        return fulfill(self.obligation, hiding=error)

    def _create_once(self) -> Object:
        """Send the create; if the answer is lost, find out whether the object was created."""
        try:
            return create(
                self._collection, self._body, self._ours, field_manager=self._manager,
                deadline=self.deadline, sending=self._note_sending,
            )  # fmt: skip
        except OUTCOME_UNKNOWN as error:
            if self._sent is None or (isinstance(error, TransportError) and error.nothing_sent):
                self._sent = None
                raise
            found = self._determine_outcome(error, 0.0)
            if found is None:
                raise
            return found
        except (APIError, KubeConfigError, MissingDependencyError):
            self._sent = None  # refused, or never sent
            raise

    def _note_sending(self) -> None:
        self._sent = Deadline(REQUEST_TIMEOUT, self._clock)

    def _ours(self, raw: Object) -> Object:
        """``raw`` was created by us: from now on it must be deleted."""
        settings = self._server.settings
        created = self._collection.ref_of(raw)
        self.obligation = Obligation(created, lambda: settings.delete_on_exit == "always")
        self._sent = None
        return raw

    def _determine_outcome(self, error: BaseException, seconds: float) -> Optional[Object]:
        """The object that the create made; None if it made none, or that cannot be found out.

        ``seconds``: how much longer the request may be answered. If Ctrl-C interrupts the search,
        nothing is known yet. Called again after that, it searches once more and no longer.
        """
        again, self._search_begun = self._search_begun, True
        seconds_left = 0.0 if again else max(seconds, LOOK_SECONDS)
        uncertain = f"could not determine whether {self._what} was created; {self._advice()}"
        try:
            found = self._search(
                Deadline(seconds_left, self._clock), announce=seconds > LOOK_SECONDS
            )
        except DevServersError as problem:
            self._sent = None  # searching again would end in the same way
            add_note(error, f"{uncertain} ({problem})")
            return None
        self._sent = None
        if found is not None:
            return self._ours(found)
        if again:
            add_note(error, uncertain)
        return None

    def _search(self, deadline: Deadline, announce: bool) -> Optional[Object]:
        """Search until it is there, or cannot be created any more, or the time is up.

        ``announce``: log that this may take long, if it is not found at once.
        """
        name = self._body["metadata"].get("name")
        selectors = {}
        if name:
            selectors = self._collection.named(name).field_selector
        failure: Optional[DevServersError] = None
        for search_number in Polls(deadline, Backoff(first=0.25, limit=2.0)):
            if announce and search_number == 2:
                warn(
                    f"the creation of {self._what} was interrupted: checking for up to "
                    f"{deadline.seconds:.0f} s whether it was created nevertheless, to delete it "
                    "(Ctrl-C ends the check)"
                )
            try:
                # Not bound to ``deadline``: the last request may end later.
                items = self._collection.list_all(selectors, Deadline(LOOK_SECONDS, self._clock))
            except TRANSIENT as error:
                failure = error
            else:
                failure = None
                found = next((item for item in items if self._has_our_mark(item)), None)
                if found is not None:
                    return found
                if name and any(not _is_being_deleted(item) for item in items):
                    return None  # the name is taken: ours cannot be created any more
        if failure is not None:
            raise failure
        return None

    def _has_our_mark(self, item: Mapping[str, Any]) -> bool:
        entries = item["metadata"].get("managedFields") or []
        return any(entry.get("manager") == self._manager for entry in entries)

    def _advice(self) -> str:
        name = self._body["metadata"].get("name", "")
        ref = self._collection.named(name)
        return f"check for it, and delete it: kubectl get {ref.kubectl_args}"

    def _wait_for_namesake(self, error: AlreadyExistsError) -> Optional[Object]:
        """None when the object that has our name is gone.

        If that is not being deleted, ``if_exists="attach"`` returns it, else ``error`` is raised.
        """
        name = self._body["metadata"].get("name")
        if name is None:
            raise error
        try:
            namesake = self._collection.named(name).find(self.deadline.sooner(LOOK_SECONDS))
        except DevServersError:
            raise error from None  # the name is taken, and nothing more is known
        if namesake is None:  # gone since
            if self.deadline.expired:
                raise error
            return None
        if not _is_being_deleted(namesake):
            if self._server.settings.if_exists == "attach":
                return namesake
            use = f'{getting(self._collection, name)} or if_exists="attach"'
            raise error.with_hint(advice_on_taken_name(use))
        earlier = self._collection.ref_of(namesake)
        self._server.progress().report(
            f"waiting until the earlier {earlier} is gone: it is being deleted"
        )
        left = last_seen(earlier, self.deadline)
        if left is not None:
            raise WaitTimeoutError(
                f"{earlier} was not created within {self.deadline.seconds:g} s: an earlier one of "
                "that name is still being deleted",
                report=f"  remaining finalizers: {describe_finalizers(left)}; each is removed by "
                "the controller that set it: is it running?",
            ) from error
        return None


def _is_being_deleted(item: Mapping[str, Any]) -> bool:
    return bool(item["metadata"].get("deletionTimestamp"))
