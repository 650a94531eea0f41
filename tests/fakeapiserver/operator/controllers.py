"""What the controllers of the fake have in common.

* A controller looks at the present state, not at what has happened: it may be told of an object late, or once too
  often.
* All that they do they do on one agenda, step by step: no two of them act at the same time.
* What they create is created only while its owner is there, under the store's lock: the garbage collector, which
  looks for dependents when an owner has gone, misses none.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, NamedTuple, Optional

from ..backbone import Backbone
from ..core.store import ObjectStore, new_uid, now
from ..vocabulary.objects import Object, Objects
from ..vocabulary.status import APIFailure
from .agenda import guarded

UNSERVED_PAUSE = 0.1  # seconds until a resource that is not served is looked for again


class Key(NamedTuple):
    """Where an object is."""

    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Object) -> Key:
        return cls(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def follow(server: Backbone, resource: str, tell: Callable[[str, Object], object]) -> None:
    """A thread's work: tell of every change until the server stops; of all there is, should history be lost."""
    while not server.stopping.is_set():
        try:
            for kind, obj in server.watch_objects(resource):
                guarded(partial(tell, kind, obj))
        except KeyError:  # its definition is not there
            server.stopping.wait(UNSERVED_PAUSE)


def find(store: ObjectStore, resource: str, name: str, namespace: str = "", uid: str = "") -> Optional[Object]:
    """An object as it is now, if it is there (and still the one of that uid)."""
    try:
        obj = store.get(resource, name, namespace)
    except (APIFailure, KeyError):
        return None
    return obj if uid in ("", obj["metadata"]["uid"]) else None


def modify(store: ObjectStore, resource: str, key: Key, change: Callable[[Object], None]) -> None:
    """Change an object in place, if it is still there."""
    try:
        store.modify(resource, key.name, key.namespace, change)
    except (APIFailure, KeyError):
        pass  # its own event follows


def owned(store: ObjectStore, resource: str, owner: Object) -> Objects:
    """The objects that another one controls, oldest first."""
    uid = owner["metadata"]["uid"]
    mention = f'"uid":"{uid}"'.encode()
    with store.lock:
        mentioning = [
            stored
            for stored in store.table(store.type(resource)).under(owner["metadata"]["namespace"])
            if mention in stored.raw
        ]
    found = [obj for obj in (stored.load() for stored in mentioning) if (controller(obj) or {}).get("uid") == uid]
    return sorted(found, key=lambda obj: (obj["metadata"].get("creationTimestamp", ""), obj["metadata"]["name"]))


def controller(obj: Object) -> Optional[Object]:
    """The reference to the owner that controls an object."""
    references = obj["metadata"].get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def controlled_by(owner: Object) -> Object:
    """The reference that says so in a dependent."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def set_spec(obj: Object, **fields: Any) -> None:
    """Change fields of the spec; a change counts a generation."""
    changed = {**obj["spec"], **fields}
    if changed != obj["spec"]:
        obj["spec"] = changed
        obj["metadata"]["generation"] = obj["metadata"].get("generation", 0) + 1


def with_times(conditions: Objects, before: Object) -> Objects:
    """Conditions with the times at which they came to be as they are; ``before`` is the status of before."""
    known = {entry["type"]: entry for entry in before.get("conditions") or []}
    return [
        known[each["type"]]
        if each.items() <= known.get(each["type"], {}).items()
        else {**each, "lastUpdateTime": now(), "lastTransitionTime": _transition(each, known.get(each["type"]) or {})}
        for each in conditions
    ]


def _transition(condition: Object, before: Object) -> Any:
    return before["lastTransitionTime"] if condition["status"] == before.get("status") else now()


def tell_event(store: ObjectStore, about: Object, kind: str, reason: str, message: str, source: str) -> None:
    """Make an Event about an object."""
    metadata = about["metadata"]
    moment = now()
    store.create(
        "events",
        {
            "metadata": {
                "name": f"{metadata['name']}.{new_uid()[:8]}{new_uid()[:8]}",
                "namespace": metadata["namespace"],
            },
            "involvedObject": {
                "kind": about["kind"],
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "apiVersion": about["apiVersion"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "reason": reason,
            "message": message,
            "type": kind,
            "source": {"component": source},
            "reportingComponent": source,
            "reportingInstance": "",
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "eventTime": None,
            "count": 1,
        },
    )
