"""A scripted server's side of a watch: the objects it lists, and what each stream says."""

from __future__ import annotations

import json
import threading
from itertools import islice
from typing import Any, Callable, Optional

from devservers.transport import Watch
from devservers.transport.resources import Resource

from .scripted import FakeClock, Peer, ScriptedServer

DEVSERVERS = Resource("devserver.io", "v1", "devservers", "DevServer", True)


def obj(name: str, version: int, uid: Optional[str] = None) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "uid": uid or name, "resourceVersion": str(version)}}


def a_line(kind: str, item: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


EXPIRED = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}


class Stage:
    """Answers lists from ``items`` and each watch by the next of ``streams``."""

    def __init__(self, items: list[dict[str, Any]], *streams: Callable[[Peer], None]) -> None:
        self.items = items
        self.streams = list(streams)
        self.version = "10"

    def __call__(self, peer: Peer, request: str) -> None:
        if "watch=true" not in request:
            body = {"kind": "List", "metadata": {"resourceVersion": self.version}, "items": self.items}
            peer.answer(200, json.dumps(body).encode())
        else:
            stream = self.streams.pop(0) if self.streams else Peer.hold
            stream(peer)


def stream_of(*lines: bytes, end: bool = True) -> Callable[[Peer], None]:
    return lambda peer: peer.chunked(*lines, end=end)


def cut_after(*chunks: bytes) -> Callable[[Peer], None]:
    def stream(peer: Peer) -> None:
        peer.chunked(*chunks, end=False)
        peer.close()

    return stream


def silent_after_one_event(opened: threading.Event) -> Callable[[Peer], None]:
    def stream(peer: Peer) -> None:
        peer.chunked(a_line("ADDED", obj("a", 11)), end=False)
        opened.set()
        peer.hold()

    return stream


def watch_on(server: ScriptedServer, clock: Optional[FakeClock] = None, **options: Any) -> Watch:
    client = server.client(clock=clock or FakeClock())
    return Watch(client, DEVSERVERS, "n", **options)


def told(watch: Watch, count: int) -> list[tuple[str, str]]:
    with watch:
        return [(event["type"], event["object"]["metadata"]["name"]) for event in islice(watch, count)]


def versions(server: ScriptedServer) -> list[str]:
    """The resourceVersions that watches were begun from."""
    watches = [request for request in server.requests if "watch=true" in request]
    return [request.partition("resourceVersion=")[2].partition("&")[0] for request in watches]
