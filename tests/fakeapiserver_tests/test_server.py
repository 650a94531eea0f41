"""The server itself: starting, inspecting, stopping without a trace; and its HTTP."""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from tests.fakeapiserver import FakeAPIServer

from .plainclient import DEVSERVERS, PlainClient, devserver


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def fake_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fake-")]


# life


def test_it_starts_in_less_than_three_tenths_of_a_second() -> None:
    FakeAPIServer().start().stop()  # the first one also imports
    started = time.process_time()  # not what other processes take meanwhile
    with FakeAPIServer():
        assert time.process_time() - started < 0.3


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted in /proc")
def test_stopping_leaves_no_thread_socket_or_directory() -> None:
    with FakeAPIServer(operator=False):
        pass
    before = open_files()
    server = FakeAPIServer()
    with server, PlainClient(server) as idle, PlainClient(server) as watching:
        assert idle.create("a").status == 201
        next(watching.watch(f"{DEVSERVERS}?watch=1"))
        tempdir = server.tempdir
        assert tempdir.is_dir()
    assert fake_threads() == []
    assert not tempdir.exists()
    assert open_files() == before


def test_stopping_twice_does_no_harm() -> None:
    server = FakeAPIServer(operator=False).start()
    server.stop()
    server.stop()


def test_a_stopped_server_refuses_connections() -> None:
    with FakeAPIServer(operator=False) as server:
        address = (server.host, server.port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_hooks_run_at_start_and_stop_and_threads_are_waited_for() -> None:
    told: list[str] = []
    server = FakeAPIServer(operator=False)
    server.on_start.append(lambda: told.append("start"))
    server.on_stop.append(lambda: told.append("stop"))

    def work() -> None:
        server.stopping.wait()
        told.append("worked")

    with server:
        server.spawn(work, "worker")
    assert (told[0], sorted(told[1:])) == ("start", ["stop", "worked"])


def test_the_kubeconfig_is_private_and_leads_to_the_server(fake: FakeAPIServer) -> None:
    assert stat.S_IMODE(fake.kubeconfig.stat().st_mode) == 0o600
    config = json.loads(fake.kubeconfig.read_text())
    assert config["current-context"] == "fake"
    assert config["clusters"][0]["cluster"]["server"] == fake.url
    assert config["users"][0]["user"]["token"] == fake.token


def test_a_kubeconfig_can_have_another_namespace_and_token(fake: FakeAPIServer, tmp_path: Path) -> None:
    path = fake.write_kubeconfig(tmp_path / "config", context={"namespace": "team"}, token="other")
    config = json.loads(path.read_text())
    assert config["contexts"][0]["context"]["namespace"] == "team"
    assert config["users"][0]["user"] == {"token": "other"}


def test_requests_are_logged_for_assertions(fake: FakeAPIServer, client: PlainClient) -> None:
    client.get(f"{DEVSERVERS}?limit=1", User_Agent="tester/1")
    last = fake.requests[-1]
    assert (last.method, last.target, last.status, last.user.name) == ("GET", f"{DEVSERVERS}?limit=1", 200, "admin")
    assert last.headers.get("user-agent") == "tester/1"


def test_subresources_can_have_custom_handlers(fake: FakeAPIServer, client: PlainClient) -> None:
    from tests.fakeapiserver.serving.http import Response

    fake.subresource_handlers["devservers", "ping"] = lambda request, namespace, name: Response(200, {"pong": name})
    assert client.get(f"{DEVSERVERS}/a/ping").json() == {"pong": "a"}


# preparing state


def test_objects_are_copied_in_and_out_of_the_store(fake: FakeAPIServer) -> None:
    given = devserver("a", image="one")
    stored = fake.store.create("devservers", given)
    given["spec"]["image"] = stored["spec"]["image"] = "two"
    assert fake.store.get("devservers", "a")["spec"]["image"] == "one"


def test_a_stale_update_of_the_store_is_a_conflict(fake: FakeAPIServer) -> None:
    stale = fake.store.create("devservers", devserver("a"))
    fake.store.modify("devservers", "a", "default", lambda obj: obj["spec"].update(image="x"))
    with pytest.raises(Exception, match="the object has been modified"):
        fake.store.update("devservers", stale)


def test_apply_takes_yaml_of_several_documents(fake: FakeAPIServer) -> None:
    manifests = "\n---\n".join(json.dumps(devserver(name)) for name in ("a", "b"))
    assert [obj["metadata"]["name"] for obj in fake.apply(manifests)] == ["a", "b"]


def test_fifty_thousand_objects_are_stored_and_listed(fake: FakeAPIServer, client: PlainClient) -> None:
    fake.store.fill("devservers", (devserver(f"n{number:05}") for number in range(50_000)))
    listed = client.get(DEVSERVERS)
    assert listed.raw.count(b'"kind":"DevServer",') == 50_000
    page = client.get(f"{DEVSERVERS}?limit=10").json()["metadata"]
    assert page["remainingItemCount"] == 49_990


# HTTP


def raw(fake: FakeAPIServer, request: bytes) -> bytes:
    with socket.create_connection((fake.host, fake.port), timeout=5) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def authorized(fake: FakeAPIServer, line: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [line, "Host: x", f"Authorization: Bearer {fake.token}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_connections_are_kept_alive(client: PlainClient) -> None:
    client.get("/version")
    first = client.connection.sock
    client.get("/version")
    assert client.connection.sock is first


def test_requests_may_be_pipelined(fake: FakeAPIServer) -> None:
    one = f"GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {fake.token}\r\n\r\n".encode()
    answers = raw(fake, one + authorized(fake, "GET /healthz HTTP/1.1"))
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.endswith(b"\r\n\r\nok")


def test_a_chunked_body_is_read(fake: FakeAPIServer) -> None:
    body = json.dumps(devserver("a")).encode()
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
    request = authorized(fake, f"POST {DEVSERVERS} HTTP/1.1", "Transfer-Encoding: chunked", body=chunked)
    assert raw(fake, request).startswith(b"HTTP/1.1 201 Created")


def test_expect_100_continue_is_answered(fake: FakeAPIServer) -> None:
    body = json.dumps(devserver("a")).encode()
    request = authorized(
        fake, f"POST {DEVSERVERS} HTTP/1.1", "Expect: 100-continue", f"Content-Length: {len(body)}", body=body
    )
    assert raw(fake, request).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_malformed_http_is_a_bad_request(fake: FakeAPIServer, request_bytes: bytes) -> None:
    assert raw(fake, request_bytes).startswith(b"HTTP/1.1 400 Bad Request")


def test_long_answers_are_chunked_and_short_ones_have_a_length(client: PlainClient) -> None:
    client.create("short")
    client.create("long", image="x" * 3000)
    assert client.get(f"{DEVSERVERS}/short").headers["Content-Length"]
    assert client.get(f"{DEVSERVERS}/long").headers["Transfer-Encoding"] == "chunked"


def test_an_idle_connection_does_not_block_the_others(fake: FakeAPIServer, client: PlainClient) -> None:
    with socket.create_connection((fake.host, fake.port)) as idle:
        idle.sendall(b"GET /version HTT")
        assert client.get("/version").status == 200


def test_many_clients_at_once(fake: FakeAPIServer) -> None:
    statuses: list[int] = []

    def work(number: int) -> None:
        with PlainClient(fake) as own:
            statuses.append(own.create(f"n{number}").status)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 50


def test_concurrent_updates_lose_nothing(fake: FakeAPIServer) -> None:
    """Optimistic concurrency: each writer retries on 409, and no increment is lost."""
    fake.store.create("devservers", {**devserver("a"), "status": {"count": 0}})

    def work() -> None:
        with PlainClient(fake) as own:
            for _ in range(10):
                status = 409
                while status == 409:
                    obj = own.get(f"{DEVSERVERS}/a").json()
                    obj["status"]["count"] += 1
                    status = own.ask("PUT", f"{DEVSERVERS}/a", obj).status

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake.store.get("devservers", "a")["status"]["count"] == 40


def test_a_bug_in_the_fake_is_answered_with_500(fake: FakeAPIServer, client: PlainClient) -> None:
    def broken(request: object, namespace: str, name: str) -> http.client.HTTPResponse:
        raise ZeroDivisionError("oops")

    fake.subresource_handlers["devservers", "broken"] = broken  # type: ignore[assignment]
    answer = client.get(f"{DEVSERVERS}/a/broken")
    assert (answer.status, answer.message) == (500, "the fake API server failed: ZeroDivisionError('oops')")
