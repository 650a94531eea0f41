"""Deleting: finalizers, preconditions, propagation, grace, collections."""

from __future__ import annotations

from typing import Any

from tests.fakeapiserver import FakeAPIServer

from .plainclient import DEVSERVERS, MERGE, PlainClient, devserver
from .watching import history, until_gone, until_named

POD = "/api/v1/namespaces/default/pods/p"


def held(client: PlainClient, name: str = "a") -> Any:
    body = devserver(name)
    body["metadata"]["finalizers"] = ["example.io/hold"]
    return client.ask("POST", DEVSERVERS, body).json()


def test_a_finalizer_holds_an_object_until_it_is_removed(client: PlainClient) -> None:
    held(client)
    marked = client.ask("DELETE", f"{DEVSERVERS}/a").json()["metadata"]
    assert (marked["deletionGracePeriodSeconds"], marked["generation"]) == (0, 2)
    last = client.ask("PATCH", f"{DEVSERVERS}/a", {"metadata": {"finalizers": None}}, MERGE)
    assert (last.status, last.json()["metadata"].get("finalizers")) == (200, None)
    assert client.get(f"{DEVSERVERS}/a").status == 404


def test_the_deleted_event_shows_the_object_as_it_was_last_stored(client: PlainClient) -> None:
    version = held(client)["metadata"]["resourceVersion"]
    client.ask("DELETE", f"{DEVSERVERS}/a")
    client.ask("PATCH", f"{DEVSERVERS}/a", {"metadata": {"finalizers": []}}, MERGE)
    events = client.watch(f"{DEVSERVERS}?watch=1&resourceVersion={version}")
    assert [next(events)["type"], next(events)["object"]["metadata"]["finalizers"]] == ["MODIFIED", ["example.io/hold"]]


def test_deleting_again_changes_nothing(client: PlainClient) -> None:
    held(client)
    first, second = (client.ask("DELETE", f"{DEVSERVERS}/a").json() for _ in range(2))
    assert first == second


def test_preconditions_must_hold(client: PlainClient) -> None:
    obj = client.create("a").json()
    refused = client.ask("DELETE", f"{DEVSERVERS}/a", {"preconditions": {"resourceVersion": "1"}})
    assert (refused.status, refused.json()["details"]["kind"]) == (409, "DevServer")
    assert "the ResourceVersion in the precondition (1) does not match" in refused.message
    right = {"preconditions": {"resourceVersion": obj["metadata"]["resourceVersion"], "uid": obj["metadata"]["uid"]}}
    assert client.ask("DELETE", f"{DEVSERVERS}/a", right).json()["status"] == "Success"


def test_options_may_be_in_the_query(client: PlainClient) -> None:
    client.create("a")
    assert client.ask("DELETE", f"{DEVSERVERS}/a?uid=other").status == 409
    assert client.ask("DELETE", f"{DEVSERVERS}/a?resourceVersion=1").status == 409
    assert client.ask("DELETE", f"{DEVSERVERS}/a?dryRun=All").json()["status"] == "Success"
    assert client.get(f"{DEVSERVERS}/a").status == 200


def test_an_empty_precondition_never_holds(client: PlainClient) -> None:
    client.create("a")
    assert client.ask("DELETE", f"{DEVSERVERS}/a", {"preconditions": {"uid": ""}}).status == 409


def test_a_null_body_has_no_options(client: PlainClient) -> None:
    client.create("a")
    assert client.ask("DELETE", f"{DEVSERVERS}/a", b"null").status == 200


def test_propagation_policies_add_the_collectors_finalizers(client: PlainClient) -> None:
    for name, policy, finalizers in (("a", "Orphan", ["orphan"]), ("b", "Foreground", ["foregroundDeletion"])):
        client.create(name)
        obj = client.ask("DELETE", f"{DEVSERVERS}/{name}", {"propagationPolicy": policy}).json()
        assert obj["metadata"]["finalizers"] == finalizers


def test_background_removes_the_collectors_finalizers(client: PlainClient) -> None:
    client.create("a")
    client.ask("DELETE", f"{DEVSERVERS}/a?propagationPolicy=Foreground")
    assert client.ask("DELETE", f"{DEVSERVERS}/a?propagationPolicy=Background").json()["status"] == "Success"
    assert client.get(f"{DEVSERVERS}/a").status == 404


def test_the_orphan_dependents_option_of_old_clients_is_accepted(client: PlainClient) -> None:
    held(client)
    assert client.ask("DELETE", f"{DEVSERVERS}/a?orphanDependents=false").status == 202


def test_with_controllers_dependents_go_first_in_the_foreground_and_stay_when_orphaned() -> None:
    with FakeAPIServer() as cluster, PlainClient(cluster) as client:
        for name, policy in (("a", "Foreground"), ("b", "Orphan")):
            owner = client.create(name).json()["metadata"]
            reference = {"apiVersion": "devserver.io/v1", "kind": "DevServer", "name": name, "uid": owner["uid"]}
            cluster.store.create("configmaps", {"metadata": {"name": f"of-{name}", "ownerReferences": [reference]}})
            with PlainClient(cluster) as watching:
                events = watching.watch(f"{DEVSERVERS}?watch=1&resourceVersion={cluster.store.revision}")
                client.ask("DELETE", f"{DEVSERVERS}/{name}?propagationPolicy={policy}")
                assert "DELETED" in (event["type"] for event in events)
        left = cluster.store.list("configmaps")
        assert [obj["metadata"]["name"] for obj in left] == ["of-b"]
        assert left[0]["metadata"]["ownerReferences"] == []


