"""Large and concurrent exec sessions, and what is left when the pod or the server goes."""

from __future__ import annotations

import threading
import time

import pytest

from tests.fakeapiserver import FakeAPIServer

from .wsclient import ALL, WSClient, exec_target, output, read_until, running_pod

MEGABYTES = 20


def test_large_output_comes_quickly_and_in_large_frames(either: FakeAPIServer) -> None:
    begin = time.monotonic()
    with WSClient(either, exec_target("head", "-c", str(MEGABYTES * 1_000_000), "/dev/zero")) as client:
        lengths = [len(frame.payload) for frame in client.frames() if frame.data and frame.channel == 1]
    assert sum(lengths) == MEGABYTES * 1_000_000
    assert max(lengths) <= 32 * 1024  # the buffer of a real server
    assert sum(lengths) / len(lengths) > 4096
    assert time.monotonic() - begin < 20  # 0.1 s where nothing else runs; byte by byte it would be minutes


def test_large_data_goes_both_ways_at_once(either: FakeAPIServer) -> None:
    chunk, count = b"x" * 32768, MEGABYTES * 1_000_000 // 32768
    with WSClient(either, exec_target("cat", **ALL), timeout=30) as client:

        def write() -> None:
            for _ in range(count):
                client.send(0, chunk)
            client.send(255, b"\0")

        # the client's TLS socket cannot be used by two threads, so over TLS the two directions take turns
        if either.tls:
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


def test_fifty_sessions_run_at_once_and_an_idle_one_blocks_none_of_them(plain: FakeAPIServer) -> None:
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


def test_deleting_a_pod_ends_its_commands(plain: FakeAPIServer) -> None:
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
def test_a_client_that_does_not_read_does_not_delay_stopping(command: tuple[str, ...]) -> None:
    server = FakeAPIServer(operator=False).start()
    server.store.create("pods", running_pod())
    with WSClient(server, exec_target(*command)):
        begin = time.monotonic()
        server.stop()
    assert time.monotonic() - begin < 20  # not the minute that the command takes


def runs(pid: int) -> bool:
    """Does a process run (a zombie does not)?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
            return stream.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
