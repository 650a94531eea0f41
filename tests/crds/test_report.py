"""The failure report: what a user reads at 2 a.m. when a server did not get ready."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.lifecycle import failfast
from devservers.crds.lifecycle.findings import CAUSES, Findings, describe
from devservers.crds.lifecycle.operatornotes import plain_message
from devservers.crds.lifecycle.pods import Pods

from .builders import SPEC, created, eventually, live, set_status
from .staged import StagedServer


def failing(image: str, timeout: float) -> DevServer:
    return DevServer(ObjectMeta(name="dev"), {"flavor": "cpu-small", "image": image}, wait_timeout=timeout)


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "dev-0"}, "status": status}


def seen(pod: dict[str, Any], events: tuple[Any, ...] = ()) -> Findings:
    return Findings(Pods([pod], []), events=events)


def container(**states: Any) -> dict[str, Any]:
    return {"name": "main", "ready": False, **states}


@pytest.fixture(autouse=True)
def _flavor(request: pytest.FixtureRequest) -> None:
    if "cluster" in request.fixturenames:
        cluster: StagedServer = request.getfixturevalue("cluster")
        cluster.store.create("devserverflavors", {"metadata": {"name": "cpu-small"}, "spec": {"resources": {}}})


def report_of(cluster: StagedServer) -> str:
    with pytest.raises(errors.WaitTimeoutError) as caught:
        created().wait_for_ready(timeout=0.05)
    return caught.value.report


# against the operator


def test_an_image_that_cannot_be_pulled(operated: StagedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failfast, "PULL_SECONDS", 0.5)
    with pytest.raises(errors.ResourceFailedError) as caught:
        failing("registry.example/failed:1", 20).__enter__()
    text = str(caught.value)
    assert text.startswith(
        "<DevServer default/dev phase=Running> will not get ready: container devserver: its image could not be pulled "
        "for a minute\n  phase: Running\n  message: "
    )
    assert re.search(r"\n  pod dev-[0-9a-f]+-\w+: Pending\n", text)
    assert "    Ready: False ContainersNotReady containers with unready status: [devserver]\n" in text
    assert "    container devserver: waiting " in text
    assert '  warning: Failed: Failed to pull image "registry.example/failed:1"' in text
    assert text.endswith("  likely cause: the image cannot be pulled: is spec.image right?")
    assert caught.value.report == text.partition("\n")[2]


def test_no_node_for_the_pod(operated: StagedServer) -> None:
    with pytest.raises(errors.WaitTimeoutError) as caught:
        failing("never", 2).__enter__()
    text = str(caught.value)
    assert text.startswith("<DevServer default/dev phase=Running> was not ready within 2 s\n  phase: Running\n")
    assert "    PodScheduled: False Unschedulable 0/1 nodes are available: 1 Insufficient cpu." in text
    assert text.endswith("  likely cause: no node has room for the pod: choose a smaller flavor, or free resources")


def test_a_container_that_ends_again_and_again(operated: StagedServer) -> None:
    from devservers.crds.lifecycle.report import failure_report

    server = live(created(spec={"flavor": "cpu-small", "image": "crash"}))
    eventually(lambda: "CrashLoopBackOff" in failure_report(server), "the container's second end")
    report = failure_report(live(DevServer.get("dev")))
    assert "    container devserver: waiting CrashLoopBackOff back-off 10s restarting" in report
    assert "    container devserver: previously terminated, exit code 1 Error" in report
    assert report.endswith("the container keeps ending after each start: look at its logs")


# what was looked at


def test_no_operator_at_all(cluster: StagedServer) -> None:
    assert report_of(cluster) == "  phase: none yet: is the DevServer operator running?\n  pod: none was found"


def test_a_flavor_that_does_not_exist(cluster: StagedServer) -> None:
    cluster.store.delete("devserverflavors", "cpu-small")
    report = report_of(cluster)
    assert '\n  flavor: Flavor "cpu-small" does not exist\n  pod: none was found\n' in report
    assert report.endswith("the flavor is misspelled or was never created: DevServerFlavor.list() shows which exist")


def test_parts_that_may_not_be_looked_at_say_so_and_the_rest_shows(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "list", "pods")
    cluster.rules.deny("admin", "list", "events")
    lines = report_of(cluster).splitlines()
    assert lines[0] == "  phase: none yet: is the DevServer operator running?"
    assert lines[1].startswith('  pod: could not be read (list pods in namespace "default": ')
    assert 'resources: ["pods"], verbs: ["list"]' in lines[1]
    assert lines[2].startswith('  events: could not be read (list events in namespace "default": ')


def test_a_deleted_server_has_a_report_as_well(cluster: StagedServer) -> None:
    server = created()
    set_status(cluster, phase="Pending")
    server.refresh()
    cluster.store.delete("devservers", "dev", "default")
    with pytest.raises(errors.ResourceDeletedError) as caught:
        server.wait_for_ready()
    assert caught.value.report == "  phase: Pending\n  pod: none was found"


HANDLER = "kopf.zalando.org/create_or_update_devserver"
STATUS = {"kind": "Status", "reason": "Invalid", "code": 422, "message": 'ConfigMap "dev-sshd-config" is invalid'}
WIRE_MESSAGE = (
    "(422)\nReason: Unprocessable Entity\nHTTP response headers: HTTPHeaderDict({'Audit-Id': 'header-value'})\n"
    f"HTTP response body: {json.dumps(STATUS)}\n\n"
)


def marked(**annotations: Any) -> dict[str, Any]:
    """A DevServer as a kopf operator leaves it."""
    return {
        "metadata": {
            "annotations": {f"kopf.zalando.org/{key}": json.dumps(value) for key, value in annotations.items()},
            "finalizers": ["kopf.zalando.org/KopfFinalizerMarker"],
        },
        "spec": {"flavor": "cpu-small"},
    }


def progress(message: str = WIRE_MESSAGE, **more: Any) -> dict[str, Any]:
    delayed = "2026-01-02T03:05:00.000000+00:00"
    return {"retries": 2, "success": False, "failure": False, "delayed": delayed, "message": message, **more}


def test_a_handler_that_is_tried_again_is_told_with_its_message_and_next_try() -> None:
    text = describe(marked(handler=progress()), Findings())
    assert text == (
        "  phase: none yet\n"
        "  operator: handler handler failed (2 tries, next try at 2026-01-02T03:05:00.000000+00:00): "
        'ConfigMap "dev-sshd-config" is invalid\n'
        "  finalizers: kopf.zalando.org/KopfFinalizerMarker\n"
        "  pod: none was found"
    )


@pytest.mark.parametrize("body", [repr(json.dumps(STATUS).encode()), repr(STATUS), json.dumps(STATUS, indent=2)])
def test_a_status_is_found_however_it_was_printed(body: str) -> None:
    assert plain_message(f"HTTP response headers: {{'a': 'b'}}\nHTTP response body: {body}") == STATUS["message"]
    assert plain_message(f"({body},)") == STATUS["message"]


def test_headers_and_bodies_that_hold_no_status_are_not_shown() -> None:
    for body in ("<html>secret</html>", "{secret", "secret"):
        said = plain_message(WIRE_MESSAGE.partition("HTTP response body")[0] + f"HTTP response body: {body}")
        assert said == "(422) Reason: Unprocessable Entity"


@pytest.mark.parametrize(
    "message",
    [
        "401, message='Unauthorized', headers=<CIMultiDictProxy('Authorization': 'Bearer secret')>",
        "refused: {'Authorization': 'Bearer secret'}",
        "request headers: {'X-Token': 'secret'}",
        repr({**STATUS, "message": {"Authorization": "Bearer secret"}}),
    ],
)
def test_headers_are_not_shown_whoever_printed_them(message: str) -> None:
    assert "secret" not in plain_message(message)


def test_a_status_is_found_though_its_sentence_holds_braces_and_quotes() -> None:
    said = "Invalid value: \"{{'x\\'\": must be a } name"
    assert plain_message(f"HTTP response body: {dict(STATUS, message=said)!r}") == said


HOSTILE = {
    "dicts in dicts": "{'a':" * 40 + "'Status'," + "1," * 5000 + "}" * 40,
    "quotes": "{'a': '" + "\\'" * 9000,
    "lists in lists": "{'a':" + "[" * 19000,
    "signs": "{'a':" + "-" * 19000 + "1}",
    "objects in objects": '{"a":' * 4000,
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE)
def test_no_message_takes_long_to_read(message: str) -> None:
    began = time.process_time()
    plain_message(message)
    assert time.process_time() - began < 0.5


def test_a_plain_message_is_shown_in_one_line_and_not_at_any_length() -> None:
    assert plain_message("Flavor {x}\nnot\tfound \x1b[31m") == "Flavor {x} not found [31m"
    assert len(plain_message("x" * 5000)) < 500


@pytest.mark.parametrize("value", ["", "not json", "[]", '"x"', '{"retries": 1}', None, 3, "{" * 5000])
def test_annotations_that_are_something_else_are_left_alone(value: Any) -> None:
    raw = {"metadata": {"annotations": {"kopf.zalando.org/x": value, "other/y": value}}}
    assert "operator" not in describe(raw, Findings()).replace("DevServer operator", "")


def test_an_operator_that_has_handled_the_spec_and_set_no_status_has_given_up() -> None:
    raw = marked(**{"last-handled-configuration": {"spec": {"flavor": "cpu-small"}}})
    text = describe(raw, Findings(missing_flavor="cpu-small"))
    assert "  phase: none yet\n" in text
    assert "operator: has processed this spec without setting a status: it has given up (its log says why)" in text
    assert "is the DevServer operator running?" not in text


def test_an_operator_that_has_handled_an_earlier_spec_has_not_given_up_on_this_one() -> None:
    raw = marked(**{"last-handled-configuration": {"spec": {"flavor": "another"}}})
    assert "given up" not in describe(raw, Findings())


def test_a_finalizer_of_somebody_else_does_not_tell_of_an_operator() -> None:
    raw = {"metadata": {"finalizers": ["example.com/backup"]}}
    assert describe(raw, Findings()).startswith(
        "  phase: none yet: is the DevServer operator running?\n  finalizers: ex"
    )


def test_pods_that_are_not_its_own_are_named(cluster: StagedServer) -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-abc", "uid": "u", "controller": True}
    metadata = {"name": "web-abc-1", "labels": {"app": "dev"}, "ownerReferences": [owner]}
    cluster.store.create("pods", {"metadata": metadata, "spec": {"containers": []}})
    assert "only pods that belong to something else: web-abc-1 (ReplicaSet web-abc)" in report_of(cluster)


def test_warnings_about_the_replica_sets_of_its_deployment_are_shown(cluster: StagedServer) -> None:
    warning(cluster, {"kind": "ReplicaSet", "name": "dev-6b5d9"}, second=1)
    warning(cluster, {"kind": "ReplicaSet", "name": "dev-server-6b5d9"}, "Another", second=2)
    report = report_of(cluster)
    assert "  warning: FailedCreate: message 1\n" in report
    assert "Another" not in report


def warning(cluster: StagedServer, about: dict[str, Any], reason: str = "FailedCreate", second: int = 0) -> None:
    cluster.store.create(
        "events",
        {
            "metadata": {"generateName": "e-"},
            "involvedObject": {"namespace": "default", **about},
            "type": "Warning",
            "reason": reason,
            "message": f"message {second}",
            "lastTimestamp": f"2026-01-02T03:04:{second:02}Z",
        },
    )


def test_warnings_about_the_server_and_what_bears_its_name_are_shown(cluster: StagedServer) -> None:
    warning(cluster, {"kind": "StatefulSet", "name": "dev"}, second=1)
    warning(cluster, {"kind": "Pod", "name": "dev-0"}, "FailedMount", second=2)
    warning(cluster, {"kind": "Pod", "name": "another-0"}, "Another", second=3)
    report = report_of(cluster)
    assert "  warning: FailedCreate: message 1\n  warning: FailedMount: message 2\n" in report
    assert "Another" not in report


def test_warnings_about_a_namesake_of_before_are_not_shown(cluster: StagedServer) -> None:
    warning(cluster, {"kind": "DevServer", "name": "dev", "uid": "another"}, "QuotaExceeded")
    assert "QuotaExceeded" not in report_of(cluster)


def test_the_last_five_warnings_are_shown_in_their_order(cluster: StagedServer) -> None:
    for second in (7, 3, 1, 5, 2, 6, 4):
        warning(cluster, {"kind": "StatefulSet", "name": "dev"}, "R", second)
    shown = [line for line in report_of(cluster).splitlines() if "warning" in line]
    assert shown == [f"  warning: R: message {second}" for second in (3, 4, 5, 6, 7)]


def test_a_pod_that_has_ended_is_shown(cluster: StagedServer) -> None:
    ended = {"name": "main", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    status = {"phase": "Failed", "reason": "Evicted", "message": "low on memory", "containerStatuses": [ended]}
    cluster.store.create("pods", {"metadata": {"name": "dev-0"}, "spec": {"containers": []}, "status": status})
    report = report_of(cluster)
    assert "  pod dev-0: Failed Evicted low on memory\n" in report
    assert "    container main: terminated, exit code 137 OOMKilled\n" in report
    assert report.endswith("likely cause: the container ran out of memory: choose a larger flavor")


# how it is told


@pytest.mark.parametrize(("signs", "fix"), CAUSES)
def test_each_sign_of_a_cause_is_recognised(signs: tuple[str, ...], fix: str) -> None:
    for sign in signs:
        looked = seen(pod(containerStatuses=[container(state={"waiting": {"reason": sign}})]))
        assert describe({}, looked).endswith(f"likely cause: {fix}")


def test_a_container_that_was_killed_for_memory_before_it_crashed_again_is_a_matter_of_memory() -> None:
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    last = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    text = describe({}, seen(pod(containerStatuses=[container(state=state, lastState=last)])))
    assert text.endswith("the container ran out of memory: choose a larger flavor")


def test_init_containers_are_shown_and_running_ones_are_not() -> None:
    waiting = {"name": "init", "state": {"terminated": {"exitCode": 1}}}
    running = container(state={"running": {}}, lastState={})
    text = describe({}, seen(pod(initContainerStatuses=[waiting], containerStatuses=[running])))
    assert "    container init: terminated, exit code 1" in text
    assert "container main" not in text


def test_a_pod_that_is_on_its_way_out_is_called_terminating() -> None:
    going = {"metadata": {"name": "dev-0", "deletionTimestamp": "2026-01-02T03:04:05Z"}, "status": {"phase": "Running"}}
    assert "  pod dev-0: terminating" in describe({}, seen(going))


@pytest.mark.parametrize(
    "status",
    [
        None,
        {},
        {"conditions": None, "containerStatuses": None, "initContainerStatuses": None},
        {"containerStatuses": [{"name": "a", "state": None}, {"name": "b", "state": {"waiting": None}}]},
        {"conditions": [{}]},
    ],
)
def test_odd_shapes_are_no_obstacle(status: Any) -> None:
    events: tuple[Any, ...] = ({}, {"lastTimestamp": None, "eventTime": None})
    looked = seen({"metadata": {"name": "p"}, "status": status}, events)
    assert describe({"status": None}, looked).startswith("  phase: none yet")


def test_events_of_either_api_are_understood() -> None:
    old = {"reason": "Old", "message": "m", "lastTimestamp": "2026-01-02T03:04:06Z"}
    new = {"reason": "New", "note": "n", "eventTime": "2026-01-02T03:04:05.000000Z"}
    text = describe({}, Findings(events=(old, new)))
    assert text.endswith("  warning: New: n\n  warning: Old: m")


def test_a_report_needs_no_server_that_answers(cluster: StagedServer) -> None:
    from devservers.crds.lifecycle.report import failure_report

    server = DevServer(ObjectMeta(name="dev"), SPEC)
    assert "pod: none was found" in failure_report(live(server))
    with cluster.fault.reset_before_execution():
        assert "pod: could not be read" in failure_report(live(server))
