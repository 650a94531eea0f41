"""Each benchmark times our way and the floor (the bare standard library) in turn, and takes the best of each.

The server runs in a process of its own, so that its work is not counted as ours. A ratio of 1.20 means 20 % slower than
the floor. Nothing here is a test: machines differ, and a benchmark that fails at random teaches nobody anything.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from devservers import DevServer, RESTClient, load_config
from devservers.transport.deadline import Deadline
from devservers.transport.exec.channels import V4
from devservers.transport.exec.session import ExecTarget, open_session
from devservers.transport.resources import Resource
from devservers.transport.watch import Watch
from tests.fakeapiserver import FakeAPIServer

DEVSERVERS = Resource("devserver.io", "v1", "devservers", "DevServer", True)
ROUNDS = 5
LIST_SIZE = 10_000
EVENTS = 100_000
ROOT = Path(__file__).parent.parent.parent
OUTPUT = 20_000_000


class Benchmark(NamedTuple):
    name: str
    goal: float
    ours: Callable[[], object]
    floor: Callable[[], object]


def _timed(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def measure(benchmark: Benchmark) -> None:
    times = [(_timed(benchmark.ours), _timed(benchmark.floor)) for _ in range(ROUNDS)]
    ours, floor = min(time for time, _ in times), min(time for _, time in times)
    print(
        f"{benchmark.name:<28} ours {ours * 1000:9.2f} ms   floor {floor * 1000:9.2f} ms   "
        f"ratio {ours / floor:5.2f}   (goal {benchmark.goal:.2f})",
        flush=True,
    )


# -- import -------------------------------------------------------------------------------------------------------


def _interpreter(statement: str) -> Callable[[], object]:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {statement}"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}

    def run() -> None:
        for _ in range(10):
            subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, env=environment)

    return run


def imports() -> list[Benchmark]:
    ours = _interpreter("from devservers.crds.devserver import DevServer; from devservers.crds.base import ObjectMeta")
    return [Benchmark("import (10 interpreters)", 1.10, ours, _interpreter("import json, dataclasses, typing"))]


# -- REST ---------------------------------------------------------------------------------------------------------


class Raw:
    """The floor: http.client and json over one connection."""

    def __init__(self, server: dict[str, Any]) -> None:
        self.connection = http.client.HTTPConnection(server["host"], server["port"])
        self.headers = {"Authorization": f"Bearer {server['token']}", "Accept": "application/json"}

    def get(self, path: str) -> Any:
        self.connection.request("GET", path, headers=self.headers)
        return json.loads(self.connection.getresponse().read())

    def pages(self, path: str) -> list[Any]:
        items: list[Any] = []
        token = ""
        while True:
            page = self.get(f"{path}?limit=500" + (f"&continue={token}" if token else ""))
            items += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return items

    def watch(self, path: str, events: int) -> int:
        self.connection.request("GET", path, headers=self.headers)
        response = self.connection.getresponse()
        count = 0
        while count < events:
            json.loads(response.readline())
            count += 1
        response.close()
        self.connection.close()
        return count


def rest(server: dict[str, Any], client: RESTClient) -> list[Benchmark]:
    raw = Raw(server)
    one = DEVSERVERS.item("default", "s00000")
    return [
        Benchmark(
            "500 sequential GETs", 1.20,
            lambda: [DevServer.get("s00000", client=client) for _ in range(500)],
            lambda: [raw.get(one) for _ in range(500)],
        ),
        Benchmark(
            f"list of {LIST_SIZE}", 1.10,
            lambda: DevServer.list("default", client=client),
            lambda: raw.pages(DEVSERVERS.collection("default")),
        ),
    ]  # fmt: skip


# -- watch and exec: against a server that does nothing but send --------------------------------------------------


def _event(number: int) -> bytes:
    name = str(number % 1000)
    metadata = {"name": name, "namespace": "n", "uid": name, "resourceVersion": str(number)}
    item = {"apiVersion": "devserver.io/v1", "kind": "DevServer", "metadata": metadata, "spec": {"flavor": "cpu-small"}}
    return json.dumps({"type": "MODIFIED", "object": item}).encode() + b"\n"


def _send_events(listener: socket.socket) -> None:
    lines = [_event(number) for number in range(EVENTS)]
    chunks = [b"".join(lines[start : start + 50]) for start in range(0, EVENTS, 50)]
    wire = [f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        peer, _ = listener.accept()
        try:
            peer.recv(65536)
            peer.sendall(head)
            for start in range(0, len(wire), 20):
                peer.sendall(b"".join(wire[start : start + 20]))
            peer.recv(1)
        except OSError:
            pass
        peer.close()


def watch(port: int) -> list[Benchmark]:
    from devservers import ClientConfig

    def ours() -> None:
        with RESTClient(ClientConfig(server=f"http://127.0.0.1:{port}")) as client:
            stream = Watch(client, DEVSERVERS, "n", resource_version="1")
            for _ in range(EVENTS):
                next(stream)
            stream.close()

    def floor() -> None:
        Raw({"host": "127.0.0.1", "port": port, "token": ""}).watch("/watch", EVENTS)

    return [Benchmark(f"watch of {EVENTS} events", 1.15, ours, floor)]


def _send_frames(listener: socket.socket) -> None:
    payload = b"\x01" + b"x" * 32768
    frame = b"\x82\x7e" + len(payload).to_bytes(2, "big") + payload
    status = b'\x03{"metadata":{},"status":"Success"}'
    while True:
        peer, _ = listener.accept()
        try:
            head = peer.recv(65536).decode("latin-1")
            key = next(line.split(": ")[1] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
            peer.sendall(_accept(key))
            for _ in range(OUTPUT // 32768):
                peer.sendall(frame)
            peer.sendall(bytes([0x82, len(status)]) + status)
            peer.recv(1)
        except OSError:
            pass
        peer.close()


def _accept(key: str) -> bytes:
    """The server's half of the upgrade (RFC 6455, section 4.2.2)."""
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()  # noqa: S324
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines.append(f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}")
    lines.append(f"Sec-WebSocket-Protocol: {V4}")
    return "\r\n".join([*lines, "", ""]).encode()


