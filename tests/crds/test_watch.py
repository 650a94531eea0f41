"""watch() and watch_all(): every change, in order, until the time is up or somebody says stop."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.devserverflavor import DevServerFlavor
from tests.stopwatch import Stopwatch

from .builders import LONG, SHORT, SPEC, created, eventually, in_background, requests_of, set_status
from .staged import StagedServer


def told(event: dict[str, Any]) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"]["name"]


def take(watch: Any, count: int) -> list[tuple[str, str]]:
    return [told(next(watch)) for _ in range(count)]


def test_what_is_there_comes_first_and_then_every_change(cluster: StagedServer) -> None:
    created("a")
    with DevServer.watch_all(timeout=LONG) as watch:
        assert take(watch, 1) == [("ADDED", "a")]
        b = created("b")
        b.patch({"spec": {"image": "other"}})
        b.delete()
        assert take(watch, 3) == [("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "b")]


def test_an_event_holds_the_raw_object(cluster: StagedServer) -> None:
    server = created()
    with DevServer.watch_all(timeout=LONG) as watch:
        assert next(watch) == {"type": "ADDED", "object": server.to_dict()}


def test_a_watch_ends_when_its_time_is_up(cluster: StagedServer) -> None:
    created()
    watch = Stopwatch()
    assert [told(event) for event in DevServer.watch_all(timeout=SHORT)] == [("ADDED", "dev")]
    assert watch.seconds >= SHORT
    assert watch.own_seconds < SHORT + 1


def test_a_watch_of_one_object_tells_of_no_other(cluster: StagedServer) -> None:
    server = created()
    created("other")
    with server.watch(timeout=LONG) as watch:
        assert take(watch, 1) == [("ADDED", "dev")]
        set_status(cluster, "other", phase="Running")
        set_status(cluster, phase="Running")
        event = next(watch)
    assert told(event) == ("MODIFIED", "dev")
    assert event["object"]["status"] == {"phase": "Running"}


def test_watching_leaves_the_object_as_it_was_read(cluster: StagedServer) -> None:
    server = created()
    with server.watch(timeout=LONG) as watch:
        next(watch)
        set_status(cluster, phase="Running")
        next(watch)
    assert server.status == {}


def test_a_watch_keeps_to_its_namespace_or_watches_them_all(cluster: StagedServer) -> None:
    cluster.store.create("namespaces", {"metadata": {"name": "team"}})
    created("a", namespace="team")
    created("b")
    assert [told(event) for event in DevServer.watch_all("team", timeout=SHORT)] == [("ADDED", "a")]
    with DevServer.watch_all(all_namespaces=True, timeout=LONG) as watch:
        assert sorted(take(watch, 2)) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_cluster_scoped_kind_can_be_watched(cluster: StagedServer) -> None:
    flavor = DevServerFlavor.create(ObjectMeta(name="gpu"), {})
    with DevServerFlavor.watch_all(timeout=LONG) as watch, flavor.watch(timeout=LONG) as own:
        assert take(watch, 1) == take(own, 1) == [("ADDED", "gpu")]


def test_entering_and_leaving_a_selection_is_added_and_deleted(cluster: StagedServer) -> None:
    server = created(labels={"team": "red"})
    with DevServer.watch_all(label_selector={"team": "red"}, timeout=LONG) as watch:
        assert take(watch, 1) == [("ADDED", "dev")]
        server.patch({"metadata": {"labels": {"team": "blue"}}})
        server.patch({"metadata": {"labels": {"team": "red"}}})
        assert take(watch, 2) == [("DELETED", "dev"), ("ADDED", "dev")]


def test_a_watch_from_a_version_tells_only_what_came_after(cluster: StagedServer) -> None:
    version = created("a").metadata.resource_version
    created("b")
    with DevServer.watch_all(resource_version=version, timeout=LONG) as watch:
        assert take(watch, 1) == [("ADDED", "b")]


def test_a_watch_can_be_taken_up_where_another_one_ended(cluster: StagedServer) -> None:
    created("a")
    with DevServer.watch_all(timeout=LONG) as first:
        take(first, 1)
    created("b")
    with DevServer.watch_all(resource_version=first.resource_version, timeout=LONG) as second:
        assert take(second, 1) == [("ADDED", "b")]


def test_a_version_that_has_expired_is_an_expired_error(cluster: StagedServer) -> None:
    version = created("a").metadata.resource_version
    created("b")
    cluster.store.compact()
    with pytest.raises(errors.ExpiredError):
        next(DevServer.watch_all(resource_version=version, timeout=LONG))


def test_changes_during_an_expired_gap_are_told_by_their_difference(cluster: StagedServer) -> None:
    for name in ("stays", "goes", "changes"):
        created(name)

    def change_and_forget() -> None:
        DevServer.get("goes").delete()
        DevServer.get("changes").patch({"spec": {"image": "other"}})
        created("comes")
        cluster.store.compact()

    cluster.before("GET", "watch=true", change_and_forget)
    with DevServer.watch_all(timeout=LONG) as watch:
        take(watch, 3)
        assert take(watch, 3) == [("DELETED", "goes"), ("MODIFIED", "changes"), ("ADDED", "comes")]


@pytest.mark.parametrize(
    "fault", ["reset_before_execution", "watch_cut_mid_line", "watch_cut_in_character", "server_error"]
)
def test_a_dropped_watch_goes_on_without_a_gap_or_a_repetition(cluster: StagedServer, fault: str) -> None:
    created("a", annotations={"note": "ü"})
    suffering = getattr(cluster.fault, fault)
    scope = suffering("watch", times=1) if "watch" not in fault else suffering(times=1)
    with scope as struck, DevServer.watch_all(timeout=LONG) as watch:
        assert take(watch, 1) == [("ADDED", "a")]
        with in_background(lambda: created("b", annotations={"note": "ü"})):
            assert take(watch, 1) == [("ADDED", "b")]
        DevServer.get("a").delete()
        assert take(watch, 1) == [("DELETED", "a")]
    assert struck.suffered == 1
    assert len(requests_of(cluster, "GET", "limit=")) == 1


def test_stop_ends_a_waiting_watch_from_another_thread(cluster: StagedServer) -> None:
    watch = DevServer.watch_all()
    ended = threading.Event()

    def consume() -> None:
        assert list(watch) == []
        ended.set()

    with in_background(consume):
        eventually(lambda: requests_of(cluster, "GET", "watch=true"), "the watch's request")
        assert not ended.is_set()
        watch.stop()
    assert ended.is_set()


def test_a_watch_that_was_stopped_before_it_began_is_empty(cluster: StagedServer) -> None:
    created()
    watch = DevServer.watch_all()
    watch.stop()
    assert list(watch) == []
    assert not requests_of(cluster, "GET")


def test_a_forbidden_watch_is_a_forbidden_error_that_names_the_rule(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "list", "devservers")
    with pytest.raises(errors.ForbiddenError, match=r'resources: \["devservers"\], verbs: \["list"\]'):
        next(DevServer.watch_all())


def test_an_object_that_was_never_read_can_be_watched_before_it_is_there(cluster: StagedServer) -> None:
    with DevServer(ObjectMeta(name="dev"), SPEC).watch(timeout=LONG) as watch, in_background(created):
        assert take(watch, 1) == [("ADDED", "dev")]
