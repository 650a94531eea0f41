"""The context manager's promise: what it created is deleted, whatever happened, and nothing else is.

The moment that matters is the create itself. Its answer can be lost (a reset, a timeout, Ctrl-C), and then nobody knows
whether there is a server. So the create goes out under a field manager that is this one attempt's, which the API server
notes in managedFields: an object that carries it is ours, and no other object is touched. Deleting is bound to the uid,
which makes it safe to repeat.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ..errors import (
    APIError,
    ConflictError,
    ConnectionFailedError,
    DevServersError,
    KubeConfigError,
    MissingDependencyError,
    NotFoundError,
    ServerError,
    TooManyRequestsError,
    TransportError,
)
from ..transport.client import default_client
from ..transport.deadline import Deadline

if TYPE_CHECKING:
    from ..transport.paths import Resource
    from ..transport.rest import RESTClient
    from .devserver import DevServer

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
        server._generated_name = server.metadata.name if attempt.generates_name else ""
        server.wait_for_ready()
        assert attempt.created is not None
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
    _insist(partial(delete_created, client, created, hiding=error))


def _insist(delete: Callable[[], None]) -> None:
    """Delete even if Ctrl-C comes meanwhile, which is raised afterwards; another one meanwhile is obeyed at once.

    What came before the deletion does not count: the same Ctrl-C pressed twice must not leave a server behind.
    """
    try:
        delete()
    except Exception:
        raise
    except BaseException:
        delete()
        raise


class _Attempt:
    """One create, and what is known of its outcome."""

    def __init__(self, server: DevServer) -> None:
        self._resource = server._resource()
        self._client, self._namespace, self._body = server._to_create()
        if server._generated_name and server._generated_name == self._body["metadata"].get("name"):
            del self._body["metadata"]["name"]  # entered again: the server makes up another one
        self.generates_name = "name" not in self._body["metadata"]
        self._manager = f"{FIELD_MANAGER}-{os.urandom(6).hex()}"
        self._uncertain = False
        self.created: Optional[Created] = None

    def create(self) -> dict[str, Any]:
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


def delete_created(client: RESTClient, created: Created, hiding: Optional[BaseException]) -> None:
    """Delete that very object. Gone already is fine.

    A failure is raised, but never over ``hiding``, the exception that is under way: to that it is noted.
    """
    try:
        _delete(client, created)
    except Exception as error:
        if hiding is None:
            raise
        _note(hiding, f"{created} could not be deleted and may be left on the cluster: {error}")


def _delete(client: RESTClient, created: Created) -> None:
    resource, namespace, name, uid = created
    deadline = Deadline(DELETE_SECONDS, client.clock)
    for attempt, pause in enumerate(DELETE_PAUSES, 1):
        client.clock.sleep(pause)
        try:
            client.delete(resource, namespace, name, uid=uid, deadline=deadline)
            return
        except (NotFoundError, ConflictError):  # gone, or gone and made anew by somebody else
            return
        except (*_UNKNOWN_OUTCOME, TooManyRequestsError):
            if attempt == len(DELETE_PAUSES) or deadline.expired:
                raise


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
