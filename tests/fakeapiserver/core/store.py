"""ObjectStore: the objects of all resources, one lock, one revision counter, and an event log for each resource.

Objects are kept as JSON, so every read gives a copy and nobody can change what is stored. Writes happen under the one
lock: a write's callback sees the current object and decides, which makes every update atomic.

The methods that take a resource's plural (``store.create("devservers", …)``) are for arranging state from tests and
for controllers that live in this process; they bump revisions and send events as the API does, but validate nothing.
"""

from __future__ import annotations

import random
import threading
import uuid
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Callable, Optional

from ..vocabulary.objects import Object, Objects
from ..vocabulary.resources import ResourceType
from ..vocabulary.status import MODIFIED as STALE
from ..vocabulary.status import already_exists, conflict, not_found, unusable_name
from .eventlog import ADDED, DELETED, MODIFIED, Change, EventLog, Stored

FIRST_REVISION = 100  # so that "resourceVersion=1" is history long gone, as on any cluster of some age
HISTORY = 20_000
GENERATED = "bcdfghjklmnpqrstvwxz2456789"  # the letters that generateName uses: no vowels, so no words

Decide = Callable[[Stored], Optional[Object]]


def now() -> str:
    """The current time as the API writes it: UTC, whole seconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_uid() -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def generate_name(prefix: str) -> str:
    return prefix[:58] + "".join(random.choices(GENERATED, k=5))


@dataclass
class Sources:
    """Where the server takes from what nobody asked for: the time, uids, and the ends of generated names."""

    now: Callable[[], str] = now
    uid: Callable[[], str] = new_uid
    name: Callable[[str], str] = generate_name


def object_key(namespace: str, name: str) -> str:
    """The part of the etcd key that is the object's own; listing order is the order of these."""
    return f"{namespace}/{name}" if namespace else name


