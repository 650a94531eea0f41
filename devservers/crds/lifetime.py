"""The context manager's promise: what it created is deleted, whatever happened, and nothing else is.

The moment that matters is the create itself. Its answer can be lost (a reset, a timeout, Ctrl-C), and then nobody knows
whether there is a server. So the create goes out under a field manager that is this one attempt's, which the API server
notes in managedFields: an object that carries it is ours, and no other object is touched. Deleting is bound to the uid,
which makes it safe to repeat.

A DELETE only marks an object that has finalizers: its operator takes the last one off a moment later. So leaving waits
for that, and entering waits for a namesake that is on its way out: the same script can run again at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, TypeVar

from ..errors import (
    AlreadyExistsError,
    APIError,
    ConflictError,
    ConnectionFailedError,
    DevServersError,
    ForbiddenError,
    KubeConfigError,
    MissingDependencyError,
    NotFoundError,
    ServerError,
    TooManyRequestsError,
    TransportError,
    WaitTimeoutError,
)
from ..transport.client import default_client
from ..transport.deadline import Backoff, Deadline
from .namesake import find_namesake, held_by
from .progress import tell, warn
from .readiness import wait_for_ready

if TYPE_CHECKING:
    from ..transport.paths import Resource
    from ..transport.rest import RESTClient
    from .devserver import DevServer

T = TypeVar("T")

FIELD_MANAGER = "devservers"
DELETE_SECONDS = 30.0
"""Time for deleting on the way out, repetitions included."""
DELETE_PAUSES = (0.0, 0.25, 1.0)
"""Seconds before each attempt at a delete, while the outcome of the one before is not known."""
LOOK_SECONDS = 10.0
LOOK_PAUSES = (0.0, 0.25, 0.75)
"""After a lost answer the server may still be at work (admission webhooks): seconds before each look."""

_UNKNOWN_OUTCOME = (TransportError, ServerError)


class Created(NamedTuple):
    """The very object that a ``with`` created: what is deleted in the end, whatever the body did to the instance."""

    resource: Resource
    namespace: Optional[str]
    name: str
    uid: Optional[str]

    def __str__(self) -> str:
        return f'{self.resource.kind} "{self.name}" in namespace "{self.namespace}"'

    @classmethod
    def of(cls, raw: Mapping[str, Any], resource: Resource, namespace: Optional[str]) -> Created:
        metadata = raw["metadata"]
        return cls(resource, metadata.get("namespace") or namespace, metadata["name"], metadata.get("uid"))


def create_and_wait(server: DevServer) -> None:
    """Create ``server`` and wait until it is ready; deleted again if anything goes wrong, Ctrl-C included."""
    attempt = _Attempt(server)
    try:
        server._take(attempt.create())
        assert attempt.created is not None
        tell(server, f"{attempt.created} was created")
        server._generated_name = server.metadata.name if attempt.generates_name else ""
        wait_for_ready(server, attempt.deadline, server.fail_fast)
        tell(server, f"{attempt.created} is ready")
        server._created += (attempt.created,)
    except BaseException as error:
        if server.delete_on_exit != "never":
            _insist(partial(attempt.undo, error))
        raise


def leave(server: DevServer, error: Optional[BaseException]) -> None:
    """The end of the ``with``: delete what it created, or keep it; ``error`` is what the body raised."""
    if not server._created:
        return
    *outer, created = server._created
    server._created = tuple(outer)
    if server.delete_on_exit == "never" or (server.delete_on_exit == "on_success" and error is not None):
        return
    client = server._client or default_client()
    if _insist(partial(delete_created, client, created, hiding=error)):
        _wait_until_gone(server, client, created)


def _insist(delete: Callable[[], T]) -> T:
    """Delete even if Ctrl-C comes meanwhile, which is raised afterwards; another one meanwhile is obeyed at once.

    What came before the deletion does not count: the same Ctrl-C pressed twice must not leave a server behind.
    """
    try:
        return delete()
    except Exception:
        raise
    except BaseException:
        delete()
        raise


def _wait_until_gone(server: DevServer, client: RESTClient, created: Created) -> None:
    """Wait until what was deleted is gone; Ctrl-C ends this at once, for the deletion goes on without us."""
    deadline = Deadline(server.deletion_timeout, client.clock)
    if deadline.expired:
        return
    raw = last_seen(client, created, deadline)
    if raw is None:
        tell(server, f"{created} is gone")
        return
    warn(
        f"{created} is still being deleted after {server.deletion_timeout:g} s; its finalizers: {held_by(raw)}. Its "
        "operator removes them when it has cleaned up: is it running?"
    )


def last_seen(client: RESTClient, created: Created, deadline: Deadline) -> Optional[dict[str, Any]]:
    """Wait until that very object is gone: None. Else, when the time is up, the object as it was seen last.

    Without an answer in all that time it is as it was: an object of unknown finalizers. Where it may not be read at
    all, there is nothing to wait for, and it is taken to be gone.
    """
    seen: dict[str, Any] = {"metadata": {}}
    backoff = Backoff(first=0.1, limit=1.0)
    while True:
        try:
            raw = client.get(created.resource, created.namespace, created.name, deadline=deadline)
        except (NotFoundError, ForbiddenError):
            return None
        except DevServersError:
            pass  # it may pass
        else:
            if raw["metadata"].get("uid") != created.uid:
                return None
            seen = raw
        if deadline.expired:
            return seen
        deadline.sleep(backoff.next())


class _Attempt:
    """One create, and what is known of its outcome."""

    def __init__(self, server: DevServer) -> None:
        self._resource = server._resource()
        self._client, self._namespace, self._body = server._to_create()
        if server._generated_name and server._generated_name == self._body["metadata"].get("name"):
            del self._body["metadata"]["name"]  # entered again: the server makes up another one
        self.generates_name = "name" not in self._body["metadata"]
        self._server = server
        self.deadline = Deadline(server.wait_timeout, self._client.clock)
        """For all of entering: the wait for a namesake to go, the create, and getting ready."""
        self._manager = f"{FIELD_MANAGER}-{os.urandom(6).hex()}"
        self._uncertain = False
        self.created: Optional[Created] = None

    def create(self) -> dict[str, Any]:
        """Create the object; a namesake that is being deleted is waited for first."""
        backoff = Backoff(first=0.1, limit=1.0)
        while True:
            try:
                return self._create_once()
            except AlreadyExistsError as error:
                self._wait_for_namesake(error)
            self.deadline.sleep(backoff.next())

    def _create_once(self) -> dict[str, Any]:
        """Send the create; after a lost answer, look whether it was executed, and if so go on with what it made."""
        self._uncertain = True
        try:
            raw = self._client.create(self._resource, self._namespace, self._body, field_manager=self._manager)
        except _UNKNOWN_OUTCOME as error:
            if isinstance(error, ConnectionFailedError) and error.nothing_sent:
                self._uncertain = False
                raise
            found = self._settle(error)
            if found is None:
                raise
            return found
        except (APIError, KubeConfigError, MissingDependencyError):
            self._uncertain = False  # refused, or never sent
            raise
        return self._made(raw)

    def _wait_for_namesake(self, error: AlreadyExistsError) -> None:
        """Return when the namesake that is in the way has gone; ``error`` itself if it is to stay."""
        name = self._body["metadata"].get("name")
        namesake = None if name is None else find_namesake(self._client, self._resource, self._namespace, name)
        if namesake is None:
            if name is None or self.deadline.expired:
                raise error
            return  # gone just now
        if not namesake["metadata"].get("deletionTimestamp"):
            raise error
        before = Created.of(namesake, self._resource, self._namespace)
        tell(self._server, f"waiting until the {before} of before is gone: it is being deleted")
        left = last_seen(self._client, before, self.deadline)
        if left is not None:
            raise WaitTimeoutError(
                f"{before} was not created within {self.deadline.seconds:g} s: one of that name is still being deleted",
                report=f"  finalizers that hold it: {held_by(left)}",
            ) from error

    def undo(self, error: BaseException) -> None:
        """Delete what was created, if anything was; ``error`` is the exception under way."""
        if self.created is None and self._uncertain:
            self._settle(error)
        if self.created is not None:
            delete_created(self._client, self.created, hiding=error)

    def _made(self, raw: dict[str, Any]) -> dict[str, Any]:
        self.created = Created.of(raw, self._resource, self._namespace)
        self._uncertain = False
        return raw

    def _settle(self, error: BaseException) -> Optional[dict[str, Any]]:
        """Find out whether the create was executed: the object it made, or None. (Ctrl-C leaves it uncertain.)"""
        try:
            found = self._find()
        except DevServersError as problem:
            self._uncertain = False  # and it stays so: asking again would tell the same
            metadata = self._body["metadata"]
            what = f'{self._resource.kind} "{metadata.get("name") or metadata["generateName"] + "…"}"'
            _note(error, f"whether {what} was created could not be found out: look for it, and delete it ({problem})")
            return None
        self._uncertain = False
        return None if found is None else self._made(found)

    def _find(self) -> Optional[dict[str, Any]]:
        deadline = Deadline(LOOK_SECONDS, self._client.clock)
        name = self._body["metadata"].get("name")
        selectors = {"fieldSelector": f"metadata.name={name}"} if name else {}
        for pause in LOOK_PAUSES:
            self._client.clock.sleep(pause)
            items, _ = self._client.list_all(self._resource, self._namespace, selectors=selectors, deadline=deadline)
            found = next((item for item in items if self._is_ours(item)), None)
            if found is not None or (name and items):  # a namesake is in the way: ours cannot come any more
                return found
        return None

    def _is_ours(self, item: Mapping[str, Any]) -> bool:
        entries = item["metadata"].get("managedFields") or []
        return any(entry.get("manager") == self._manager for entry in entries)


def delete_created(client: RESTClient, created: Created, hiding: Optional[BaseException]) -> bool:
    """Delete that very object. Gone already is fine. True if it is on its way out, and may be waited for.

    A failure is raised, but never over ``hiding``, the exception that is under way: to that it is noted.
    """
    try:
        return _delete(client, created)
    except Exception as error:
        if hiding is None:
            raise
        _note(hiding, f"{created} could not be deleted and may be left on the cluster: {error}")
        return False


def _delete(client: RESTClient, created: Created) -> bool:
    """True if the object is marked for deletion, False if it is gone."""
    resource, namespace, name, uid = created
    deadline = Deadline(DELETE_SECONDS, client.clock)
    for attempt, pause in enumerate(DELETE_PAUSES, 1):
        client.clock.sleep(pause)
        try:
            answer = client.delete(resource, namespace, name, uid=uid, deadline=deadline)
            return answer.get("kind") != "Status"  # which is the answer when nothing holds it
        except (NotFoundError, ConflictError):  # gone, or gone and made anew by somebody else
            return False
        except (*_UNKNOWN_OUTCOME, TooManyRequestsError):
            if attempt == len(DELETE_PAUSES) or deadline.expired:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _note(error: BaseException, text: str) -> None:
    """Attach ``text`` to an exception that is under way: a note (PEP 678), before Python 3.11 a warning as well."""
    if hasattr(error, "add_note"):
        error.add_note(text)
        return
    import warnings

    error.__notes__ = [*getattr(error, "__notes__", ()), text]
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=3)
    except RuntimeWarning:
        pass  # warnings are errors here, and this one must not take the place of the exception
