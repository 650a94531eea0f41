"""The ``ps`` that the fake's images bring on a machine without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakeapiserver.pods import ps
from tests.fakeapiserver.pods.sandbox import CannotStart, Sandbox
from tests.machine import PS, needs_procps

from .test_runtime import run

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc to read processes from")
PROGRAM = [sys.executable, "-I", "-S", ps.__file__]
AUX = b"USER       PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n"


@pytest.fixture
def sleeper() -> Iterator[int]:
    """The pid of a process that has started and is waiting."""
    pipe = subprocess.PIPE
    with subprocess.Popen(["cat", "-u"], stdin=pipe, stdout=pipe, bufsize=0, start_new_session=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"x")
        assert process.stdout.read(1) == b"x"
        while ps.Process(process.pid).state != "S":  # it has answered, and waits for more from now on
            os.sched_yield()
        yield process.pid
        process.kill()


@pytest.fixture
def _no_ps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has only a few programs."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "grep", "echo", "tar"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(programs))


def said(*options: str) -> list[str]:
    """The lines that it prints."""
    done = subprocess.run([*PROGRAM, *options], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def row_of(pid: int, lines: list[str]) -> list[str]:
    [row] = [line.split() for line in lines if str(pid) in line.split()[:2]]
    return row


@pytest.mark.usefixtures("_no_ps")
@pytest.mark.parametrize("image", ["ubuntu:22.04", "notar", "busybox"])
def test_an_image_brings_ps_where_the_machine_has_none(tmp_path: Path, image: str) -> None:
    box = Sandbox(str(tmp_path / "pod"), image=image)
    try:
        assert run(box, "ps", "aux").out.startswith(AUX)
        found = run(box, "sh", "-c", "ps aux | grep my-process").out
        assert b" sh -c ps aux | grep my-process\n" in found
    finally:
        box.remove()


@pytest.mark.usefixtures("_no_ps")
def test_an_image_with_few_programs_has_no_ps(tmp_path: Path) -> None:
    box = Sandbox(str(tmp_path / "pod"), image="distroless")
    try:
        with pytest.raises(CannotStart, match="not found"):
            run(box, "ps")
    finally:
        box.remove()


@needs_procps
@pytest.mark.parametrize(
    "options",
    [["aux"], ["-aux"], ["-ef"], ["ax"], ["-e"], ["-A", "-ww"], ["axo", "pid,ppid,stat,comm,args"],
     ["-eo", "pid=,user= cmd"]],
    ids=" ".join,
)  # fmt: skip
def test_output_is_the_same_as_that_of_procps(sleeper: int, options: list[str]) -> None:
    real = subprocess.run([PS, *options], capture_output=True, text=True, check=True).stdout.splitlines()
    ours = said(*options)
    assert ours[0].split() == real[0].split()
    moving = {"RSS", "%MEM", "%CPU", "C", "START", "STIME"}
    compared = [
        [cell for head, cell in zip(real[0].split(), row_of(sleeper, lines)) if head not in moving]
        for lines in (ours, real)
    ]
    assert compared[0] == compared[1]


@pytest.mark.parametrize("options", [["aux"], ["-ef"], ["ax"], ["-e"], ["-fp", "{pid}"], ["-p{pid}"]], ids=" ".join)
def test_a_process_is_found_by_every_option(sleeper: int, options: list[str]) -> None:
    row = row_of(sleeper, said(*(option.format(pid=sleeper) for option in options)))
    assert row[-2:] == ["cat", "-u"] or row[-1] == "cat"


def test_a_process_that_has_ended_is_not_found() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    done = subprocess.run([*PROGRAM, "-p", str(process.pid)], capture_output=True, check=False)
    assert (done.returncode, done.stdout.split()) == (1, [b"PID", b"TTY", b"TIME", b"CMD"])


def test_without_options_only_the_callers_processes_are_shown() -> None:
    mine = subprocess.run([*PROGRAM], capture_output=True, text=True, check=True).stdout
    assert row_of(os.getpid(), mine.splitlines())


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["-Q"], "unsupported option '-Q'"),
        (["auxZ"], "unsupported option 'auxZ'"),
        (["-o", "nothing"], "unknown format specifier 'nothing'"),
        (["-p"], "option '-p' lacks its value"),
    ],
)
def test_unknown_options_are_refused(options: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ps.main(options) == 1
    assert capsys.readouterr().err.startswith(f"error: {why}")


def test_a_closed_pipe_is_not_a_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as stdout:
        done = subprocess.run([*PROGRAM, "aux"], stdout=stdout, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
