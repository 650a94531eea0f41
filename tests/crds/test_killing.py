"""The script that kills a command in its container: it finds what belongs to it, and touches nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Optional

import pytest

from devservers.crds.commands.commandline import SHELL
from devservers.crds.commands.killing import killer
from devservers.crds.commands.wrapper import IDENTITY_VARIABLE, Command
from tests.machine import where_it_is

from .builders import LONG, eventually

KILLED, NOT_FOUND, NO_PROC, SURVIVED = range(10, 14)
SHELLS = {"sh": ["/bin/sh"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}


@pytest.fixture(params=where_it_is(SHELLS))
def shell(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    return found


def processes_with(word: str) -> list[int]:
    """The processes that have this word on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and word.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            pass  # gone meanwhile
    return found


class Victim:
    """A command that runs as one in a container does: in a session of its own, with an identity in its environment."""

    def __init__(self, script: str, identity: Optional[str] = None, marked: bool = False) -> None:
        self.identity = identity or os.urandom(8).hex()
        self.seconds = f"1000.{int.from_bytes(os.urandom(6), 'big')}"
        words = ["bash", "-c", script.replace("SLEEP", f"sleep {self.seconds}")]
        argv = Command(words, self.identity).plan(marked=marked).argv
        self.process = subprocess.Popen(argv, start_new_session=True)

    def sleepers(self) -> list[int]:
        """The processes that it has come to."""
        return processes_with(self.seconds)

    def await_sleepers(self, count: int) -> None:
        eventually(lambda: len(self.sleepers()) == count, f"{count} processes asleep")

    def end(self) -> None:
        self.process.kill()
        self.process.wait(LONG)
        for pid in self.sleepers():
            os.kill(pid, 9)


Start = Callable[..., Victim]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts victims; none is left."""
    begun: list[Victim] = []

    def begin(script: str, sleepers: int = 1, identity: Optional[str] = None, marked: bool = False) -> Victim:
        begun.append(Victim(script, identity, marked))
        begun[-1].await_sleepers(sleepers)
        return begun[-1]

    yield begin
    for victim in begun:
        victim.end()


def kill(shell: list[str], identity: str, path: Optional[Path] = None, user: Optional[int] = None) -> int:
    """Run the killer as a container would: in a session of its own. Its exit code."""
    program = shutil.which(shell[0])
    assert program is not None
    argv = [program, *shell[1:], *killer(identity)[1:]]
    environment = {"PATH": str(path or os.environ["PATH"])}
    return subprocess.run(
        argv, env=environment, start_new_session=True, check=False, timeout=LONG, user=user, cwd="/"
    ).returncode


FOUND = {
    "the command itself": ("exec SLEEP", 1),
    "its children": ("SLEEP & SLEEP; :", 2),
    "a child without its environment": ("env -i SLEEP; :", 1),
    "a child in another session without its environment": ("env -i setsid SLEEP & wait", 1),
    "a grandchild whose parent has gone": ("(env -i SLEEP &); SLEEP", 2),
    "a child that has left its session": ("setsid -f SLEEP; SLEEP", 2),
    "one with a name like the end of its line in /proc": ("exec -a 'x) Z 1 1 1' SLEEP; :", 1),
    "one that ignores signals": ("trap '' TERM INT HUP; SLEEP; :", 1),
}


@pytest.mark.parametrize(("script", "sleepers"), list(FOUND.values()), ids=list(FOUND))
def test_it_kills(shell: list[str], start: Start, script: str, sleepers: int) -> None:
    victim = start(script, sleepers)
    assert kill(shell, victim.identity) == KILLED
    eventually(lambda: not victim.sleepers(), "the death of all of it")
    assert victim.process.wait(LONG) == -9


@pytest.fixture
def lean(tmp_path: Path) -> Path:
    """A search path with sleep and nothing else."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sleep").symlink_to(shutil.which("sleep") or "")
    return tools


def test_it_needs_no_grep(shell: list[str], start: Start, lean: Path) -> None:
    victim = start("env -i SLEEP & SLEEP; :", 2)
    assert kill(shell, victim.identity, path=lean) == KILLED
    eventually(lambda: not victim.sleepers(), "the death of all of it")


