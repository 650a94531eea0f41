"""Whatever ends a call of exec() ends the command in the container, too; what could not be ended is told in a note."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable

import pytest

from devservers import errors
from devservers.crds.commands import killing
from devservers.crds.devserver import DevServer
from tests.stopwatch import Stopwatch

from .builders import LONG, eventually, requests_of
from .staged import StagedServer
from .test_exec_timeout import lifetime, processes_with

ROOT = Path(__file__).parents[2]

PROGRAM = """
import signal, sys
from devservers.crds.commands import killing
from devservers.crds.devserver import DevServer

killing.KILL_SECONDS = 20  # this is not about how long it may take
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
server = DevServer.get("dev")
try:
    server.exec(sys.argv[1], shell=True, stdout=lambda data: print("begun", flush=True))
except KeyboardInterrupt as error:
    print("interrupted", *getattr(error, "__notes__", ()), flush=True)
"""


def notes_of(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", ()))


@pytest.mark.usefixtures("devserver")
def test_ctrl_c_ends_the_command_and_its_children() -> None:
    seconds = lifetime()
    script = f"echo begun; sleep {seconds} & env -i sleep {seconds}"
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PROGRAM, script], cwd=ROOT, text=True, **pipes) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "begun\n"
            os.kill(child.pid, signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
        finally:
            child.kill()
    eventually(lambda: not processes_with(seconds), "the death of the command and its children")


def test_the_call_ends_within_a_second_of_what_ends_it(devserver: DevServer) -> None:
    watches: list[Stopwatch] = []

    def interrupt(data: bytes) -> None:
        watches.append(Stopwatch())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        devserver.exec("echo x; sleep 1000; :", shell=True, stdout=interrupt)
    assert watches[0].own_seconds < 1.2  # a second, and what a busy machine adds


@pytest.mark.usefixtures("unhurried")
def test_a_ctrl_c_is_felt_though_it_does_not_end_the_wait_under_way(modern: DevServer) -> None:
    """As when it comes just before the wait begins; here another thread gets the signal."""
    seconds = lifetime()
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()
    interrupt = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))

    def begun(data: bytes) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        interrupt.start()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    watch = Stopwatch()
    try:
        with pytest.raises(KeyboardInterrupt):
            modern.exec(f"echo begun; sleep {seconds}; :", shell=True, stdout=begun)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
        ended.set()
        other.join()
    assert watch.own_seconds < 5
    eventually(lambda: not processes_with(seconds), "the death of the command")


def test_what_a_callback_raises_ends_the_command(devserver: DevServer) -> None:
    seconds = lifetime()

    def full(data: bytes) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full") as caught:
        devserver.exec(f"echo x; sleep {seconds}; :", shell=True, stdout=full)
    assert notes_of(caught.value) == []
    eventually(lambda: not processes_with(seconds), "the death of the command")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, ZeroDivisionError])
@pytest.mark.usefixtures("unhurried")
def test_it_matters_not_what_it_is(modern: DevServer, kind: type[BaseException]) -> None:
    seconds = lifetime()

    def leave(data: bytes) -> None:
        raise kind

    with pytest.raises(kind):
        modern.exec(f"echo x; sleep {seconds}; :", shell=True, stdout=leave)
    eventually(lambda: not processes_with(seconds), "the death of the command")


def leaving(data: bytes) -> None:
    raise KeyboardInterrupt


def test_a_command_that_could_not_be_killed_is_told_of_in_a_note(shell_less: DevServer) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        shell_less.exec(["cat", "/dev/zero"], stdout=leaving)
    where = f'pod "{shell_less.pod_name}" in namespace "default", container devserver'
    why = "it could not be killed and may still run: that needs /bin/sh in the container"
    assert notes_of(caught.value) == [f"'cat' in {where}: {why}"]


@pytest.mark.usefixtures("unhurried")
def test_a_killing_that_is_refused_is_told_of_in_a_note(operated: StagedServer, modern: DevServer) -> None:
    operated.after("GET", "/exec", lambda: operated.rules.deny("admin", "*", "pods/exec"))
    with pytest.raises(KeyboardInterrupt) as caught:
        modern.exec(["yes"], stdout=leaving)
    assert "'yes' in pod" in notes_of(caught.value)[0]
    assert "it could not be killed and may still run (" in notes_of(caught.value)[0]
    assert "forbidden" in notes_of(caught.value)[0]


def test_another_ctrl_c_while_it_is_killed_is_obeyed_at_once_and_told(
    operated: StagedServer, modern: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = threading.main_thread().ident
    assert main is not None
    monkeypatch.setattr(killing, "KILL_SECONDS", LONG)

    def again() -> None:
        signal.pthread_kill(main, signal.SIGINT)

    def leave(data: bytes) -> None:
        operated.before("GET", "/exec", again)
        raise KeyboardInterrupt

    with operated.fault.stall("get", "pods/exec", nth=2), pytest.raises(KeyboardInterrupt) as caught:
        modern.exec(["yes"], stdout=leave)
    assert notes_of(caught.value) == [
        (
            f'a command in pod "{modern.pod_name}" in namespace "default", container devserver was about to be killed, '
            "and may still run"
        )
    ]


@pytest.mark.usefixtures("unhurried")
def test_a_lost_connection_ends_the_command(operated: StagedServer, modern: DevServer) -> None:
    seconds = lifetime()
    with operated.fault.kubelet_lost(output=2, times=1), pytest.raises(errors.ExecConnectionLostError) as caught:
        modern.exec(f"echo x; sleep {seconds}; :", shell=True)
    assert str(caught.value).endswith("its exit code is unknown; it was killed")
    eventually(lambda: not processes_with(seconds), "the death of the command")


REFUSALS: dict[str, Callable[[StagedServer], Any]] = {
    "forbidden": lambda server: server.fault.forbidden("get", "pods/exec"),
    "a redirect": lambda server: server.fault.redirect("get", "pods/exec"),
    "a proxy's page": lambda server: server.fault.bad_gateway_html("get", "pods/exec"),
    "no subprotocol": lambda server: server.fault.exec_subprotocol_refused(),
}


@pytest.mark.parametrize("refused", list(REFUSALS.values()), ids=list(REFUSALS))
def test_where_nothing_was_started_nothing_is_killed(
    operated: StagedServer, modern: DevServer, refused: Callable[[StagedServer], Any]
) -> None:
    with refused(operated), pytest.raises(errors.DevServersError) as caught:
        modern.exec("true")
    assert requests_of(operated, "GET", "proc") == []
    assert notes_of(caught.value) == []


def test_a_command_that_ended_is_not_killed_for_what_comes_after(operated: StagedServer, modern: DevServer) -> None:
    with pytest.raises(errors.CommandFailedError):
        modern.exec("false", check=True)
    with pytest.raises(UnicodeDecodeError):
        modern.exec(["printf", "\\377"], errors="strict")
    assert requests_of(operated, "GET", "proc") == []


def test_a_command_that_may_have_begun_though_the_upgrade_failed_is_killed(
    operated: StagedServer, modern: DevServer
) -> None:
    seconds = lifetime()
    with operated.fault.exec_no_subprotocol_echoed(times=1), pytest.raises(errors.ProtocolError) as caught:
        modern.exec(["sleep", seconds])
    assert notes_of(caught.value) == []
    eventually(lambda: not processes_with(seconds), "the death of the command")
