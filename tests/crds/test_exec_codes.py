"""No exit code is made up: one situation has one outcome, whatever options are given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devservers import errors
from devservers.crds.devserver import DevServer
from tests.fakeapiserver.pods import Pods
from tests.machine import FOREIGN

from .builders import LONG
from .staged import StagedServer

OPTIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "timeout": {"timeout": LONG},
    "input": {"input": "x"},
    "env": {"env": {"A": "b"}},
    "cwd": {"cwd": "/workspace"},
    "all": {"timeout": LONG, "input": "x", "env": {"A": "b"}, "cwd": "/workspace"},
}


def each_way(server: DevServer, command: Any, **always: Any) -> dict[str, Any]:
    """What comes of a command, by the options that it is run with: the result, or the exception."""
    outcomes: dict[str, Any] = {}
    for name, options in OPTIONS.items():
        try:
            outcomes[name] = server.exec(command, **{**options, **always})
        except errors.ExecError as error:
            outcomes[name] = error
    return outcomes


@pytest.fixture
def prepared(either: StagedServer, devserver: DevServer) -> DevServer:
    """A container with what cannot be run."""
    workspace = Path(Pods.of(either).sandbox("default", devserver.pod_name).paths.path("/workspace"))
    for name, content, mode in (
        ("plain", "hello", 0o644),
        ("script", "#!/bin/sh\necho script\n", 0o755),
        ("no-interpreter", "#!/no/such/interpreter\n", 0o755),
        ("year=2025", "#!/bin/sh\necho script\n", 0o755),
    ):
        (workspace / name).write_text(content)
        (workspace / name).chmod(mode)
    (workspace / "foreign").write_bytes(FOREIGN)
    (workspace / "foreign").chmod(0o755)
    return devserver


NOT_THERE = [["nosuchcommand"], ["/workspace/nosuch"], ["cd", "/tmp"], ["/workspace/no-interpreter"]]


@pytest.mark.parametrize("command", NOT_THERE, ids=lambda command: command[0])
def test_what_is_not_there_is_a_command_not_found(prepared: DevServer, command: list[str]) -> None:
    for name, error in each_way(prepared, command).items():
        assert type(error) is errors.CommandNotFoundError, name
        assert f'{command[0]!r} was not found in pod "{prepared.pod_name}"' in str(error), name
        assert error.command == command, name


@pytest.mark.parametrize("command", ["/workspace/plain", "/workspace"])
def test_what_may_not_be_executed_is_an_exec_error_that_says_so(prepared: DevServer, command: str) -> None:
    for name, error in each_way(prepared, [command]).items():
        assert type(error) is errors.ExecError, name
        assert f"'{command}' could not be started in pod" in str(error), name
        assert "permission denied (it is a directory, or it lacks execute permission)" in str(error), name


OTHER_WAY = "send long data through input=, or upload it as a file"


def test_a_command_that_is_too_long_to_be_started_is_told_with_another_way(devserver: DevServer) -> None:
    for name, error in each_way(devserver, ["echo", "x" * 200_000]).items():
        assert type(error) is errors.ExecError, name
        assert "rgument list too long" in str(error), name
        assert OTHER_WAY in str(error), name


def test_a_command_that_is_too_long_for_env_is_told_with_another_way(
    either: StagedServer, devserver: DevServer
) -> None:
    """It has room for a few bytes less than the runtime, for the variable that it adds."""
    sandbox = Pods.of(either).sandbox("default", devserver.pod_name)
    tools = Path(sandbox.paths.path("/workspace/bin"))
    tools.mkdir()
    (tools / "env").write_text("#!/bin/sh\necho \"env: 'cat': Argument list too long\" >&2\nexit 126\n")
    (tools / "env").chmod(0o755)
    sandbox.env["PATH"] = "/workspace/bin:/usr/bin:/bin"
    with pytest.raises(errors.ExecError, match=r"'cat' could not be started in .*: argument list too long") as caught:
        devserver.exec("cat")
    assert OTHER_WAY in str(caught.value)


def test_a_program_for_another_machine_is_an_exec_error_that_says_so(prepared: DevServer) -> None:
    for name, error in each_way(prepared, "/workspace/foreign").items():
        assert type(error) is errors.ExecError, name
        assert "'/workspace/foreign' could not be started in pod" in str(error), name
        assert "exec format error" in str(error), name


@pytest.mark.parametrize("code", [0, 1, 2, 126, 127, 255])
def test_any_code_is_the_commands_own_when_it_ends_with_it(devserver: DevServer, code: int) -> None:
    results = each_way(devserver, f"exit {code}", shell=True)
    assert {name: result.returncode for name, result in results.items()} == dict.fromkeys(OPTIONS, code)


def test_a_shell_that_does_not_find_a_command_has_an_exit_code(devserver: DevServer) -> None:
    for name, result in each_way(devserver, "nosuchcommand", shell=True).items():
        assert (result.returncode, "nosuchcommand" in result.stderr) == (127, True), name


def test_a_command_killed_by_a_signal_has_one_code(devserver: DevServer) -> None:
    for name, result in each_way(devserver, "kill -9 $$", shell=True).items():
        assert (result.returncode, result.stderr) == (137, ""), name


def test_a_relative_path_belongs_to_the_working_directory(prepared: DevServer) -> None:
    assert prepared.exec("./script", cwd="/workspace").stdout == "script\n"
    with pytest.raises(errors.CommandNotFoundError):
        prepared.exec("./script", cwd="/tmp")


def test_an_empty_search_path_finds_nothing(devserver: DevServer) -> None:
    with pytest.raises(errors.CommandNotFoundError, match="'ls' was not found"):
        devserver.exec("ls", env={"PATH": ""}, cwd="/tmp")


def test_a_path_with_an_equals_sign_is_no_variable(prepared: DevServer) -> None:
    for name, result in each_way(prepared, "/workspace/year=2025").items():
        assert result.stdout == "script\n", name


def test_a_directory_that_is_not_there_is_told_whatever_else_is_asked_for(devserver: DevServer) -> None:
    for name, error in each_way(devserver, "ls", cwd="/workspace/nosuch").items():
        assert type(error) is errors.ExecError, name
        assert "'/workspace/nosuch' cannot be entered" in str(error), name


def test_variables_that_no_shell_can_hold_stay(devserver: DevServer) -> None:
    """As Kubernetes allows them: dash and busybox would drop them."""
    assert "a.b=c\n" in devserver.exec("env", env={"a.b": "c"}).stdout


def test_the_environment_has_one_variable_more(modern: DevServer, operated: StagedServer) -> None:
    bare = Pods.of(operated).sandbox("default", modern.pod_name).environment(tty=False)
    names = {line.partition("=")[0] for line in modern.exec("env").stdout.splitlines()}
    assert names == {*bare, "DEVSERVERS_EXEC_ID"}
