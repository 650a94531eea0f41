"""Exit code 0 is proved: an API server says Success as well when the kubelet was killed in mid-command."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import websocket

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from tests.fakeapiserver.operator import Operator
from tests.fakeapiserver.pods import Pods

from .builders import LONG, SPEC, pod_name
from .staged import StagedServer

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
CUT = "echo before; echo err >&2; sleep 1000; echo after"
"""What the fake's kubelet is killed in: it has passed on 11 bytes then."""


def offers(server: StagedServer) -> list[str]:
    """The subprotocols that exec sessions were asked for with, in order."""
    sessions = [request for request in server.requests if "/exec" in request.target]
    return [request.headers.get("Sec-WebSocket-Protocol") or "" for request in sessions]


def ready(image: str = "ubuntu:22.04") -> DevServer:
    return DevServer.create(ObjectMeta(name="dev"), {**SPEC, "image": image}).wait_for_ready(timeout=LONG)


@pytest.fixture
def v5(v5_alone: StagedServer) -> DevServer:
    """A DevServer that is ready, on a server that speaks v5 alone."""
    return ready()


@pytest.fixture
def v5_shell_less(v5_alone: StagedServer) -> DevServer:
    return ready("distroless")


# the lie


def test_a_plain_client_is_deceived(operated: StagedServer, modern: DevServer) -> None:
    """kubectl is, and every client that takes channel 3 at its word: output cut, and exit code 0."""
    words = [("command", word) for word in ["sh", "-c", CUT]]
    query = urlencode([*words, ("stdout", "true"), ("stderr", "true")])
    url = f"{operated.url}/api/v1/namespaces/default/pods/{modern.pod_name}/exec?{query}".replace("http", "ws", 1)
    with operated.fault.kubelet_lost(output=11):
        plain: Any = websocket.create_connection(
            url, subprotocols=[V5, V4], header=[f"Authorization: Bearer {operated.token}"], timeout=LONG
        )
        output = {1: b"", 2: b"", 3: b""}
        while True:
            opcode, frame = plain.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                break
            output[frame[0]] += frame[1:]
        plain.shutdown()
    assert (output[1], output[2]) == (b"before\n", b"err\n")
    assert json.loads(output[3])["status"] == "Success"


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("given", [None, "x"])
@pytest.mark.usefixtures("unhurried")
def test_we_are_not(either: StagedServer, devserver: DevServer, given: object) -> None:
    with either.fault.kubelet_lost(output=11, times=1), pytest.raises(errors.ExecConnectionLostError) as caught:
        devserver.exec(CUT, shell=True, input=given)  # type: ignore[call-overload]
    assert (caught.value.stdout, caught.value.stderr) == ("before\n", "err\n")
    assert "its exit code is unknown; it was killed" in str(caught.value)


def test_nor_by_a_command_that_says_nothing(either: StagedServer, devserver: DevServer) -> None:
    with either.fault.kubelet_lost(times=1), pytest.raises(errors.ExecConnectionLostError):
        devserver.exec(["sleep", "1000"])


def test_nor_while_it_reads_its_input(either: StagedServer, devserver: DevServer) -> None:
    with either.fault.kubelet_lost(stdin=100_000, times=1), pytest.raises(errors.ExecConnectionLostError):
        devserver.exec(["cat"], input=b"x" * 1_000_000)


def test_nor_when_the_kubelet_goes_between_the_two_proofs(v5_alone: StagedServer, v5: DevServer) -> None:
    """The output is whole, and one mark came: that the other did not is enough."""
    mark = 34
    with v5_alone.fault.kubelet_lost(output=4 + mark, times=1), pytest.raises(errors.ExecConnectionLostError) as caught:
        v5.exec("echo out", shell=True)
    assert (caught.value.stdout_bytes, caught.value.stderr_bytes) == (b"out\n", b"")


@pytest.mark.usefixtures("unhurried")
def test_the_message_says_what_is_known(v5_alone: StagedServer, v5: DevServer) -> None:
    with v5_alone.fault.kubelet_lost(times=1), pytest.raises(errors.ExecConnectionLostError) as caught:
        v5.exec(["sleep", "1000"])
    where = f'pod "{v5.pod_name}" in namespace "default", container devserver'
    assert str(caught.value) == (
        f"the API server says that 'sleep' in {where} succeeded, but its end was not seen: the connection to the "
        "kubelet was lost (restarted, or cut off); its exit code is unknown; it was killed"
    )


def test_a_code_that_is_not_0_is_the_containers_own(either: StagedServer, devserver: DevServer) -> None:
    result = devserver.exec("echo out; exit 3", shell=True)
    assert (result.returncode, result.stdout, result.confirmed) == (3, "out\n", True)


# what the proof must not change


def test_the_marks_never_reach_the_caller_streamed_or_captured(v5: DevServer) -> None:
    streamed: list[bytes] = []
    captured = v5.exec("echo out; echo err >&2", shell=True)
    v5.exec("echo out; echo err >&2", shell=True, stdout=streamed.append, stderr=streamed.append)
    assert (captured.stdout_bytes, captured.stderr_bytes) == (b"out\n", b"err\n")
    assert sorted(streamed) == [b"err\n", b"out\n"]


def test_a_prompt_without_a_line_end_comes_at_once(v5_alone: StagedServer, v5: DevServer) -> None:
    go = "/workspace/go"
    seen: list[bytes] = []

    def take(data: bytes) -> None:
        seen.append(data)
        if b"".join(seen) == b"ready? ":
            Path(Pods.of(v5_alone).sandbox("default", v5.pod_name).paths.path(go)).touch()

    result = v5.exec(f"printf 'ready? '; until [ -e {go} ]; do sleep 0.01; done", shell=True, stdout=take, timeout=LONG)
    assert result.returncode == 0


