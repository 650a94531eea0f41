"""Exec sessions beyond the recordings: who gets which protocol, terminals, big data, many at once, and their end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Callable, Optional

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.faults import Faults
from tests.fakeapiserver.http import Request
from tests.fakeapiserver.pods import Pods

from .wsclient import Frame, WSClient, exec_target, running_pod

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
SUCCESS = b'\x03{"metadata":{},"status":"Success"}'
MEGABYTES = 20
BOTH = {"stdout": "true", "stderr": "true"}
ALL = {"stdin": "true", **BOTH}
TTY = {"stdin": "true", "stdout": "true", "tty": "true"}


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def fake(request: pytest.FixtureRequest) -> Iterator[FakeAPIServer]:
    with FakeAPIServer(operator=False, tls=request.param) as server:
        server.store.create("pods", running_pod())
        yield server


@pytest.fixture
def plain() -> Iterator[FakeAPIServer]:
    with FakeAPIServer(operator=False) as server:
        server.store.create("pods", running_pod())
        yield server


@pytest.fixture
def old() -> Iterator[FakeAPIServer]:
    """A server of the generation before v5."""
    with FakeAPIServer(operator=False, exec_protocols=(V4,)) as server:
        server.store.create("pods", running_pod())
        yield server


def output(client: WSClient, channel: int = 1) -> bytes:
    return b"".join(frame.payload for frame in client.frames() if frame.opcode != "close" and frame.channel == channel)


def status(client: WSClient) -> bytes:
    """The last word before the close."""
    frames = list(client.frames())
    assert frames[-1] == Frame("close", b"", 1000)
    return frames[-2].data


def read_until(frames: Iterator[Frame], text: bytes, channel: int = 1) -> bytes:
    seen = b""
    while text not in seen:
        frame = next(frames)
        seen += frame.payload if frame.channel == channel else b""
    return seen


# protocols


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((V4, V5), V5),
        (("channel.k8s.io", V4), "channel.k8s.io"),
        (("nosuch", V4), V4),
        (("base64.channel.k8s.io",), "base64.channel.k8s.io"),
    ],
)
def test_the_protocol_is_the_first_known_one_but_v5_goes_before_all(
    plain: FakeAPIServer, offered: tuple[str, ...], chosen: str
) -> None:
    with WSClient(plain, exec_target("true"), offered) as client:
        assert client.protocol == chosen


@pytest.mark.parametrize("protocol", ["v3.channel.k8s.io", "v2.channel.k8s.io", "v5.base64.channel.k8s.io"])
def test_protocols_that_no_websocket_server_ever_spoke_are_refused(plain: FakeAPIServer, protocol: str) -> None:
    with WSClient(plain, exec_target("true"), (protocol,)) as client:
        assert (client.handshake.status, client.handshake.headers, client.handshake.body) == (403, {}, b"")


def test_without_an_offer_the_answer_names_an_empty_protocol(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("true"), ()) as client:
        assert client.handshake.headers["sec-websocket-protocol"] == ""


def test_before_v4_success_is_silence(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("echo", "x"), ("channel.k8s.io",)) as client:
        assert [frame.data for frame in client.frames()] == [b"\x01", b"\x01x\n", b""]


def test_before_v4_failure_is_plain_text(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("nosuch"), ("channel.k8s.io",)) as client:
        assert status(client).startswith(
            b"\x03Internal error occurred: error executing command in container: OCI runtime"
        )


@pytest.mark.parametrize(
    ("header", "status_code", "text"),
    [
        (("Sec-WebSocket-Version", "8"), 400, b"missing or bad WebSocket Version"),
        (("Sec-WebSocket-Key", ""), 400, b"mismatch challenge/response"),
    ],
)
def test_a_broken_handshake_is_refused(
    plain: FakeAPIServer, header: tuple[str, str], status_code: int, text: bytes
) -> None:
    with WSClient(plain, exec_target("true"), headers=(header,)) as client:
        assert (client.handshake.status, client.handshake.body) == (status_code, text)


def test_a_request_that_is_no_upgrade_is_refused(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("true"), headers=(("Upgrade", ""), ("Connection", ""))) as client:
        assert client.handshake.status == 400
        assert b'"message":"Upgrade request required"' in client.handshake.body


@pytest.mark.parametrize(("protocol", "status_code"), [(V4, 500), (V5, 101)])
def test_a_container_that_does_not_run_is_refused_before_or_after_the_upgrade(
    plain: FakeAPIServer, protocol: str, status_code: int
) -> None:
    pod = running_pod("waiting")
    pod["status"] = {"phase": "Pending", "containerStatuses": [{"name": "devserver", "state": {"waiting": {}}}]}
    plain.store.create("pods", pod)
    with WSClient(plain, exec_target("true", pod="waiting"), (protocol,)) as client:
        assert client.handshake.status == status_code
        why = status(client) if status_code == 101 else client.handshake.body
        assert b"container not found (" in why
        assert (b"unable to upgrade connection" in why) == (protocol == V5)


def test_a_pod_of_two_containers_needs_a_container_named(plain: FakeAPIServer) -> None:
    plain.store.create("pods", running_pod("two", containers=("main", "side")))
    with WSClient(plain, exec_target("true", pod="two")) as client:
        assert client.handshake.status == 400
        expected = b"a container name must be specified for pod two, choose one of: [main side]"
        assert expected in client.handshake.body


def test_a_pod_without_a_node_has_no_exec(plain: FakeAPIServer) -> None:
    pod = running_pod("homeless")
    pod["spec"] = {"containers": [{"name": "devserver"}]}
    plain.store.create("pods", pod)
    with WSClient(plain, exec_target("true", pod="homeless")) as client:
        assert client.handshake.status == 400
        assert b"pod homeless does not have a host assigned" in client.handshake.body


# streams


def test_stdin_alone_is_announced_on_the_error_channel(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("cat", stdin="true")) as client:
        frames = client.frames()
        assert next(frames).data == b"\x03"
        client.send(255, b"\0")
        assert next(frames).data == SUCCESS


def test_each_fragment_is_a_message_of_its_own(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("head", "-c", "4", **ALL)) as client:
        client.send_fragment(b"\0ab", last=False)
        client.send_fragment(b"\0cd", last=True)
        assert output(client) == b"abcd"


def test_messages_for_channels_that_do_not_exist_are_ignored(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("head", "-c", "1", **ALL)) as client:
        for channel in (1, 3, 7, 200):
            client.send(channel, b"?")
        client.send(0, b"x")
        assert output(client) == b"x"


@pytest.mark.parametrize("payload", [b"", b"\0\0", b"\x05", b"\xff"])
def test_a_close_signal_that_names_no_channel_ends_a_v5_connection(plain: FakeAPIServer, payload: bytes) -> None:
    with WSClient(plain, exec_target("sleep", "60", **ALL)) as client:
        client.send(255, payload)
        assert [frame.data for frame in client.frames()] == [b"\x01", b""]


def test_bytes_that_are_no_utf8_reach_the_command(plain: FakeAPIServer) -> None:
    target = exec_target("printf", "%s").replace("command=%25s", "command=%25s&command=%FF%FE")
    with WSClient(plain, target) as client:
        assert output(client) == b"\xff\xfe"


def test_a_disconnected_client_ends_stdin_and_not_the_command(plain: FakeAPIServer) -> None:
    script = "cat; echo done > /workspace/done; exec sleep 60"
    with WSClient(plain, exec_target("sh", "-c", script, **ALL)) as client:
        client.send(0, b"x")
        read_until(client.frames(), b"x")
    with WSClient(
        plain, exec_target("sh", "-c", "until test -s /workspace/done; do sleep 0.01; done; echo yes")
    ) as client:
        assert output(client) == b"yes\n"


def test_output_nobody_reads_any_more_does_not_stop_the_command(plain: FakeAPIServer) -> None:
    script = "head -c 1000000 /dev/zero; echo done > /workspace/done"
    with WSClient(plain, exec_target("sh", "-c", script)) as client:
        next(client.frames())
    with WSClient(
        plain, exec_target("sh", "-c", "until test -s /workspace/done; do sleep 0.01; done; echo yes")
    ) as client:
        assert output(client) == b"yes\n"


def test_the_session_lasts_as_long_as_a_background_child_holds_the_output(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("sh", "-c", "(sleep 0.2; echo late) & echo early")) as client:
        assert output(client) == b"early\nlate\n"


def test_a_ping_is_answered_while_the_command_runs(fake: FakeAPIServer) -> None:
    with WSClient(fake, exec_target("sleep", "60")) as client:
        client.ping()
        assert any(not isinstance(event, Frame) for event in client.events())
        # the loop above ends at the pong; anything else would have run into the timeout


# terminals


def test_a_terminal_echoes_and_ends_at_control_d(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("cat", **TTY)) as client:
        frames = client.frames()
        client.send(4, b'{"Width":80,"Height":24}')
        client.send(0, b"abc\n")
        assert read_until(frames, b"abc\r\nabc\r\n") == b"abc\r\nabc\r\n"
        client.send(0, b"\x04")
        assert next(frames).data == SUCCESS


def test_control_c_interrupts_the_command_in_a_terminal(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("cat", **TTY)) as client:
        frames = client.frames()
        client.send(0, b"up\n")
        read_until(frames, b"up\r\nup\r\n")
        client.send(0, b"\x03")
        assert b'"message":"130"' in list(frames)[-2].data


def test_a_terminal_is_resized_while_it_is_used(plain: FakeAPIServer) -> None:
    script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done"
    with WSClient(plain, exec_target("sh", "-c", script, **TTY)) as client:
        frames = client.frames()
        client.send(4, b'{"Width":80,"Height":24}')
        read_until(frames, b"ready")
        client.send(4, b'{"Width":132,"Height":50}')
        assert b"50 132" in read_until(frames, b"50 132")


def test_a_command_without_a_terminal_ignores_sizes(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("head", "-c", "1", **ALL)) as client:
        for _ in range(3):
            client.send(4, b'{"Width":80,"Height":24}')
        client.send(4, b"no JSON")
        client.send(0, b"x")
        assert output(client) == b"x"


# much, and many


def test_much_output_comes_in_large_frames_and_quickly(fake: FakeAPIServer) -> None:
    begin = time.monotonic()
    with WSClient(fake, exec_target("head", "-c", str(MEGABYTES * 1_000_000), "/dev/zero")) as client:
        lengths = [len(frame.payload) for frame in client.frames() if frame.data and frame.channel == 1]
    assert sum(lengths) == MEGABYTES * 1_000_000
    assert max(lengths) <= 32 * 1024  # the buffer of a real server
    assert sum(lengths) / len(lengths) > 4096
    assert time.monotonic() - begin < 20  # 0.1 s where nothing else runs; byte by byte it would be minutes


def test_much_data_goes_both_ways_at_once(fake: FakeAPIServer) -> None:
    chunk, count = b"x" * 32768, MEGABYTES * 1_000_000 // 32768
    with WSClient(fake, exec_target("cat", **ALL), timeout=30) as client:

        def write() -> None:
            for _ in range(count):
                client.send(0, chunk)
            client.send(255, b"\0")

        # two threads on a TLS socket are not safe for the client either, so there the two directions take turns
        if fake.tls:
            assert pumped(client, chunk, 8) == 8 * len(chunk)
            return
        writer = threading.Thread(target=write)
        writer.start()
        assert len(output(client)) == count * len(chunk)
        writer.join()


def pumped(client: WSClient, chunk: bytes, count: int) -> int:
    """Send and read in turn; returns how much came back."""
    frames = client.frames()
    next(frames)
    total = 0
    for sent in range(1, count + 1):
        client.send(0, chunk)
        while total < sent * len(chunk):
            total += len(next(frames).payload)
    return total


def test_fifty_sessions_run_at_once_and_an_idle_one_blocks_none(plain: FakeAPIServer) -> None:
    results: dict[int, bytes] = {}

    def run(number: int) -> None:
        with WSClient(plain, exec_target("sh", "-c", f"sleep 0.1; echo {number}"), timeout=30) as client:
            results[number] = output(client)

    with WSClient(plain, exec_target("cat", **ALL)):
        threads = [threading.Thread(target=run, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {number: b"%d\n" % number for number in range(50)}


# the end


def test_a_deleted_pod_takes_its_commands_with_it(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("sh", "-c", "echo up; exec sleep 60")) as client:
        frames = client.frames()
        read_until(frames, b"up")
        plain.store.delete("pods", "pod-0")
        assert b'"message":"137"' in next(frames).data


def test_a_stopped_server_leaves_no_process_thread_or_directory() -> None:
    before = set(threading.enumerate())
    server = FakeAPIServer(operator=False).start()
    server.store.create("pods", running_pod())
    script = "setsid sleep 60 > /dev/null 2>&1 & echo $!; exec sleep 60"
    with WSClient(server, exec_target("sh", "-c", script)) as client:
        pid = int(read_until(client.frames(), b"\n"))
        directory = server.tempdir
        assert (directory / "pods").is_dir()
        server.stop()
    assert not directory.exists()
    assert not runs(pid)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("command", [("cat", "/dev/zero"), ("sleep", "60")])
def test_a_client_that_neither_reads_nor_leaves_does_not_hold_up_the_stop(command: tuple[str, ...]) -> None:
    server = FakeAPIServer(operator=False).start()
    server.store.create("pods", running_pod())
    with WSClient(server, exec_target(*command)):
        begin = time.monotonic()
        server.stop()
    assert time.monotonic() - begin < 2


def runs(pid: int) -> bool:
    """Does a process run (a zombie does not)?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
            return stream.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


