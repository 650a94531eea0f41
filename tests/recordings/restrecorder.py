"""Sends recorded REST requests again, in their order, and takes the answers down in the same form.

A recording does not show every write (see :mod:`~tests.recordings.recordedworld`). What a request presupposes is
written before it, by requests that become part of the new recording, so that nothing is left out there; they are
named "set up: …". Nothing is ever written on an object that was there before, nor in other namespaces than ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Optional

from .peer import Peer
from .recordedworld import RecordedWorld
from .recording import ABSENT, Exchange, Key, Object, Recording, Snapshots, is_object
from .translation import Translation, copied

JSON, MERGE = "application/json", "application/merge-patch+json"
KEPT_HEADERS = ("Content-Length", "Retry-After", "Transfer-Encoding", "Warning")
COLLECTORS = {"foregroundDeletion": "Foreground", "orphan": "Orphan"}
SERVERS_OWN = ("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields")
WITH_STATUS = ("devserverflavors", "devserverusers")
ROOT = "/apis/devserver.io/v1"


class RestRecorder:
    """Records one session again; ``created`` holds what may have to be deleted afterwards."""

    def __init__(self, peer: Peer, recording: Recording, namespace: str) -> None:
        self._peer = peer
        self._recording = recording
        self._namespace = namespace
        snapshots = Snapshots([recording])
        self._world = RecordedWorld(snapshots)
        self._translation = Translation(snapshots)
        self._entries: list[Object] = []
        self.created: set[Key] = set()

    def run(self) -> list[Object]:
        """The new recording's exchanges."""
        for exchange in self._recording.exchanges:
            for key, at, state in self._world.needed(exchange):
                self._arrange(key, at, state)
            if exchange.is_watch:
                for key, at, state in self._world.during_watch(exchange):
                    self._arrange(key, at, state)
            self._repeat(exchange)
        return self._entries

    def _repeat(self, exchange: Exchange) -> None:
        target = exchange.target
        body = self._translation.body(exchange, self._world.last(target) if target is not None else 0)
        path = self._translation.target(exchange.request["path"])
        answered = self._send(exchange.name, exchange.method, path, exchange.request["headers"], body)
        self._translation.learn(exchange, answered)
        self._world.learn(exchange)

    def _send(self, name: str, method: str, path: str, headers: dict[str, str], body: Any) -> Exchange:
        """Send a request, and take it down with its answer."""
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        data = None if text is None else text.encode()
        with closing(self._peer.open(method, path, headers, data)) as response:
            kind = response.getheader("Content-Type")
            answer: Object = {
                "status": response.status,
                "content_type": kind,
                "headers": {each: value for each in KEPT_HEADERS if (value := response.getheader(each))},
            }
            request = {"method": method, "path": path, "headers": headers, "body": body}
            exchange = Exchange(name, request, answer)
            if "watch" in exchange.query and response.status == 200:
                answer["lines"] = [json.loads(line) for line in response]
                answer["end"] = "server closed"
            else:
                content = response.read()
                answer["body"] = json.loads(content) if kind == JSON and content else content.decode()
        self._entries.append({"name": name, "request": request, "response": answer})
        self._note_created(exchange)
        return exchange

    def _note_created(self, exchange: Exchange) -> None:
        if exchange.status == 201 and exchange.place is not None and is_object(exchange.body):
            place, metadata = exchange.place, exchange.body["metadata"]
            self.created.add(Key(place.resource, place.namespace, metadata["name"]))

    # what a request presupposes

    def _arrange(self, key: Key, at: int, state: Optional[Object]) -> None:
        """Do a write that the recording left out; objects of others are let be, and so are not as recorded."""
        ours = key._replace(name=self._translation.name(key.name))
        there = self._there(ours)
        if key.namespace not in ("", self._namespace) or (there is not None and ours not in self.created):
            self._note(key, at, state)
            return
        if state is None or at == ABSENT:
            if there is not None:
                self._remove(ours, there)
            self._translation.deleted(at, self._revision_now(ours))
        else:
            new = self._bring_to(ours, state, there)
            if new is not None:
                self._translation.state(key, state, new)
        self._note(key, at, state)

    def _note(self, key: Key, at: int, state: Optional[Object]) -> None:
        if at == ABSENT:
            self._world.deleted(key, self._world.revision)
        elif state is None:
            self._world.deleted(key, at)
        else:
            self._world.written(key, at)

    def _revision_now(self, key: Key) -> str:
        _, body = self._peer.ask("GET", f"{path_of(key._replace(name=''))}?limit=1")
        return str(body["metadata"]["resourceVersion"])

    def _there(self, key: Key) -> Optional[Object]:
        status, body = self._peer.ask("GET", path_of(key))
        return body if status == 200 else None

    def _bring_to(self, key: Key, state: Object, there: Optional[Object]) -> Optional[Object]:
        """Create or change an object, then begin its deletion if the state is one of an object that is to go."""
        metadata = state["metadata"]
        if there is None:
            written = self._write("create", "POST", path_of(key._replace(name="")), as_sent(state, None))
        else:
            written = self._write("update", "PUT", path_of(key), as_sent(state, there))
        if key.resource in WITH_STATUS and state.get("status") and written is not None:
            body = {**copied(written), "status": state["status"]}
            written = self._write("status", "PUT", f"{path_of(key)}/status", body)
        if "deletionTimestamp" in metadata and (there is None or "deletionTimestamp" not in there["metadata"]):
            policy = next((COLLECTORS[each] for each in metadata.get("finalizers") or () if each in COLLECTORS), "")
            return self._delete(key, policy)
        return written

    def _delete(self, key: Key, policy: str) -> Optional[Object]:
        """Begin a deletion; the object, if something holds it."""
        query = f"?propagationPolicy={policy}" if policy else ""
        return self._write("delete", "DELETE", path_of(key) + query, None)

    def _remove(self, key: Key, there: Object) -> None:
        held: Optional[Object] = there
        if "deletionTimestamp" not in there["metadata"]:
            held = self._delete(key, "")
        if held is not None:
            self._write("release", "PATCH", path_of(key), {"metadata": {"finalizers": None}})

    def _write(self, verb: str, method: str, path: str, body: Optional[Object]) -> Optional[Object]:
        headers = {"Accept": JSON}
        if body is not None:
            headers["Content-Type"] = MERGE if method == "PATCH" else JSON
        where = path.partition("?")[0].removeprefix(ROOT)
        answered = self._send(f"set up: {verb} {where}", method, path, headers, body)
        if answered.status >= 300:
            raise SystemExit(f"could not {verb} {where}, which a request presupposes: {answered.body}")
        return answered.body if is_object(answered.body) else None


def path_of(key: Key) -> str:
    namespace = f"/namespaces/{key.namespace}" if key.namespace else ""
    return f"{ROOT}{namespace}/{key.resource}" + (f"/{key.name}" if key.name else "")


def as_sent(state: Object, there: Optional[Object]) -> Object:
    """A recorded state as somebody would write it, over what is there now."""
    body = copied(state)
    metadata = {name: value for name, value in body["metadata"].items() if name not in (*SERVERS_OWN, "uid")}
    finalizers = [each for each in metadata.pop("finalizers", ()) if each not in COLLECTORS]
    if finalizers:
        metadata["finalizers"] = finalizers
    metadata.pop("resourceVersion", None)
    if there is not None:
        metadata.update(uid=there["metadata"]["uid"], resourceVersion=there["metadata"]["resourceVersion"])
    return {**body, "metadata": metadata}


def written_outside(recording: Recording) -> Iterator[Key]:
    """Objects outside any namespace that a recording's requests wrote."""
    for exchange in recording.exchanges:
        target = exchange.target
        if exchange.method != "GET" and target is not None and target.name and not target.namespace:
            yield target
