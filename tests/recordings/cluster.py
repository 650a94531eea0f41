"""What recorded requests presuppose of a cluster: made before, and deleted after.

The three definitions of crds.yaml (left alone where they are there already), a namespace of the recording's own, and
for exec a pod in it. Nothing that was there before is touched: a namespace that exists, or an object of a name that
the recording writes outside namespaces, ends the recorder before it has done anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

import yaml

from .peer import Peer
from .recording import Key, Object
from .restrecorder import ROOT, path_of

CRDS = Path(__file__).with_name("crds.yaml")
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PLURALS = ("devservers", "devserverflavors", "devserverusers")
MERGE = "application/merge-patch+json"
PATIENCE = 60.0  # seconds for a definition to be served, and for what was deleted to go
STARTING = 300.0  # seconds for a pod, whose image may have to be pulled


@contextmanager
def definitions(peer: Peer) -> Iterator[None]:
    """The custom resources are served."""
    created = []
    try:
        for crd in yaml.safe_load_all(CRDS.read_text()):
            path = f"{DEFINITIONS}/{crd['metadata']['name']}"
            if peer.ask("GET", path)[0] == 404:
                demand(peer.ask("POST", DEFINITIONS, crd), "create a definition")
                created.append(path)
        wait("the definitions to be served", PATIENCE, lambda: _are_served(peer))
        yield
    finally:
        for path in created:
            peer.ask("DELETE", path)


def _are_served(peer: Peer) -> bool:
    return all(peer.ask("GET", f"{ROOT}/{plural}?limit=1")[0] == 200 for plural in PLURALS)


@contextmanager
def namespace(peer: Peer, name: str) -> Iterator[None]:
    """A namespace of that name, which must not be there before; emptied and deleted afterwards."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    if peer.ask("GET", f"/api/v1/namespaces/{name}")[0] == 200:
        raise SystemExit(f"namespace {name} is there already: choose another one with --namespace, or delete it")
    demand(peer.ask("POST", "/api/v1/namespaces", body), f"create namespace {name}")
    try:
        yield
    finally:
        for key in _custom_objects(peer, name):
            remove(peer, key)
        peer.ask("DELETE", f"/api/v1/namespaces/{name}")
        _finalize(peer, name)


def _custom_objects(peer: Peer, name: str) -> list[Key]:
    status, body = peer.ask("GET", f"{ROOT}/namespaces/{name}/devservers")
    items = body.get("items") or () if status == 200 else ()
    return [Key("devservers", name, item["metadata"]["name"]) for item in items]


def remove(peer: Peer, key: Key) -> None:
    """Delete an object whatever holds it."""
    peer.ask("DELETE", path_of(key))
    peer.ask("PATCH", path_of(key), {"metadata": {"finalizers": None}}, MERGE)


def _finalize(peer: Peer, name: str) -> None:
    """Where no controller finishes a namespace's deletion, it is finished here: nothing of ours is left in it."""
    try:
        wait("", 10, lambda: peer.ask("GET", f"/api/v1/namespaces/{name}")[0] == 404)
    except SystemExit:
        status, body = peer.ask("GET", f"/api/v1/namespaces/{name}")
        if status == 200:
            peer.ask("PUT", f"/api/v1/namespaces/{name}/finalize", {**body, "spec": {"finalizers": []}})


def require_absent(peer: Peer, keys: Iterable[Key]) -> None:
    """Objects outside namespaces that the recording writes must not be anybody's."""
    there = [key for key in sorted(set(keys)) if peer.ask("GET", path_of(key))[0] == 200]
    if there:
        named = ", ".join(f"{key.resource}/{key.name}" for key in there)
        raise SystemExit(f"the recording would write on what is there already: {named}; delete it, if it is yours")


@contextmanager
def pod(peer: Peer, namespace: str, name: str, containers: Iterable[str], image: str) -> Iterator[None]:
    """A pod whose containers do nothing, running."""
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": each, "image": image, "command": ["sleep", "3600"]} for each in containers],
        },
    }
    path = f"/api/v1/namespaces/{namespace}/pods"
    demand(peer.ask("POST", path, body), f"create pod {name}")
    try:
        wait(f"pod {name} to run", STARTING, lambda: _is_ready(peer.ask("GET", f"{path}/{name}")[1]))
        yield
    finally:
        peer.ask("DELETE", f"{path}/{name}?gracePeriodSeconds=0")


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def demand(answer: tuple[int, Any], what: str) -> None:
    status, body = answer
    if status >= 300:
        message = body.get("message") if isinstance(body, dict) else body
        raise SystemExit(f"could not {what}: {status} {message}")


def wait(what: str, seconds: float, is_so: Callable[[], bool]) -> None:
    """Ask until it is so."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.2)
