"""Deleting while the interpreter ends: nothing can be imported then, and no thread runs any more."""

from __future__ import annotations

import os
from base64 import b64decode
from pathlib import Path
from typing import Callable

import pytest
import yaml

from tests.fakeapiserver.access.tlsfiles import server_context
from tests.fakeapiserver.serving.http import Reply, Response
from tests.fakeapiserver.vocabulary.status import warning_headers
from tests.fakeapiserver_tests.watching import until_gone
from tests.transport.childpython import run_python
from tests.transport.proxyserver import proxying

from .builders import names_on, requests_of
from .conftest import Begin
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


@pytest.fixture(params=[False, True], ids=["http", "https"])
def cluster(begin: Begin, request: pytest.FixtureRequest) -> StagedServer:
    """A server without an operator, over http and over https in turn."""
    return begin(StagedServer(operator=False, tls=request.param))


@pytest.fixture
def secure(begin: Begin) -> StagedServer:
    return begin(StagedServer(operator=False, tls=True))


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


@pytest.mark.parametrize("end", ["", CUT_OFF], ids=["kept alive", "opened anew"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_finaliser_deletes_through_a_proxy(secure: StagedServer, tmp_path: Path, scheme: str, end: str) -> None:
    context = server_context("127.0.0.1") if scheme == "https" else None
    with proxying(context=context) as proxy:
        proxied = tmp_path / "proxied"
        config = yaml.safe_load(secure.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["proxy-url"] = proxy.url
        proxied.write_text(yaml.safe_dump(config))
        assert end_of(HOLDER + end + GLOBAL, proxied) == "deleted"
    assert names_on(secure) == []


def test_a_finaliser_deletes_after_the_authority_was_written_anew(secure: StagedServer, tmp_path: Path) -> None:
    config = yaml.safe_load(secure.kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    authority, rotated = tmp_path / "ca.crt", tmp_path / "rotated"
    authority.write_bytes(b64decode(cluster.pop("certificate-authority-data")))
    cluster["certificate-authority"] = os.fspath(authority)
    rotated.write_text(yaml.safe_dump(config))
    write_anew = f"    os.utime({os.fspath(authority)!r}, ns=(1, 1))\n"
    assert end_of(HOLDER + CUT_OFF + write_anew + GLOBAL, rotated) == "deleted"
    assert names_on(secure) == []


def test_a_finaliser_deletes_with_a_token_that_has_replaced_another(secure: StagedServer, tmp_path: Path) -> None:
    secure.add_token("new", "bob", ("system:masters",))
    token, by_file = tmp_path / "token", tmp_path / "by-file"
    token.write_text(secure.token)
    config = yaml.safe_load(secure.kubeconfig.read_text())
    config["users"][0]["user"] = {"tokenFile": os.fspath(token)}
    by_file.write_text(yaml.safe_dump(config))
    secure.before("DELETE", "/devservers/", lambda: token.write_text("new"))
    with secure.fault.unauthorized_once("delete", "devservers"):
        assert end_of(HOLDER + GLOBAL, by_file) == "deleted"
    assert names_on(secure) == []


def test_a_warning_of_the_server_is_dropped_when_nobody_can_be_warned(cluster: StagedServer) -> None:
    def warned(request: object, proceed: Callable[[], Reply], over: object) -> Reply:
        reply = proceed()
        assert isinstance(reply, Response)
        reply.headers = [*reply.headers, *warning_headers(["this version is deprecated"])]
        return reply

    with cluster.fault.inject(warned, "delete", "devservers"):
        assert end_of(HOLDER + GLOBAL, cluster.kubeconfig) == "deleted"


def test_a_deletion_that_is_put_off_by_the_server_is_sent_again(cluster: StagedServer) -> None:
    with cluster.fault.too_many_requests("delete", "devservers", times=1):
        assert end_of(HOLDER + GLOBAL, cluster.kubeconfig) == "deleted"
    assert names_on(cluster) == []
    assert len(requests_of(cluster, "DELETE")) == 2


@pytest.mark.parametrize("logged", ["", LOGGED], ids=["", "logged"])
def test_a_with_in_a_generator_is_left_without_complaint(operated: StagedServer, logged: str) -> None:
    assert end_of(logged + GENERATOR, operated.kubeconfig) == "dev"
    until_gone(operated, "devservers", "dev")
