"""Every function of the public API, given what it cannot use: the argument is named, and nothing is sent.

The server is a real one that counts its requests. A wrong type is a TypeError, a wrong value a ValueError (or a
FileNotFoundError, or a LookupError, where Python users expect these).
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

import devservers
from devservers import ClientConfig, DevServer, DevServerFlavor, ObjectMeta, RESTClient, load_config
from devservers.crds.devserver import LifecycleSpec
from devservers.transport.deadline import Deadline
from tests.fakeapiserver import FakeAPIServer

SPEC = {"flavor": "cpu-small"}
NAN, INFINITY = float("nan"), float("inf")
HERE = os.fspath(Path(__file__))

Call = Callable[[DevServer], object]
Refusal = tuple[str, type[Exception], str, Call]
"""A label, the error, a pattern for the beginning of its message, and the call."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[FakeAPIServer]:
    with FakeAPIServer(operator=False) as fake:
        yield fake


@pytest.fixture
def server(cluster: FakeAPIServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    """A DevServer as read from the cluster."""
    monkeypatch.setenv("KUBECONFIG", os.fspath(cluster.kubeconfig))
    server = DevServer.create(ObjectMeta("dev"), SPEC)
    yield server
    server.delete()


def made(**options: Any) -> DevServer:
    return DevServer(ObjectMeta("other"), SPEC, **options)


def circle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["a"] = [value]
    return value


def a(value: Any) -> Any:
    """A value of another type than the signature says."""
    return value


# Every timeout, and a name for the argument that it is.
TIMEOUTS: dict[str, tuple[str, Callable[[DevServer, Any], object]]] = {
    "DevServer": ("wait_timeout", lambda _, value: made(wait_timeout=value)),
    "DevServer, leaving": ("deletion_timeout", lambda _, value: made(deletion_timeout=value)),
    "wait_for_ready": ("timeout", lambda server, value: server.wait_for_ready(value)),
    "wait_for_status": ("timeout", lambda server, value: server.wait_for_status({}, value)),
    "wait_for_deletion": ("timeout", lambda server, value: server.wait_for_deletion(value)),
    "delete": ("timeout", lambda server, value: server.delete(timeout=value)),
    "watch": ("timeout", lambda server, value: server.watch(timeout=value)),
    "watch_all": ("timeout", lambda _, value: DevServer.watch_all(timeout=value)),
    "exec": ("timeout", lambda server, value: server.exec("true", timeout=value)),
    "RESTClient": ("timeout", lambda _, value: RESTClient(timeout=value)),
    "Deadline": ("timeout", lambda _, value: Deadline(value)),
}
NO_SECONDS: tuple[tuple[Any, type[Exception], str], ...] = (
    ("5", TypeError, "must be a number of seconds, not str"),
    (b"5", TypeError, "must be a number of seconds, not bytes"),
    (True, TypeError, "must be a number of seconds, not bool"),
    ([5], TypeError, "must be a number of seconds, not list"),
    (5j, TypeError, "must be a number of seconds, not complex"),
    (datetime.timedelta(seconds=5), TypeError, r"not timedelta \(pass its total_seconds\(\)\)"),
    (-1, ValueError, "must be at least 0 seconds, not -1"),
    (-0.001, ValueError, "must be at least 0 seconds"),
    (-INFINITY, ValueError, "must be at least 0 seconds"),
    (NAN, ValueError, "must be at least 0 seconds, not nan"),
    (decimal.Decimal("NaN"), ValueError, "must be at least 0 seconds"),
)


@pytest.mark.parametrize("function", TIMEOUTS)
@pytest.mark.parametrize(("value", "error", "message"), NO_SECONDS, ids=[repr(each[0]) for each in NO_SECONDS])
def test_a_timeout_is_a_number_of_seconds(
    cluster: FakeAPIServer, server: DevServer, function: str, value: Any, error: type[Exception], message: str
) -> None:
    name, call = TIMEOUTS[function]
    before = len(cluster.requests)
    with pytest.raises(error, match=f"^{name}: .*{message}"):
        call(server, value)
    assert len(cluster.requests) == before


def test_none_is_no_limit() -> None:
    assert Deadline(None).remaining() is None
    assert made(wait_timeout=None).wait_timeout is None


@pytest.mark.parametrize("value", [INFINITY, 10**400], ids=["infinity", "an int beyond all floats"])
def test_infinity_is_no_limit(value: float) -> None:
    assert Deadline(value).remaining() is None
    assert made(wait_timeout=value, deletion_timeout=value).wait_timeout == INFINITY


@pytest.mark.parametrize("value", [0, 2, 2.5, decimal.Decimal("2.5"), fractions.Fraction(5, 2)], ids=repr)
def test_any_kind_of_number_is_accepted(value: Any) -> None:
    assert made(wait_timeout=value).wait_timeout == float(value)
    assert Deadline(value).seconds == float(value)


def test_a_timeout_of_zero_is_already_over(server: DevServer) -> None:
    assert Deadline(0).expired
    with pytest.raises(devservers.errors.RequestTimeoutError):
        server.delete(timeout=0)


REFUSALS: tuple[Refusal, ...] = (
    # name, kind and namespace
    ("get", ValueError, "name: ", lambda _: DevServer.get(a(None))),
    ("get bytes", ValueError, "name: ", lambda _: DevServer.get(a(b"dev"))),
    ("get, namespace", ValueError, r"metadata\.namespace: ", lambda _: DevServer.get("dev", namespace=a(5))),
    ("list, namespace", ValueError, r"metadata\.namespace: ", lambda _: DevServer.list(a(b"default"))),
    ("list, all", TypeError, "all_namespaces: ", lambda _: DevServer.list(all_namespaces=a("team"))),
    ("iterate, all", TypeError, "all_namespaces: ", lambda _: DevServer.iterate(all_namespaces=a(1))),
    ("watch_all, all", TypeError, "all_namespaces: ", lambda _: DevServer.watch_all(all_namespaces=a(None))),
    ("metadata None", TypeError, "metadata: ", lambda _: DevServer.create(a(None), SPEC)),
    ("metadata str", TypeError, "metadata: ", lambda _: DevServer(a("dev"), SPEC)),
    ("a name", ValueError, r"metadata\.name: ", lambda _: ObjectMeta(a(5))),
    ("a name in a dict", TypeError, r"metadata\.name: ", lambda _: DevServer.create({"name": b"dev"}, SPEC)),
    ("a prefix", ValueError, r"metadata\.generateName: ", lambda _: ObjectMeta(generate_name=a(5))),
    ("labels", TypeError, r"metadata\.labels: must be a dict, not str", lambda _: ObjectMeta("x", labels=a("a=b"))),
    ("a label", TypeError, r"metadata\.labels\['a'\]: ", lambda _: ObjectMeta("x", labels={"a": a(True)})),
    ("a label's key", TypeError, r"metadata\.labels: the key 1 ?", lambda _: ObjectMeta("x", labels={a(1): "a"})),
    (
        "a label in a dict", TypeError, r"metadata\.labels\['a'\]: must be a string, not NoneType",
        lambda _: DevServer.create({"name": "x", "labels": {"a": None}}, SPEC),
    ),
    ("an annotation", TypeError, r"metadata\.annotations\['a'\]: ", lambda _: ObjectMeta("x", annotations={"a": a(1)})),
    ("finalizers", TypeError, r"metadata\.finalizers: must be a list", lambda _: ObjectMeta("x", finalizers=a("a/b"))),
    ("a finalizer", TypeError, r"metadata\.finalizers\[0\]: ", lambda _: ObjectMeta("x", finalizers=[a(None)])),
    ("owners", TypeError, r"metadata\.ownerReferences: ", lambda _: ObjectMeta("x", owner_references=a({}))),
    ("an owner", TypeError, r"metadata\.ownerReferences\[0\]: ", lambda _: ObjectMeta("x", owner_references=[a("a")])),
    ("labels set", TypeError, r"metadata\.labels\['a'\]: ", lambda s: setattr(s.metadata, "labels", {"a": 1})),
    ("a namespace where none is", ValueError, "DevServerFlavor is ", lambda _: DevServerFlavor.get("x", namespace="a")),
    # the spec, and what is in it
    ("spec None", TypeError, "spec: ", lambda _: DevServer(ObjectMeta("x"), a(None))),
    ("spec str", TypeError, "spec: ", lambda _: DevServer.create(ObjectMeta("x"), a("flavor: x"))),
    ("spec list", TypeError, "spec: ", lambda _: DevServerFlavor(ObjectMeta("x"), a([]))),
    ("spec set", TypeError, "spec: ", lambda s: setattr(s, "spec", "x")),
    ("nan", ValueError, r"spec\.a\[1\]: ", lambda _: DevServer.create(ObjectMeta("x"), {"a": [0, NAN]})),
    ("bytes", TypeError, r"spec\.image: .*bytes", lambda _: DevServer(ObjectMeta("x"), {"image": b"x"})),
    ("a set", TypeError, r"spec\.a\.b: .*set", lambda _: DevServer(ObjectMeta("x"), {"a": {"b": {1}}})),
    ("a circle", ValueError, r"spec\.a\[0\]: contains itself", lambda _: DevServer(ObjectMeta("x"), circle())),
    ("no text", ValueError, r"spec\.image: ", lambda _: DevServer(ObjectMeta("x"), {"image": "\udc80"})),
    ("nan put in", ValueError, r"spec\.a: ", lambda s: s.spec.update(a=NAN) or s.update()),
    (
        "a giant time to live", ValueError, r"spec\.lifecycle\.timeToLive: must be at most 2562047h",
        lambda _: DevServer(ObjectMeta("x"), {"lifecycle": {"timeToLive": "99999999999999h"}}),
    ),
    # clients
    ("client", TypeError, "client: must be a RESTClient, not str", lambda _: made(client=a("client"))),
    ("create, client", TypeError, "client: ", lambda _: DevServer.create(ObjectMeta("x"), SPEC, client=a(0))),
    ("get, client", TypeError, "client: .*ClientConfig", lambda _: DevServer.get("dev", client=a(load_config()))),
    ("list, client", TypeError, "client: ", lambda _: DevServer.list(client=a(False))),
    ("iterate, client", TypeError, "client: ", lambda _: DevServer.iterate(client=a("x"))),
    ("watch_all, client", TypeError, "client: ", lambda _: DevServer.watch_all(client=a("x"))),
    ("use", TypeError, "client: must be a RESTClient, not NoneType", lambda s: s.use(a(None))),
    # lists
    ("page_size str", TypeError, "page_size: ", lambda _: DevServer.iterate(page_size=a("5"))),
    ("page_size True", TypeError, "page_size: ", lambda _: DevServer.iterate(page_size=True)),
    ("page_size 2.5", TypeError, "page_size: ", lambda _: DevServer.iterate(page_size=a(2.5))),
    ("page_size None", TypeError, "page_size: ", lambda _: DevServer.iterate(page_size=a(None))),
    ("page_size 0", ValueError, "page_size: must be at least 1, not 0", lambda _: DevServer.iterate(page_size=0)),
    ("page_size -1", ValueError, "page_size: ", lambda _: DevServer.iterate(page_size=-1)),
    ("resource_version", TypeError, "resource_version: ", lambda _: DevServer.watch_all(resource_version=a(5))),
    # writing
    ("dry_run", TypeError, "dry_run: ", lambda _: DevServer.create(ObjectMeta("x"), SPEC, dry_run=a("false"))),
    ("force", TypeError, "force: ", lambda s: s.apply(field_manager="me", force=a("no"))),
    ("wait", TypeError, "wait: must be True or False, not int", lambda s: s.delete(wait=a(30))),
    ("policy", ValueError, "propagation_policy: ", lambda s: s.delete(propagation_policy="foreground")),
    ("policy None", ValueError, "propagation_policy: ", lambda s: s.delete(propagation_policy=a(1))),
    ("retry -1", ValueError, "retry_on_conflict: must be at least 0", lambda s: s.update(retry_on_conflict=-1)),
    ("retry str", TypeError, "retry_on_conflict: ", lambda s: s.update(retry_on_conflict=a("3"))),
    ("retry True", TypeError, "retry_on_conflict: ", lambda s: s.update(retry_on_conflict=True)),
    ("patch str", TypeError, "patch: ", lambda s: s.patch(a("{}"))),
    ("patch None", TypeError, "patch: ", lambda s: s.patch(a(None))),
    ("patch nan", ValueError, r"patch\.spec\.a: ", lambda s: s.patch({"spec": {"a": NAN}})),
    ("apply None", TypeError, "field_manager: ", lambda s: s.apply(field_manager=a(None))),
    ("status", TypeError, "status: ", lambda s: s.wait_for_status(a("Running"))),
    # the context manager
    ("delete_on_exit", ValueError, "delete_on_exit: ", lambda _: made(delete_on_exit="maybe")),
    ("delete_on_exit False", ValueError, "delete_on_exit: ", lambda _: made(delete_on_exit=a(False))),
    ("if_exists", ValueError, "if_exists: ", lambda _: made(if_exists="use")),
    ("deletion_timeout", TypeError, "deletion_timeout: .*NoneType", lambda _: made(deletion_timeout=a(None))),
    ("on_event", TypeError, "on_event: ", lambda _: made(on_event=a("print"))),
    ("fail_fast", TypeError, "fail_fast: ", lambda _: made(fail_fast=a("no"))),
    ("wait, fail_fast", TypeError, "fail_fast: ", lambda s: s.wait_for_ready(fail_fast=a(1))),
    ("workspace", TypeError, "sync_workspace: must be a dict", lambda _: made(sync_workspace=a([HERE]))),
    ("workspace, local", TypeError, "sync_workspace: .*bytes", lambda _: made(sync_workspace={b"x": "/x"})),
    ("workspace, no local", ValueError, "sync_workspace: ", lambda _: made(sync_workspace={"": "/x"})),
    ("workspace, remote", TypeError, r"sync_workspace\['x'\]: ", lambda _: made(sync_workspace={"x": a(None)})),
    ("workspace, no remote", ValueError, r"sync_workspace\['x'\]: ", lambda _: made(sync_workspace={"x": ""})),
    ("workspace, missing", FileNotFoundError, ".*/nosuch", lambda _: made(sync_workspace={"/nosuch": "/"}).__enter__()),
    # files
    ("upload bytes", TypeError, "local: must be a path", lambda s: s.upload(a(b"x"), "/x")),
    ("upload int", TypeError, "local: ", lambda s: s.upload(a(123), "/x")),
    ("upload None", TypeError, "local: ", lambda s: s.upload(a(None), "/x")),
    ("upload nothing", ValueError, "local: ", lambda s: s.upload("", "/x")),
    ("upload NUL", ValueError, "local: ", lambda s: s.upload("a\0b", "/x")),
    ("upload missing", FileNotFoundError, ".*/nosuch", lambda s: s.upload("/nosuch", "/x")),
    ("upload to bytes", TypeError, "remote: ", lambda s: s.upload(HERE, a(b"/x"))),
    ("upload to None", TypeError, "remote: ", lambda s: s.upload(HERE, a(None))),
    ("upload to nothing", ValueError, "remote: ", lambda s: s.upload(HERE, "")),
    ("upload to NUL", ValueError, "remote: ", lambda s: s.upload(HERE, "/x\0")),
    ("upload, container", ValueError, "container: ", lambda s: s.upload(HERE, "/x", container=a(5))),
    # commands
    ("exec None", TypeError, "args: ", lambda s: s.exec(a(None))),
    ("exec bytes", TypeError, "args: ", lambda s: s.exec(a(b"ls"))),
    ("exec no bytes", TypeError, "args: ", lambda s: s.exec(a(b""))),
    ("exec a path", TypeError, "args: ", lambda s: s.exec(a(Path("ls")))),
    ("exec nothing", ValueError, "args: ", lambda s: s.exec([])),
    ("exec no words", ValueError, "args: ", lambda s: s.exec(" ")),
    ("exec a number", TypeError, "args: ", lambda s: s.exec([a(1)])),
    ("exec NUL", ValueError, "args: ", lambda s: s.exec(["a\0b"])),
    ("exec quotes", ValueError, "args: ", lambda s: s.exec("echo '")),
    ("exec shell", TypeError, "shell", lambda s: s.exec(["ls"], shell=True)),
    ("shell", TypeError, "shell: ", lambda s: s.exec("ls", a("/bin/bash"))),
    ("check", TypeError, "check: ", lambda s: s.exec("ls", check=a("yes"))),
    ("text", TypeError, "text: ", lambda s: s.exec("ls", text=a(None))),
    ("input", TypeError, "input: ", lambda s: s.exec("cat", input=a(5))),
    ("input in ASCII", ValueError, ".*ascii", lambda s: s.exec("cat", input="ä", encoding="ascii")),
    ("encoding", LookupError, "encoding: ", lambda s: s.exec("ls", encoding="nosuch")),
    ("encoding of bytes", LookupError, "encoding: ", lambda s: s.exec("ls", encoding="hex")),
    ("encoding None", TypeError, "encoding: ", lambda s: s.exec("ls", encoding=a(None))),
    ("errors", LookupError, "errors: ", lambda s: s.exec("ls", errors="nosuch")),
    ("errors None", TypeError, "errors: ", lambda s: s.exec("ls", errors=a(None))),
    ("cwd", ValueError, "cwd: ", lambda s: s.exec("ls", cwd=a(5))),
    ("cwd empty", ValueError, "cwd: ", lambda s: s.exec("ls", cwd="")),
    ("env", TypeError, "env: must be a dict", lambda s: s.exec("ls", env=a(["A=1"]))),
    ("env, a value", ValueError, "env: .*A", lambda s: s.exec("ls", env={"A": a(1)})),
    ("env, a name", ValueError, "env: ", lambda s: s.exec("ls", env={"A=B": "1"})),
    ("container", ValueError, "container: ", lambda s: s.exec("ls", container=a(b"x"))),
    ("container empty", ValueError, "container: ", lambda s: s.exec("ls", container="")),
    ("container, a path", ValueError, "container: ", lambda s: s.exec("ls", container="a/b")),
    ("stdout", TypeError, "stdout: ", lambda s: s.exec("ls", stdout=a("out.txt"))),
    ("stderr", TypeError, "stderr: ", lambda s: s.exec("ls", stderr=a(2))),
    # the configuration
    ("kubeconfig bytes", TypeError, "kubeconfig: ", lambda _: load_config(a(b"/x"))),
    ("kubeconfig int", TypeError, "kubeconfig: ", lambda _: load_config(a(5))),
    ("configure int", TypeError, "kubeconfig: ", lambda _: devservers.configure(a(5))),
    ("context", TypeError, "context: ", lambda _: load_config(context=a(5))),
    ("context empty", ValueError, "context: ", lambda _: devservers.configure(context="")),
    ("namespace", ValueError, "namespace: ", lambda _: load_config(namespace=a(5))),
    ("namespace, a path", ValueError, "namespace: ", lambda _: devservers.configure(namespace="a/b")),
    ("config", TypeError, "config: must be a ClientConfig", lambda _: RESTClient(a("https://x"))),
    ("server", TypeError, "server: ", lambda _: ClientConfig(a(None))),
    ("server's namespace", TypeError, "namespace: ", lambda _: ClientConfig("https://x", a(5))),
    ("credentials", TypeError, "credentials: ", lambda _: ClientConfig("https://x", credentials=a("token"))),
    ("tls", TypeError, "tls: ", lambda _: ClientConfig("https://x", tls=a(False))),
    ("proxy", TypeError, "proxy_url: ", lambda _: ClientConfig("https://x", proxy_url=a(5))),
    ("user agent", TypeError, "user_agent: ", lambda _: ClientConfig("https://x", user_agent=a(5))),
    ("environment", TypeError, "proxy_from_env", lambda _: ClientConfig("https://x", proxy_from_environment=a("no"))),
)  # fmt: skip


@pytest.mark.parametrize(
    ("error", "message", "call"), [each[1:] for each in REFUSALS], ids=[each[0] for each in REFUSALS]
)
def test_a_bad_argument_is_named_and_nothing_is_sent(
    cluster: FakeAPIServer, server: DevServer, error: type[Exception], message: str, call: Call
) -> None:
    before = len(cluster.requests)
    with pytest.raises(error, match=f"^{message}") as caught:
        call(server)
    assert not isinstance(caught.value, devservers.DevServersError)
    assert len(cluster.requests) == before


WRITES: dict[str, Callable[[DevServer, Any], object]] = {
    "create": lambda _, more: DevServer.create(ObjectMeta("x"), SPEC, **more),
    "update": lambda server, more: server.update(**more),
    "patch": lambda server, more: server.patch({}, **more),
    "apply": lambda server, more: server.apply(**{"field_manager": "me", **more}),
}


@pytest.mark.parametrize("verb", WRITES)
@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"field_manager": 5}, TypeError),
        ({"field_manager": ""}, ValueError),
        ({"field_manager": "a\nb"}, ValueError),
        ({"field_manager": "ä" * 65}, ValueError),
        ({"field_validation": "strict"}, ValueError),
        ({"field_validation": None}, ValueError),
    ],
    ids=["a number", "empty", "a line break", "130 bytes", "lower case", "None"],
)
def test_the_options_of_every_write_are_checked(
    cluster: FakeAPIServer, server: DevServer, verb: str, more: dict[str, Any], error: type[Exception]
) -> None:
    before = len(cluster.requests)
    with pytest.raises(error, match=f"^{next(iter(more))}: "):
        WRITES[verb](server, more)
    assert len(cluster.requests) == before


