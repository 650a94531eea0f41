"""The resources that are served, and what follows from a write to one: all that the handlers of requests share."""

from __future__ import annotations

from typing import Callable, Optional

from ..schema.crds import established, resource_types
from ..vocabulary.requestinfo import RequestInfo
from ..vocabulary.resources import BUILTIN, ResourceType
from .answers import Answers
from .eventlog import Stored
from .store import ObjectStore
from .watch import Watches

ACROSS_NAMESPACES = ("list", "watch")


class API:
    """What is served at the moment; definitions change it while it is served."""

    def __init__(self, store: ObjectStore, watches: Watches) -> None:
        self.store = store
        self.watches = watches
        self.answers = Answers(store.sources)
        self.graceful_pods = False
        """Does a kubelet end the pods of this server? Then deleting a running pod waits for it."""
        self.on_marked: list[Callable[[ResourceType, Stored], None]] = []
        """Told of each deletion that has begun, with the store's lock held."""
        self._types: dict[tuple[str, str, str], ResourceType] = {}
        for resource in BUILTIN:
            self.serve(resource)

    def serve(self, resource: ResourceType) -> None:
        """Begin to serve a resource."""
        self._types[resource.group, resource.version, resource.plural] = resource
        self.store.register(resource)

    def withdraw(self, resource: ResourceType) -> None:
        """No longer serve a resource in a version; its objects go with the last version."""
        self._types.pop((resource.group, resource.version, resource.plural), None)
        if not any(other.key == resource.key for other in self._types.values()):
            self.store.forget(resource)

    def types(self) -> list[ResourceType]:
        return list(self._types.values())

    def find(self, info: RequestInfo) -> Optional[ResourceType]:
        """The resource a path names, if it is served there: in a namespace, or not."""
        resource = self._types.get((info.group, info.version, info.resource))
        if resource is None or resource.plural == "namespaces":
            return resource
        if info.namespace and not resource.namespaced:
            return None
        if resource.namespaced and not info.namespace and info.verb not in ACROSS_NAMESPACES:
            return None
        return resource

    # what follows from a write

    def stored(self, resource: ResourceType, stored: Stored) -> None:
        """Called after an object was created or changed, with the store's lock held."""
        if resource.plural == "customresourcedefinitions":
            self._define(stored)

    def marked(self, resource: ResourceType, stored: Stored) -> None:
        """Called when a deletion has begun: a namespace's contents go first."""
        for told in self.on_marked:
            told(resource, stored)
        if resource.plural == "namespaces":
            self._empty_namespace(stored.name)

    def removed(self, resource: ResourceType, last: Stored) -> None:
        if resource.plural == "customresourcedefinitions":
            self._undefine(last)

    def _empty_namespace(self, name: str) -> None:
        for resource in {kind.key: kind for kind in self.types() if kind.namespaced}.values():
            for stored in list(self.store.table(resource).under(name)):
                self.store.remove(resource, name, stored.name)
        self.store.remove(self.store.type("namespaces"), "", name)

    # definitions

    def _define(self, stored: Stored) -> None:
        """Begin to serve what a definition says, and end what it says no more."""
        crd = stored.load()
        types = resource_types(crd)
        for old in [kind for kind in self.types() if kind.custom and kind.key == types[0].key and kind not in types]:
            self.withdraw(old)
        for kind in types:
            self.serve(kind)
        if not (crd.get("status") or {}).get("conditions"):
            self.store.update("customresourcedefinitions", established(crd))

    def _undefine(self, last: Stored) -> None:
        """The objects go with their definition."""
        types = resource_types(last.load())
        for stored in list(self.store.table(types[0]).under("")):
            self.store.remove(types[0], stored.namespace, stored.name)
        for kind in types:
            self.withdraw(kind)
