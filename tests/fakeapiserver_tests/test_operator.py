"""The operator: what it creates for a DevServer, what it notes on it, and when it releases it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.operator import Operator
from tests.fakeapiserver.operator.kopfstate import FINALIZER, LAST_HANDLED, PROGRESS
from tests.fakeapiserver.schema.crds import shipped_crds
from tests.fakeapiserver.vocabulary.objects import Object

from .plainclient import DEVSERVERS, PlainClient
from .watching import NEVER, create, history, set_spec, until, until_gone, until_named, until_phase, until_pod


@pytest.fixture
def fake() -> Iterator[FakeAPIServer]:
    with FakeAPIServer() as server:
        yield server


@pytest.fixture
def client(fake: FakeAPIServer) -> Iterator[PlainClient]:
    with PlainClient(fake) as plain:
        yield plain


def notes(devserver: Object) -> dict[str, str]:
    found: dict[str, str] = devserver["metadata"].get("annotations") or {}
    return found


def progress(devserver: Object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(notes(devserver).get(PROGRESS, "{}"))
    return found


def handled(devserver: Object) -> Any:
    return json.loads(notes(devserver).get(LAST_HANDLED, "{}")).get("spec")


def names(fake: FakeAPIServer, resource: str) -> list[str]:
    return [obj["metadata"]["name"] for obj in fake.store.list(resource)]


def get(fake: FakeAPIServer, name: str = "dev") -> Object:
    return fake.store.get("devservers", name)


# handling


def test_the_phase_is_running_before_there_is_a_pod(fake: FakeAPIServer) -> None:
    Operator.of(fake).lag = NEVER
    create(fake)
    status = until_phase(fake)["status"]
    assert status == {"phase": "Running", "message": "Deployment 'dev' reconciled successfully."}
    assert names(fake, "deployments") == ["dev"]
    assert names(fake, "pods") == []


def test_the_pod_appears_after_the_lag_and_becomes_ready(fake: FakeAPIServer) -> None:
    create(fake)
    pod = until_pod(fake)
    assert Operator.of(fake).pod_of("dev")["metadata"]["name"] == pod["metadata"]["name"]


def test_asking_for_the_pod_of_a_devserver_without_one_is_an_error(fake: FakeAPIServer) -> None:
    Operator.of(fake).lag = NEVER
    create(fake)
    until_phase(fake)
    with pytest.raises(LookupError, match="DevServer default/dev has no pod"):
        Operator.of(fake).pod_of("dev")


def test_no_other_phase_is_set_whatever_happens_to_the_pod(fake: FakeAPIServer) -> None:
    create(fake, image="team/failed")
    until_pod(fake, holds=lambda pod: "ImagePullBackOff" in str(pod.get("status")))
    assert get(fake)["status"]["phase"] == "Running"


def test_a_status_write_increments_the_generation(fake: FakeAPIServer) -> None:
    created = create(fake)
    assert until_phase(fake)["metadata"]["generation"] == created["metadata"]["generation"] + 1


def test_a_running_handler_keeps_its_progress_in_an_annotation(fake: FakeAPIServer) -> None:
    Operator.of(fake).handling = NEVER
    create(fake)
    devserver = until_named(fake, "devservers", "dev", progress)
    assert devserver["metadata"]["finalizers"] == [FINALIZER]
    record = progress(devserver)
    assert datetime.fromisoformat(record.pop("started")).tzinfo is not None
    assert record == {"purpose": "create", "retries": 0, "success": False, "failure": False}
    assert "status" not in devserver


def test_afterwards_the_annotation_holds_the_handled_spec(fake: FakeAPIServer) -> None:
    create(fake, image="debian")
    devserver = until_phase(fake)
    assert devserver["metadata"]["finalizers"] == [FINALIZER]
    assert notes(devserver) == {LAST_HANDLED: '{"spec":{"flavor":"cpu-small","image":"debian"}}\n'}


def test_only_a_change_of_the_spec_is_handled_as_an_update(fake: FakeAPIServer) -> None:
    create(fake)
    until_phase(fake)
    Operator.of(fake).handling = NEVER
    fake.store.modify("devservers", "dev", "default", lambda obj: obj["metadata"].update(labels={"team": "red"}))
    set_spec(fake, image="debian")
    devserver = until_named(fake, "devservers", "dev", progress)
    assert progress(devserver)["purpose"] == "update"
    assert handled(devserver) == {"flavor": "cpu-small"}


def test_the_status_is_rewritten_only_after_a_change_of_the_spec(fake: FakeAPIServer) -> None:
    create(fake)
    until_phase(fake)
    fake.store.modify("devservers", "dev", "default", lambda obj: obj.pop("status"))
    create(fake, "another")
    until_phase(fake, name="another")
    assert "status" not in get(fake)
    set_spec(fake, image="debian")
    until_named(fake, "devservers", "dev", lambda obj: handled(obj) == obj["spec"])
    assert get(fake)["status"]["phase"] == "Running"


def test_one_worker_handles_one_object_at_a_time(fake: FakeAPIServer) -> None:
    Operator.of(fake).handling = 0.03
    for number in range(4):
        create(fake, f"dev-{number}")
    at_work: set[str] = set()
    done: set[str] = set()
    for _, devserver in fake.watch_objects("devservers"):
        name = devserver["metadata"]["name"]
        at_work = at_work | {name} if progress(devserver) else at_work - {name}
        done |= {name} if handled(devserver) else set()
        assert len(at_work) <= 1
        if len(done) == 4:
            break


def test_a_spec_that_changes_while_it_is_handled_is_handled_again(fake: FakeAPIServer) -> None:
    Operator.of(fake).handling = 0.2
    create(fake)
    until_named(fake, "devservers", "dev", lambda obj: progress(obj) or handled(obj))
    set_spec(fake, image="debian")
    until_named(fake, "devservers", "dev", lambda obj: handled(obj) == {"flavor": "cpu-small", "image": "debian"})
    assert until_pod(fake)["spec"]["containers"][0]["image"] == "debian"


def test_devservers_of_any_namespace_are_handled(fake: FakeAPIServer) -> None:
    fake.apply("{apiVersion: v1, kind: Namespace, metadata: {name: team}}")
    fake.store.create("devservers", {"metadata": {"name": "dev", "namespace": "team"}, "spec": {"flavor": "cpu-small"}})
    assert until_pod(fake)["metadata"]["namespace"] == "team"
    assert Operator.of(fake).pod_of("dev", "team")


# permanent failures


def test_a_flavor_that_does_not_exist_leaves_no_status_and_no_event_ever(fake: FakeAPIServer) -> None:
    create(fake, flavor="nosuch")
    devserver = until_named(fake, "devservers", "dev", handled)
    assert devserver["metadata"]["finalizers"] == [FINALIZER]
    assert list(notes(devserver)) == [LAST_HANDLED]
    assert "status" not in devserver
    fake.store.create("devserverflavors", {"metadata": {"name": "nosuch"}, "spec": {}})
    create(fake, "another")
    until_pod(fake, "another")
    assert "status" not in get(fake)
    assert [e for e in fake.store.list("events") if e["involvedObject"]["kind"] == "DevServer"] == []
    assert names(fake, "deployments") == ["another"]


def test_changing_to_an_existing_flavor_is_handled(fake: FakeAPIServer) -> None:
    create(fake, flavor="nosuch")
    until_named(fake, "devservers", "dev", handled)
    set_spec(fake, flavor="gpu-small")
    until_phase(fake)


def test_the_flavors_of_the_documented_examples_exist(fake: FakeAPIServer) -> None:
    assert names(fake, "devserverflavors") == ["cpu-small", "gpu-small"]


def test_a_flavor_made_before_the_start_is_kept() -> None:
    server = FakeAPIServer()
    server.store.create("devserverflavors", {"metadata": {"name": "cpu-small"}, "spec": {"own": True}})
    with server:
        assert server.store.get("devserverflavors", "cpu-small")["spec"] == {"own": True}


def test_the_pod_gets_the_resources_of_its_flavor(fake: FakeAPIServer) -> None:
    resources = {"limits": {"memory": "1Gi"}}
    fake.store.create("devserverflavors", {"metadata": {"name": "own"}, "spec": {"resources": resources}})
    create(fake, flavor="own")
    pod = until_pod(fake)
    assert (pod["spec"]["containers"][0]["resources"], pod["status"]["qosClass"]) == (resources, "Burstable")


# retries


def test_retry_fails_with_a_message_and_waits_a_minute(fake: FakeAPIServer) -> None:
    create(fake, image="example/retry")
    devserver = until_named(fake, "devservers", "dev", lambda obj: progress(obj).get("retries"))
    record = progress(devserver)
    started, delayed = (datetime.fromisoformat(record.pop(name)) for name in ("started", "delayed"))
    assert 59 < (delayed - started).total_seconds() < 70
    message = record.pop("message")
    assert record == {"purpose": "create", "retries": 1, "success": False, "failure": False}
    assert message.startswith("(422)\nReason: Unprocessable Entity\nHTTP response headers: HTTPHeaderDict({")
    status = json.loads(message.partition("HTTP response body: ")[2])
    assert (status["kind"], status["reason"], status["code"]) == ("Status", "Invalid", 422)
    assert status["message"] == (
        'ConfigMap "dev-sshd-config" is invalid: '
        "metadata.ownerReferences: Only one reference can have Controller set to true"
    )
    assert "status" not in devserver
    assert handled(devserver) is None


def test_a_failing_handler_is_retried(fake: FakeAPIServer) -> None:
    Operator.of(fake).retry_interval = 0.01
    create(fake, image="example/retry")
    until_named(fake, "devservers", "dev", lambda obj: progress(obj).get("retries", 0) >= 3)
    tries = [progress(obj) for obj in history(fake, "devservers", "dev") if progress(obj).get("retries")][:3]
    assert [record["retries"] for record in tries] == [1, 2, 3]
    assert len({record["started"] for record in tries}) == 1
    assert tries[0]["delayed"] < tries[1]["delayed"] < tries[2]["delayed"]


def test_a_waiting_retry_does_not_hold_up_the_others(fake: FakeAPIServer) -> None:
    create(fake, image="example/retry")
    until_named(fake, "devservers", "dev", lambda obj: progress(obj).get("retries"))
    create(fake, "another")
    until_phase(fake, name="another")
    assert progress(get(fake))["retries"] == 1


def test_a_changed_spec_is_handled_at_once(fake: FakeAPIServer) -> None:
    create(fake, image="example/retry")
    until_named(fake, "devservers", "dev", lambda obj: progress(obj).get("retries"))
    set_spec(fake, image="debian")
    assert PROGRESS not in notes(until_phase(fake))


def message_for(fake: FakeAPIServer, name: str = "dev") -> str:
    devserver = until_named(fake, "devservers", name, lambda obj: progress(obj).get("retries"))
    return str(progress(devserver)["message"])


def test_a_name_that_is_too_long_for_a_label_fails_as_the_deployment_does(fake: FakeAPIServer) -> None:
    create(fake, "a" * 64)
    assert "spec.template.labels" in message_for(fake, "a" * 64)
    assert "must be no more than 63 bytes" in message_for(fake, "a" * 64)


def test_a_deployment_of_another_controller_is_not_touched(fake: FakeAPIServer) -> None:
    owner = {"apiVersion": "example.io/v1", "kind": "App", "name": "dev", "uid": "u-1", "controller": True}
    metadata = {"name": "dev", "ownerReferences": [owner]}
    before = fake.store.create("deployments", {"metadata": metadata, "spec": deployment_spec()})
    create(fake)
    assert 'Deployment \\"dev\\" is invalid' in message_for(fake)
    assert fake.store.get("deployments", "dev")["spec"] == before["spec"]


def test_a_deployment_without_a_controller_is_adopted(fake: FakeAPIServer) -> None:
    Operator.of(fake).lag = NEVER
    fake.store.create("deployments", {"metadata": {"name": "dev"}, "spec": deployment_spec()})
    devserver = create(fake, image="debian")
    until_phase(fake)
    deployment = fake.store.get("deployments", "dev")
    assert [owner["uid"] for owner in deployment["metadata"]["ownerReferences"]] == [devserver["metadata"]["uid"]]
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "debian"


def deployment_spec() -> Object:
    labels = {"app": "dev"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    return {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}


@pytest.mark.parametrize(
    "broken",
    [
        {"spec": {"flavor": "cpu-small", "volumes": [{}]}},
        {"spec": {"flavor": "cpu-small", "lifecycle": "tomorrow"}},
        {"spec": {"flavor": "cpu-small", "lifecycle": {"timeToLive": "9" * 400 + "h"}}},
        {"spec": {"flavor": ["cpu-small"]}},
        {"spec": "text"},
        {},
    ],
)
def test_an_invalid_object_does_not_hold_up_the_others(fake: FakeAPIServer, broken: Any) -> None:
    fake.store.create("devservers", {"metadata": {"name": "broken"}, **broken})
    until_named(fake, "devservers", "broken", notes)
    create(fake)
    until_pod(fake)


def test_the_handlers_exception_is_the_message_of_its_progress(fake: FakeAPIServer) -> None:
    create(fake, volumes=[{"claimName": "c"}])
    assert message_for(fake) == "'mountPath'"


# deletion


def test_a_deletion_waits_for_the_finalizer(fake: FakeAPIServer, client: PlainClient) -> None:
    Operator.of(fake).finalize = NEVER
    create(fake)
    until_phase(fake)
    answer = client.ask("DELETE", f"{DEVSERVERS}/dev")
    assert answer.json()["metadata"]["finalizers"] == [FINALIZER]
    create(fake, "another")
    until_pod(fake, "another")
    assert "deletionTimestamp" in get(fake)["metadata"]


def test_when_the_finalizer_is_removed_all_dependents_are_collected(fake: FakeAPIServer, client: PlainClient) -> None:
    create(fake)
    pod = until_pod(fake)["metadata"]["name"]
    client.ask("DELETE", f"{DEVSERVERS}/dev")
    until_gone(fake, "devservers", "dev")
    until_gone(fake, "pods", pod)
    assert "deletionTimestamp" in history(fake, "pods", pod)[-1]["metadata"]
    assert [names(fake, kind) for kind in ("devservers", "deployments", "replicasets", "pods")] == [[], [], [], []]


def test_while_the_operator_is_down_a_deleted_devserver_stays(fake: FakeAPIServer, client: PlainClient) -> None:
    create(fake)
    until_pod(fake)
    Operator.of(fake).pause()
    client.ask("DELETE", f"{DEVSERVERS}/dev")
    assert "deletionTimestamp" in get(fake)["metadata"]
    Operator.of(fake).resume()
    until_gone(fake, "devservers", "dev")


def test_a_failed_object_can_be_deleted_too(fake: FakeAPIServer, client: PlainClient) -> None:
    create(fake, flavor="nosuch")
    until_named(fake, "devservers", "dev", handled)
    client.ask("DELETE", f"{DEVSERVERS}/dev")
    until_gone(fake, "devservers", "dev")


def test_foreground_deletion_removes_the_pod_first(fake: FakeAPIServer, client: PlainClient) -> None:
    create(fake)
    until_pod(fake)
    client.ask("DELETE", f"{DEVSERVERS}/dev?propagationPolicy=Foreground")
    until_gone(fake, "devservers", "dev")
    assert [names(fake, kind) for kind in ("devservers", "deployments", "replicasets", "pods")] == [[], [], [], []]


def test_orphaning_keeps_the_deployment(fake: FakeAPIServer, client: PlainClient) -> None:
    create(fake)
    until_pod(fake)
    client.ask("DELETE", f"{DEVSERVERS}/dev?propagationPolicy=Orphan")
    until_gone(fake, "devservers", "dev")
    assert fake.store.get("deployments", "dev")["metadata"]["ownerReferences"] == []


def test_a_removed_finalizer_is_added_again(fake: FakeAPIServer) -> None:
    create(fake)
    until_phase(fake)
    taken = fake.store.modify("devservers", "dev", "default", lambda obj: obj["metadata"].pop("finalizers"))
    revision = int(taken["metadata"]["resourceVersion"])
    until(
        fake,
        "devservers",
        lambda obj: int(obj["metadata"]["resourceVersion"]) > revision and obj["metadata"].get("finalizers"),
    )


def test_a_devserver_recreated_at_once_gets_its_own_pod(fake: FakeAPIServer) -> None:
    create(fake)
    first = until_pod(fake)
    fake.store.delete("devservers", "dev", "default")
    create(fake)
    second = until_pod(fake, holds=lambda pod: pod["metadata"]["uid"] != first["metadata"]["uid"])
    until_named(fake, "pods", second["metadata"]["name"], lambda pod: "startedAt" in str(pod["status"]))
    assert Operator.of(fake).pod_of("dev")["metadata"]["uid"] == second["metadata"]["uid"]


# time to live


def test_only_a_devserver_whose_time_to_live_is_up_is_deleted(fake: FakeAPIServer) -> None:
    metadata = {"creationTimestamp": "2026-01-02T03:04:05Z"}
    for name, lifetime in (("long", "999999h"), ("none", ""), ("short", "1h30m")):
        spec = {"flavor": "cpu-small", "lifecycle": {"timeToLive": lifetime}}
        fake.store.create("devservers", {"metadata": {"name": name, **metadata}, "spec": spec})
    until_gone(fake, "devservers", "short")
    until_pod(fake, "long")
    assert names(fake, "devservers") == ["long", "none"]


def test_extending_the_time_to_live_keeps_the_devserver(fake: FakeAPIServer) -> None:
    Operator.of(fake).pause()
    metadata = {"name": "dev", "creationTimestamp": "2026-01-02T03:04:05Z"}
    spec = {"flavor": "cpu-small", "lifecycle": {"timeToLive": "1s"}}
    fake.store.create("devservers", {"metadata": metadata, "spec": spec})
    set_spec(fake, lifecycle={"timeToLive": "999999h"})
    Operator.of(fake).resume()
    until_pod(fake)
    assert names(fake, "devservers") == ["dev"]


# the operator itself


def test_compaction_does_not_stop_the_operator(fake: FakeAPIServer) -> None:
    for number in range(5):
        create(fake, f"dev-{number}")
        fake.store.compact()
    for number in range(5):
        assert until_pod(fake, f"dev-{number}")


def test_the_operator_waits_for_the_definition_of_its_kind() -> None:
    with FakeAPIServer(load_crds=False) as late:
        for crd in shipped_crds():
            late.apply(crd)
        create(late, flavor="nosuch")
        until_named(late, "devservers", "dev", handled)


def test_the_operator_survives_a_recreated_definition(fake: FakeAPIServer, client: PlainClient) -> None:
    client.ask("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/devservers.devserver.io")
    for crd in shipped_crds():
        fake.apply(crd)
    create(fake)
    until_phase(fake)


def test_without_an_operator_nothing_happens() -> None:
    with FakeAPIServer(operator=False) as fake:
        create(fake)
        assert "status" not in get(fake)
        assert names(fake, "pods") == names(fake, "devserverflavors") == []
