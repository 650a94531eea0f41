"""Many commands at once, from many threads, over one client."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devservers.crds.devserver import DevServer
from tests.stopwatch import Stopwatch

from .builders import LONG

AT_ONCE = 50


def test_fifty_commands_run_at_the_same_time_and_each_has_its_own_output(devserver: DevServer) -> None:
    meeting = "/workspace/meeting"
    devserver.exec(["mkdir", meeting], check=True)
    # Each waits until all have come: one after the other they would never end.
    script = f'touch {meeting}/$1; until [ "$(ls {meeting} | wc -l)" -ge {AT_ONCE} ]; do sleep 0.05; done; cat; exit $1'

    def run(number: int) -> tuple[str, int]:
        result = devserver.exec(["sh", "-c", script, "sh", str(number)], input=f"input {number}", timeout=60)
        return result.stdout, result.returncode

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(run, range(AT_ONCE)))
    assert results == [(f"input {number}", number) for number in range(AT_ONCE)]


def test_a_slow_reader_does_not_hold_others_up(modern: DevServer) -> None:
    full, done = threading.Event(), threading.Event()

    def slow(data: bytes) -> None:
        full.set()
        assert done.wait(LONG)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(modern.exec, "head -c 5000000 /dev/zero", stdout=slow)
        try:
            assert full.wait(LONG)
            watch = Stopwatch()
            assert modern.exec("echo x").stdout == "x\n"
            assert watch.own_seconds < LONG / 2
        finally:
            done.set()
        assert reading.result(LONG).returncode == 0


def test_sessions_leave_no_connection_open(modern: DevServer) -> None:
    modern.exec("true")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        modern.exec("true")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 5  # the fake's own ends may linger a little
