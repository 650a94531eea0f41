"""The replay test is tested: it notices every change of an answer, and can replay a part of a recording."""

from __future__ import annotations

import copy
import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Optional

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.recordings.recording import Exchange, Recording, is_object

from .test_replay_rest import RECORDINGS, Replay, differences, expected, in_one_order

WRITES = ("POST", "PUT", "PATCH", "DELETE")


def recorded() -> Recording:
    return Recording.read(RECORDINGS / "rest.json")


@contextmanager
def replaying(recording: Recording, kind: type[Replay] = Replay, session: Sequence[Recording] = ()) -> Iterator[Replay]:
    with FakeAPIServer(operator=False, load_crds=False) as server:
        with closing(http.client.HTTPConnection(server.host, server.port, timeout=30)) as connection:
            yield kind(server, connection, recording, list(session))


def changes(value: Any) -> Iterator[Any]:
    """The value with one thing changed, for each thing in it."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield {key: each for key, each in value.items() if key != name}
            yield from ({**value, name: changed} for changed in changes(item))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield value[:at] + value[at + 1 :]
            yield from ([*value[:at], changed, *value[at + 1 :]] for changed in changes(item))
    else:
        yield "something else"


def test_every_change_of_an_answer_is_a_difference() -> None:
    seen = 0
    for exchange in recorded().exchanges[::3]:
        answer = expected(exchange)
        for changed in changes(answer):
            seen += 1
            assert list(differences(answer, changed)), exchange.name
    assert seen > 1000


class Idle(Replay):
    """A replay on a server that receives no write."""

    def open(self, method: str, path: str, headers: dict[str, str], body: Optional[str]) -> http.client.HTTPResponse:
        if "devserver.io/v1/" in path and method in WRITES:
            method, body = "GET", None
        return super().open(method, path, headers, body)


def test_the_replay_does_no_recorded_write_itself() -> None:
    with replaying(recorded(), Idle) as replay:
        reported = {exchange.name for exchange in replay.recording.exchanges if replay.run(exchange)}
    written = {e.name for e in replay.recording.exchanges if e.method in ("POST", "PUT", "PATCH") and is_object(e.body)}
    unchanged = {
        "update: no change, resourceVersion stays",
        "update: generation and creationTimestamp are the server's",
    }
    assert written - unchanged <= reported


@pytest.mark.parametrize("every", [2, 3, 4])
@pytest.mark.parametrize("phase", range(2))
def test_a_part_of_a_recording_replays_where_the_rest_is_known(every: int, phase: int) -> None:
    whole = recorded()
    for kept in (True, False):
        part = [exchange for at, exchange in enumerate(whole.exchanges) if (at % every == phase) == kept]
        with replaying(Recording(whole.path, part, whole.crds), session=[whole]) as replay:
            assert [(e.name, found) for e in part if (found := replay.run(e))] == []


def status(*fields: str) -> dict[str, Any]:
    causes = [{"reason": "FieldValueRequired", "message": "Required value", "field": field} for field in fields]
    summary = ", ".join(f"{field}: Required value" for field in fields)
    return {"kind": "Status", "message": f"X is invalid: [{summary}]", "details": {"causes": causes}}


def test_only_the_order_of_causes_may_differ() -> None:
    assert in_one_order(status("a", "b")) == in_one_order(status("b", "a"))
    assert in_one_order(status("a", "b")) != in_one_order(status("a", "c"))
    assert in_one_order(status("a", "b", "b")) != in_one_order(status("a", "b"))


def test_only_the_order_of_resources_may_differ() -> None:
    one, two = ({"kind": "APIResourceList", "resources": [{"name": name} for name in order]} for order in ("ab", "ba"))
    assert in_one_order(one) == in_one_order(two)
    assert in_one_order(one) != in_one_order({**one, "resources": one["resources"][:1]})


def test_a_refused_generated_name_is_given_to_the_fake() -> None:
    body = {"apiVersion": "devserver.io/v1", "kind": "DevServer", "metadata": {"generateName": "Bad_"}}
    path = "/apis/devserver.io/v1/namespaces/recorded/devservers"
    request = {"method": "POST", "path": path, "headers": {"Content-Type": "application/json"}, "body": body}
    refused = {"status": 422, "content_type": "application/json", "body": {"details": {"name": "Bad_x5"}}}
    exchange = Exchange("refused", request, copy.deepcopy(refused))
    with replaying(Recording(RECORDINGS / "rest.json", [exchange])) as replay:
        found = json.dumps(replay.run(exchange))
    assert "Bad_x5" in found
    assert ".body.details.name" not in found
