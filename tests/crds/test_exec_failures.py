"""When exec() has no exit code to give: the command is not there, or the connection is lost."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from devservers import errors
from devservers.crds.commands.explain import explaining_failures
from devservers.crds.devserver import DevServer
from tests.fakeapiserver.pods import Pods

from .builders import LONG, eventually, live, names_on, pod_name, requests_of
from .staged import StagedServer

# not found


def test_a_command_that_is_not_in_the_container_is_an_error_and_no_exit_code(
    either: StagedServer, devserver: DevServer
) -> None:
    with pytest.raises(errors.CommandNotFoundError) as caught:
        devserver.exec(["nosuchcommand", "-x"])
    assert f'\'nosuchcommand\' was not found in pod "{pod_name(either)}" in namespace "default"' in str(caught.value)
    assert caught.value.command == ["nosuchcommand", "-x"]


def test_a_path_that_is_not_there_is_the_same_error(devserver: DevServer) -> None:
    with pytest.raises(errors.CommandNotFoundError, match="'/workspace/nosuch' was not found"):
        devserver.exec("/workspace/nosuch")


# no shell in the container


def test_without_a_shell_plain_commands_run(shell_less: DevServer) -> None:
    assert shell_less.exec("echo x").stdout == "x\n"


def test_without_a_shell_shell_true_is_a_command_not_found(shell_less: DevServer) -> None:
    with pytest.raises(errors.CommandNotFoundError, match=r"there is no /bin/sh in .*: run the command as"):
        shell_less.exec("echo x", shell=True)


@pytest.mark.parametrize(
    "options", [{"cwd": "/workspace"}, {"cwd": "/workspace", "env": {"A": "b"}, "input": "x", "timeout": LONG}]
)
def test_without_a_shell_another_directory_cannot_be_had(shell_less: DevServer, options: dict[str, object]) -> None:
    for _ in range(2):  # what is remembered of the container changes nothing
        with pytest.raises(errors.CommandNotFoundError, match=r"there is no /bin/sh in .*, which cwd requires"):
            shell_less.exec(["echo", "x"], **options)  # type: ignore[call-overload]


def test_without_a_shell_variables_can_be_set(shell_less: DevServer) -> None:
    assert "A=b\n" in shell_less.exec("env", env={"A": "b"}).stdout


def test_without_a_shell_or_the_command_a_timeout_does_not_hide_which_is_missing(shell_less: DevServer) -> None:
    with pytest.raises(errors.CommandNotFoundError, match="'nosuchcommand' was not found"):
        shell_less.exec("nosuchcommand", timeout=LONG)


# other containers with few tools


def only_with(server: StagedServer, *tools: str) -> None:
    """Leave these programs of the container, and ``/bin/sh``."""
    sandbox = Pods.of(server).sandbox("default", pod_name(server))
    directory = Path(sandbox.paths.path("/workspace/bin"))
    directory.mkdir()
    for tool in tools:
        (directory / tool).symlink_to(f"/usr/bin/{tool}")
    sandbox.env["PATH"] = "/workspace/bin"


def test_without_env_commands_run_and_that_is_remembered(either: StagedServer, devserver: DevServer) -> None:
    only_with(either, "cat", "head")
    devserver.exec(["cat", "/dev/null"])
    before = len(requests_of(either, "GET", "/exec"))
    for given in (None, "x"):
        assert devserver.exec("cat", input=given or "").stdout == (given or "")
    assert len(requests_of(either, "GET", "/exec")) == before + 2
    with pytest.raises(errors.CommandNotFoundError, match="'nosuchcommand' was not found"):
        devserver.exec("nosuchcommand")


def test_without_env_variables_cannot_be_set(either: StagedServer, devserver: DevServer) -> None:
    only_with(either, "cat")
    with pytest.raises(errors.CommandNotFoundError, match=r"there is no env in .*, which env requires"):
        devserver.exec("cat", env={"A": "b"})


@pytest.mark.usefixtures("unhurried")
def test_without_env_and_grep_commands_are_killed(either: StagedServer, devserver: DevServer) -> None:
    only_with(either, "sleep")
    with pytest.raises(errors.ExecTimeoutError, match="it was killed"):
        devserver.exec(["sleep", "1000"], timeout=0.6)


# the connection


def test_a_close_without_a_status_is_a_lost_connection_with_what_had_come(
    operated: StagedServer, modern: DevServer
) -> None:
    with operated.fault.exec_closed_without_status(), pytest.raises(errors.ExecConnectionLostError) as caught:
        modern.exec("echo out; echo err >&2; exit 0", shell=True)
    assert (caught.value.stdout, caught.value.stderr) == ("out\n", "err\n")
    assert "(the server closed the stream with code 1000): its exit code is unknown; " in str(caught.value)


def test_a_reset_before_the_status_is_a_lost_connection(operated: StagedServer, modern: DevServer) -> None:
    with operated.fault.exec_reset_before_status(), pytest.raises(errors.ExecConnectionLostError) as caught:
        modern.exec("echo out")
    assert caught.value.stdout in ("out\n", "")  # a reset may overtake what was sent before it


def test_a_reset_after_the_status_changes_nothing(operated: StagedServer, modern: DevServer) -> None:
    with operated.fault.exec_reset_after_status():
        result = modern.exec("echo out; exit 3", shell=True)
    assert (result.stdout, result.returncode) == ("out\n", 3)


def test_a_lost_connection_is_not_tried_again(operated: StagedServer, modern: DevServer) -> None:
    with operated.fault.exec_closed_without_status(), pytest.raises(errors.ExecConnectionLostError):
        modern.exec("true")
    assert len(requests_of(operated, "GET", "command=true")) == 1


def test_a_pod_that_goes_while_a_command_runs_is_not_a_success(operated: StagedServer, modern: DevServer) -> None:
    started = threading.Event()

    def delete_the_pod() -> None:
        assert started.wait(LONG)
        operated.store.delete("pods", pod_name(operated), "default")

    thread = threading.Thread(target=delete_the_pod)
    thread.start()
    try:
        result = modern.exec("echo begun; sleep 1000", shell=True, timeout=LONG, stdout=lambda data: started.set())
    except errors.ExecConnectionLostError:
        return
    finally:
        thread.join(LONG)
    assert result.returncode == 137


def test_channels_that_the_protocol_does_not_have_are_passed_over(operated: StagedServer, modern: DevServer) -> None:
    with operated.fault.exec_unknown_channels():
        assert modern.exec("echo out").stdout == "out\n"


def test_a_server_that_agrees_to_no_subprotocol_is_a_protocol_error(operated: StagedServer, modern: DevServer) -> None:
    with operated.fault.exec_no_subprotocol_echoed(), pytest.raises(errors.ProtocolError, match="guesses"):
        modern.exec("echo out")


def test_a_server_that_knows_none_of_the_subprotocols_is_an_api_error(
    operated: StagedServer, modern: DevServer
) -> None:
    with operated.fault.exec_subprotocol_refused():
        for given in (None, "x"):
            with pytest.raises(errors.APIError, match="knows none of the subprotocols offered"):
                modern.exec("cat", input=given)


def test_a_server_that_is_too_busy_is_asked_again(operated: StagedServer, modern: DevServer) -> None:
    with operated.fault.too_many_requests("get", "pods/exec", seconds=0, times=2) as fault:
        assert modern.exec("echo out").stdout == "out\n"
    assert fault.suffered == 2


# the server is deleted meanwhile


def let_it_expire(cluster: StagedServer, server: DevServer) -> None:
    server.patch({"spec": {"lifecycle": {"timeToLive": "1s"}}})
    eventually(lambda: not names_on(cluster), "the end of its time")


EXPIRED = r"; <DevServer default/dev phase=Running> was deleted: its timeToLive of 1s was up"


def test_a_connection_that_is_lost_with_the_server_says_that_its_time_was_up(
    operated: StagedServer, modern: DevServer
) -> None:
    with operated.fault.exec_closed_without_status():
        with pytest.raises(errors.ExecConnectionLostError, match=EXPIRED):
            modern.exec("echo x", stdout=lambda data: let_it_expire(operated, modern))


@pytest.mark.parametrize("check", [True, False])
def test_a_command_that_is_killed_with_the_server_says_that_its_time_was_up(
    operated: StagedServer, modern: DevServer, check: bool
) -> None:
    def expire(data: bytes) -> None:
        let_it_expire(operated, modern)

    with pytest.raises(errors.CommandFailedError, match=EXPIRED) as caught:
        modern.exec("echo x; sleep 100", shell=True, check=check, stdout=expire)
    assert caught.value.returncode == 137


def test_a_command_that_kills_itself_is_no_failure(modern: DevServer) -> None:
    assert modern.exec("kill -9 $$", shell=True).returncode == 137


def test_what_comes_too_late_for_the_pod_says_that_the_time_of_the_server_was_up(
    operated: StagedServer, modern: DevServer, tmp_path: Path
) -> None:
    def until_it_has_no_pod() -> None:
        let_it_expire(operated, modern)
        eventually(lambda: not names_on(operated, "pods"), "the end of its pod")

    operated.before("GET", "/exec", until_it_has_no_pod)
    with pytest.raises(errors.NotFoundError, match=EXPIRED):
        modern.upload(tmp_path, "/workspace")


def test_a_transfer_whose_other_side_ended_with_the_server_says_that_its_time_was_up(
    operated: StagedServer, modern: DevServer
) -> None:
    let_it_expire(operated, modern)
    with pytest.raises(errors.SyncError, match=EXPIRED), explaining_failures(live(modern)):
        raise errors.SyncError("tar was killed")


def test_a_connection_that_is_lost_alone_says_nothing_of_the_server(operated: StagedServer, modern: DevServer) -> None:
    with operated.fault.exec_closed_without_status(), pytest.raises(errors.ExecConnectionLostError) as caught:
        modern.exec("echo x")
    assert "<DevServer" not in str(caught.value)
