"""Ctrl-C at any moment of a with statement: a real signal to a real process, and nothing is left on the cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Callable

import pytest

from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.lifecycle.obligation import fulfill_all
from devservers.transport import RESTClient
from tests.stopwatch import Stopwatch
from tests.transport.scripted import FakeClock

from .builders import LONG, SPEC, eventually, names_on, requests_of, set_status
from .staged import StagedServer
from .test_deletion import answer

ROOT = Path(__file__).parents[2]
LOOK = "fieldSelector=metadata.name%3Ddev&limit=500"

PROGRAM = """
import signal, sys
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
print("begun", flush=True)
try:
    with DevServer(ObjectMeta(name="dev"), {"flavor": "cpu-small"}) as server:
        print("inside", flush=True)
        sys.stdin.read()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@contextmanager
def running(program: str = PROGRAM) -> Iterator[subprocess.Popen[str]]:
    """A child that runs the program; it is dead afterwards."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, text=True, **pipes) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "begun\n"
            yield child
        finally:
            child.kill()


def interrupt(child: subprocess.Popen[str]) -> None:
    os.kill(child.pid, signal.SIGINT)


def last_words(child: subprocess.Popen[str]) -> str:
    output, _ = child.communicate(timeout=LONG)
    assert child.returncode == 0
    return output.strip()


def test_during_the_wait(cluster: StagedServer) -> None:
    with running() as child:
        eventually(lambda: requests_of(cluster, "GET", "watch=true"), "the watch's request")
        assert names_on(cluster) == ["dev"]
        interrupt(child)
        assert last_words(child) == "interrupted"
    assert names_on(cluster) == []


def test_during_the_wait_for_the_pod(cluster: StagedServer) -> None:
    pod = {"metadata": {"name": "dev-0"}, "spec": {"containers": [{"name": "a"}]}, "status": {"phase": "Pending"}}
    cluster.store.create("pods", pod)
    cluster.after("POST", "devservers", lambda: set_status(cluster, phase="Running"))
    with running() as child:
        eventually(lambda: requests_of(cluster, "GET", "/pods?fieldSelector"), "a look at the pod")
        interrupt(child)
        assert last_words(child) == "interrupted"
    assert names_on(cluster) == []


def test_in_the_body(operated: StagedServer) -> None:
    with running() as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "inside\n"
        interrupt(child)
        assert last_words(child) == "interrupted"
    assert names_on(operated) == []


def test_during_the_create_when_it_has_been_executed(cluster: StagedServer) -> None:
    began = threading.Event()
    children: list[subprocess.Popen[str]] = []

    def interrupt_before_the_answer() -> None:
        assert began.wait(LONG)
        interrupt(children[0])
        eventually(lambda: requests_of(cluster, "DELETE"), "the deletion")

    cluster.after("POST", "devservers", interrupt_before_the_answer)
    with running() as child:
        children.append(child)
        began.set()
        assert last_words(child) == "interrupted"
    assert names_on(cluster) == []
    assert requests_of(cluster, "GET") == [f"/apis/devserver.io/v1/namespaces/default/devservers?{LOOK}"]


def test_another_one_while_a_lost_create_is_looked_for_ends_the_looking(cluster: StagedServer) -> None:
    began, over = threading.Event(), threading.Event()
    children: list[subprocess.Popen[str]] = []

    def interrupt_twice() -> None:
        assert began.wait(LONG)
        interrupt(children[0])
        eventually(lambda: len(requests_of(cluster, "GET", LOOK)) >= 2, "looks")
        interrupt(children[0])
        assert over.wait(LONG)

    cluster.before("POST", "devservers", interrupt_twice)
    noting = PROGRAM.replace("except KeyboardInterrupt:", "except KeyboardInterrupt as error:").replace(
        'print("interrupted", flush=True)', 'print(*getattr(error, "__notes__", ()), flush=True)'
    )
    watch = Stopwatch()
    with running(noting) as child:
        children.append(child)
        began.set()
        assert last_words(child) == (
            'could not determine whether DevServer "dev" was created; check for it, and delete it: '
            "kubectl get devservers.devserver.io dev -n default"
        )
        assert watch.own_seconds < 10
        over.set()


@pytest.mark.parametrize("looks", [1, 5])
def test_during_the_create_when_it_is_executed_a_little_later(cluster: StagedServer, looks: int) -> None:
    began = threading.Event()
    children: list[subprocess.Popen[str]] = []

    def interrupt_and_let_it_look_in_vain() -> None:
        assert began.wait(LONG)
        interrupt(children[0])
        eventually(lambda: len(requests_of(cluster, "GET", LOOK)) >= looks, "looks")

    cluster.before("POST", "devservers", interrupt_and_let_it_look_in_vain)
    with running() as child:
        children.append(child)
        began.set()
        assert last_words(child) == "interrupted"
    assert len(requests_of(cluster, "GET", LOOK)) == looks + 1
    assert names_on(cluster) == []


def test_while_a_lost_answer_is_being_settled(cluster: StagedServer) -> None:
    began = threading.Event()
    children: list[subprocess.Popen[str]] = []

    def interrupt_the_first_look() -> None:
        assert began.wait(LONG)
        interrupt(children[0])
        eventually(lambda: requests_of(cluster, "DELETE"), "the deletion")

    cluster.before("GET", LOOK, interrupt_the_first_look)
    with cluster.fault.reset_after_execution("create"), running() as child:
        children.append(child)
        began.set()
        assert last_words(child) == "interrupted"
    assert names_on(cluster) == []


QUIET = PROGRAM.replace("sys.stdin.read()", "pass")


def test_on_the_way_out_the_first_one_waits_for_the_deletion(operated: StagedServer) -> None:
    began = threading.Event()
    children: list[subprocess.Popen[str]] = []

    def interrupt_the_deletion() -> None:
        assert began.wait(LONG)
        interrupt(children[0])
        eventually(lambda: requests_of(operated, "DELETE"), "another deletion")

    operated.before("DELETE", "", interrupt_the_deletion)
    with running(QUIET) as child:
        children.append(child)
        began.set()
        assert last_words(child) == "inside\ninterrupted"
    eventually(lambda: not names_on(operated), "the operator's part, which an interrupted exit does not wait for")


def test_twice_during_the_wait(cluster: StagedServer) -> None:
    began = threading.Event()
    children: list[subprocess.Popen[str]] = []

    def interrupt_the_deletion() -> None:
        assert began.wait(LONG)
        interrupt(children[0])
        eventually(lambda: requests_of(cluster, "DELETE"), "another deletion")

    cluster.before("DELETE", "", interrupt_the_deletion)
    with running() as child:
        children.append(child)
        eventually(lambda: requests_of(cluster, "GET", "watch=true"), "the watch's request")
        interrupt(child)
        began.set()
        assert last_words(child) == "interrupted"
    assert names_on(cluster) == []


def test_on_the_way_out_the_second_one_is_obeyed_at_once(operated: StagedServer) -> None:
    began, over = threading.Event(), threading.Event()
    children: list[subprocess.Popen[str]] = []

    def interrupt_the_deletion() -> None:
        assert began.wait(LONG)
        interrupt(children[0])
        assert over.wait(LONG)
        operated.rules.deny("admin", "delete")

    for _ in range(2):
        operated.before("DELETE", "", interrupt_the_deletion)
    with running(QUIET) as child:
        children.append(child)
        began.set()
        assert last_words(child) == "inside\ninterrupted"
        over.set()
    assert names_on(operated) == ["dev"]


def test_a_signal_handler_s_own_exception_is_as_good_as_ctrl_c(cluster: StagedServer) -> None:
    handler = """
