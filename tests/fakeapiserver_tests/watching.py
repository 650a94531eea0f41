"""Waiting for the controllers of a fake server: each wait returns the state it waited for."""

from __future__ import annotations

from typing import Any, Callable

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.core.store import object_key
from tests.fakeapiserver.operator.podstatus import is_ready
from tests.fakeapiserver.vocabulary.objects import Object

LONG = 20.0
"""Seconds to wait for what must happen; a passing test never waits that long."""
NEVER = 3600.0
"""Seconds: a pace so slow that a test sees the state before."""


def create(fake: FakeAPIServer, name: str = "dev", **spec: Any) -> Object:
    body = {"metadata": {"name": name}, "spec": {"flavor": "cpu-small", **spec}}
    return fake.store.create("devservers", body)


def until(fake: FakeAPIServer, resource: str, holds: Callable[[Object], object]) -> Object:
    """The first state of any object of a resource of which something holds."""
    for kind, obj in fake.watch_objects(resource):
        if kind != "DELETED" and holds(obj):
            return obj
    raise AssertionError(f"the server stopped, or {resource} are served no more")


def until_gone(fake: FakeAPIServer, resource: str, name: str, namespace: str = "default") -> None:
    """Wait until an object is gone."""
    table = fake.store.table(fake.store.type(resource))
    with table.log.changed:
        gone = table.log.changed.wait_for(lambda: object_key(namespace, name) not in table.objects, LONG)
    assert gone, f"{resource} {name} is still there"


def history(fake: FakeAPIServer, resource: str, name: str) -> list[Object]:
    """Every state of the objects of a name, including the last before their deletion."""
    with fake.store.lock:
        changes = fake.store.table(fake.store.type(resource)).log.since(0)
    assert changes is not None
    return [change.stored.load() for change in changes if change.stored.name == name]


def until_named(
    fake: FakeAPIServer, resource: str, name: str, holds: Callable[[Object], object] = lambda obj: True
) -> Object:
    return until(fake, resource, lambda obj: obj["metadata"]["name"] == name and holds(obj))


def until_phase(fake: FakeAPIServer, phase: str = "Running", name: str = "dev") -> Object:
    return until_named(fake, "devservers", name, lambda obj: obj.get("status", {}).get("phase") == phase)


def until_pod(fake: FakeAPIServer, name: str = "dev", holds: Callable[[Object], object] = is_ready) -> Object:
    """The first state of a pod labeled ``app=NAME`` (by default: ready) of which something holds."""
    return until(fake, "pods", lambda pod: (pod["metadata"].get("labels") or {}).get("app") == name and holds(pod))


def until_event(fake: FakeAPIServer, reason: str, name: str) -> Object:
    """An Event about an object whose name begins so."""
    return until(fake, "events", lambda e: e["reason"] == reason and e["involvedObject"]["name"].startswith(name))


def waits_for(reason: str) -> Callable[[Object], bool]:
    """Is the pod's first container waiting for that reason?"""

    def holds(pod: Object) -> bool:
        statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
        waiting = (statuses[0].get("state") or {}).get("waiting") or {}
        return bool(waiting.get("reason") == reason)

    return holds


def set_spec(fake: FakeAPIServer, name: str = "dev", **spec: Any) -> Object:
    return fake.store.modify("devservers", name, "default", lambda obj: obj["spec"].update(spec))