# faults


class Suffering(Faults):
    """Every exec session suffers one fault."""

    def __init__(self, name: str) -> None:
        super().__init__(threading.Event())
        self._name = name

    def exec_fault(self, request: Request) -> Optional[str]:
        return self._name


@pytest.fixture
def suffering(fake: FakeAPIServer) -> Callable[[str], FakeAPIServer]:
    def arrange(name: str) -> FakeAPIServer:
        fake.faults = Suffering(name)
        return fake

    return arrange


def test_fault_close_without_status(suffering: Callable[[str], FakeAPIServer]) -> None:
    with WSClient(suffering("close_without_status"), exec_target("echo", "x")) as client:
        assert [frame.data for frame in client.frames()] == [b"\x01", b"\x01x\n", b""]


def received_until(client: WSClient, failure: type[OSError]) -> list[bytes]:
    """All messages, up to the failure that has to come."""
    seen = []
    try:
        for frame in client.frames():
            seen.append(frame.data)  # noqa: PERF401 (what came before the failure is wanted)
    except failure:
        return seen
    raise AssertionError(f"the connection ended without {failure.__name__}: {seen}")


def test_fault_reset_before_the_status(plain: FakeAPIServer) -> None:
    plain.faults = Suffering("reset_before_status")
    with WSClient(plain, exec_target("echo", "x")) as client:
        assert received_until(client, ConnectionResetError) == [b"\x01", b"\x01x\n"]


