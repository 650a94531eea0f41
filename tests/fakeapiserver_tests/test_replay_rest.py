"""Every recorded REST exchange with a real API server, replayed against a fresh fake one and compared.

Nothing of an answer is left out of the comparison. What no server could repeat is given to the fake as input before
each exchange (see ``INPUTS``), so that even resourceVersions, uids, times and continue tokens compare literally.
``--recording FILE`` replays further files; state that cut exchanges left behind is derived by
:mod:`~tests.recordings.recordedworld`.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Optional

import pytest
import yaml

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.vocabulary.status import APIFailure
from tests.recordings.recordedworld import RecordedWorld
from tests.recordings.recording import (
    ABSENT,
    Exchange,
    Key,
    Object,
    Recording,
    Snapshots,
    is_object,
    key_of,
    revision,
    versions_in,
)

RECORDINGS = Path(__file__).parent.parent / "recordings"

INPUTS = {
    "resourceVersions and continue tokens": "etcd counts other clients' writes too; the store's counter is set forward",
    "uids": "random; the fake takes those of the recording, in order",
    "names made by generateName": "random; the fake takes the recorded ones",
    "times (creation, deletion, managedFields)": "the fake's clock stands where the recording's stood",
}
NORMALIZED = {
    r"too old resource version: \d+ \(\d+\)": "the number in brackets is when the server's cache was filled",
    r"^eyJ2IjoibWV0YS5rOHMuaW8vdjEi[\w-]+$": "continue tokens: only 1.36 begins their key with a slash",
    "the order of a Status' causes": "the server walks its maps, whose order is random, and collects what is wrong",
    "the order of a group's resources": "it changes from one start of a server to the next, and with definitions",
}
TOLERATED: dict[str, str] = {}
"""Exchanges (by name) in which a difference is tolerated, and why. It is empty, and should stay so."""

COMPARED_HEADERS = ("Warning", "Retry-After")
TOO_OLD, TOKEN = (re.compile(pattern) for pattern in list(NORMALIZED)[:2])
PACE = 20.0  # a watch of three seconds takes a seventh of one
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def recordings(config: pytest.Config) -> list[Recording]:
    ours = [RECORDINGS / "rest.json", *sorted(RECORDINGS.glob("uids-*.json"))]
    files = [*ours, *(Path(name) for name in config.getoption("recording"))]
    return [recording for recording in map(Recording.read, files) if recording.exchanges]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "recording" in metafunc.fixturenames:
        found = recordings(metafunc.config)
        metafunc.parametrize("recording", [pytest.param(r, id=r.path.stem) for r in found])


@pytest.fixture
def replay(recording: Recording, request: pytest.FixtureRequest) -> Iterator[Replay]:
    with FakeAPIServer(operator=False, load_crds=False) as server:
        session = of_the_same_session(recording, recordings(request.config))
        with closing(http.client.HTTPConnection(server.host, server.port, timeout=30)) as connection:
            yield Replay(server, connection, recording, session)


def of_the_same_session(recording: Recording, others: list[Recording]) -> list[Recording]:
    """The recordings that show the same objects: what one omits, another may have."""
    uids = Snapshots([recording]).uids()
    return [other for other in others if uids & Snapshots([other]).uids()]


class Replay:
    """A fake server and the recording that it replays."""

    def __init__(
        self,
        server: FakeAPIServer,
        connection: http.client.HTTPConnection,
        recording: Recording,
        session: list[Recording],
    ) -> None:
        self.server = server
        self.recording = recording
        self.world = RecordedWorld(Snapshots(session or [recording]))
        self.connection = connection
        server.watches.pace = PACE
        server.add_token("<limitedtoken>", "limited")
        self._load_definitions()
        for namespace in recording.namespaces:
            self._create_namespace(namespace)
        server.store.rebase(min((v for e in recording.exchanges for v in versions_in(e.response)), default=2) - 1)

    # setting up

    def _load_definitions(self) -> None:
        """Post the CRDs, as a user would apply them."""
        path = self.recording.crds if self.recording.crds and self.recording.crds.exists() else RECORDINGS / "crds.yaml"
        for crd in yaml.safe_load_all(path.read_text()):
            status, body = self.send(
                "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {}, json.dumps(crd)
            )
            assert status == 201, body

    def _create_namespace(self, name: str) -> None:
        manifest = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.send("POST", "/api/v1/namespaces", {}, manifest)

    def send(self, method: str, path: str, headers: dict[str, str], body: Optional[str]) -> tuple[int, bytes]:
        response = self.open(method, path, headers, body)
        return response.status, response.read()

    def open(self, method: str, path: str, headers: dict[str, str], body: Optional[str]) -> http.client.HTTPResponse:
        """Send a request with exactly these headers; without Authorization it is the administrator's."""
        self.connection.putrequest(method, path, skip_accept_encoding=True)
        given = {"Authorization": f"Bearer {self.server.token}", **headers}
        data = None if body is None else body.encode()
        if data is not None:
            given["Content-Length"] = str(len(data))
        for name, value in given.items():
            if value != "(none)":
                self.connection.putheader(name, value)
        self.connection.endheaders(data)
        return self.connection.getresponse()

    # replaying

    def run(self, exchange: Exchange) -> list[str]:
        """Replay one exchange; returns the differences."""
        for key, at, state in self.world.needed(exchange):
            self._arrange(key, at, state)
        self._fill_up(exchange)
        self._provide_inputs(exchange)
        answered = self._send(exchange)
        self.world.learn(exchange)
        return list(differences(expected(exchange), answered))

    def _arrange(self, key: Key, at: int, state: Optional[Object]) -> None:
        """Do a write that the recording omits, at its revision."""
        store = self.server.store
        kind = store.type(key.resource)
        with store.lock:
            store.revision = max(store.revision, at - 1)
            if at == ABSENT:
                store.unseed(key.resource, key.name, key.namespace)
                return self.world.deleted(key, self.world.revision)
            if state is None:
                store.remove(kind, key.namespace, key.name)
                return self.world.deleted(key, at)
            self._put(kind.plural, key, at, json.loads(json.dumps(state)))
        return self.world.written(key, at)

    def _put(self, resource: str, key: Key, at: int, state: Object) -> None:
        store = self.server.store
        kind = store.type(resource)
        if at <= store.revision:
            store.seed(resource, state)
            return
        try:
            store.change(kind, key.namespace, key.name, lambda _: state)
        except APIFailure:
            store.add(kind, state)

    def _fill_up(self, exchange: Exchange) -> None:
        """Objects that a page only counted (remainingItemCount): as many are invented, last in order."""
        body, place = exchange.body, exchange.place
        remaining = (body.get("metadata") or {}).get("remainingItemCount") if isinstance(body, dict) else None
        if remaining is None or place is None:
            return
        last = body["items"][-1]
        after = key_of(last, place.resource)
        there = [key for key in self.world.there(place) if key > after]
        for number in range(remaining - len(there)):
            state = json.loads(json.dumps(last))
            state["metadata"].update({"name": f"zz-left-out-{number}", "uid": f"left-out-{number}"})
            if not place.namespace and "namespace" in state["metadata"]:
                state["metadata"]["namespace"] = "zz-left-out"  # others' namespaces are not the recording's
            self.server.store.seed(place.resource, state)
            self.world.written(key_of(state, place.resource), revision(state))

    def _provide_inputs(self, exchange: Exchange) -> None:
        """Give the fake what no server could repeat: see INPUTS."""
        store, body = self.server.store, exchange.body
        shown = json.dumps([body, exchange.response.get("lines")])
        times = TIME.findall(shown)
        if times:
            latest = time_of_table(body) or max(times)
            store.sources.now = lambda: latest
        metadata = body.get("metadata") or {} if isinstance(body, dict) else {}
        if exchange.method in ("POST", "PATCH") and metadata.get("uid"):
            store.sources.uid = lambda: str(metadata["uid"])
        generated = metadata.get("name") or _refused_name(body)
        if exchange.method in ("POST", "PATCH") and generated:
            store.sources.name = lambda prefix: str(generated)
        if exchange.method in ("POST", "PUT", "PATCH", "DELETE") and is_object(body):
            store.revision = max(store.revision, int(metadata["resourceVersion"]) - 1)
        elif "sendInitialEvents" in exchange.query and exchange.is_watch:
            marks = [line for line in exchange.response["lines"] if line["type"] == "BOOKMARK"]
            store.revision = max([store.revision, *versions_in(marks[:1])])
        elif exchange.method in ("GET", "DELETE") and not exchange.is_watch and exchange.status == 200:
            store.revision = max([store.revision, *versions_in(body)])

    def _send(self, exchange: Exchange) -> Object:
        body = exchange.request.get("body")
        text = None if body is None else body if isinstance(body, str) else json.dumps(body)
        response = self.open(exchange.method, exchange.request["path"], exchange.request["headers"], text)
        answered: Object = {
            "status": response.status,
            "content_type": response.getheader("Content-Type"),
            "headers": {name: response.getheader(name) for name in COMPARED_HEADERS if response.getheader(name)},
        }
        if exchange.is_watch and response.status == 200:
            for key, at, state in self.world.during_watch(exchange):
                self._arrange(key, at, state)
            answered["lines"] = [json.loads(line) for line in response]
        else:
            answered["body"] = in_one_order(parsed(response.read(), answered["content_type"]))
        return answered


