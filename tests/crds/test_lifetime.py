"""The with statement: what it created is deleted, whatever happened, and nothing else is."""

from __future__ import annotations

import sys
import threading
import warnings
from contextlib import ExitStack
from typing import Any, Callable, Literal
from urllib.parse import parse_qs, urlsplit

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.devserverflavor import DevServerFlavor
from devservers.crds.model.metadata import metadata_to_recreate
from devservers.transport import RESTClient
from devservers.transport.resources import Resource
from tests.stopwatch import Stopwatch
from tests.transport.scripted import FakeClock

from .builders import LONG, SHORT, SPEC, created, eventually, in_background, names_on, requests_of, set_status
from .staged import StagedServer

KIND = Resource("devserver.io", "v1", "devservers", "DevServer", True)
COLLECTION = "/apis/devserver.io/v1/namespaces/default/devservers"


class Boom(Exception):
    """What a body raises."""


def devserver(name: str = "dev", image: str = "ubuntu", **options: Any) -> DevServer:
    return DevServer(
        ObjectMeta(name=name), {"flavor": "cpu-small", "image": image}, **{"wait_timeout": LONG, **options}
    )


def deletes(cluster: StagedServer) -> list[str]:
    return requests_of(cluster, "DELETE", "devservers")


def notes_of(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", ()))


# as promised


def test_the_body_gets_a_running_server_and_afterwards_it_is_gone(operated: StagedServer) -> None:
    with devserver() as server:
        assert server.status["phase"] == "Running"
        assert names_on(operated) == ["dev"]
    assert names_on(operated) == []


def test_with_gives_the_object_itself(operated: StagedServer) -> None:
    server = devserver()
    with server as given:
        assert given is server


def test_the_callers_metadata_and_spec_stay_as_they_were(operated: StagedServer) -> None:
    metadata, spec = ObjectMeta(name="dev"), {"flavor": "cpu-small"}
    with DevServer(metadata=metadata, spec=spec) as server:
        assert server.metadata.uid
    assert (metadata, spec) == (ObjectMeta(name="dev"), {"flavor": "cpu-small"})


def test_one_metadata_object_serves_several_servers_after_each_other(operated: StagedServer) -> None:
    metadata, spec = ObjectMeta(name="dev"), {"flavor": "cpu-small"}
    uids = set()
    for _ in range(2):
        with DevServer(metadata=metadata, spec=spec) as server:
            uids.add(server.metadata.uid)
    assert len(uids) == 2


def test_one_object_can_be_entered_twice(operated: StagedServer) -> None:
    server = devserver()
    uids = set()
    for _ in range(2):
        with server:
            assert server.status["phase"] == "Running"
            uids.add(server.metadata.uid)
    assert len(uids) == 2
    assert names_on(operated) == []


def test_entered_again_it_is_a_new_object_without_what_its_operator_left(operated: StagedServer) -> None:
    server = devserver()
    server.metadata.labels["mine"] = "yes"
    with server:
        assert server.metadata.finalizers == ["kopf.zalando.org/KopfFinalizerMarker"]
        server.metadata.annotations["added"] = "later"
    with server:
        assert server.metadata.labels == {"mine": "yes"}
        assert server.metadata.annotations["added"] == "later"


def test_metadata_for_creating_again_is_as_it_stands_less_what_others_added() -> None:
    sent = {"name": "dev", "labels": {"mine": "yes"}, "finalizers": ["mine/f"]}
    others = {"labels": {"operator": "1"}, "annotations": {"kopf.zalando.org/x": "1"}, "finalizers": ["kopf/f"]}
    read = {
        "name": "dev",
        "labels": {**sent["labels"], **others["labels"]},  # type: ignore[dict-item]
        "annotations": others["annotations"],
        "finalizers": [*sent["finalizers"], *others["finalizers"]],
    }
    assert metadata_to_recreate(read, read, sent) == sent
    changed = {**read, "labels": {"mine": "no", "operator": "1", "new": "2"}, "finalizers": ["kopf/f", "new/f"]}
    assert metadata_to_recreate(changed, read, sent) == {
        "name": "dev", "labels": {"mine": "no", "new": "2"}, "finalizers": ["new/f"],
    }  # fmt: skip


def test_entered_again_it_waits_again(cluster: StagedServer) -> None:
    server = devserver()
    cluster.after("POST", "devservers", lambda: set_status(cluster, phase="Running"))
    cluster.rules.deny("admin", "list", "pods")
    with server:
        server.wait_timeout = SHORT
    with pytest.raises(errors.WaitTimeoutError), server:
        pytest.fail("the status of the server before must not count")


def test_a_name_made_by_the_server_is_made_anew_when_it_is_entered_again(operated: StagedServer) -> None:
    server = DevServer(ObjectMeta(generate_name="dev-"), SPEC)
    names = []
    for _ in range(2):
        with server:
            names.append(server.metadata.name)
    assert names[0] != names[1]
    assert all(name.startswith("dev-") for name in names)


def test_entered_within_itself_the_inner_one_is_refused_and_the_outer_one_is_deleted(operated: StagedServer) -> None:
    server = devserver()
    with server:
        with pytest.raises(errors.AlreadyExistsError):
            server.__enter__()
        assert names_on(operated) == ["dev"]
    assert names_on(operated) == []


def test_entered_within_itself_under_a_second_generated_name_both_are_deleted(operated: StagedServer) -> None:
    server = DevServer(ObjectMeta(generate_name="dev-"), SPEC)
    with server:
        with server:
            assert len(names_on(operated)) == 2
        assert len(names_on(operated)) == 1
    assert names_on(operated) == []


# what can go wrong


def test_an_exception_of_the_body_comes_out_and_the_server_goes(operated: StagedServer) -> None:
    with pytest.raises(Boom), devserver():
        raise Boom
    assert names_on(operated) == []


def test_a_server_that_does_not_get_ready_in_time_goes(cluster: StagedServer) -> None:
    watch = Stopwatch()
    with pytest.raises(errors.WaitTimeoutError, match=r"<DevServer default/dev> was not ready within 0\.3 s"):
        devserver(wait_timeout=SHORT).__enter__()
    assert watch.own_seconds < SHORT + 1.5
    assert names_on(cluster) == []


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_a_server_that_fails_goes_at_once(cluster: StagedServer, phase: str) -> None:
    cluster.after("POST", "devservers", lambda: set_status(cluster, phase=phase))
    with pytest.raises(errors.ResourceFailedError, match=f"<DevServer default/dev phase={phase}> has failed"):
        devserver().__enter__()
    assert names_on(cluster) == []


def test_a_server_that_somebody_deletes_during_the_wait_is_an_error(cluster: StagedServer) -> None:
    cluster.before("GET", "watch=true", lambda: cluster.store.delete("devservers", "dev", "default"))
    with pytest.raises(errors.ResourceDeletedError):
        devserver().__enter__()


def test_a_namesake_made_by_somebody_else_is_left_alone(cluster: StagedServer) -> None:
    created(labels={"somebody": "else"})
    with pytest.raises(errors.AlreadyExistsError):
        devserver().__enter__()
    assert names_on(cluster) == ["dev"]
    assert deletes(cluster) == []


def test_a_create_that_is_refused_needs_no_cleaning_up(cluster: StagedServer) -> None:
    with pytest.raises(errors.InvalidError):
        DevServer(ObjectMeta(name="dev"), {}).__enter__()
    assert [request.method for request in cluster.requests] == ["POST"]


def test_without_a_configuration_nothing_is_tried() -> None:
    with pytest.raises(errors.KubeConfigError) as caught:
        devserver().__enter__()
    assert notes_of(caught.value) == ""


def test_a_server_that_has_gone_already_is_fine(operated: StagedServer) -> None:
    with devserver() as server:
        server.delete()
    assert len(deletes(operated)) == 2


def test_a_namesake_made_during_the_body_is_left_alone(operated: StagedServer) -> None:
    with devserver():
        operated.store.delete("devservers", "dev", "default")
        created(labels={"somebody": "else"})
    assert names_on(operated) == ["dev"]


def test_what_the_body_does_to_the_object_does_not_change_what_is_deleted(operated: StagedServer) -> None:
    created("other")
    with devserver() as server:
        server.metadata = ObjectMeta(name="other")
    assert names_on(operated) == ["other"]


def test_a_delete_that_fails_is_an_error_if_the_body_was_fine(operated: StagedServer) -> None:
    operated.rules.deny("admin", "delete", "devservers")
    with pytest.raises(errors.ForbiddenError), devserver():
        pass


def failing_body(operated: StagedServer, warning_filter: Literal["always", "error"]) -> tuple[Boom, list[str]]:
    """What comes out of a body that raises when the server cannot be deleted, and what was warned of."""
    operated.rules.deny("admin", "delete", "devservers")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter(warning_filter)
        try:
            with devserver():
                raise Boom
        except Boom as error:
            return error, [str(warning.message) for warning in warned]


def test_a_delete_that_fails_is_a_note_on_the_exception_of_the_body(operated: StagedServer) -> None:
    error, warned = failing_body(operated, "always")
    assert 'DevServer "dev" in namespace "default" could not be deleted' in notes_of(error)
    shows_notes = sys.version_info >= (3, 11)
    assert warned == ([] if shows_notes else [notes_of(error)])


def test_where_warnings_are_errors_the_exception_of_the_body_comes_out_all_the_same(operated: StagedServer) -> None:
    error, _ = failing_body(operated, "error")
    assert "could not be deleted" in notes_of(error)


def test_a_delete_whose_answer_is_lost_is_repeated(operated: StagedServer) -> None:
    with operated.fault.reset_after_execution("delete", "devservers", times=1) as fault, devserver():
        pass
    assert fault.suffered == 1
    assert names_on(operated) == []


def test_a_delete_that_does_not_arrive_is_repeated(operated: StagedServer) -> None:
    with operated.fault.reset_before_execution("delete", "devservers", times=2) as fault, devserver():
        pass
    assert fault.suffered == 2
    assert names_on(operated) == []


def test_an_api_server_that_is_too_busy_to_delete_is_asked_again(operated: StagedServer) -> None:
    with operated.fault.server_error("delete", "devservers", times=1), devserver():
        pass
    assert names_on(operated) == []


# lost answers to the create


def test_a_create_whose_answer_is_lost_goes_on_with_what_it_made(operated: StagedServer) -> None:
    with operated.fault.reset_after_execution("create", "devservers") as fault, devserver() as server:
        assert server.status["phase"] == "Running"
        assert server.metadata.uid == operated.store.get("devservers", "dev", "default")["metadata"]["uid"]
    assert names_on(operated) == []
    assert fault.calls == 1


def test_a_create_with_a_generated_name_whose_answer_is_lost_is_found_again(operated: StagedServer) -> None:
    created("dev-other")
    with operated.fault.reset_after_execution("create"), DevServer(ObjectMeta(generate_name="dev-"), SPEC) as server:
        assert server.metadata.name.startswith("dev-")
        assert server.metadata.name != "dev-other"
    assert names_on(operated) == ["dev-other"]


def test_a_create_that_never_arrived_is_the_error_it_was(cluster: StagedServer) -> None:
    with cluster.fault.reset_before_execution("create"), pytest.raises(errors.ConnectionFailedError) as caught:
        devserver(client=RESTClient(clock=FakeClock())).__enter__()
    assert notes_of(caught.value) == ""
    assert deletes(cluster) == []


def test_a_lost_answer_about_a_namesake_of_somebody_else_leaves_that_alone(cluster: StagedServer) -> None:
    created()
    with cluster.fault.reset_after_execution("create"), pytest.raises(errors.ConnectionFailedError):
        devserver().__enter__()
    assert names_on(cluster) == ["dev"]
    assert deletes(cluster) == []


@pytest.mark.filterwarnings("ignore:.*could not determine:RuntimeWarning")
def test_if_nobody_can_say_whether_it_was_created_the_error_says_so(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "list", "devservers")
    with cluster.fault.reset_after_execution("create"), pytest.raises(errors.ConnectionFailedError) as caught:
        devserver().__enter__()
    assert notes_of(caught.value).startswith(
        'could not determine whether DevServer "dev" was created; check for it, and delete it: '
        "kubectl get devservers.devserver.io dev -n default (list "
    )


def test_what_a_lost_create_made_is_looked_for_over_connections_that_fail(operated: StagedServer) -> None:
    with operated.fault.reset_before_execution("list", "devservers", times=6) as looks:
        with operated.fault.reset_after_execution("create"), devserver():
            pass
    assert looks.suffered == 6
    assert names_on(operated) == []


def test_a_namesake_on_its_way_out_does_not_prove_that_a_lost_create_came_to_nothing(cluster: StagedServer) -> None:
    created(finalizers=["x/y"]).delete()
    cluster.rules.deny("admin", "list", "pods")

    def come_to_be_late() -> None:
        release(cluster)
        raw = {"apiVersion": "devserver.io/v1", "kind": "DevServer", "metadata": {"name": "dev"}, "spec": SPEC}
        query = parse_qs(urlsplit(next(r.target for r in cluster.requests if "fieldManager" in r.target)).query)
        with RESTClient() as client:
            client.create(KIND, "default", raw, field_manager=query["fieldManager"][0])
        set_status(cluster, phase="Running")

    look = "fieldSelector=metadata.name%3Ddev&limit=500"
    cluster.before("GET", look, lambda: None)
    cluster.before("GET", look, come_to_be_late)
    with cluster.fault.server_error("create", times=1), devserver():
        pass
    assert names_on(cluster) == []


def test_an_answer_that_ends_in_the_middle_or_is_a_proxys_error_page_is_a_lost_one(operated: StagedServer) -> None:
    with operated.fault.half_response("create", times=1), devserver("a"):
        assert names_on(operated) == ["a"]
    with operated.fault.bad_gateway_html("create", times=1), pytest.raises(errors.ServerError):
        devserver("b", client=RESTClient(clock=FakeClock())).__enter__()
    assert names_on(operated) == []


# delete_on_exit


@pytest.mark.parametrize(
    ("mode", "body_fails", "kept"),
    [
        ("always", False, False),
        ("always", True, False),
        ("on_success", False, False),
        ("on_success", True, True),
        ("never", False, True),
        ("never", True, True),
    ],
)
def test_delete_on_exit_says_when_the_server_goes(
    operated: StagedServer, mode: str, body_fails: bool, kept: bool
) -> None:
    said: list[str] = []
    try:
        with devserver(delete_on_exit=mode, on_event=said.append):
            if body_fails:
                raise Boom
    except Boom:
        assert body_fails
    assert names_on(operated) == (["dev"] if kept else [])
    assert said[-1].endswith(f"is kept (delete_on_exit={mode!r})" if kept else "is gone")


@pytest.mark.parametrize(("mode", "kept"), [("always", False), ("on_success", True), ("never", True)])
def test_a_server_that_did_not_get_ready_is_kept_but_by_always(cluster: StagedServer, mode: str, kept: bool) -> None:
    with pytest.raises(errors.WaitTimeoutError):
        devserver(wait_timeout=SHORT, delete_on_exit=mode).__enter__()
    assert names_on(cluster) == (["dev"] if kept else [])


def test_many_servers_at_once_each_delete_their_own(operated: StagedServer) -> None:
    inside = threading.Barrier(5)

    def live(name: str) -> None:
        with devserver(name) as server:
            inside.wait(LONG)
            assert server.exec(["echo", name]).stdout == f"{name}\n"

    def all_but_one() -> None:
        threads = [threading.Thread(target=live, args=(f"dev-{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)

    with in_background(all_but_one):
        live("dev-4")
    eventually(lambda: names_on(operated) == [], "all servers deleted")


# leaving means gone


def finalized(cluster: StagedServer, **options: Any) -> DevServer:
    """A server that is ready at once, and that a finalizer holds."""
    cluster.rules.deny("admin", "list", "pods")
    cluster.after("POST", "devservers", lambda: set_status(cluster, phase="Running"))
    metadata = ObjectMeta(name="dev", finalizers=["x/y", "z/z"])
    return DevServer(metadata, SPEC, **{"wait_timeout": LONG, **options})


def raise_after(act: Callable[[], object]) -> None:
    act()
    raise Boom


def release(cluster: StagedServer) -> None:
    DevServer(ObjectMeta(name="dev"), SPEC).patch({"metadata": {"finalizers": None}})


def test_leaving_waits_until_the_finalizers_are_done(cluster: StagedServer) -> None:
    said: list[str] = []
    with finalized(cluster, on_event=said.append):
        for _ in range(2):
            cluster.before("GET", f"{COLLECTION}/dev", lambda: None)
        cluster.before("GET", f"{COLLECTION}/dev", lambda: release(cluster))
        for line in said:
            assert "gone" not in line
    assert names_on(cluster) == []
    assert said[-1] == 'DevServer "dev" in namespace "default" is gone'
    assert len(deletes(cluster)) == 1


def test_without_finalizers_leaving_asks_for_nothing_more(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "list", "pods")
    cluster.after("POST", "devservers", lambda: set_status(cluster, phase="Running"))
    with devserver():
        before = len(cluster.requests)
    assert [request.method for request in list(cluster.requests)[before:]] == ["DELETE"]


STILL_THERE = (
    'DevServer "dev" in namespace "default" is still being deleted after 0.3 s; remaining finalizers: x/y, z/z. '
    "Each is removed by the controller that set it, when that has cleaned up: is it running?"
)


def test_what_is_still_there_in_the_end_is_a_log_line_that_names_what_holds_it(
    cluster: StagedServer, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Stopwatch()
    with finalized(cluster, deletion_timeout=SHORT):
        pass
    assert watch.seconds >= SHORT
    assert watch.own_seconds < SHORT + 2
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("devservers", "WARNING", STILL_THERE)
    ]
    assert names_on(cluster) == ["dev"]


def test_without_a_deletion_timeout_leaving_does_not_wait(
    cluster: StagedServer, caplog: pytest.LogCaptureFixture
) -> None:
    with finalized(cluster, deletion_timeout=0):
        before = len(cluster.requests)
    assert [request.method for request in list(cluster.requests)[before:]] == ["DELETE"]
    assert caplog.records == []


def test_a_namesake_that_takes_the_name_at_once_is_not_waited_for(cluster: StagedServer) -> None:
    def replace() -> None:
        release(cluster)
        created(labels={"somebody": "else"})

    with finalized(cluster):
        cluster.before("GET", f"{COLLECTION}/dev", replace)
    assert names_on(cluster) == ["dev"]


def test_where_the_server_may_not_be_read_leaving_does_not_wait(cluster: StagedServer) -> None:
    watch = Stopwatch()
    said: list[str] = []
    with finalized(cluster, on_event=said.append):
        cluster.rules.deny("admin", "get", "devservers")
        cluster.rules.deny("admin", "list", "devservers")
    assert watch.own_seconds < 5
    assert said[-1].endswith("was deleted; no permission to check whether it is gone")


def test_where_the_server_may_be_listed_but_not_got_leaving_waits_all_the_same(cluster: StagedServer) -> None:
    with finalized(cluster):
        cluster.rules.deny("admin", "get", "devservers")
        cluster.before("GET", "fieldSelector=metadata.name%3Ddev", lambda: release(cluster))
    assert names_on(cluster) == []


def test_an_api_server_that_tells_nothing_in_all_that_time_leaves_the_finalizers_unknown(
    cluster: StagedServer, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stumbling:
        with finalized(cluster, deletion_timeout=SHORT):
            stumbling.enter_context(cluster.fault.reset_before_execution("get", "devservers"))
    assert "remaining finalizers: unknown (the API server did not answer)" in caplog.text


def test_an_api_server_that_stumbles_while_it_is_waited_for_is_no_error(cluster: StagedServer) -> None:
    with ExitStack() as stumbling:
        with finalized(cluster):
            fault = stumbling.enter_context(cluster.fault.reset_before_execution("get", "devservers", times=6))
            cluster.after("DELETE", "devservers", lambda: release(cluster))
    assert fault.suffered == 6
    assert names_on(cluster) == []


def test_a_body_that_raises_is_waited_for_as_well(cluster: StagedServer) -> None:
    server = finalized(cluster)
    with pytest.raises(Boom), server:
        raise_after(lambda: cluster.before("GET", f"{COLLECTION}/dev", lambda: release(cluster)))
    assert names_on(cluster) == []


@pytest.mark.parametrize("name", ["deletion_timeout", "wait_timeout"])
@pytest.mark.parametrize(("value", "kind"), [("5", TypeError), (-1, ValueError), (float("nan"), ValueError)])
def test_seconds_are_checked_at_the_door(name: str, value: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=f"^{name}: must be "):
        devserver(**{name: value})


def test_an_on_event_that_cannot_be_called_is_refused_at_the_door() -> None:
    with pytest.raises(TypeError, match="on_event: must be callable"):
        devserver(on_event="print")


# entering after somebody


def test_entering_waits_for_a_namesake_that_is_being_deleted(cluster: StagedServer) -> None:
    before = created(finalizers=["x/y"])
    before.delete()
    said: list[str] = []
    server = devserver(on_event=said.append)
    cluster.rules.deny("admin", "list", "pods")
    cluster.before("GET", f"{COLLECTION}/dev", lambda: None)
    cluster.before("GET", f"{COLLECTION}/dev", lambda: None)
    cluster.before("GET", f"{COLLECTION}/dev", lambda: release(cluster))
    gone = f"{COLLECTION}/dev"

    def run_when_created() -> None:
        cluster.after("POST", "devservers", lambda: set_status(cluster, phase="Running"))

    cluster.after("GET", gone, run_when_created)
    cluster.before("GET", "watch=true", lambda: set_status(cluster, phase="Running"))
    with server:
        assert server.metadata.uid != before.metadata.uid
    assert said[0] == 'waiting until the earlier DevServer "dev" in namespace "default" is gone: it is being deleted'
    assert said[1] == 'DevServer "dev" in namespace "default" was created'
    assert names_on(cluster) == []


def test_a_namesake_that_has_just_gone_is_no_obstacle(operated: StagedServer) -> None:
    created()
    operated.after("POST", "devservers", lambda: operated.store.delete("devservers", "dev", "default"))
    with devserver() as server:
        assert server.status["phase"] == "Running"
    assert names_on(operated) == []


def test_a_namesake_that_does_not_go_within_the_wait_is_a_timeout_that_names_what_holds_it(
    cluster: StagedServer,
) -> None:
    created(finalizers=["x/y"]).delete()
    watch = Stopwatch()
    with pytest.raises(errors.WaitTimeoutError) as caught:
        devserver(wait_timeout=SHORT).__enter__()
    assert str(caught.value) == (
        'DevServer "dev" in namespace "default" was not created within 0.3 s: an earlier one of that name is still '
        "being deleted\n"
        "  remaining finalizers: x/y; each is removed by the controller that set it: is it running?"
    )
    assert watch.own_seconds < SHORT + 1
    assert deletes(cluster) == [f"{COLLECTION}/dev"]  # the one of before; nothing was ours to delete


def test_a_namesake_that_may_not_be_looked_at_is_said_to_exist(cluster: StagedServer) -> None:
    created()
    cluster.rules.deny("admin", "get", "devservers")
    cluster.rules.deny("admin", "list", "devservers")
    with pytest.raises(errors.AlreadyExistsError), devserver():
        raise AssertionError("unreachable")


def test_create_does_not_wait_for_a_namesake_that_is_being_deleted_and_says_how_to(cluster: StagedServer) -> None:
    created(finalizers=["x/y"]).delete()
    with pytest.raises(errors.AlreadyExistsError) as caught:
        created()
    assert str(caught.value).endswith(
        "(409 AlreadyExists); the DevServer of that name is being deleted (remaining finalizers: x/y): wait for that "
        'with DevServer.get("dev", namespace="default").wait_for_deletion(), then create yours'
    )


def test_create_over_a_namesake_that_is_to_stay_speaks_of_no_deletion(cluster: StagedServer) -> None:
    created()
    with pytest.raises(errors.AlreadyExistsError) as caught:
        created()
    assert "deleted" not in str(caught.value)


# what is told


def test_each_step_is_told_once(operated: StagedServer, caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []
    with caplog.at_level("INFO", "devservers"), devserver(on_event=said.append):
        pass
    assert said[0] == 'DevServer "dev" in namespace "default" was created'
    assert any(line.startswith("phase Running") for line in said)
    assert 'DevServer "dev" in namespace "default" is ready' in said
    assert len(said) == len(set(said))
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == said


def test_an_on_event_that_raises_ends_the_entering_and_the_server_goes(operated: StagedServer) -> None:
    def raise_boom(line: str) -> None:
        raise Boom(line)

    with pytest.raises(Boom, match="was created"):
        devserver(on_event=raise_boom).__enter__()
    assert names_on(operated) == []


# what is there already


def test_with_what_was_read_waits_until_it_is_ready_and_leaves_it(operated: StagedServer) -> None:
    created()
    said: list[str] = []
    server = DevServer.get("dev")
    server.on_event = said.append
    with server as given:
        assert given is server
        assert server.exec("echo works").stdout == "works\n"
    assert names_on(operated) == ["dev"]
    assert deletes(operated) == []
    assert said[-1] == 'DevServer "dev" in namespace "default" is ready; it existed before and will not be deleted'


@pytest.mark.parametrize("get", [created, lambda: DevServer.list()[0], lambda: next(DevServer.iterate())])
def test_with_what_was_made_or_listed_does_so_as_well(operated: StagedServer, get: Callable[[], DevServer]) -> None:
    if get is not created:
        created()
    with pytest.raises(Boom), get():
        raise Boom
    assert deletes(operated) == []


def test_what_is_there_and_does_not_get_ready_stays(cluster: StagedServer) -> None:
    created()
    server = DevServer.get("dev")
    server.wait_timeout = SHORT
    with pytest.raises(errors.WaitTimeoutError):
        server.__enter__()
    assert names_on(cluster) == ["dev"]


def test_attach_uses_one_of_that_name_as_it_is(operated: StagedServer) -> None:
    before = created(spec={**SPEC, "image": "theirs"})
    with devserver(if_exists="attach", image="mine") as server:
        assert server.metadata.uid == before.metadata.uid
        assert server.spec["image"] == "theirs"
        assert server.status["phase"] == "Running"
    assert names_on(operated) == ["dev"]
    assert deletes(operated) == []


def test_attach_creates_and_deletes_where_there_is_none(operated: StagedServer) -> None:
    server = devserver(if_exists="attach")
    for _ in range(2):
        with server:
            assert names_on(operated) == ["dev"]
        assert names_on(operated) == []


def test_attach_within_its_own_with_statement_leaves_the_deletion_to_the_outer_one(operated: StagedServer) -> None:
    server = devserver(if_exists="attach")
    with server:
        with server:
            pass
        assert names_on(operated) == ["dev"]
        assert deletes(operated) == []
    assert names_on(operated) == []


def test_attach_waits_for_one_that_is_being_deleted_and_then_creates(operated: StagedServer) -> None:
    created().wait_for_ready(timeout=LONG).delete()
    with devserver(if_exists="attach"):
        pass
    assert names_on(operated) == []


def test_a_name_that_is_taken_says_what_can_be_done(cluster: StagedServer) -> None:
    created()
    with pytest.raises(errors.AlreadyExistsError) as caught:
        devserver().__enter__()
    assert str(caught.value).endswith(
        '; use the existing one (DevServer.get("dev", namespace="default") or if_exists="attach"), choose another '
        "name, or let the API server generate one (generate_name)"
    )
    with pytest.raises(errors.AlreadyExistsError) as caught:
        created()
    assert str(caught.value).endswith(
        '; use the existing one (DevServer.get("dev", namespace="default") or with DevServer(…, if_exists="attach")), '
        "choose another name, or let the API server generate one (generate_name)"
    )


def test_a_name_of_a_kind_without_a_with_statement_that_is_taken_says_what_can_be_done(cluster: StagedServer) -> None:
    DevServerFlavor.create({"name": "tiny"}, {"resources": {}})
    with pytest.raises(errors.AlreadyExistsError) as caught:
        DevServerFlavor.create({"name": "tiny"}, {"resources": {}})
    assert 'use the existing one (DevServerFlavor.get("tiny")), choose another name' in str(caught.value)


def test_another_if_exists_is_refused_at_the_door() -> None:
    with pytest.raises(ValueError, match="if_exists: must be one of fail, attach, not 'replace'"):
        devserver(if_exists="replace")


def test_a_workspace_that_is_not_there_is_noticed_before_anything_is_created(cluster: StagedServer) -> None:
    with pytest.raises(FileNotFoundError, match="/no/such/workspace"):
        devserver(sync_workspace={"/no/such/workspace": "/x"}).__enter__()
    assert list(cluster.requests) == []
