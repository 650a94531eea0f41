"""delete() and wait_for_deletion(): this very object, and no later namesake."""

from __future__ import annotations

import threading

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from tests.stopwatch import Stopwatch

from .builders import LONG, SHORT, SPEC, created, eventually, in_background, names_on, requests_of
from .staged import StagedServer


def remove_finalizers(cluster: StagedServer) -> None:
    DevServer.get("dev").patch({"metadata": {"finalizers": None}})


def test_a_deleted_object_is_gone(cluster: StagedServer) -> None:
    created().delete()
    assert names_on(cluster) == []


def test_deleting_twice_is_a_not_found_error(cluster: StagedServer) -> None:
    server = created()
    server.delete()
    with pytest.raises(errors.NotFoundError):
        server.delete()


def test_a_namesake_made_meanwhile_is_not_deleted(cluster: StagedServer) -> None:
    server = created()
    cluster.store.delete("devservers", "dev", "default")
    created()
    with pytest.raises(errors.ConflictError):
        server.delete()
    assert names_on(cluster) == ["dev"]


def test_an_object_known_by_name_alone_is_deleted_by_name(cluster: StagedServer) -> None:
    created()
    DevServer(ObjectMeta(name="dev"), SPEC).delete()
    assert names_on(cluster) == []


def test_the_propagation_policy_reaches_the_server(cluster: StagedServer) -> None:
    server = created()
    server.delete(propagation_policy="Foreground")
    assert server.refresh().metadata.finalizers == ["foregroundDeletion"]


def test_an_object_with_finalizers_stays_until_they_are_done(cluster: StagedServer) -> None:
    server = created(finalizers=["x/y"])
    server.delete()
    assert server.refresh().metadata.deletion_timestamp is not None
    remove_finalizers(cluster)
    assert names_on(cluster) == []


def test_delete_waits_for_the_finalizers_if_asked_to(cluster: StagedServer) -> None:
    server = created(finalizers=["x/y"])
    deleted = threading.Event()

    def delete() -> None:
        server.delete(wait=True, timeout=LONG)
        deleted.set()

    with in_background(delete):
        eventually(lambda: requests_of(cluster, "GET", "watch=true"), "a watch")
        assert not deleted.is_set()
        remove_finalizers(cluster)
    assert deleted.is_set()


def test_a_wait_that_ends_too_early_says_what_holds_the_object(cluster: StagedServer) -> None:
    server = created(finalizers=["x/y", "z/z"])
    with pytest.raises(errors.WaitTimeoutError) as caught:
        server.delete(wait=True, timeout=SHORT)
    assert str(caught.value) == (
        "<DevServer default/dev> still exists after 0.3 s\n  its deletion was requested; remaining finalizers: x/y, z/z"
    )
    assert isinstance(caught.value, TimeoutError)


def test_the_timeout_is_for_the_delete_and_the_wait_together(cluster: StagedServer) -> None:
    server = created(finalizers=["x/y"])
    held = threading.Event()
    cluster.before("DELETE", "", lambda: held.wait(LONG))
    watch = Stopwatch()
    try:
        with pytest.raises(TimeoutError):
            server.delete(wait=True, timeout=SHORT)
    finally:
        held.set()
    assert watch.own_seconds < SHORT + 1


def test_waiting_for_the_deletion_of_what_is_gone_ends_at_once(cluster: StagedServer) -> None:
    server = created()
    server.delete()
    server.wait_for_deletion(timeout=0)
    DevServer(ObjectMeta(name="nosuch"), SPEC).wait_for_deletion(timeout=LONG)


def test_a_namesake_made_meanwhile_does_not_hold_the_wait_up(cluster: StagedServer) -> None:
    server = created()
    server.delete()
    created()
    server.wait_for_deletion(timeout=LONG)


def test_a_wait_for_a_deletion_that_nobody_asked_for_says_so(cluster: StagedServer) -> None:
    with pytest.raises(errors.WaitTimeoutError, match=r"no deletion was requested; remaining finalizers: none"):
        created().wait_for_deletion(timeout=SHORT)


def test_a_deletion_during_a_gap_of_the_watch_is_noticed(cluster: StagedServer) -> None:
    server = created(finalizers=["x/y"])
    server.delete()

    def vanish_from_history() -> None:
        remove_finalizers(cluster)
        cluster.store.compact()

    cluster.before("GET", "watch=true", vanish_from_history)
    server.wait_for_deletion(timeout=LONG)
    assert names_on(cluster) == []