import signal
class Stop(Exception): pass
def stop(*_): raise Stop
signal.signal(signal.SIGTERM, stop)
"""
    began = threading.Event()
    children: list[subprocess.Popen[str]] = []

    def terminate_before_the_answer() -> None:
        assert began.wait(LONG)
        children[0].terminate()
        eventually(lambda: requests_of(cluster, "DELETE"), "the deletion")

    cluster.after("POST", "devservers", terminate_before_the_answer)
    with running(handler + PROGRAM.replace("KeyboardInterrupt", "Stop")) as child:
        children.append(child)
        began.set()
        assert last_words(child) == "interrupted"
    assert names_on(cluster) == []


FINALIZED = PROGRAM.replace('name="dev"', 'name="dev", finalizers=["x/y"]')


def test_while_leaving_waits_for_the_finalizers_it_is_obeyed_at_once(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "list", "pods")
    cluster.after("POST", "devservers", lambda: set_status(cluster, phase="Running"))
    with running(FINALIZED.replace("sys.stdin.read()", "pass")) as child:
        eventually(lambda: requests_of(cluster, "GET", "/devservers/dev"), "a look whether it has gone")
        watch = Stopwatch()
        interrupt(child)
        assert last_words(child) == "inside\ninterrupted"
        assert watch.own_seconds < 5
    assert len(requests_of(cluster, "DELETE")) == 1
    assert "deletionTimestamp" in cluster.store.get("devservers", "dev", "default")["metadata"]


class _Interruption:
    """Ctrl-C at the n-th step (a line begun, a function entered) that the package takes, as a trace function sees them.

    That is where a signal is raised in the end, and this reaches each of these places, not only the likely ones.
    """

    def __init__(self, step: int) -> None:
        self.left = step
        self.struck = ""

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        if f"{os.sep}devservers{os.sep}crds{os.sep}" not in frame.f_code.co_filename:
            return None
        if event in ("call", "line") and not self.struck:
            if not self.left:
                self.struck = f"{frame.f_code.co_name}:{frame.f_lineno}"
                raise KeyboardInterrupt
            self.left -= 1
        return self


def interrupted_at(step: int, run: Callable[[], None]) -> str:
    """Run something, with a Ctrl-C at that step; the place of it, ``""`` if there are not so many steps."""
    interruption = _Interruption(step)
    sys.settrace(interruption)
    try:
        run()
    except KeyboardInterrupt:
        assert interruption.struck
    finally:
        sys.settrace(None)
    return interruption.struck


def test_at_any_step_of_the_way_out(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "list", "pods")
    left_to_the_end: list[str] = []
    step, place = 0, "begun"
    while place:
        cluster.after("POST", "devservers", lambda: set_status(cluster, phase="Running"))
        server = DevServer(ObjectMeta(name="dev"), SPEC).__enter__()
        place = interrupted_at(step, partial(server.__exit__, None, None, None))
        if names_on(cluster):
            left_to_the_end.append(place)
            fulfill_all()  # what the end of the interpreter does
        assert names_on(cluster) == [], f"a Ctrl-C at {place} left it there"
        step += 1
    assert step > 40
    assert all(place.startswith("__exit__:") for place in left_to_the_end), left_to_the_end
    assert len(left_to_the_end) <= 5


def test_at_any_step_of_the_way_in(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "list", "pods")
    step, place = 0, "begun"
    client = RESTClient(clock=FakeClock())

    def enter_and_leave() -> None:
        with DevServer(ObjectMeta(name="dev"), SPEC, client=client):
            pass

    while place:
        cluster.after("POST", "devservers", lambda: set_status(cluster, phase="Running"))
        place = interrupted_at(step, enter_and_leave)
        fulfill_all()
        assert names_on(cluster) == [], f"a Ctrl-C at {place} left it there"
        step += 1
    assert step > 100


def test_what_is_owed_at_the_end_of_the_interpreter_is_deleted_then(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "list", "pods")
    cluster.after("POST", "devservers", lambda: set_status(cluster, phase="Running"))
    program = """
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
print("begun", flush=True)
DevServer(ObjectMeta(name="dev"), {"flavor": "cpu-small"}).__enter__()
"""
    with running(program) as child:
        assert last_words(child) == ""
    assert names_on(cluster) == []


def test_one_deletion_that_fails_at_the_end_of_the_interpreter_keeps_no_other_from_being_done(
    cluster: StagedServer,
) -> None:
    cluster.rules.deny("admin", "list", "pods")
    program = """
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
print("begun", flush=True)
for name in ("dev", "two"):
    DevServer(ObjectMeta(name=name), {"flavor": "cpu-small"}).__enter__()
