"""Locks in a forked child: none is shut, whatever the threads of its parent were at."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import devservers
from devservers.transport.locks import ForkSafeLock
from tests.fakeapiserver import FakeAPIServer

from .childpython import ROOT
from .kubeconfigs import document, write
from .plugins import Plugin, exec_credential

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")

TOKEN = "t0ken"


def run(code: str, *arguments: object) -> str:
    """What ``code`` prints in a process of its own. ``in_child(work)`` forks, and fails if ``work`` takes long."""
    prelude = """
        import os, signal, sys, threading, time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on: there are threads, and that is the point

        def in_child(work):
            child = os.fork()
            if child == 0:
                signal.alarm(20)  # SIGALRM ends the child
                try:
                    work()
                    os._exit(0)
                except BaseException as error:
                    print(repr(error), file=sys.stderr, flush=True)
                finally:
                    os._exit(1)
            status = os.waitpid(child, 0)[1]
            assert status == 0, f"the child ended with {status}"
    """
    program = textwrap.dedent(prelude) + textwrap.dedent(code)
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_lock_is_a_lock() -> None:
    lock = ForkSafeLock()
    with lock:
        assert not lock.acquire(timeout=0.01)
    assert lock.acquire()
    lock.release()


def test_the_package_has_no_lock_that_a_fork_could_leave_shut() -> None:
    package = Path(devservers.__file__).parent
    made = re.compile(r"\b(?:R?Lock|Condition|Semaphore|BoundedSemaphore|cached_property)\(|@cached_property")
    found = [
        f"{path.name}: {line.strip()}"
        for path in package.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if made.search(line) and path.name != "locks.py"
    ]
    assert found == []


def test_a_lock_that_another_thread_holds_is_open_in_the_child() -> None:
    code = """
    from devservers.transport.locks import ForkSafeLock
    lock = ForkSafeLock()
    threading.Thread(target=lock.acquire).start()
    while lock.acquire(timeout=0):
        lock.release()

    def work():
        assert lock.acquire(timeout=5)
        assert not lock.acquire(timeout=0)
        lock.release()
        assert lock.acquire(timeout=0)

    in_child(work)
    assert not lock.acquire(timeout=0)
    """
    run(code)


def test_whoever_forks_while_holding_a_lock_can_let_it_go_on_both_sides() -> None:
    code = """
    from devservers.transport.locks import ForkSafeLock
    lock = ForkSafeLock()

    def work():
        lock.release()
        assert lock.acquire(timeout=5)

    lock.acquire()
    in_child(work)
    lock.release()
    assert lock.acquire(timeout=0)
    """
    run(code)


def test_a_child_makes_requests_though_every_lock_of_the_package_was_held(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    plugin = Plugin(tmp_path, f"echo '{exec_credential(token=TOKEN)}'")
    with FakeAPIServer(operator=False, tls=True) as server:
        server.add_token(TOKEN, "alice", ("system:masters",))
        cluster = {"server": server.url, "certificate-authority": str(server.ca_file)}
        users: list[dict[str, Any]] = [{"tokenFile": str(tmp_path / "token")}, {"exec": plugin.stanza}]
        paths = [
            write(tmp_path / f"config{number}", document(cluster=cluster, user=user))
            for number, user in enumerate(users)
        ]
        code = """
        from devservers import DevServer, RESTClient, configure, load_config
        from devservers.transport import locks
        configure(sys.argv[1])
        client = RESTClient(load_config(sys.argv[2]))

        def ask():
            assert DevServer.list("default") == DevServer.list("default", client=client) == []

        ask()
        held = list(locks._made)
        holder = threading.Thread(target=lambda: [lock.acquire() for lock in held])
        holder.start()
        holder.join()
        print(len(held))
        in_child(ask)
        [lock.release() for lock in held]
        ask()
        """
        assert int(run(code, *paths)) >= 5  # client, two contexts, two kubeconfigs, token file, plugin


def test_a_child_makes_requests_though_its_parent_is_running_the_plugin(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    answer = f"echo '{exec_credential(token=TOKEN)}'"
    first_waits = f"test $(wc -l < '{tmp_path}/runs') -gt 1 || {{ : > '{tmp_path}/started'; cat '{tmp_path}/fifo'; }}"
    plugin = Plugin(tmp_path, f"{first_waits}; {answer}")
    with FakeAPIServer(operator=False) as server:
        server.add_token(TOKEN, "alice", ("system:masters",))
        path = write(tmp_path / "config", document(cluster={"server": server.url}, user={"exec": plugin.stanza}))
        code = """
        from devservers import DevServer
        directory = sys.argv[1]
        os.environ["KUBECONFIG"] = os.path.join(directory, "config")

        def ask():
            assert DevServer.list("default") == []

        asking = threading.Thread(target=ask)
        asking.start()
        while not os.path.exists(os.path.join(directory, "started")):
            time.sleep(0.01)
        in_child(ask)
        open(os.path.join(directory, "fifo"), "w").close()
        asking.join()
        """
        assert path.parent == tmp_path
        run(code, tmp_path)
    assert plugin.runs == 2


def test_a_connection_that_is_busy_in_the_parent_is_not_the_childs(tmp_path: Path) -> None:
    with FakeAPIServer(operator=False) as server:
        code = """
        from devservers import DevServer, RESTClient, load_config
        from devservers.transport.deadline import Deadline
        client = RESTClient(load_config(sys.argv[1]))
        query = {"watch": "true", "timeoutSeconds": 3}
        watch = client.stream("/apis/devserver.io/v1/devservers", query=query, deadline=Deadline(20), idle=20)

        def work():
            assert DevServer.list("default", client=client) == []
            client.close()

        in_child(work)
        watch.read()  # to its proper end
        assert DevServer.list("default", client=client) == []
        """
        run(code, server.kubeconfig)