SELECTING: dict[str, Callable[[Any], object]] = {
    "list": lambda selectors: DevServer.list(**selectors),
    "iterate": lambda selectors: DevServer.iterate(**selectors),
    "watch_all": lambda selectors: DevServer.watch_all(**selectors),
}


@pytest.mark.parametrize("function", SELECTING)
@pytest.mark.parametrize(
    ("selector", "error", "message"),
    [
        ({"team": None}, TypeError, r"label_selector\['team'\]: must be a string, not NoneType"),
        ({"team": True}, TypeError, r"label_selector\['team'\]: must be a string, not bool"),
        ({"tier": 1}, TypeError, r"label_selector\['tier'\]: must be a string, not int"),
        ({"team": ["red"]}, TypeError, r"label_selector\['team'\]: "),
        ({"team": "red,blue"}, ValueError, r"label_selector\['team'\]: 'red,blue' is not a valid label value"),
        ({"team": "red blue"}, ValueError, r"label_selector\['team'\]: "),
        ({"team": "-red"}, ValueError, r"label_selector\['team'\]: "),
        ({"team": "grün"}, ValueError, r"label_selector\['team'\]: "),
        ({"team": "r" * 64}, ValueError, r"label_selector\['team'\]: "),
        ({"team in (red)": ""}, ValueError, "label_selector: the key 'team in "),
        ({"": "red"}, ValueError, "label_selector: the key '' "),
        ({"a/b/c": "red"}, ValueError, "label_selector: the prefix of 'a/b/c'"),
        ({5: "red"}, TypeError, "label_selector: the key 5 "),
        (b"team=red", TypeError, "label_selector: "),
        (["team=red"], TypeError, "label_selector: "),
        (0, TypeError, "label_selector: "),
        ("team=\udc80", ValueError, "label_selector: "),
    ],
    ids=str,
)
def test_a_label_selector_that_would_select_nothing_is_refused(
    cluster: FakeAPIServer, server: DevServer, function: str, selector: Any, error: type[Exception], message: str
) -> None:
    before = len(cluster.requests)
    with pytest.raises(error, match=f"^{message}"):
        SELECTING[function]({"label_selector": selector})
    assert len(cluster.requests) == before


