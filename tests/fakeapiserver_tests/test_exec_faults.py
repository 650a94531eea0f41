"""Each fault of exec, as a WebSocket client sees it."""

from __future__ import annotations

import threading
from typing import Callable, Optional

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.faults import Faults
from tests.fakeapiserver.faults.execfaults import ExecFault
from tests.fakeapiserver.serving.http import Request

from .wsclient import ALL, SUCCESS, V4, V5, Frame, WSClient, exec_target, read_until


class Suffering(Faults):
    """A fault in every exec session."""

    def __init__(self, name: str, **amounts: int) -> None:
        super().__init__(threading.Event())
        self._fault = ExecFault(name, **amounts)

    def exec_fault(self, request: Request) -> Optional[ExecFault]:
        return self._fault


@pytest.fixture
def suffering(either: FakeAPIServer) -> Callable[[str], FakeAPIServer]:
    def arrange(name: str) -> FakeAPIServer:
        either.faults = Suffering(name)
        return either

    return arrange


def test_fault_close_without_status(suffering: Callable[[str], FakeAPIServer]) -> None:
    with WSClient(suffering("close_without_status"), exec_target("echo", "x")) as client:
        assert [frame.data for frame in client.frames()] == [b"\x01", b"\x01x\n", b""]


def received_until(client: WSClient, failure: type[OSError]) -> list[bytes]:
    """All messages, up to the failure that must come."""
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


CUT = exec_target("sh", "-c", "echo before; echo err >&2; sleep 1000; echo after")


def test_fault_kubelet_lost_on_v5_is_success_with_truncated_output(plain: FakeAPIServer) -> None:
    plain.faults = Suffering("kubelet_lost", output=11)
    with WSClient(plain, CUT, (V5, V4)) as client:
        frames = list(client.frames())
    assert client.protocol == V5
    assert sorted(frame.data for frame in frames[:-2]) == [b"\x01", b"\x01before\n", b"\x02err\n"]
    assert (frames[-2].data, frames[-1]) == (SUCCESS, Frame("close", b"", 1000))


def test_fault_kubelet_lost_on_v4_is_the_end_of_the_stream(plain: FakeAPIServer) -> None:
    plain.faults = Suffering("kubelet_lost", output=11)
    with WSClient(plain, CUT, (V4,)) as client:
        assert sorted(frame.data for frame in client.frames()) == [b"\x01", b"\x01before\n", b"\x02err\n"]


@pytest.mark.parametrize("protocol", [V4, V5])
def test_fault_kubelet_lost_can_wait_for_input(plain: FakeAPIServer, protocol: str) -> None:
    plain.faults = Suffering("kubelet_lost", output=3, stdin=6)
    with WSClient(plain, exec_target("cat", **ALL), (protocol,)) as client:
        frames = client.frames()
        client.send(0, b"abc")
        assert read_until(frames, b"abc") == b"abc"
        client.send(0, b"def")
        assert [frame.data for frame in frames] == ([SUCCESS, b""] if protocol == V5 else [])


def test_fault_kubelet_lost_cuts_output_in_mid_frame(plain: FakeAPIServer) -> None:
    plain.faults = Suffering("kubelet_lost", output=3)
    with WSClient(plain, exec_target("echo", "hello"), (V4,)) as client:
        assert [frame.data for frame in client.frames()] == [b"\x01", b"\x01hel"]


def test_fault_disk_full_makes_writes_fail_while_it_lasts(either: FakeAPIServer) -> None:
    write = exec_target("sh", "-c", "head -c 5000 /dev/zero >/tmp/f || echo failed; echo ok >/tmp/g")
    with either.fault.disk_full(4096), WSClient(either, write) as client:
        assert read_until(client.frames(), b"failed\n").endswith(b"failed\n")
    with WSClient(either, write) as client:
        assert b"failed" not in b"".join(frame.data for frame in client.frames())