def test_a_shell_that_waits_for_the_command_goes_with_all_its_session(shell: list[str], start: Start) -> None:
    victim = start("(env -i SLEEP &); exec env -i SLEEP", 2, marked=True)
    assert kill(shell, victim.identity) == KILLED
    eventually(lambda: not victim.sleepers(), "the death of all of it")


def test_what_has_cleared_its_environment_and_has_no_parent_of_ours_is_not_found(
    shell: list[str], start: Start
) -> None:
    victim = start("exec env -i SLEEP")
    assert kill(shell, victim.identity) == NOT_FOUND
    assert victim.sleepers()


def test_a_command_that_has_ended_is_not_found(shell: list[str]) -> None:
    assert kill(shell, os.urandom(8).hex()) == NOT_FOUND


def test_a_command_that_begins_a_moment_later_is_found(shell: list[str]) -> None:
    identity = os.urandom(8).hex()
    program = shutil.which(shell[0])
    assert program is not None
    argv = [program, *shell[1:], *killer(identity)[1:]]
    with subprocess.Popen(argv, start_new_session=True, stdout=subprocess.PIPE) as killing:
        victim = Victim("SLEEP; :", identity)
        try:
            assert killing.wait(LONG) == KILLED
            eventually(lambda: not victim.sleepers(), "the death of it")
        finally:
            victim.end()


def test_another_command_is_not_touched(shell: list[str], start: Start) -> None:
    bystander, victim = start("SLEEP; :"), start("SLEEP; :")
    assert kill(shell, victim.identity) == KILLED
    assert bystander.sleepers()
    assert bystander.process.poll() is None


def test_a_process_that_only_shares_a_session_with_the_command_is_not_touched(shell: list[str]) -> None:
    """As where the runtime gives a command no session of its own."""
    identity, seconds = os.urandom(8).hex(), f"1000.{int.from_bytes(os.urandom(6), 'big')}"
    script = f"read id; sleep {seconds} & {IDENTITY_VARIABLE}=$id sleep {seconds} & wait"
    with subprocess.Popen([SHELL, "-c", script], start_new_session=True, stdin=subprocess.PIPE) as session:
        assert session.stdin is not None
        session.stdin.write(f"{identity}\n".encode())
        session.stdin.close()
        try:
            eventually(lambda: len(processes_with(seconds)) == 2, "two processes")
            assert kill(shell, identity) == KILLED
            eventually(lambda: len(processes_with(seconds)) == 1, "the death of one")
            assert session.poll() is None
        finally:
            os.killpg(session.pid, 9)


def test_a_script_that_multiplies_is_killed_to_the_last(shell: list[str], start: Start) -> None:
    victim = start("for i in 1 2 3 4 5; do (SLEEP & env -i SLEEP &) ; done; wait; SLEEP", 11)
    assert kill(shell, victim.identity) == KILLED
    eventually(lambda: not victim.sleepers(), "the death of all of it")


SLOW_KILL = """kill(){
x= z=$1;shift
for y;do x="$y $x";done
for y in $x;do command kill $z $y;sleep .1;done
}
"""
"""Children first, and time in between: what a busy machine may make of it."""


def test_a_script_does_not_go_on_when_the_command_it_waits_for_is_killed(
    shell: list[str], start: Start, tmp_path: Path
) -> None:
    went_on = tmp_path / "went-on"
    victim = start(f"SLEEP; touch {went_on}")
    script = SLOW_KILL + killer(victim.identity)[2]
    subprocess.run([*shell, "-c", script, SHELL, victim.identity], check=False, timeout=LONG, start_new_session=True)
    assert victim.process.wait(LONG) == -9
    assert not went_on.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have processes of two users")
def test_a_child_that_belongs_to_another_user_is_not_said_to_be_killed(shell: list[str], start: Start) -> None:
    victim = start("SLEEP & exec setpriv --reuid=65534 --clear-groups SLEEP", 2)
    assert kill(shell, victim.identity, user=65534) == SURVIVED
    assert len(victim.sleepers()) == 1


def test_without_proc_nothing_is_said_to_be_killed(shell: list[str]) -> None:
    script = killer("x")[2].replace("/proc/", "/no/proc/")
    done = subprocess.run([*shell, "-c", script, SHELL, "x"], check=False, timeout=LONG)
    assert done.returncode == NO_PROC


def test_the_script_is_short_enough_for_an_url() -> None:
    assert len(killer("0123456789abcdef")[2]) < 1200