@pytest.mark.parametrize(
    "selector", [{"metadata.name": "dev"}, b"metadata.name=dev", 5, ["metadata.name=dev"]], ids=str
)
def test_a_field_selector_is_a_string(cluster: FakeAPIServer, server: DevServer, selector: Any) -> None:
    before = len(cluster.requests)
    for function in ("list", "iterate"):
        with pytest.raises(TypeError, match=r"^field_selector: must be a string, not "):
            SELECTING[function]({"field_selector": selector})
    assert len(cluster.requests) == before


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        (None, True),
        ("", True),
        ({}, True),
        ({"team": "red", "example.com/Tier_1.x": ""}, True),
        ({"team": "blue"}, False),
        ("team in (red, blue),!other", True),
        ("team notin (red)", False),
    ],
    ids=str,
)
def test_what_the_api_server_accepts_is_not_refused(server: DevServer, selector: Any, found: bool) -> None:
    server.metadata.labels = {"team": "red", "example.com/Tier_1.x": ""}
    server.update()
    assert bool(DevServer.list(label_selector=selector)) == found


@pytest.mark.parametrize(
    "value",
    ["2562048h", "99999999999999h", "9" * 5000 + "s", datetime.timedelta.max, datetime.timedelta(days=200_000)],
    ids=["an hour more", "years", "digits", "timedelta.max", "centuries"],
)
def test_a_time_to_live_too_long_for_a_date_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^spec\.lifecycle\.timeToLive: must be at most 2562047h \(292 years\), not "):
        LifecycleSpec(value)


@pytest.mark.parametrize("value", [datetime.timedelta(seconds=-1), datetime.timedelta.min, datetime.timedelta(0), 3600])
def test_a_time_to_live_is_positive(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^spec\.lifecycle\.timeToLive: must be '1h30m' or a positive timedelta"):
        LifecycleSpec(value)


def test_the_longest_time_to_live_is_the_longest_go_duration() -> None:
    longest = LifecycleSpec("2562047h47m16s")
    assert longest.time_to_live_delta == datetime.timedelta(seconds=2**63 // 10**9)
    assert LifecycleSpec(datetime.timedelta(seconds=2**63 // 10**9)).time_to_live == "2562047h47m16s"


@pytest.mark.parametrize("value", ["abc", {"claimName": "a", "mountPath": "/a"}, 5])
def test_volumes_are_a_list(value: Any) -> None:
    server = made()
    with pytest.raises(ValueError, match=r"^spec\.volumes: must be a list of VolumeSpec or dict, not "):
        server.volumes = value
