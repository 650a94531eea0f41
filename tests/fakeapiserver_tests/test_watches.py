"""Watches: where they start, what they show, how they end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.core.watch import Timing

from .plainclient import DEVSERVERS, MERGE, PlainClient, devserver


@pytest.fixture
def other(fake: FakeAPIServer) -> Iterator[PlainClient]:
    """A second connection, to change what the first one watches."""
    fake.watches.pace = 60.0
    with PlainClient(fake) as plain:
        yield plain


def watch(query: str) -> str:
    return f"{DEVSERVERS}?watch=1&timeoutSeconds=60&{query}"


def told(event: Any) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"].get("name", "")


def label(client: PlainClient, name: str, team: str) -> None:
    client.ask("PATCH", f"{DEVSERVERS}/{name}", {"metadata": {"labels": {"team": team}}}, MERGE)


def test_a_watch_sends_the_existing_objects_and_then_each_change(client: PlainClient, other: PlainClient) -> None:
    other.create("a")
    events = client.watch(watch(""))
    assert told(next(events)) == ("ADDED", "a")
    other.create("b")
    label(other, "a", "red")
    other.ask("DELETE", f"{DEVSERVERS}/b")
    assert [told(next(events)) for _ in range(3)] == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


def test_a_watch_resumes_from_any_version_in_the_history(client: PlainClient, other: PlainClient) -> None:
    other.create("a")
    version = other.get(DEVSERVERS).json()["metadata"]["resourceVersion"]
    other.create("b")
    label(other, "b", "red")
    events = client.watch(watch(f"resourceVersion={version}"))
    assert [told(next(events)) for _ in range(2)] == [("ADDED", "b"), ("MODIFIED", "b")]


def test_entering_and_leaving_a_selector_are_added_and_deleted(client: PlainClient, other: PlainClient) -> None:
    other.create("a")
    events = client.watch(watch("labelSelector=team%3Dred"))
    for team in ("blue", "red", "red", "blue"):
        label(other, "a", team)
    entered, left = next(events), next(events)
    assert (told(entered), told(left)) == (("ADDED", "a"), ("DELETED", "a"))
    assert left["object"]["metadata"]["labels"] == {"team": "red"}
    current = other.get(f"{DEVSERVERS}/a").json()["metadata"]["resourceVersion"]
    assert left["object"]["metadata"]["resourceVersion"] == current


def test_a_write_that_changes_nothing_makes_no_event(client: PlainClient, other: PlainClient) -> None:
    obj = other.create("a").json()
    events = client.watch(watch(f"resourceVersion={obj['metadata']['resourceVersion']}"))
    assert other.ask("PUT", f"{DEVSERVERS}/a", obj).json() == obj
    other.create("b")
    assert told(next(events)) == ("ADDED", "b")


def test_one_object_can_be_watched_by_name(client: PlainClient, other: PlainClient) -> None:
    other.create("a")
    events = client.watch(watch("fieldSelector=metadata.name%3Db"))
    label(other, "a", "red")
    other.create("b")
    assert told(next(events)) == ("ADDED", "b")


def test_events_of_other_namespaces_are_not_shown(fake: FakeAPIServer, client: PlainClient) -> None:
    fake.apply("{apiVersion: v1, kind: Namespace, metadata: {name: other}}")
    events = client.watch(watch(""))
    fake.store.create("devservers", {**devserver("a"), "metadata": {"name": "a", "namespace": "other"}})
    fake.store.create("devservers", devserver("b"))
    assert told(next(events)) == ("ADDED", "b")


def test_expired_versions_come_as_an_error_event(client: PlainClient) -> None:
    events = list(client.watch(watch("resourceVersion=1")))
    assert [(e["type"], e["object"]["code"], e["object"]["reason"]) for e in events] == [("ERROR", 410, "Expired")]
    assert events[0]["object"]["message"].startswith("too old resource version: 1 (")


def test_expired_versions_can_be_http_410(fake: FakeAPIServer, client: PlainClient) -> None:
    fake.watches.expiry = "http"
    answer = client.get(watch("resourceVersion=1"))
    assert (answer.status, answer.reason) == (410, "Expired")


def test_compaction_expires_old_versions_but_not_running_watches(
    fake: FakeAPIServer, client: PlainClient, other: PlainClient
) -> None:
    version = other.create("a").json()["metadata"]["resourceVersion"]
    events = client.watch(watch(f"resourceVersion={version}"))
    other.create("b")
    assert told(next(events)) == ("ADDED", "b")
    fake.store.compact()
    other.create("c")
    assert told(next(events)) == ("ADDED", "c")
    assert next(other.watch(watch(f"resourceVersion={version}")))["type"] == "ERROR"


def test_history_is_bounded() -> None:
    with FakeAPIServer(operator=False, history=10) as small, PlainClient(small) as client:
        version = small.store.create("devservers", devserver("a"))["metadata"]["resourceVersion"]
        small.store.fill("devservers", (devserver(f"n{number}") for number in range(20)))
        assert next(client.watch(watch(f"resourceVersion={version}")))["type"] == "ERROR"


def test_a_bookmark_comes_before_the_end_if_the_version_has_changed(client: PlainClient, other: PlainClient) -> None:
    events = client.watch(watch("allowWatchBookmarks=true&resourceVersion=0"))
    created = other.create("a").json()
    seen = list(events)
    assert [told(event) for event in seen] == [("ADDED", "a"), ("BOOKMARK", "")]
    assert seen[1]["object"] == {
        "apiVersion": "devserver.io/v1",
        "kind": "DevServer",
        "metadata": {"resourceVersion": created["metadata"]["resourceVersion"]},
    }


def test_bookmarks_come_about_once_a_minute(fake: FakeAPIServer, client: PlainClient, other: PlainClient) -> None:
    fake.watches.bookmark_interval = 5.0
    events = client.watch(f"{DEVSERVERS}?watch=1&timeoutSeconds=20&allowWatchBookmarks=true")
    other.create("a")
    types = [event["type"] for event in events]
    assert types == ["ADDED"] + ["BOOKMARK"] * (len(types) - 1)
    assert len(types) > 1  # a busy machine may be late for one and so leave out the last


def test_bookmarks_come_at_their_interval_and_shortly_before_the_end() -> None:
    now = 1000.0
    timing = Timing(20, 5, pace=1.0, clock=lambda: now)
    told_at = []
    while not timing.over():
        if timing.bookmark_due():
            told_at.append(now)
            timing.schedule_bookmark()
        now += timing.pause()
    assert (told_at, now) == ([1005, 1010, 1015, 1018], 1020)


def test_bookmarks_come_only_when_asked_for(client: PlainClient, other: PlainClient) -> None:
    events = client.watch(watch(""))
    other.create("a")
    assert [event["type"] for event in events] == ["ADDED"]


def test_initial_events_end_with_a_marked_bookmark(client: PlainClient, other: PlainClient) -> None:
    other.create("a")
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    events = client.watch(watch(query))
    assert told(next(events)) == ("ADDED", "a")
    assert next(events)["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    other.create("b")
    assert told(next(events)) == ("ADDED", "b")


def test_watches_show_metadata_or_tables_if_asked(client: PlainClient, other: PlainClient) -> None:
    other.create("a")
    partial = client.open("GET", watch(""), Accept="application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
    assert json.loads(partial.readline())["object"]["kind"] == "PartialObjectMetadata"
    table = other.open("GET", watch(""), Accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    assert json.loads(table.readline())["object"]["rows"][0]["cells"][0] == "a"


def test_only_the_first_table_of_a_watch_has_headings(client: PlainClient, other: PlainClient) -> None:
    for name in ("a", "b"):
        other.create(name)
    tables = client.open("GET", watch(""), Accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    first, second = (json.loads(tables.readline())["object"] for _ in range(2))
    assert [column["name"] for column in first["columnDefinitions"]][:1] == ["Name"]
    assert second["columnDefinitions"] is None


def test_cut_all_ends_every_watch(fake: FakeAPIServer, client: PlainClient) -> None:
    fake.store.create("devservers", devserver("a"))
    events = client.watch(watch(""))
    next(events)
    assert fake.watches.active("devservers") == 1
    fake.watches.cut_all()
    assert list(events) == []
    assert fake.watches.active() == 0


def test_a_disconnecting_client_ends_its_watch(fake: FakeAPIServer) -> None:
    fake.store.create("devservers", devserver("a"))
    with PlainClient(fake) as leaving:
        next(leaving.watch(watch("")))
    ended = threading.Event()
    for _ in range(100):  # the server looks every half second
        if fake.watches.active() == 0:
            ended.set()
            break
        ended.wait(0.05)
    assert ended.is_set()


def test_a_client_that_does_not_read_does_not_block_the_others(fake: FakeAPIServer, client: PlainClient) -> None:
    with PlainClient(fake) as stuck:
        stuck.open("GET", watch(""))
        for number in range(20):
            fake.store.create("devservers", devserver(f"n{number}", image="x" * 300_000))
        assert client.get(f"{DEVSERVERS}/n0").status == 200
        assert len(client.get(DEVSERVERS).json()["items"]) == 20


def test_controllers_in_this_process_see_the_same_events(fake: FakeAPIServer) -> None:
    fake.store.create("devservers", devserver("a"))
    changes = fake.watch_objects("devservers")
    assert next(changes)[0] == "ADDED"
    fake.store.modify("devservers", "a", "default", lambda obj: obj["spec"].update(image="x"))
    kind, obj = next(changes)
    assert (kind, obj["spec"]["image"]) == ("MODIFIED", "x")


def test_a_watch_ends_with_its_definition(fake: FakeAPIServer, client: PlainClient, other: PlainClient) -> None:
    fake.watches.pace = 1.0  # its own end is a minute away
    client.create("a")
    events = client.watch(watch(""))
    assert told(next(events)) == ("ADDED", "a")
    other.ask("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/devservers.devserver.io")
    assert [told(event) for event in events] == [("DELETED", "a")]
