"""The recorder against the fake: what it writes can be replayed, and it leaves nothing behind."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from devservers.transport import load_config
from tests.fakeapiserver import FakeAPIServer
from tests.recordings.cluster import remove
from tests.recordings.peer import Peer
from tests.recordings.record import main
from tests.recordings.recording import Exchange, Key, Recording, Snapshots
from tests.recordings.translation import Translation

from . import test_exec_recordings as exec_recordings
from .test_replay_rest import PACE, RECORDINGS, Replay

DEVSERVERS = "/apis/devserver.io/v1/namespaces/recorded/devservers"


@pytest.fixture
def busy() -> Iterator[FakeAPIServer]:
    """A server whose revisions are unlike the recorded ones."""
    with FakeAPIServer(operator=False) as server:
        server.watches.pace = PACE
        server.store.rebase(1000)
        yield server


def record(server: FakeAPIServer, output: Path, *arguments: str) -> None:
    main(["--kubeconfig", str(server.kubeconfig), "--output", str(output), *arguments])


def names(server: FakeAPIServer) -> dict[str, list[str]]:
    kinds = ("namespaces", "pods", "devservers", "devserverflavors", "customresourcedefinitions")
    return {kind: [obj["metadata"]["name"] for obj in server.store.list(kind)] for kind in kinds}


def statuses(path: Path) -> dict[str, int]:
    """The answers' statuses by the exchanges' names, without those of the preparation."""
    return {e.name: e.status for e in Recording.read(path).exchanges if not e.name.startswith("set up: ")}


def replayed(path: Path) -> list[tuple[str, list[str]]]:
    recording = Recording.read(path)
    with FakeAPIServer(operator=False, load_crds=False) as server:
        with closing(http.client.HTTPConnection(server.host, server.port, timeout=30)) as connection:
            replay = Replay(server, connection, recording, [])
            return [(each.name, found) for each in recording.exchanges if (found := replay.run(each))]


@pytest.mark.parametrize("name", ["rest.json", "uids-1.36.json"])
def test_what_was_recorded_from_the_fake_replays(busy: FakeAPIServer, tmp_path: Path, name: str) -> None:
    record(busy, tmp_path, str(RECORDINGS / name))
    assert replayed(tmp_path / name) == []
    assert statuses(tmp_path / name) == statuses(RECORDINGS / name)


def test_a_recorded_watch_has_the_same_events(busy: FakeAPIServer, tmp_path: Path) -> None:
    record(busy, tmp_path, str(RECORDINGS / "rest.json"))
    old, new = (story(path / "rest.json") for path in (RECORDINGS, tmp_path))
    assert len(old["watch: label selector (the same story)"]) == 5
    assert new == old


def story(path: Path) -> dict[str, list[tuple[str, str]]]:
    """The events of each watch from an exact version."""
    return {
        each.name: [(line["type"], line["object"].get("metadata", {}).get("name")) for line in each.response["lines"]]
        for each in Recording.read(path).exchanges
        if each.is_watch and int(each.query.get("resourceVersion", 0)) > 1
    }


def test_a_recording_contains_everything_it_depends_on(busy: FakeAPIServer, tmp_path: Path) -> None:
    record(busy, tmp_path / "once", str(RECORDINGS / "rest.json"))
    record(busy, tmp_path / "twice", str(tmp_path / "once" / "rest.json"))
    once, twice = (Recording.read(tmp_path / each / "rest.json").exchanges for each in ("once", "twice"))
    assert [each.name for each in once] == [each.name for each in twice]
    assert any(each.name.startswith("set up: ") for each in once)


def test_the_recorder_leaves_nothing_behind(busy: FakeAPIServer, tmp_path: Path) -> None:
    before = names(busy)
    record(busy, tmp_path, str(RECORDINGS / "rest.json"))
    assert names(busy) == before


def test_a_namespace_is_emptied_before_it_is_deleted(busy: FakeAPIServer, tmp_path: Path) -> None:
    record(busy, tmp_path, str(RECORDINGS / "rest.json"))
    sent = [f"{each.method} {each.target}" for each in busy.requests]
    end = sent.index("DELETE /api/v1/namespaces/recorded")
    assert sent[:end].count(f"DELETE {DEVSERVERS}/yaml") == 1


def test_objects_with_finalizers_are_removed_too(busy: FakeAPIServer) -> None:
    flavor = {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "spec": {}}
    busy.apply({**flavor, "metadata": {"name": "held", "finalizers": ["example.io/hold"]}})
    remove(Peer(load_config(busy.kubeconfig)), Key("devserverflavors", "", "held"))
    assert "held" not in names(busy)["devserverflavors"]


def test_definitions_created_by_the_recorder_are_deleted(tmp_path: Path) -> None:
    with FakeAPIServer(operator=False, load_crds=False) as server:
        record(server, tmp_path, str(RECORDINGS / "uids-1.36.json"))
        assert server.store.list("customresourcedefinitions") == []


def test_an_interrupted_recording_leaves_nothing_behind(busy: FakeAPIServer, tmp_path: Path) -> None:
    before = names(busy)
    with busy.fault.reset_before_execution("patch", "devservers", times=1), pytest.raises(ConnectionError):
        record(busy, tmp_path, str(RECORDINGS / "rest.json"))
    assert names(busy) == before


def test_no_credential_is_written_down(busy: FakeAPIServer, tmp_path: Path) -> None:
    record(busy, tmp_path, str(RECORDINGS / "rest.json"))
    assert busy.token not in (tmp_path / "rest.json").read_text()


@pytest.mark.parametrize("namespace", ["another", "zoo"])  # lists have them before the recording's own, or after
def test_objects_of_others_are_recorded_and_left_alone(busy: FakeAPIServer, tmp_path: Path, namespace: str) -> None:
    for name in ("a", "theirs"):
        metadata = {"name": name, "namespace": namespace, "labels": {"team": "red"}}
        busy.store.create("devservers", {"metadata": metadata, "spec": {"flavor": "x"}})
    before = busy.store.list("devservers")
    record(busy, tmp_path, str(RECORDINGS / "rest.json"))
    assert busy.store.list("devservers") == before
    assert replayed(tmp_path / "rest.json") == []


def test_an_existing_namespace_is_not_touched(busy: FakeAPIServer, tmp_path: Path) -> None:
    busy.apply("{apiVersion: v1, kind: Namespace, metadata: {name: recorded}}")
    with pytest.raises(SystemExit, match="recorded is there already: choose another one with --namespace"):
        record(busy, tmp_path, str(RECORDINGS / "rest.json"))
    assert "recorded" in names(busy)["namespaces"]


def test_flavors_of_others_are_not_touched(busy: FakeAPIServer, tmp_path: Path) -> None:
    flavor = {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": {"name": "cpu"}, "spec": {}}
    [theirs] = busy.apply(flavor)
    with pytest.raises(SystemExit, match="devserverflavors/cpu; delete it, if it is yours"):
        record(busy, tmp_path, str(RECORDINGS / "rest.json"))
    assert busy.store.get("devserverflavors", "cpu") == theirs
    assert "recorded" not in names(busy)["namespaces"]


def test_the_requests_use_the_given_namespace(busy: FakeAPIServer, tmp_path: Path) -> None:
    record(busy, tmp_path, "--namespace", "elsewhere", str(RECORDINGS / "uids-1.36.json"))
    paths = [each.request["path"] for each in Recording.read(tmp_path / "uids-1.36.json").exchanges]
    assert "/apis/devserver.io/v1/namespaces/elsewhere/devservers" in paths
    assert not any("/namespaces/default/" in path for path in paths)
    assert replayed(tmp_path / "uids-1.36.json") == []


# exec


def test_exec_recorded_from_the_fake_replays(tmp_path: Path) -> None:
    source = exec_recordings.Recording(RECORDINGS / "exec-v5.json")
    with FakeAPIServer(exec_protocols=source.protocols()) as server:
        before = names(server)
        record(server, tmp_path, str(source.path))
        assert names(server) == before
    recording = exec_recordings.Recording(tmp_path / source.name)
    assert [each["name"] for each in recording.exchanges] == [each["name"] for each in source.exchanges]
    with exec_recordings.recorded_server(recording) as fake:
        for exchange in recording.exchanges:
            exec_recordings.check(fake, exchange)


def test_a_killed_kubelet_is_not_recorded(tmp_path: Path) -> None:
    with FakeAPIServer() as server:
        record(server, tmp_path, str(RECORDINGS / "trust-exec-v5.json"))
    recording = exec_recordings.Recording(tmp_path / "trust-exec-v5.json")
    assert [each["name"] for each in recording.exchanges] == ["v4 chosen: an ordinary end"]


# who asks


def test_a_recorder_with_a_client_certificate_can_also_ask_as_others(tmp_path: Path) -> None:
    with FakeAPIServer(operator=False, tls=True) as server:
        certificate, key = (tmp_path / "tls.crt", tmp_path / "tls.key")
        for path, content in zip((certificate, key), server.client_certificate("root", ("system:masters",))):
            path.write_bytes(content)
        user = {"client-certificate": str(certificate), "client-key": str(key)}
        peer = Peer(load_config(server.write_kubeconfig(tmp_path / "kubeconfig", user=user)))

        def answer(authorization: str) -> int:
            headers = {"Authorization": authorization} if authorization else {}
            with closing(peer.open("GET", "/api/v1/namespaces", headers)) as response:
                return response.status

        assert answer("") == 200
        assert answer("(none)") == 403
        assert answer("Bearer <nosuchtoken>") == 401
        assert answer("Bearer <limitedtoken>") == 403


# translation


def written(revision: int, uid: str, **spec: str) -> dict[str, Any]:
    metadata = {"name": "a", "namespace": "recorded", "resourceVersion": str(revision), "uid": uid}
    return {"kind": "DevServer", "metadata": metadata, "spec": spec}


def exchange(method: str, body: Any, answer: Any, query: str = "") -> Exchange:
    request = {"method": method, "path": f"{DEVSERVERS}/a{query}", "headers": {}, "body": body}
    return Exchange("", request, {"status": 200, "body": answer})


@pytest.fixture
def translation(tmp_path: Path) -> Translation:
    """The object of revision 300 is one of revision 1000 now."""
    recorded = exchange("GET", None, written(300, "old"))
    translated = Translation(Snapshots([Recording(tmp_path, [recorded])]))
    translated.learn(recorded, exchange("GET", None, written(1000, "new", image="default")))
    return translated


def test_a_changed_object_becomes_the_current_object_with_that_change(translation: Translation) -> None:
    sent = {**written(300, "old"), "status": {"phase": "x"}}
    body = translation.body(exchange("PUT", sent, None), last=300)
    assert body == {**written(1000, "new", image="default"), "status": {"phase": "x"}}


def test_values_invented_by_the_sender_stay(translation: Translation) -> None:
    body = translation.body(exchange("PUT", written(1, "other"), None), last=300)
    assert body["metadata"] == written(1, "other")["metadata"]


def test_uids_and_versions_are_translated_wherever_they_stand(translation: Translation) -> None:
    preconditions = {"preconditions": {"uid": "old", "resourceVersion": "300"}}
    assert translation.body(exchange("DELETE", preconditions, None), last=0) == {
        "preconditions": {"uid": "new", "resourceVersion": "1000"}
    }
    assert translation.body(exchange("PATCH", json.dumps({"uid": "old"}), None), last=0) == '{"uid": "new"}'


@pytest.mark.parametrize(("old", "new"), [("300", "1000"), ("305", "1000"), ("1", "1"), ("abc", "abc"), ("", "")])
def test_a_version_in_a_query_is_that_of_the_last_write_before(translation: Translation, old: str, new: str) -> None:
    target = translation.target(f"{DEVSERVERS}?watch=1&resourceVersion={old}&labelSelector=a%3Db")
    assert target == f"{DEVSERVERS}?watch=1&resourceVersion={new}&labelSelector=a%3Db"