def test_fault_reset_after_the_status(plain: FakeAPIServer) -> None:
    plain.faults = Suffering("reset_after_status")
    with WSClient(plain, exec_target("echo", "x")) as client:
        assert received_until(client, ConnectionResetError) == [b"\x01", b"\x01x\n", SUCCESS]


def test_fault_silence_at_the_end(suffering: Callable[[str], FakeAPIServer]) -> None:
    with WSClient(suffering("stall_at_the_end"), exec_target("echo", "x"), timeout=0.5) as client:
        assert received_until(client, TimeoutError) == [b"\x01", b"\x01x\n"]


def test_fault_split_frames(suffering: Callable[[str], FakeAPIServer]) -> None:
    with WSClient(suffering("split_frames"), exec_target("echo", "hello")) as client:
        assert [frame.data for frame in client.frames()] == [b"\x01", b"\x01hello\n", SUCCESS, b""]


def test_fault_unknown_channels(suffering: Callable[[str], FakeAPIServer]) -> None:
    with WSClient(suffering("unknown_channels"), exec_target("echo", "x")) as client:
        channels = [frame.channel for frame in client.frames() if frame.opcode != "close"]
    assert channels == [9, 1, 9, 1, 9, 3]


def test_fault_subprotocol_refused(suffering: Callable[[str], FakeAPIServer]) -> None:
    with WSClient(suffering("subprotocol_refused"), exec_target("true")) as client:
        assert client.handshake.status == 403


def test_fault_no_subprotocol_echoed(suffering: Callable[[str], FakeAPIServer]) -> None:
    with WSClient(suffering("no_subprotocol_echoed"), exec_target("true")) as client:
        assert client.handshake.status == 101
        assert "sec-websocket-protocol" not in client.handshake.headers


def test_attach_shows_what_the_container_prints_from_now_on(plain: FakeAPIServer) -> None:
    pods = Pods.of(plain)
    pods.log("default", "pod-0", "before")
    target = exec_target(**BOTH).replace("/exec?", "/attach?")
    with WSClient(plain, target) as client:
        frames = client.frames()
        assert next(frames).data == b"\x01"
        pods.log("default", "pod-0", "hello")
        assert next(frames).data == b"\x01hello\n"
        plain.store.delete("pods", "pod-0")
        assert next(frames).data == SUCCESS