def test_a_command_that_closes_its_streams_is_no_loss(v5: DevServer) -> None:
    result = v5.exec("exec >&- 2>&-; sleep 0.1", shell=True)
    assert (result.returncode, result.stdout, result.confirmed) == (0, "", True)


def test_output_of_a_child_in_the_background_is_output(devserver: DevServer) -> None:
    """It keeps the session open, and writes when the command has long ended."""
    result = devserver.exec("(sleep 0.3; echo late; echo late >&2) & echo early", shell=True, timeout=LONG)
    assert (result.stdout, result.stderr, result.confirmed) == ("early\nlate\n", "late\n", True)


def test_a_list_of_processes_shows_the_wrapper_and_is_whole(v5: DevServer) -> None:
    shown = v5.exec("cat /proc/$PPID/cmdline", shell=True, text=False)
    assert shown.stdout.startswith(b"/bin/sh\0-c\0trap ")
    assert shown.stdout.endswith(b"\0/bin/sh\0-c\0cat /proc/$PPID/cmdline\0")
    assert shown.confirmed


# where neither proof can be had


def test_without_a_shell_v5_is_not_confirmed(v5_shell_less: DevServer) -> None:
    for _ in range(2):
        result = v5_shell_less.exec("echo x")
        assert (result.stdout, result.returncode, result.confirmed) == ("x\n", 0, False)


def test_without_a_shell_v5_confirms_what_is_not_0(v5_shell_less: DevServer) -> None:
    assert v5_shell_less.exec("false").confirmed


@pytest.mark.usefixtures("operated")
def test_without_a_shell_v4_is_confirmed() -> None:
    assert ready("distroless").exec("echo x").confirmed


# which protocol is asked for


def test_v4_alone_is_asked_for_first_by_whoever_can_do_with_it(operated: StagedServer, modern: DevServer) -> None:
    """With both on offer the server would choose v5."""
    modern.exec("true")
    modern.exec("cat", input="x")
    modern.exec("true", timeout=LONG)
    modern.upload(__file__, "/workspace/")
    assert offers(operated) == [V4, V4, V4, V4]


def test_what_a_server_refused_is_not_asked_for_again(v5_alone: StagedServer, v5: DevServer) -> None:
    v5.exec("true")
    v5.exec("cat", input="x")
    v5.upload(__file__, "/workspace/")
    assert offers(v5_alone) == [V4, V5, V5, V5]


def test_input_costs_an_old_server_no_second_request(old: StagedServer) -> None:
    server = ready()
    for _ in range(2):
        assert server.exec("cat", input="x").stdout == "x"
    assert offers(old) == [V4, V4]


def test_a_server_that_is_exchanged_for_another_is_noticed(v5_alone: StagedServer, v5: DevServer) -> None:
    v5.exec("true")
    v5_alone.exec_protocols = (V4,)
    v5.exec("cat", input="x")
    v5.exec("true")
    v5_alone.exec_protocols = (V5,)
    v5.exec("true")
    assert offers(v5_alone) == [V4, V5, V5, V4, V4, V4, V5]


def test_without_a_shell_v5_ends_the_input_by_itself_and_that_is_remembered(operated: StagedServer) -> None:
    server = ready("distroless")
    for _ in range(2):
        result = server.exec("cat", input="x")
        assert (result.stdout, result.confirmed) == ("x", False)
    assert offers(operated) == [V4, V5, V5]


def test_without_head_v5_ends_the_input_by_itself(operated: StagedServer) -> None:
    server = ready()
    sandbox = Pods.of(operated).sandbox("default", server.pod_name)
    tools = Path(sandbox.paths.path("/workspace/bin"))
    tools.mkdir()
    for tool in ("env", "cat"):
        (tools / tool).symlink_to(f"/usr/bin/{tool}")
    sandbox.env["PATH"] = "/workspace/bin"
    for _ in range(2):
        result = server.exec("cat", input="x")
        assert (result.stdout, result.confirmed) == ("x", True)
    assert offers(operated) == [V4, V5, V5]


def test_what_was_missing_is_tried_again_in_a_container_that_is_another_one(operated: StagedServer) -> None:
    server = ready("distroless")
    server.exec("cat", input="x")
    Operator.of(operated).pause()
    pod = operated.store.get("pods", pod_name(operated), "default")
    operated.store.delete("pods", pod["metadata"]["name"], "default")
    for field in ("uid", "resourceVersion", "creationTimestamp"):
        del pod["metadata"][field]
    for container in pod["spec"]["containers"]:
        container["image"] = "ubuntu:22.04"
    operated.store.create("pods", pod)
    assert server.exec("cat", input="x").confirmed
    assert offers(operated)[-1] == V4


# uploads


@pytest.fixture(params=["operated", "old", "v5_alone"])
def any_server(request: pytest.FixtureRequest) -> StagedServer:
    """One that speaks both protocols, one of before v5, one that speaks v5 alone, in turn."""
    server: StagedServer = request.getfixturevalue(request.param)
    return server


def test_an_upload_whose_kubelet_is_lost_is_no_success(any_server: StagedServer, tmp_path: Path) -> None:
    server = ready()
    for number in range(20):
        (tmp_path / f"file-{number}").write_bytes(os.urandom(50_000))
    with any_server.fault.kubelet_lost(stdin=300_000, times=1), pytest.raises(errors.ExecConnectionLostError):
        server.upload(tmp_path, "/workspace/x")
    assert server.upload(tmp_path, "/workspace/x").files == 20
