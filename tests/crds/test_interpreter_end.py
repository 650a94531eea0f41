"""Deleting while the interpreter ends: nothing can be imported then, and no thread runs any more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakeapiserver_tests.watching import until_gone
from tests.transport.childpython import run_python

from .builders import names_on, requests_of
from .staged import StagedServer

HOLDER = """
import os
from devservers import DevServer, ObjectMeta

class Holder:
    def __init__(self, name):
        self.server = DevServer.create(ObjectMeta(name=name), {"flavor": "cpu-small"})

    def __del__(self):
        at_the_end(self.server)
        self.server.delete()
        os.write(1, b"deleted ")

def at_the_end(server):
    pass
"""
GLOBAL = "holder = Holder('dev')\n"
CYCLE = "holder = Holder('dev')\nholder.itself = holder\n"
OF_A_MODULE = "import builtins\nbuiltins.holder = Holder('dev')\n"
LOGGED = """
import logging
logging.getLogger("devservers").setLevel(logging.DEBUG)
logging.getLogger("devservers").addHandler(logging.NullHandler())
"""
CUT_OFF = "def at_the_end(server):\n    server._live.client.close()  # no connection is there to be used again\n"

GENERATOR = """
from devservers import DevServer, ObjectMeta

def servers():
    with DevServer(ObjectMeta(name="dev"), {"flavor": "cpu-small"}) as server:
        yield server

generator = servers()
print(next(generator).metadata.name)
"""


def end_of(program: str, kubeconfig: Path) -> str:
    """What the program prints, on stderr as well: whatever fails in a finaliser is printed there and ignored."""
    return run_python(f"import os\nos.dup2(1, 2)\n{program}", env={"KUBECONFIG": os.fspath(kubeconfig)})


@pytest.mark.parametrize("logged", ["", LOGGED], ids=["", "logged"])
@pytest.mark.parametrize("held", [GLOBAL, CYCLE, OF_A_MODULE], ids=["global", "cycle", "attribute of builtins"])
def test_a_finaliser_deletes(cluster: StagedServer, held: str, logged: str) -> None:
    assert end_of(logged + HOLDER + held, cluster.kubeconfig) == "deleted"
    assert names_on(cluster) == []


def test_a_finaliser_deletes_over_a_connection_that_has_to_be_opened(cluster: StagedServer, tmp_path: Path) -> None:
    by_name = tmp_path / "by-name"  # which is looked up by a thread, where one can run
    by_name.write_text(cluster.kubeconfig.read_text().replace("127.0.0.1", "localhost"))
    assert end_of(HOLDER + CUT_OFF + GLOBAL, by_name) == "deleted"
    assert names_on(cluster) == []


def test_a_deletion_that_is_put_off_by_the_server_is_sent_again(cluster: StagedServer) -> None:
    with cluster.fault.too_many_requests("delete", "devservers", times=1):
        assert end_of(HOLDER + GLOBAL, cluster.kubeconfig) == "deleted"
    assert names_on(cluster) == []
    assert len(requests_of(cluster, "DELETE")) == 2


@pytest.mark.parametrize("logged", ["", LOGGED], ids=["", "logged"])
def test_a_with_in_a_generator_is_left_without_complaint(operated: StagedServer, logged: str) -> None:
    assert end_of(logged + GENERATOR, operated.kubeconfig) == "dev"
    until_gone(operated, "devservers", "dev")
