"""The garbage collector's part in deletions: it works off the finalizers that propagation policies put on.

``foregroundDeletion``: an object's dependents go first, then the object. ``orphan``: its dependents forget it, then it
goes. (Dependents of an owner that is simply gone are their own controllers' business here.)
"""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, Optional

from .deletes import FOREGROUND, ORPHAN, remove
from .eventlog import Stored
from .options import DeleteOptions
from .resources import ResourceType
from .status import APIFailure
from .store import Object

if TYPE_CHECKING:
    from .server import FakeAPIServer


class Owner(NamedTuple):
    """An object whose deletion waits for the collector."""

    resource: ResourceType
    namespace: str
    name: str
    uid: str


class Collector:
    """Follows pending deletions on a thread of its own, as a controller does."""

    def __init__(self, server: FakeAPIServer) -> None:
        self._server = server
        self._store = server.store
        self._noticed: SimpleQueue[Optional[Owner]] = SimpleQueue()
        self._pending: set[Owner] = set()

    def marked(self, resource: ResourceType, stored: Stored) -> None:
        """A deletion has begun."""
        finalizers = stored.load()["metadata"].get("finalizers") or ()
        if FOREGROUND in finalizers or ORPHAN in finalizers:
            self._noticed.put(Owner(resource, stored.namespace, stored.name, stored.uid))

    def removed(self) -> None:
        """Something is gone: perhaps the last dependent that an owner waited for."""
        for owner in list(self._pending):
            self._noticed.put(owner)

    def start(self) -> None:
        self._server.spawn(self.run, "collector")

    def stop(self) -> None:
        self._noticed.put(None)

    def run(self) -> None:
        """The thread's work."""
        for owner in iter(self._noticed.get, None):
            self._pending.add(owner)
            try:
                if self._work_off(owner):
                    self._pending.discard(owner)
            except APIFailure:
                self._pending.discard(owner)  # gone meanwhile

    def _work_off(self, owner: Owner) -> bool:
        """True when the owner needs the collector no more."""
        with self._store.lock:
            obj = self._store.find(owner.resource, owner.namespace, owner.name).load()
            if obj["metadata"]["uid"] != owner.uid:
                return True
            if ORPHAN in (obj["metadata"].get("finalizers") or ()):
                for resource, dependent in list(self._dependents(owner.uid)):
                    self._orphan(resource, dependent, owner.uid)
                return self._release(owner, ORPHAN)
            for resource, dependent in list(self._dependents(owner.uid)):
                remove(self._server.api, resource, dependent.namespace, dependent.name, DeleteOptions())
            return not any(self._dependents(owner.uid)) and self._release(owner, FOREGROUND)

    def _dependents(self, uid: str) -> Iterator[tuple[ResourceType, Stored]]:
        wanted = f'"uid":"{uid}"'.encode()
        for resource in {kind.key: kind for kind in self._server.api.types()}.values():
            for stored in self._store.table(resource).under(""):
                if b'"ownerReferences"' in stored.raw and wanted in stored.raw and stored.uid != uid:
                    yield resource, stored

    def _orphan(self, resource: ResourceType, dependent: Stored, uid: str) -> None:
        def forget(current: Stored) -> Object:
            obj = current.load()
            references = obj["metadata"].get("ownerReferences") or []
            obj["metadata"]["ownerReferences"] = [each for each in references if each.get("uid") != uid]
            return obj

        self._store.change(resource, dependent.namespace, dependent.name, forget)

    def _release(self, owner: Owner, finalizer: str) -> bool:
        """Take the finalizer off; the last one's removal deletes the object."""
        obj = self._store.find(owner.resource, owner.namespace, owner.name).load()
        left = [name for name in obj["metadata"].get("finalizers") or () if name != finalizer]
        if left:
            obj["metadata"]["finalizers"] = left
            self._store.change(owner.resource, owner.namespace, owner.name, lambda _: obj)
        else:
            gone = self._store.remove(owner.resource, owner.namespace, owner.name)
            self._server.api.removed(owner.resource, gone)
        return True


def install(server: FakeAPIServer) -> None:
    """Give a server its garbage collector."""
    collector = Collector(server)
    server.api.collector = collector
    server.on_start.append(collector.start)
    server.on_stop.append(collector.stop)