def time_of_table(body: Any) -> Optional[str]:
    """When a Table was made, from an object's creation and its age."""
    if not isinstance(body, dict) or body.get("kind") != "Table":
        return None
    ages = [at for at, column in enumerate(body["columnDefinitions"]) if column["name"] == "Age"]
    for row in body["rows"]:
        age = re.fullmatch(r"(\d+)s", str(row["cells"][ages[0]])) if ages else None
        if age and row["object"]:
            created = datetime.strptime(row["object"]["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")
            return (created + timedelta(seconds=int(age[1]))).strftime("%Y-%m-%dT%H:%M:%SZ")
    return None


def _refused_name(body: Any) -> str:
    """A name may have been generated and refused."""
    details = body.get("details") if isinstance(body, dict) else None
    return str((details or {}).get("name", ""))


def parsed(body: bytes, content_type: str) -> Any:
    if content_type != "application/json" or not body:
        return body.decode()
    try:
        return json.loads(body)
    except ValueError:  # where a refusal was recorded, a watch may be answered
        return body.decode()


def expected(exchange: Exchange) -> Object:
    """What was recorded, in the form in which the fake's answer is compared."""
    response = exchange.response
    headers = {name: value for name, value in (response.get("headers") or {}).items() if name in COMPARED_HEADERS}
    wanted: Object = {"status": response["status"], "content_type": response["content_type"], "headers": headers}
    part = "lines" if exchange.is_watch else "body"
    return {**wanted, part: in_one_order(response.get(part))}


def in_one_order(body: Any) -> Any:
    """A Status with its causes sorted, in its message too, and a group's resources sorted: see ``NORMALIZED``."""
    if isinstance(body, dict) and body.get("kind") == "APIResourceList":
        return {**body, "resources": sorted(body["resources"], key=lambda each: str(each["name"]))}
    causes = (body.get("details") or {}).get("causes") or () if isinstance(body, dict) else ()
    if len(causes) < 2:
        return body
    ordered = sorted(causes, key=lambda cause: (cause.get("field", ""), cause.get("message", "")))
    given, wanted = (_summary(each) for each in (causes, ordered))
    message = str(body.get("message", "")).replace(given, wanted)
    return {**body, "message": message, "details": {**body["details"], "causes": ordered}}


def _summary(causes: Iterable[Object]) -> str:
    texts = dict.fromkeys(f"{cause.get('field')}: {cause.get('message')}" for cause in causes)
    return ", ".join(texts)


def differences(recorded: Any, answered: Any, path: str = "") -> Iterator[str]:
    """Where two answers differ, one line each."""
    if isinstance(recorded, dict) and isinstance(answered, dict):
        for name in dict.fromkeys([*recorded, *answered]):
            if name not in answered:
                yield f"{path}.{name}: recorded {json.dumps(recorded[name])}, absent from the fake's answer"
            elif name not in recorded:
                yield f"{path}.{name}: not recorded, the fake answered {json.dumps(answered[name])}"
            else:
                yield from differences(recorded[name], answered[name], f"{path}.{name}")
    elif isinstance(recorded, list) and isinstance(answered, list) and len(recorded) == len(answered):
        for index, (left, right) in enumerate(zip(recorded, answered)):
            yield from differences(left, right, f"{path}[{index}]")
    elif isinstance(recorded, list) and isinstance(answered, list) and recorded and answered:
        yield f"{path}: recorded {_names(recorded)}\n          answered {_names(answered)}"
    elif normalized(recorded) != normalized(answered):
        yield f"{path}: recorded {json.dumps(recorded)}\n          answered {json.dumps(answered)}"


def _names(items: list[Any]) -> str:
    """Lists of different length, shown by their items' types, names and versions."""
    shown = [(item.get("object", item) if isinstance(item, dict) else {}).get("metadata", {}) for item in items]
    kinds = [item.get("type", "") if isinstance(item, dict) else item for item in items]
    return ", ".join(f"{k} {m.get('name', '')}@{m.get('resourceVersion', '')}" for k, m in zip(kinds, shown))


def normalized(value: Any) -> Any:
    if isinstance(value, str) and TOKEN.match(value):
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).replace(b'"start":"/', b'"start":"')
    return TOO_OLD.sub("…", value) if isinstance(value, str) else value


def test_the_fake_answers_every_recorded_request_as_the_real_server_did(replay: Replay) -> None:
    report = []
    for number, exchange in enumerate(replay.recording.exchanges):
        found = replay.run(exchange)
        if found and exchange.name not in TOLERATED:
            report.append("\n    ".join([f"{number} {exchange.name}", *found]))
    assert not report, f"{len(report)} exchanges differ:\n" + "\n".join(report)