def test_orphan_dependents_and_a_propagation_policy_exclude_each_other(client: PlainClient) -> None:
    answer = client.ask("DELETE", f"{DEVSERVERS}/a", {"orphanDependents": True, "propagationPolicy": "Orphan"})
    assert answer.message == (
        'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": '
        "orphanDependents and deletionPropagation cannot be both set"
    )


def test_malformed_options_are_an_error_without_a_reason(client: PlainClient) -> None:
    malformed = client.ask("DELETE", f"{DEVSERVERS}/a", b"{")
    mistyped = client.ask("DELETE", f"{DEVSERVERS}/a", {"gracePeriodSeconds": "1"})
    assert (malformed.status, malformed.reason) == (500, "")
    assert mistyped.message == (
        "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64"
    )


def test_deleting_a_collection_by_selector_returns_what_was_deleted(client: PlainClient) -> None:
    for name, team in (("a", "red"), ("b", "blue"), ("c", "red")):
        body = devserver(name)
        body["metadata"]["labels"] = {"team": team}
        client.ask("POST", DEVSERVERS, body)
    gone = client.ask("DELETE", f"{DEVSERVERS}?labelSelector=team%3Dred").json()
    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "c"]
    left = client.get(DEVSERVERS).json()
    assert [item["metadata"]["name"] for item in left["items"]] == ["b"]


def test_deleting_a_pod_returns_the_pod(fake: FakeAPIServer, client: PlainClient) -> None:
    fake.apply("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {nodeName: n}}")
    assert client.ask("DELETE", POD).json()["kind"] == "Pod"
    assert client.get(POD).status == 404


def test_a_pod_on_a_node_gets_its_grace_period(fake: FakeAPIServer, client: PlainClient) -> None:
    fake.api.graceful_pods = True
    fake.apply(
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {nodeName: n, terminationGracePeriodSeconds: 9}}"
    )
    assert client.ask("DELETE", POD).json()["metadata"]["deletionGracePeriodSeconds"] == 9
    assert client.ask("DELETE", f"{POD}?gracePeriodSeconds=3").json()["metadata"]["deletionGracePeriodSeconds"] == 3
    assert client.ask("DELETE", f"{POD}?gracePeriodSeconds=0").status == 200
    assert client.get(POD).status == 404


def test_deleting_a_namespace_deletes_its_contents(fake: FakeAPIServer, client: PlainClient) -> None:
    fake.apply("{apiVersion: v1, kind: Namespace, metadata: {name: team}}")
    client.ask("POST", DEVSERVERS.replace("default", "team"), devserver("a"))
    assert client.ask("DELETE", "/api/v1/namespaces/team").json()["status"]["phase"] == "Terminating"
    assert client.get("/api/v1/namespaces/team").status == 404
    assert fake.store.list("devservers", "team") == []


def dependent(fake: FakeAPIServer, name: str, *owners: Any) -> Any:
    references = [
        {"apiVersion": "v1", "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        for owner in owners
    ]
    return fake.store.create("configmaps", {"metadata": {"name": name, "ownerReferences": references}})


def test_dependents_are_collected_generation_by_generation() -> None:
    with FakeAPIServer() as cluster, PlainClient(cluster) as client:
        owner = dependent(cluster, "a")
        child = dependent(cluster, "b", owner)
        dependent(cluster, "c", child)
        client.ask("DELETE", "/api/v1/namespaces/default/configmaps/a")
        until_gone(cluster, "configmaps", "c")
        assert cluster.store.list("configmaps") == []


def test_a_dependent_with_another_owner_stays_and_drops_the_reference() -> None:
    with FakeAPIServer() as cluster, PlainClient(cluster) as client:
        gone, there = dependent(cluster, "gone"), dependent(cluster, "there")
        dependent(cluster, "a", gone, there)
        client.ask("DELETE", "/api/v1/namespaces/default/configmaps/gone")
        left = until_named(cluster, "configmaps", "a", lambda obj: len(obj["metadata"]["ownerReferences"]) == 1)
        assert left["metadata"]["ownerReferences"][0]["name"] == "there"


def test_foreground_deletion_starts_with_the_dependents_of_dependents() -> None:
    with FakeAPIServer() as cluster, PlainClient(cluster) as client:
        names = ["a", "b", "c"]
        dependent(cluster, "c", dependent(cluster, "b", dependent(cluster, "a")))
        client.ask("DELETE", "/api/v1/namespaces/default/configmaps/a?propagationPolicy=Foreground")
        until_gone(cluster, "configmaps", "a")
        last = {name: int(history(cluster, "configmaps", name)[-1]["metadata"]["resourceVersion"]) for name in names}
        assert last["c"] < last["b"] < last["a"]


def test_an_owner_that_never_existed_is_ignored() -> None:
    with FakeAPIServer() as cluster, PlainClient(cluster) as client:
        dependent(cluster, "a", {"kind": "ReplicaSet", "metadata": {"name": "nosuch", "uid": "u-1"}})
        dependent(cluster, "c", dependent(cluster, "b"))
        client.ask("DELETE", "/api/v1/namespaces/default/configmaps/b")
        until_gone(cluster, "configmaps", "c")
        assert [obj["metadata"]["name"] for obj in cluster.store.list("configmaps")] == ["a"]
