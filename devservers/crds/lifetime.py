"""The context manager's promise: what it created is deleted, whatever happened, and nothing else is.

The moment that matters is the create itself. Its answer can be lost (a reset, a timeout, Ctrl-C), and then nobody knows
whether there is a server. So the create goes out under a field manager that is this one attempt's, which the API server
notes in managedFields: an object that carries it is ours, and no other object is touched.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Optional

from ..errors import APIError, ConflictError, DevServersError, NotFoundError, ServerError, TransportError
from ..transport.client import default_client
from ..transport.deadline import Deadline

if TYPE_CHECKING:
    from .devserver import DevServer

FIELD_MANAGER = "devservers"
DELETE_SECONDS = 30.0
"""Time for deleting on the way out, resends included."""


def create_and_wait(server: DevServer) -> None:
    """Create ``server`` and wait until it is ready; deleted again if anything goes wrong, Ctrl-C included."""
    attempt = f"{FIELD_MANAGER}-{os.urandom(6).hex()}"
    try:
        try:
            server._create(field_manager=attempt)
        except (TransportError, ServerError):
            if not _adopt(server, attempt):
                raise
        server.wait_for_ready()
    except BaseException as error:
        if server.delete_on_exit != "never":
            _undo(server, attempt, error)
        raise


def _adopt(server: DevServer, attempt: str) -> bool:
    """After a lost answer: look whether the create was executed, and if so go on with what it made."""
    found = _find(server, attempt)
    if found is not None:
        server._take(found)
    return found is not None


def _find(server: DevServer, attempt: str) -> Optional[dict[str, Any]]:
    client = server._client or default_client()
    metadata = server._raw["metadata"]
    namespace = server._namespace(metadata.get("namespace"), client)
    selectors = {"fieldSelector": f"metadata.name={metadata['name']}"} if metadata.get("name") else {}
    items, _ = client.list_all(
        server._resource(), namespace, selectors=selectors, deadline=Deadline(DELETE_SECONDS, client.clock)
    )
    return next((item for item in items if _made_by(item, attempt)), None)


def _made_by(item: dict[str, Any], attempt: str) -> bool:
    entries = item.get("metadata", {}).get("managedFields") or []
    return any(entry.get("manager") == attempt for entry in entries)


def _undo(server: DevServer, attempt: str, error: BaseException) -> None:
    """Delete what this attempt created, if it created anything."""
    if server._raw["metadata"].get("uid") is None:
        if isinstance(error, APIError) and not isinstance(error, ServerError):
            return  # the API server refused: there is nothing
        if not isinstance(error, (TransportError, ServerError)) and isinstance(error, Exception):
            return  # it never got as far as a request (no configuration, a bad name)
        try:
            if not _adopt(server, attempt):
                return
        except DevServersError as lookup:
            _note(error, f"whether {server!r} was created could not be found out ({lookup}): look, and delete it")
            return
    delete_created(server, hiding=error)


def delete_created(server: DevServer, hiding: Optional[BaseException]) -> None:
    """Delete ``server``, and only that very object. Gone already is fine.

    A failure is raised, but never over ``hiding``, the exception that is under way: to that it is noted.
    """
    client = server._client or default_client()
    metadata = server._raw["metadata"]
    namespace = server._namespace(metadata.get("namespace"), client)
    deadline = Deadline(DELETE_SECONDS, client.clock)
    try:
        client.delete(server._resource(), namespace, metadata["name"], uid=metadata.get("uid"), deadline=deadline)
    except (NotFoundError, ConflictError):  # gone, or gone and made anew by somebody else
        return
    except Exception as error:
        if hiding is None:
            raise
        _note(hiding, f"{server!r} could not be deleted and is left on the cluster: {error}")


def _note(error: BaseException, text: str) -> None:
    """Attach ``text`` to an exception that is under way: a note (PEP 678), a warning where there are none."""
    if hasattr(error, "add_note"):
        error.add_note(text)
        return
    import warnings

    warnings.warn(text, ResourceWarning, stacklevel=3)
