"""One create of a ``with``, and what is known of its outcome.

Its answer can be lost (a reset, a timeout, Ctrl-C), and then nobody knows whether there is a
server. So the create goes out under a field manager that is this one attempt's, which the API
server notes in managedFields: an object that carries it is ours, and no other object is touched.
After a lost answer it is looked for as long as it may still come to be: an abandoned request until
its time would have been up, a cut one for :data:`LOOK_SECONDS`.
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
from ..model.reference import held_by, named
from .creation import create
from .deletion import last_seen
from .obligation import Obligation, delete_obliged
from .progress import warn
from .settings import Managed

FIELD_MANAGER = "devservers"
LOOK_SECONDS = 10.0
"""After a lost answer the server may still be at work (admission webhooks): seconds it is looked
for at least.
"""


class Attempt:
    """One entering of a ``with`` statement."""

    def __init__(self, server: Managed) -> None:
        self._server = server
        history = server.history
        self._place = server.live.collection()
        self._clock = self._place.client.clock
        self._body = server.live.to_create()
        if history.sent_metadata is not None:
            self._body["metadata"] = metadata_anew(
                self._body["metadata"], server.live.metadata_as_read(), history.sent_metadata
            )
        if history.generated_name and history.generated_name == self._body["metadata"].get("name"):
            del self._body["metadata"]["name"]  # entered again: the server makes up another one
        history.sent_metadata = self._body["metadata"]
        self._what = named(self._place.resource, self._body)
        self.generates_name = "name" not in self._body["metadata"]
        self.deadline = Deadline(server.settings.wait_timeout, self._clock)
        """For all of entering: the wait for a namesake to go, the create, and getting ready."""
        self._manager = f"{FIELD_MANAGER}-{os.urandom(6).hex()}"
        self._looking = False
        self._sent: Optional[Deadline] = None  # while the outcome of a request is not known
        self.obligation: Optional[Obligation] = None

    def create(self) -> Object:
        """Create the object; a namesake that is being deleted is waited for first.

        With ``if_exists="attach"`` it may be a namesake that is returned; then there is no
        obligation.
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

        True if it is on its way out, and may be waited for.
        """
        if self.obligation is None and self._sent is not None:
            self._settle(error, self._sent.remaining() or 0.0)
        if self.obligation is None or self.obligation.settled:
            return False
        return delete_obliged(self.obligation, hiding=error)

    def _create_once(self) -> Object:
        """Send the create; after a lost answer, look whether it was executed, and if so go on with
        what it made.
        """
        try:
            raw = create(
                self._place, self._body, field_manager=self._manager, deadline=self.deadline,
                sending=self._note_sending,
            )  # fmt: skip
        except OUTCOME_UNKNOWN as error:
            if self._sent is None or (isinstance(error, TransportError) and error.nothing_sent):
                self._sent = None
                raise
            found = self._settle(error, 0.0)
            if found is None:
                raise
            return found
        except (APIError, KubeConfigError, MissingDependencyError):
            self._sent = None  # refused, or never sent
            raise
        return self._made(raw)

    def _note_sending(self) -> None:
        self._sent = Deadline(REQUEST_TIMEOUT, self._clock)

    def _made(self, raw: Object) -> Object:
        settings = self._server.settings
        created = self._place.ref_of(raw)
        self.obligation = Obligation(created, lambda: settings.delete_on_exit == "always")
        self._sent = None
        return raw

    def _settle(self, error: BaseException, seconds: float) -> Optional[Object]:
        """Find out whether the create was executed: the object it made, or None.

        ``seconds``: how much longer it may be answered. A Ctrl-C during the looking leaves it
        uncertain; called again then, it looks once more and no longer.
        """
        hurried, self._looking = self._looking, True
        deadline = Deadline(0.0 if hurried else max(seconds, LOOK_SECONDS), self._clock)
        uncertain = f"could not determine whether {self._what} was created; {self._advice()}"
        try:
            found = self._find(deadline, told=seconds <= LOOK_SECONDS)
        except DevServersError as problem:
            self._sent = None  # and it stays so: asking again would tell the same
            add_note(error, f"{uncertain} ({problem})")
            return None
        self._sent = None
        if found is not None:
            return self._made(found)
        if hurried:
            add_note(error, uncertain)
        return None

    def _find(self, deadline: Deadline, told: bool) -> Optional[Object]:
        """Look until it is there, or cannot come any more, or the time is up; say so if that may
        take long.
        """
        name = self._body["metadata"].get("name")
        selectors = {"fieldSelector": f"metadata.name={name}"} if name else {}
        failure: Optional[DevServersError] = None
        for look_number in Polls(deadline, Backoff(first=0.25, limit=2.0)):
            if look_number == 2 and not told:
                warn(
                    f"the creation of {self._what} was interrupted: looking for up to "
                    f"{deadline.seconds:.0f} s whether it was created all the same, to delete it "
                    "(Ctrl-C to look no longer)"
                )
            try:
                look = Deadline(
                    LOOK_SECONDS, self._clock
                )  # the last one may end later than the looking
                client, resource, namespace = self._place
                items, _ = client.list_all(resource, namespace, selectors=selectors, deadline=look)
            except TRANSIENT as error:
                failure = error
            else:
                failure = None
                found = next((item for item in items if self._is_ours(item)), None)
                if found is not None or (name and any(map(_is_to_stay, items))):
                    return found  # or a namesake is in the way: ours cannot come any more
        if failure is not None:
            raise failure
        return None

    def _is_ours(self, item: Mapping[str, Any]) -> bool:
        entries = item["metadata"].get("managedFields") or []
        return any(entry.get("manager") == self._manager for entry in entries)

    def _advice(self) -> str:
        name = self._body["metadata"].get("name", "")
        words = self._place.named(name).kubectl_words
        return f"check for it, and delete it: kubectl get {words}"

    def _wait_for_namesake(self, error: AlreadyExistsError) -> Optional[Object]:
        """None when the namesake has gone. If it is to stay: itself to attach to, or ``error`` is
        raised.
        """
        name = self._body["metadata"].get("name")
        try:
            look = self.deadline.sooner(LOOK_SECONDS)
            namesake = None if name is None else self._place.named(name).find(look)
        except DevServersError:
            raise error from None  # the name is taken, and by what may not be told
        if namesake is None:
            if name is None or self.deadline.expired:
                raise error
            return None  # gone just now
        if _is_to_stay(namesake):
            if self._server.settings.if_exists == "attach":
                return namesake
            raise error.with_hint(
                f'use the one that is there ({self._place.resource.kind}.get("{name}"), or if_exists="attach"), choose '
                "another name, or let the API server make one up (generate_name)"
            )
        before = self._place.ref_of(namesake)
        self._server.teller().tell(
            f"waiting until the earlier {before} is gone: it is being deleted"
        )
        left = last_seen(before, self.deadline)
        if left is not None:
            raise WaitTimeoutError(
                f"{before} was not created within {self.deadline.seconds:g} s: one of that name is still being deleted",
                report=f"  remaining finalizers: {held_by(left)}; each is removed by the controller that set it: is it "
                "running?",
            ) from error
        return None


def _is_to_stay(item: Mapping[str, Any]) -> bool:
    return not item["metadata"].get("deletionTimestamp")


def metadata_anew(
    now: Mapping[str, Any], read: Mapping[str, Any], sent: Mapping[str, Any]
) -> dict[str, Any]:
    """The metadata for creating an object again that has been on the cluster: as it stands, less what
    others added.

    An operator knows by its own finalizer and annotations what it has handled: with them, a new
    object would look handled to it. ``sent`` is the metadata of the create before, ``read`` that of
    the object as it was read last; what was read and not sent is of others.
    """
    metadata = dict(now)
    for key in ("labels", "annotations"):
        added = (read.get(key) or {}).keys() - (sent.get(key) or {}).keys()
        metadata[key] = {
            name: value for name, value in (now.get(key) or {}).items() if name not in added
        }
    for key in ("finalizers", "ownerReferences"):
        others = [entry for entry in read.get(key) or [] if entry not in (sent.get(key) or [])]
        metadata[key] = [entry for entry in now.get(key) or [] if entry not in others]
    return {key: value for key, value in metadata.items() if value}
