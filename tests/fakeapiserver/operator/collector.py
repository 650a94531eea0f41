"""The garbage collector: what becomes of the dependents of an object that is deleted.

* An owner that is simply gone: its dependents are deleted, one generation after the other.
* ``foregroundDeletion`` holds an owner until its dependents have gone, and theirs before them.
* ``orphan``: its dependents forget it, then it goes.

A dependent with another owner stays, and forgets the one that is gone. Owners that were never here are nobody's
business, so that a test may name any owner.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from ..backbone import Backbone
from ..core.deletes import FOREGROUND, ORPHAN, release, remove
from ..core.eventlog import Stored
from ..core.options import DeleteOptions
from ..vocabulary.objects import Object
from ..vocabulary.resources import ResourceType
from ..vocabulary.status import APIFailure
from .agenda import guarded

Dependent = tuple[ResourceType, Stored]


class Owner(NamedTuple):
    """An object whose deletion waits for the collector."""

    resource: ResourceType
    namespace: str
    name: str
    uid: str


class Collector:
    """Follows deletions on a thread of its own, as a controller does."""

    def __init__(self, server: Backbone) -> None:
        self._server = server
        self._store = server.store
        self._noticed = threading.Event()
        self._gone: set[str] = set()
        self._pending: set[Owner] = set()

    def marked(self, resource: ResourceType, stored: Stored) -> None:
        """A deletion has begun; the store's lock is held."""
        finalizers = stored.load()["metadata"].get("finalizers") or ()
        if FOREGROUND in finalizers or ORPHAN in finalizers:
            self._pending.add(Owner(resource, stored.namespace, stored.name, stored.uid))
            self._noticed.set()

    def removed(self, stored: Stored) -> None:
        """An object is gone, perhaps the last dependent that an owner waited for; the store's lock is held."""
        self._gone.add(stored.uid)
        self._noticed.set()

    def start(self) -> None:
        self._server.spawn(self.run, "collector")

    def stop(self) -> None:
        self._noticed.set()

    def run(self) -> None:
        """The thread's work."""
        while True:
            self._noticed.wait()
            self._noticed.clear()
            if self._server.stopping.is_set():
                return
            with self._store.lock:
                gone, self._gone = self._gone, set()
                pending = list(self._pending)
            guarded(partial(self._collect, gone))
            for owner in pending:
                guarded(partial(self._work_off, owner))

    def _collect(self, gone: set[str]) -> None:
        """Delete what has no owner any more."""
        for resource, dependent in self._dependents(gone):
            references = dependent.load()["metadata"]["ownerReferences"]
            if all(each.get("uid") in gone for each in references):
                self._delete(resource, dependent, DeleteOptions())
            else:
                self._forget(resource, dependent, gone)

    def _work_off(self, owner: Owner) -> None:
        with self._store.lock:
            try:
                obj = self._store.find(owner.resource, owner.namespace, owner.name).load()
            except APIFailure:  # gone meanwhile
                self._pending.discard(owner)
                return
            finalizers = obj["metadata"].get("finalizers") or ()
            if obj["metadata"]["uid"] != owner.uid or not (ORPHAN in finalizers or FOREGROUND in finalizers):
                self._pending.discard(owner)
            elif ORPHAN in finalizers:
                for resource, dependent in self._dependents([owner.uid]):
                    self._forget(resource, dependent, {owner.uid})
                self._release(owner, ORPHAN)
            else:
                for resource, dependent in self._dependents([owner.uid]):
                    policy = "Foreground" if self._dependents([dependent.uid]) else ""
                    self._delete(resource, dependent, DeleteOptions(policy=policy))
                if not self._dependents([owner.uid]):
                    self._release(owner, FOREGROUND)

    def _release(self, owner: Owner, finalizer: str) -> None:
        self._pending.discard(owner)
        release(self._server.api, owner.resource, owner.namespace, owner.name, finalizer)

    def _dependents(self, uids: Iterable[str]) -> list[Dependent]:
        """The objects that name one of the owners."""
        wanted = set(uids)
        if not wanted:
            return []
        mentioned = re.compile("|".join(f'"uid":"{re.escape(uid)}"' for uid in wanted).encode())
        return [
            (resource, stored)
            for resource in {kind.key: kind for kind in self._server.api.types()}.values()
            for stored in self._stored(resource)
            if b'"ownerReferences"' in stored.raw and mentioned.search(stored.raw) and owners(stored) & wanted
            if stored.uid not in wanted
        ]

    def _stored(self, resource: ResourceType) -> list[Stored]:
        with self._store.lock:
            try:
                return list(self._store.table(resource).under(""))
            except KeyError:  # no longer served
                return []

    def _delete(self, resource: ResourceType, dependent: Stored, options: DeleteOptions) -> None:
        """If it is still the same, and its deletion has not begun."""
        with self._store.lock:
            try:
                current = self._store.find(resource, dependent.namespace, dependent.name)
            except APIFailure:
                return
            if current.uid == dependent.uid and not current.terminating:
                remove(self._server.api, resource, dependent.namespace, dependent.name, options)

    def _forget(self, resource: ResourceType, dependent: Stored, gone: set[str]) -> None:
        def forget(current: Stored) -> Object:
            obj = current.load()
            references = obj["metadata"].get("ownerReferences") or []
            obj["metadata"]["ownerReferences"] = [each for each in references if each.get("uid") not in gone]
            return obj

        try:
            self._store.change(resource, dependent.namespace, dependent.name, forget)
        except APIFailure:
            pass  # gone meanwhile


def owners(stored: Stored) -> set[str]:
    """The uids of an object's owners."""
    return {each.get("uid", "") for each in stored.load()["metadata"].get("ownerReferences") or []}


def install(server: Backbone) -> None:
    """Give a server its garbage collector."""
    collector = Collector(server)
    server.api.on_marked.append(collector.marked)
    server.store.on_removed.append(collector.removed)
    server.on_start.append(collector.start)
    server.on_stop.append(collector.stop)
