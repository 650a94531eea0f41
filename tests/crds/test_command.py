"""What is really run: the caller's words, and before them as little as will do. Each script in several shells."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pytest

from devservers.crds.commands.commandline import SHELL, check_directory, check_environment, parse_command
from devservers.crds.commands.complaints import Complaint, Trouble, find_complaint
from devservers.crds.commands.proof import mark_of
from devservers.crds.commands.wrapper import ENV, HEAD, IDENTITY_VARIABLE, Command
from tests.machine import FOREIGN, where_it_is

SHELLS = {"sh": ["/bin/sh"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
ID = "0123456789abcdef"
MARK = mark_of(ID)


class Way(NamedTuple):
    """One way to run a command, by a shell and an env of choice. It is given the stdin that it counts."""

    how: dict[str, Any]
    shell: list[str]
    env: list[str]
    stdin: bytes = b""

    def run(self, command: Command) -> Run:
        return Run(command, self)


PLAIN: dict[str, Any] = {}
MARKED: dict[str, Any] = {"marked": True}
COUNTED: dict[str, Any] = {"stdin_size": 4}
GNU, BUSYBOX = ["env"], ["busybox", "env"]
WAYS = {
    "GNU env": Way(PLAIN, SHELLS["sh"], GNU),
    "busybox env": Way(PLAIN, SHELLS["sh"], BUSYBOX),
    **{f"marks, {name}": Way(MARKED, shell, GNU) for name, shell in SHELLS.items()},
    **{f"counted, {name}": Way(COUNTED, shell, GNU, b"1234") for name, shell in SHELLS.items()},
    "marks, busybox env": Way(MARKED, SHELLS["sh"], BUSYBOX),
}


def here(argv: list[str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run it in a session of its own, as a container runtime does."""
    return subprocess.run(
        argv, input=stdin, capture_output=True, check=False, timeout=20, start_new_session=True, cwd="/tmp"
    )


class Run:
    """A command that was run here as planned."""

    def __init__(self, command: Command, way: Way) -> None:
        self.command = command
        self.plan = command.plan(**way.how)
        argv = [word for planned in self.plan.argv for word in self._tool(planned, way)]
        done = here(argv, way.stdin)
        self.stdout, self.stderr, self.returncode = done.stdout, done.stderr, done.returncode

    def _tool(self, word: str, way: Way) -> list[str]:
        if word == self.command.words[0]:
            return [word]
        return way.shell if word == SHELL else way.env if word == ENV else [word]

    @property
    def output(self) -> bytes:
        """stdout without its mark, if it has one."""
        return self.stdout.replace(MARK, b"")

    @property
    def complaint(self) -> Optional[Complaint]:
        return find_complaint(self.command, self.plan, self.returncode, self.stderr[:400], self.stderr[-400:])


@pytest.fixture(params=where_it_is(SHELLS))
def shell(request: pytest.FixtureRequest) -> list[str]:
    """A shell, for /bin/sh."""
    found: list[str] = request.param
    return found


@pytest.fixture(params=where_it_is(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    """Each of the ways to run a command."""
    found: Way = request.param
    return found


# words


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("echo 'a b' c", ["echo", "a b", "c"]),
        ('echo "a \\"b\\"" \'\'', ["echo", 'a "b"', ""]),
        (["echo", "a b", "", "*"], ["echo", "a b", "", "*"]),
        (("echo", "$HOME"), ["echo", "$HOME"]),
        ("  ls  ", ["ls"]),
    ],
)
def test_a_string_is_split_into_words_and_a_list_is_taken_as_it_is(args: Any, words: list[str]) -> None:
    assert parse_command(args, shell=False) == words


def test_with_shell_the_string_goes_to_sh() -> None:
    assert parse_command("ps aux | grep x", shell=True) == ["/bin/sh", "-c", "ps aux | grep x"]