def execution(port: int) -> list[Benchmark]:
    from devservers import ClientConfig

    def ours() -> None:
        with RESTClient(ClientConfig(server=f"http://127.0.0.1:{port}")) as client:
            got: list[bytes] = []
            target = ExecTarget("n", "p")
            with open_session(client, target, {V4: ["x"]}, stdin=False, deadline=Deadline(60)) as session:
                session.communicate(None, got.append, got.append, Deadline(60))
            assert sum(map(len, got)) == OUTPUT // 32768 * 32768

    def floor() -> None:
        """Frames read by hand: header, length, payload."""
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: x\r\n\r\n")
            stream = sock.makefile("rb", 65536)
            while stream.readline() != b"\r\n":
                pass
            got = []
            while True:
                size = stream.read(2)[1]
                if size == 126:
                    size = int.from_bytes(stream.read(2), "big")
                payload = stream.read(size)
                if payload[0] == 3:
                    break
                got.append(payload[1:])

    return [Benchmark(f"exec, {OUTPUT // 1_000_000} MB of output", 1.25, ours, floor)]


# -- the processes ------------------------------------------------------------------------------------------------


def _serve(pipe: Any) -> None:
    with FakeAPIServer(operator=False) as server:
        spec = {"flavor": "cpu-small", "image": "ubuntu:22.04", "lifecycle": {"timeToLive": "8h"}}
        for number in range(LIST_SIZE):
            metadata = {"name": f"s{number:05}", "namespace": "default", "labels": {"team": "red"}}
            server.store.create("devservers", {"metadata": metadata, "spec": spec})
        where = {"host": server.host, "port": server.port, "token": server.token}
        pipe.send({**where, "config": server.kubeconfig.read_text()})
        pipe.recv()


def _process(target: Callable[[socket.socket], None]) -> int:
    listener = socket.create_server(("127.0.0.1", 0))
    multiprocessing.get_context("fork").Process(target=target, args=(listener,), daemon=True).start()
    port: int = listener.getsockname()[1]
    listener.close()
    return port


def main() -> None:
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.get_context("fork").Process(target=_serve, args=(theirs,), daemon=True).start()
    watch_port, exec_port = _process(_send_events), _process(_send_frames)
    for benchmark in imports():
        measure(benchmark)
    server = ours.recv()
    with tempfile.NamedTemporaryFile("w", suffix=".kubeconfig") as kubeconfig:
        kubeconfig.write(server["config"])
        kubeconfig.flush()
        with RESTClient(load_config(kubeconfig.name)) as client:
            for benchmark in [*rest(server, client), *watch(watch_port), *execution(exec_port)]:
                measure(benchmark)


if __name__ == "__main__":
    main()