class Table:
    """The objects of one resource, sorted by key."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.objects: dict[str, Stored] = {}
        self.keys: list[str] = []

    def put(self, stored: Stored) -> None:
        if stored.key not in self.objects:
            insort(self.keys, stored.key)
        self.objects[stored.key] = stored

    def drop(self, key: str) -> None:
        del self.objects[key]
        del self.keys[bisect_left(self.keys, key)]

    def under(self, namespace: str, after: str = "") -> Iterator[Stored]:
        """Objects of a namespace (all, if empty) in order, from the key ``after`` on."""
        first = max(f"{namespace}/" if namespace else "", after)
        last = f"{namespace}0" if namespace else None  # "0" follows "/"
        end = len(self.keys) if last is None else bisect_left(self.keys, last)
        return (self.objects[key] for key in self.keys[bisect_left(self.keys, first) : end])


class ObjectStore:
    """Everything the server knows, in memory."""

    def __init__(self, history: int = HISTORY) -> None:
        self.lock = threading.RLock()
        self.revision = FIRST_REVISION
        self.sources = Sources()
        self.on_removed: list[Callable[[Stored], None]] = []
        """Told of each object that is gone, with the lock held."""
        self._history = history
        self._tables: dict[tuple[str, str], Table] = {}
        self._types: dict[str, ResourceType] = {}

    # resources

    def register(self, resource: ResourceType) -> None:
        """Make room for a resource's objects; its history starts now."""
        with self.lock:
            self._types[resource.plural] = resource
            if resource.key not in self._tables:
                self._tables[resource.key] = Table(EventLog(self.lock, self.revision, self._history))

    def forget(self, resource: ResourceType) -> None:
        with self.lock:
            self._types.pop(resource.plural, None)
            table = self._tables.pop(resource.key, None)
            if table is not None:
                table.log.close()

    def type(self, resource: str) -> ResourceType:
        """The resource type with that plural; KeyError names what there is."""
        if resource not in self._types:
            raise KeyError(f"no resource {resource!r} is served; there are {', '.join(sorted(self._types))}")
        return self._types[resource]

    def table(self, resource: ResourceType) -> Table:
        return self._tables[resource.key]

    def wake_readers(self) -> None:
        """Let all who wait for events look up; the lock is held."""
        for table in self._tables.values():
            table.log.changed.notify_all()

    # what the API's handlers are built on

    def find(self, resource: ResourceType, namespace: str, name: str) -> Stored:
        """The stored object; raises the 404 that the API answers."""
        stored = self.table(resource).objects.get(object_key(namespace, name))
        if stored is None:
            raise unusable_name(name) or not_found(resource, name)
        return stored

    def add(self, resource: ResourceType, obj: Object) -> Stored:
        """Store a new object (its metadata complete but for the revision)."""
        metadata = obj["metadata"]
        key = object_key(metadata.get("namespace", ""), metadata["name"])
        with self.lock:
            table = self.table(resource)
            if key in table.objects:
                raise already_exists(resource, metadata["name"], table.objects[key].terminating)
            stored = self._next(key, obj)
            table.put(stored)
            table.log.append(Change(ADDED, stored.revision, stored, None))
            return stored

    def change(self, resource: ResourceType, namespace: str, name: str, decide: Decide) -> Stored:
        """Replace an object by what ``decide`` makes of it; None from it, or no difference, leaves it as it is."""
        with self.lock:
            current = self.find(resource, namespace, name)
            obj = decide(current)
            if obj is None or self._same(current, obj):
                return current
            stored = self._next(current.key, obj)
            table = self.table(resource)
            table.put(stored)
            table.log.append(Change(MODIFIED, stored.revision, stored, current))
            return stored

    def remove(self, resource: ResourceType, namespace: str, name: str, last: Optional[Object] = None) -> Stored:
        """Delete an object for good; the event shows it (or ``last``) at the revision of its deletion."""
        with self.lock:
            current = self.find(resource, namespace, name)
            gone = self._next(current.key, last if last is not None else current.load())
            table = self.table(resource)
            table.drop(current.key)
            table.log.append(Change(DELETED, gone.revision, gone, current))
            for told in self.on_removed:
                told(gone)
            return gone

    def _next(self, key: str, obj: Object) -> Stored:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        return Stored(key, obj, self.revision)

    @staticmethod
    def _same(current: Stored, obj: Object) -> bool:
        obj["metadata"]["resourceVersion"] = str(current.revision)
        return Stored(current.key, obj, current.revision).raw == current.raw

    def compact(self) -> None:
        """Forget all history: watches and continue tokens from before now have expired."""
        with self.lock:
            for table in self._tables.values():
                table.log.compact()
                table.log.compacted = self.revision

    def rebase(self, revision: int) -> None:
        """Go on counting from another revision; all history is forgotten. For replaying what happened elsewhere."""
        with self.lock:
            self.revision = revision
            self.compact()

    # for tests and controllers in this process

    def create(self, resource: str, obj: Object) -> Object:
        """Store an object, filling in what the API would (name, uid, times, generation); returns it as stored."""
        kind = self.type(resource)
        obj = {"apiVersion": kind.storage_api_version, "kind": kind.kind, **obj}
        metadata = dict(obj.get("metadata") or {})
        if "name" not in metadata:
            metadata["name"] = self.sources.name(metadata.get("generateName", ""))
        if kind.namespaced:
            metadata.setdefault("namespace", "default")
        metadata = {"uid": self.sources.uid(), "creationTimestamp": self.sources.now(), "generation": 1, **metadata}
        return self.add(kind, {**obj, "metadata": metadata}).load()

    def get(self, resource: str, name: str, namespace: str = "") -> Object:
        """A copy of an object; raises the API's own 404 (:class:`APIFailure`)."""
        kind = self.type(resource)
        with self.lock:
            return self.find(kind, self._namespace(kind, namespace), name).load()

    def list(self, resource: str, namespace: str = "") -> Objects:
        """Copies of all objects of a resource, in key order."""
        with self.lock:
            return [stored.load() for stored in self.table(self.type(resource)).under(namespace)]

    def update(self, resource: str, obj: Object) -> Object:
        """Replace an object; a resourceVersion in it must be the current one (409 else)."""
        metadata = obj["metadata"]
        wanted = metadata.get("resourceVersion")
        kind = self.type(resource)

        def replace(current: Stored) -> Object:
            if wanted and wanted != str(current.revision):
                raise conflict(kind, current.name, STALE)
            return {**obj, "metadata": dict(metadata)}

        return self.change(kind, self._namespace(kind, metadata.get("namespace", "")), metadata["name"], replace).load()

    def modify(self, resource: str, name: str, namespace: str, change: Callable[[Object], None]) -> Object:
        """Change an object in place, atomically, whatever its current version."""
        kind = self.type(resource)

        def apply(current: Stored) -> Object:
            obj = current.load()
            change(obj)
            return obj

        return self.change(kind, self._namespace(kind, namespace), name, apply).load()

    def delete(self, resource: str, name: str, namespace: str = "") -> Object:
        """Delete an object at once, whatever its finalizers; returns its last state."""
        kind = self.type(resource)
        return self.remove(kind, self._namespace(kind, namespace), name).load()

    @staticmethod
    def _namespace(kind: ResourceType, namespace: str) -> str:
        return (namespace or "default") if kind.namespaced else ""

    def seed(self, resource: str, obj: Object) -> None:
        """Put an object in as it is, at the revision it says, without an event: as if it had always been there."""
        kind = self.type(resource)
        metadata = obj["metadata"]
        key = object_key(metadata.get("namespace", ""), metadata["name"])
        with self.lock:
            self.table(kind).put(Stored(key, obj, int(metadata["resourceVersion"])))

    def unseed(self, resource: str, name: str, namespace: str = "") -> None:
        """Take an object out without an event: as if it had never been there."""
        with self.lock:
            self.table(self.type(resource)).drop(object_key(namespace, name))

    def fill(self, resource: str, objects: Iterable[Object]) -> int:
        """Create many objects; returns how many."""
        with self.lock:
            return sum(1 for obj in objects if self.create(resource, obj))
