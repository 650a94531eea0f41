"""exec(timeout=…): the call ends in time, and the command in the container ends with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devservers import errors
from devservers.crds.commands.execution import Output, completing_failures
from devservers.crds.commands.run import Call, run
from devservers.crds.commands.wrapper import Command
from devservers.crds.devserver import DevServer
from devservers.transport import ClientConfig, RESTClient
from devservers.transport.deadline import Deadline
from devservers.transport.exec.session import ExecTarget
from tests.stopwatch import Stopwatch
from tests.transport.tlsserver import serving, stay_silent

from .builders import LONG, eventually, pod_name
from .staged import StagedServer

TIMEOUT = 0.6
ENOUGH = 3.0
"""Seconds within which a command begins and says something, however busy the machine."""


def processes_with(word: str) -> list[int]:
    """The processes of this machine (where the fake's containers live) that hold a word in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and word.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass  # gone meanwhile
    return [pid for pid in found if pid != os.getpid()]


def lifetime() -> str:
    """A number of seconds to sleep that no other process sleeps, to find it again by."""
    return f"1000.{int.from_bytes(os.urandom(6), 'big')}"


def test_a_command_that_ends_in_time_is_not_touched(devserver: DevServer) -> None:
    result = devserver.exec("echo x; exit 3", shell=True, timeout=LONG)
    assert (result.stdout, result.returncode) == ("x\n", 3)


def test_the_call_for_one_that_does_not_ends_within_a_second_of_its_timeout(devserver: DevServer) -> None:
    watch = Stopwatch()
    with pytest.raises(errors.ExecTimeoutError):
        devserver.exec("sleep 1000", timeout=TIMEOUT)
    assert watch.seconds >= TIMEOUT
    assert watch.own_seconds < TIMEOUT + 1


@pytest.mark.usefixtures("unhurried")
def test_a_command_that_does_not_is_killed_with_its_children(either: StagedServer, devserver: DevServer) -> None:
    seconds = lifetime()
    with pytest.raises(errors.ExecTimeoutError) as caught:
        devserver.exec(f"sleep {seconds} & sleep {seconds}; echo never", shell=True, timeout=TIMEOUT)
    assert str(caught.value) == (
        f'\'/bin/sh\' in pod "{pod_name(either)}" in namespace "default", container devserver '
        "did not end within 0.6 s; it was killed"
    )
    eventually(lambda: not processes_with(seconds), "the death of the command and its children")


def test_the_error_is_a_timeout_error_with_what_had_come(devserver: DevServer) -> None:
    with pytest.raises(TimeoutError) as caught:
        devserver.exec("echo out; echo err >&2; sleep 1000", shell=True, timeout=ENOUGH)
    assert isinstance(caught.value, errors.ExecTimeoutError)
    assert (caught.value.stdout, caught.value.stderr) == ("out\n", "err\n")
    assert caught.value.command == ["/bin/sh", "-c", "echo out; echo err >&2; sleep 1000"]


@pytest.mark.usefixtures("unhurried")
def test_a_command_waiting_for_a_reader_of_its_output_or_drowning_in_it_is_killed_as_well(devserver: DevServer) -> None:
    with pytest.raises(errors.ExecTimeoutError) as caught:
        devserver.exec("yes", timeout=TIMEOUT, stdout=lambda data: None)
    assert str(caught.value).startswith("'yes' in pod")
    assert str(caught.value).endswith("it was killed")


@pytest.mark.usefixtures("unhurried")
def test_a_command_that_reads_endless_input_is_killed_as_well(devserver: DevServer) -> None:
    seconds = lifetime()
    with pytest.raises(errors.ExecTimeoutError, match="it was killed"):
        devserver.exec(["sleep", seconds], input=b"x" * 10_000_000, timeout=TIMEOUT)
    eventually(lambda: not processes_with(seconds), "the death of the command")


@pytest.mark.usefixtures("unhurried")
def test_on_busybox_it_is_killed_as_well(busybox: DevServer) -> None:
    seconds = lifetime()
    with pytest.raises(errors.ExecTimeoutError, match="it was killed"):
        busybox.exec(["sleep", seconds], timeout=TIMEOUT)
    eventually(lambda: not processes_with(seconds), "the death of the command")


def test_without_a_shell_it_runs_on_and_the_error_says_so(shell_less: DevServer) -> None:
    assert shell_less.exec("echo x", timeout=LONG).stdout == "x\n"
    seconds = lifetime()
    with pytest.raises(errors.ExecTimeoutError, match="could not be killed and may still run: that needs /bin/sh"):
        shell_less.exec(["sleep", seconds], timeout=TIMEOUT)
    assert processes_with(seconds)


@pytest.mark.parametrize(
    "script", ["env -i sleep {}; true", "env -i setsid sleep {} & wait", "(env -i sleep {} &); sleep {}"]
)
@pytest.mark.usefixtures("unhurried")
def test_a_child_that_lost_the_environment_is_killed_as_well(devserver: DevServer, script: str) -> None:
    seconds = lifetime()
    with pytest.raises(errors.ExecTimeoutError, match="it was killed"):
        devserver.exec(script.replace("{}", seconds), shell=True, timeout=TIMEOUT)
    eventually(lambda: not processes_with(seconds), "the death of the child")


@pytest.mark.usefixtures("unhurried")
def test_a_command_that_hides_from_the_killer_is_not_said_to_be_killed(modern: DevServer) -> None:
    with pytest.raises(errors.ExecTimeoutError, match="no process of it was found"):
        modern.exec(["env", "-i", "sleep", "1000"], timeout=2 * ENOUGH)


@pytest.mark.usefixtures("unhurried")
def test_a_killing_that_is_not_allowed_is_told(operated: StagedServer, modern: DevServer) -> None:
    def forbid() -> None:
        operated.rules.deny("admin", "*", "pods/exec")

    operated.after("GET", "/exec", forbid)
    with pytest.raises(errors.ExecTimeoutError, match=r"could not be killed and may still run .*forbidden"):
        modern.exec(["sleep", "1000"], timeout=TIMEOUT)


def test_no_time_at_all_is_a_timeout_like_any_other_and_nothing_is_started(devserver: DevServer) -> None:
    with pytest.raises(errors.ExecTimeoutError, match="'touch' was not started within 0 s") as caught:
        devserver.exec("touch /tmp/started", timeout=0)
    assert caught.value.command == ["touch", "/tmp/started"]
    assert devserver.exec("ls /tmp/started").returncode != 0


@pytest.mark.parametrize("verb", ["list", "get"])
def test_a_server_that_says_nothing_does_not_prolong_the_call(
    operated: StagedServer, modern: DevServer, verb: str
) -> None:
    resource = "pods" if verb == "list" else "pods/exec"
    watch = Stopwatch()
    with operated.fault.stall(verb, resource), pytest.raises(TimeoutError):
        modern.exec(["true"], timeout=TIMEOUT)
    assert watch.own_seconds < TIMEOUT + 1.2


def test_a_command_that_was_not_even_asked_for_is_not_said_to_run() -> None:
    """The connection was not to be had: nothing was sent, and there is nothing to kill."""
    with serving(stay_silent) as silent, RESTClient(ClientConfig(f"https://127.0.0.1:{silent.port}")) as client:
        command, deadline = Command(["touch", "x"], "id"), Deadline(TIMEOUT)
        call = Call(client, ExecTarget("n", "p"), None, print, print, deadline)
        with pytest.raises(errors.ExecTimeoutError) as caught:
            with completing_failures(command, Output(), deadline):
                run(call, command)
        connections = len(silent.seen)
    assert str(caught.value).startswith(f"'touch' was not started within {TIMEOUT:g} s: ")
    assert "may still run" not in str(caught.value)
    assert connections <= 1


def test_a_session_whose_end_is_never_told_ends_in_time(operated: StagedServer, modern: DevServer) -> None:
    watch = Stopwatch()
    with operated.fault.exec_stalls_at_the_end(), pytest.raises(errors.ExecTimeoutError) as caught:
        modern.exec("echo x", timeout=ENOUGH)
    assert caught.value.stdout == "x\n"
    assert watch.own_seconds < ENOUGH + 1.2