print("entered", flush=True)
"""
    for name in ("dev", "two"):
        cluster.after("POST", "devservers", partial(set_status, cluster, name, phase="Running"))
    refusal = answer(400, "no")
    with cluster.fault.inject(refusal, "delete", "devservers", times=1), running(program) as child:
        assert last_words(child) == "entered"
    assert names_on(cluster) == ["dev"]


def test_a_forked_child_that_leaves_the_with_statement_deletes_nothing(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "list", "pods")
    cluster.after("POST", "devservers", lambda: set_status(cluster, phase="Running"))
    program = """
import os, sys
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
print("begun", flush=True)
with DevServer(ObjectMeta(name="dev"), {"flavor": "cpu-small"}):
    if os.fork() == 0:
        sys.exit()
    os.wait()
    print(DevServer.get("dev").metadata.name, flush=True)
"""
    with running(program) as child:
        assert last_words(child) == "dev"
    assert names_on(cluster) == []


def test_an_interrupted_deletion_that_fails_is_noted_on_the_interrupt(operated: StagedServer) -> None:
    began = threading.Event()
    children: list[subprocess.Popen[str]] = []

    def interrupt_the_deletion() -> None:
        assert began.wait(LONG)
        interrupt(children[0])
        eventually(lambda: requests_of(operated, "DELETE"), "another deletion")

    operated.rules.deny("admin", "delete", "devservers")
    operated.before("DELETE", "", interrupt_the_deletion)
    told = QUIET.replace("except KeyboardInterrupt:", "except KeyboardInterrupt as error:")
    with running(told.replace('print("interrupted"', "print(error.__notes__[0]")) as child:
        children.append(child)
        began.set()
        assert "could not be deleted and may be left on the cluster" in last_words(child)


def test_a_forked_child_deletes_nothing_at_its_end(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "list", "pods")
    cluster.after("POST", "devservers", lambda: set_status(cluster, phase="Running"))
    program = """
import os, sys
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
print("begun", flush=True)
server = DevServer(ObjectMeta(name="dev"), {"flavor": "cpu-small"}, delete_on_exit="always").__enter__()
if os.fork() == 0:
    sys.exit()
os.wait()
print(DevServer.get("dev").metadata.name, flush=True)
"""
    with running(program) as child:
        assert last_words(child) == "dev"
    assert names_on(cluster) == []