@pytest.mark.parametrize(
    ("args", "shell", "error", "message"),
    [
        (["ls"], True, TypeError, "shell=True takes the command as one string"),
        (b"ls", False, TypeError, "must be a string or a list of strings, not bytes"),
        (["ls", 1], False, TypeError, r"every word must be a string, not int \(1\)"),
        ("echo 'a", False, ValueError, r"cannot be split into words \(No closing quotation\); pass a list instead"),
        ("", False, ValueError, "there is no command to run"),
        ("  ", True, ValueError, "there is no command to run"),
        ([], False, ValueError, "there is no command to run"),
        ([""], False, ValueError, "there is no command to run"),
        ("''", False, ValueError, "there is no command to run"),
        (["a\0b"], False, ValueError, "a NUL character cannot be passed"),
        (["cat", "\udcff"], False, ValueError, r"'\\udcff' is not text that can be encoded as UTF-8"),
    ],
)
def test_what_cannot_be_run_is_refused(args: Any, shell: bool, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_command(args, shell)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"A=B": "x"}, "'A=B' is not the name of a variable"),
        ({"-A": "x"}, "'-A' is not the name of a variable"),
        ({"1A": "x"}, "'1A' is not the name of a variable"),
        ({"": "x"}, "'' is not the name of a variable"),
        ({"A": 1}, "the value of A must be a string"),
        ({"A": "a\0b"}, "env: A: a NUL character"),
        ({"A": "\udcff"}, "env: A: .* is not text"),
    ],
)
def test_an_environment_that_cannot_be_is_refused(env: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_environment(env)


@pytest.mark.parametrize("cwd", ["", "a\0b", "\udcff", 1, b"/tmp"])
def test_a_directory_that_cannot_be_one_is_refused(cwd: Any) -> None:
    with pytest.raises(ValueError, match=r"^cwd: "):
        check_directory(cwd)


@pytest.mark.parametrize(("cwd", "path"), [(None, None), ("/a b", "/a b"), ("a", "a"), ("-", "./-"), ("-P", "./-P")])
def test_a_directory_is_never_taken_for_an_option(cwd: Any, path: Any) -> None:
    assert check_directory(cwd) == path


# what is put before the words


def test_by_itself_a_command_gets_one_variable_and_no_shell() -> None:
    plan = Command(["ls", "-l"], ID).plan()
    assert plan.argv == ["env", f"{IDENTITY_VARIABLE}={ID}", "ls", "-l"]
    assert (plan.tools, plan.marked) == ((ENV,), False)


def test_in_a_container_without_tools_there_is_nothing_before_the_words() -> None:
    plan = Command(["ls", "-l"], ID).plan(marked=True, without=[ENV, SHELL])
    assert (plan.argv, plan.tools, plan.marked) == (["ls", "-l"], (), False)


def test_without_env_the_shell_sets_the_variable(shell: list[str]) -> None:
    command = Command(["sh", "-c", f"echo $0 ${IDENTITY_VARIABLE}", "zero"], ID)
    for how in (PLAIN, MARKED, COUNTED):
        plan = command.plan(**how, without=[ENV])
        assert plan.tools[0] == SHELL
        assert ENV not in plan.argv
        output = here([*shell, *plan.argv[1:]], b"1234").stdout
        assert output.replace(MARK, b"") == f"zero {ID}\n".encode()


def test_tools_that_the_callers_wishes_need_are_tried_though_they_were_missing() -> None:
    command = Command(["ls"], ID, cwd="/", env={"A": "b"})
    plan = command.plan(stdin_size=1, without=[ENV, SHELL, HEAD])
    assert plan.tools == (SHELL, ENV, HEAD)
    assert (command.requires(SHELL), command.requires(ENV), command.requires(HEAD)) == ("cwd", "env", "")


def test_no_script_is_long() -> None:
    """They travel in the URL of each request."""
    for way in WAYS.values():
        assert sum(map(len, Command(["ls"], ID, cwd="/").plan(**way.how).argv)) < 500


# running


@pytest.mark.parametrize("env", where_it_is({"gnu": GNU, "busybox": BUSYBOX}))
def test_the_environment_is_the_containers_with_one_variable_more(env: list[str]) -> None:
    """A shell in between would add PWD, and drop what it has no name for."""
    plan = Command(["env"], ID).plan()
    argv = [*env, *plan.argv[1:]]
    done = subprocess.run(
        argv, env={"A.B": "c", "PATH": os.environ["PATH"]}, capture_output=True, check=True, timeout=20
    )
    expected = ["A.B=c", f"PATH={os.environ['PATH']}", f"{IDENTITY_VARIABLE}={ID}"]
    assert sorted(done.stdout.decode().splitlines()) == sorted(expected)


def test_the_callers_variables_have_any_name(way: Way) -> None:
    variables = {
        "A": "a 'b' $HOME\n*",
        "a.b-c": "d",
        "PATH": "/usr/bin:/bin",
        "IFS": "x7",
        "p": "1",
        IDENTITY_VARIABLE: "no",
    }
    run = way.run(Command(["env", "-0"], ID, cwd="/", env=variables))
    expected = {**variables, IDENTITY_VARIABLE: ID}
    came = dict(pair.split("=", 1) for pair in run.output.decode().split("\0") if pair)
    assert {name: came.get(name) for name in expected} == expected


def test_it_runs_in_the_directory(way: Way) -> None:
    assert way.run(Command(["pwd"], ID, cwd="/usr")).output == b"/usr\n"


def test_no_word_is_read_by_a_shell(way: Way) -> None:
    words = ["printf", "%s\\n", "a b", "$HOME", "`id`", "'", '"', "*", "-n", "\\", "é", "a\nb", ""]
    run = way.run(Command(words, ID, cwd="/"))
    assert run.output.decode() == "".join(f"{word}\n" for word in words[2:])


@pytest.mark.parametrize("code", [0, 2, 126, 127])
def test_the_exit_code_is_that_of_the_command(way: Way, code: int) -> None:
    run = way.run(Command(["bash", "-c", f"exit {code}"], ID))
    assert (run.returncode, run.complaint) == (code, None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_kills_the_command_as_ever_and_no_shell_comments_on_it(way: Way, number: int) -> None:
    run = way.run(Command(["bash", "-c", f"kill -{int(number)} $$"], ID))
    assert (run.returncode, run.stderr) == (-number if way.how == PLAIN else 128 + number, b"")


def test_a_signal_to_the_whole_group_ends_only_what_does_not_mind_it(way: Way) -> None:
    script = "trap 'echo caught; exit 5' TERM; kill 0; sleep 5"
    run = way.run(Command(["bash", "-c", script], ID))
    assert (run.returncode, run.stdout) == (5, b"caught\n")


def test_it_gets_signals_as_if_nothing_stood_before_it(way: Way) -> None:
    look = ["/bin/grep", "-E", "^Sig(Ign|Cgt|Blk)", "/proc/self/status"]
    run = way.run(Command(look, ID))
    assert run.output == here(look).stdout


def test_it_gets_no_descriptor_more(way: Way) -> None:
    look = ["bash", "-c", "echo /proc/self/fd/*"]
    run = way.run(Command(look, ID))
    assert run.output == here(look).stdout


@pytest.mark.parametrize("words", [["cd", "/tmp"], ["exit", "3"], ["-x"], ["a=b"]])
def test_no_builtin_option_or_variable_is_taken_for_a_command(way: Way, words: list[str]) -> None:
    run = way.run(Command(words, ID))
    assert run.complaint is not None
    assert run.complaint.trouble is Trouble.NOT_FOUND


def test_a_path_that_env_would_take_for_a_variable_is_run(way: Way, tmp_path: Path) -> None:
    program = tmp_path / "year=2025"
    program.symlink_to("/bin/echo")
    run = way.run(Command([str(program), "x"], ID, env={"A": "b"}))
    assert run.output == b"x\n"


# marks


def test_marks_end_both_streams_of_a_command_that_succeeded(shell: list[str]) -> None:
    run = Way(MARKED, shell, GNU).run(Command(["sh", "-c", "echo out; echo err >&2"], ID))
    assert (run.stdout, run.stderr) == (b"out\n" + MARK, b"err\n" + MARK)


def test_a_command_that_failed_has_no_marks(shell: list[str]) -> None:
    """Its code is proved by itself; with marks, a Success that the API server made up would look proved."""
    run = Way(MARKED, shell, GNU).run(Command(["sh", "-c", "echo out; exit 3"], ID))
    assert (run.stdout, run.stderr) == (b"out\n", b"")


def test_a_command_that_closes_its_streams_has_its_marks(shell: list[str]) -> None:
    run = Way(MARKED, shell, GNU).run(Command(["sh", "-c", "exec >&- 2>&-"], ID))
    assert (run.stdout, run.stderr, run.returncode) == (MARK, MARK, 0)


def test_a_child_in_the_background_writes_after_the_marks(shell: list[str], tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    script = f"(read line <{go}; echo late) &"
    argv = Command(["sh", "-c", script], ID).plan(marked=True).argv
    with subprocess.Popen([*shell, *argv[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.wait(20) == 0
        go.write_bytes(b"\n")
        assert child.stdout.read() == MARK + b"late\n"


# counted stdin


def test_counted_stdin_ends_where_it_should(shell: list[str]) -> None:
    data = bytes(range(256)) * 1000
    cat = Command(["cat"], ID)
    assert Way({"stdin_size": len(data)}, shell, GNU, data + b"more").run(cat).stdout == data
    assert Way({"stdin_size": 0}, shell, GNU, b"more").run(cat).stdout == b""


@pytest.mark.parametrize(
    "command",
    [
        Command(["true"], ID),
        Command(["head", "-c", "10"], ID),
        Command(["bash", "-c", "exec <&-; exit 3"], ID),
        Command(["nosuchcommand"], ID),
        Command(["cat"], ID, cwd="/no/such"),
    ],
    ids=["ignores it", "reads some", "closes it", "is not there", "has no directory"],
)
def test_counted_stdin_is_taken_to_its_end_though_the_command_does_not(shell: list[str], command: Command) -> None:
    """With input under way when the command ends, a v4 server may lose the status."""
    argv = command.plan(stdin_size=50_000).argv
    reading, writing = os.pipe()
    with open(reading, "rb") as stdin, open(writing, "wb") as rest:
        rest.write(bytes(50_000) + b"more")
        rest.flush()
        subprocess.run([*shell, *argv[1:]], stdin=stdin, capture_output=True, check=False, timeout=20)
        rest.close()
        assert stdin.read() in (b"more", b"")  # busybox's head reads ahead


# complaints


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with what cannot be run."""
    for name, content, mode in (
        ("plain", "hello", 0o644),
        ("no-interpreter", "#!/no/such/interpreter\n", 0o755),
        ("env-no-interpreter", "#!/usr/bin/env nosuchinterpreter\n", 0o755),
        ("nosuch", "#!/usr/bin/env nosuchinterpreter\n", 0o755),
    ):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)
    (tmp_path / "foreign").write_bytes(FOREIGN)
    (tmp_path / "foreign").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("name", ["nosuchcommand", "/no/such", "it's", "é", "a \nb", "no-interpreter"])
def test_what_is_not_there_is_told(way: Way, files: Path, name: str) -> None:
    if name == "no-interpreter":
        name = str(files / name)
    run = way.run(Command([name, "x"], ID))
    assert run.complaint == Complaint(Trouble.NOT_FOUND, "no such file or directory")


@pytest.mark.parametrize("name", ["plain", "."])
def test_what_may_not_be_executed_is_told(way: Way, files: Path, name: str) -> None:
    run = way.run(Command([f"./{name}"], ID, cwd=str(files)))
    assert run.complaint == Complaint(Trouble.NOT_STARTED, "permission denied")


def test_a_program_for_another_machine_is_told(way: Way, files: Path) -> None:
    run = way.run(Command([str(files / "foreign")], ID))
    assert run.complaint == Complaint(Trouble.NOT_STARTED, "exec format error")


def test_codes_of_a_command_that_finds_nothing_itself_are_its_own(way: Way, files: Path) -> None:
    for words, code in (
        (["bash", "-c", "nosuchcommand"], 127),
        (["bash", "-c", str(files / "plain")], 126),
        (["bash", "-c", "echo 'env: nosuch: No such file or directory' >&2; exit 127"], 127),
        (["bash", "-c", "env >&2; exit 127"], 127),
        (["env", "/usr/bin/env", "PATH=/", "env"], 127),
        (["dash", "-c", "("], 2),
        ([str(files / "env-no-interpreter")], 127),
        (["nosuch"], 127),  # the name of its interpreter begins so
    ):
        run = way.run(Command(words, ID, env={"PATH": f"{os.environ['PATH']}:{files}"}))
        assert (words, run.returncode, run.complaint) == (words, code, None)


def test_a_directory_that_is_not_there_is_told(way: Way) -> None:
    run = way.run(Command(["true"], ID, cwd="/no/such"))
    assert run.complaint == Complaint(Trouble.NO_DIRECTORY)


LEAN = pytest.mark.parametrize("shell", [SHELLS["sh"], SHELLS["bash"]], ids=["sh", "bash"])
"""Shells that need a search path; busybox may have all tools in itself."""


@LEAN
def test_a_missing_head_is_told(shell: list[str], tmp_path: Path) -> None:
    command = Command(["true"], ID)
    plan = command.plan(stdin_size=1)
    run = without_tools(shell, plan.argv, tmp_path)
    assert find_complaint(command, plan, run.returncode, run.stderr, run.stderr) == Complaint(Trouble.NO_TOOL, HEAD)


@pytest.mark.parametrize("said", ["1: env: Argument list too long", "line 1: env: Argument list too long"])
def test_an_env_that_a_command_is_too_long_for_is_not_missing(said: str) -> None:
    command = Command(["true"], ID)
    stderr = f"{ID}: {said}\n".encode()
    complaint = find_complaint(command, command.plan(marked=True), 126, stderr, stderr)
    assert complaint == Complaint(Trouble.NOT_STARTED, "argument list too long")


@LEAN
@pytest.mark.parametrize("words", [["true"], ["env"]])
def test_a_missing_env_is_told(shell: list[str], tmp_path: Path, words: list[str]) -> None:
    command = Command(words, ID)
    plan = command.plan(marked=True)
    run = without_tools(shell, plan.argv, tmp_path)
    assert find_complaint(command, plan, run.returncode, run.stderr, run.stderr) == Complaint(Trouble.NO_TOOL, ENV)


def test_without_env_the_shell_tells_that_a_command_is_missing(shell: list[str], tmp_path: Path) -> None:
    command = Command(["nosuchcommand"], ID)
    plan = command.plan(marked=True, without=[ENV])
    run = without_tools(shell, plan.argv, tmp_path)
    complaint = find_complaint(command, plan, run.returncode, run.stderr, run.stderr)
    assert complaint is not None
    assert complaint.trouble is Trouble.NOT_FOUND


def without_tools(shell: list[str], argv: list[str], empty: Path) -> subprocess.CompletedProcess[bytes]:
    """Run by the shell, with nothing in its search path."""
    from shutil import which

    program = which(shell[0])
    assert program is not None
    return subprocess.run(
        [program, *shell[1:], *argv[1:]], env={"PATH": str(empty)}, capture_output=True, check=False, timeout=20
    )
