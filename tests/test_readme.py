"""Every piece of Python in the README runs as written against the fake API server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver_tests.watching import until_gone

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTIONS = (
    "Two commands",
    "Install and vendor",
    "Guide",
    "Errors",
    "Test your own code with the fake",
    "Limits",
    "Changes",
)


def _blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def _indented_code() -> list[str]:
    """Indented Python code: it needs contexts that the reader may not have."""
    indented = re.findall(r"(?<=\n\n)(?:    .*\n|\n(?=    ))+", README)
    return [textwrap.dedent(block) for block in indented if block.lstrip().startswith(("import ", "from "))]


def _run(code: str, directory: Path, **environment: str) -> str:
    """What ``code`` prints when run from a file, in its own interpreter, as a reader would."""
    (directory / "try.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "try.py"],
        cwd=directory, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def _names(server: FakeAPIServer) -> dict[str, list[str]]:
    """The existing DevServers and their dependents, once the operator has released the deleted ones."""
    for devserver in server.store.list("devservers"):
        if "deletionTimestamp" in devserver["metadata"]:
            until_gone(server, "devservers", devserver["metadata"]["name"])
    resources = ("devservers", "devserverflavors", "devserverusers")
    return {resource: [obj["metadata"]["name"] for obj in server.store.list(resource)] for resource in resources}


@pytest.mark.parametrize("number", range(len(_blocks())), ids=[f"block {n}" for n, _ in enumerate(_blocks(), 1)])
def test_a_block_runs_as_written_and_leaves_nothing(number: int, server: FakeAPIServer, tmp_path: Path) -> None:
    before = _names(server)
    _run(_blocks()[number], tmp_path)
    assert _names(server) == before


def test_the_blocks_run_one_after_the_other(server: FakeAPIServer, tmp_path: Path) -> None:
    assert _run("\n".join(_blocks()), tmp_path).startswith("hello from here\n 0\n")


def test_indented_code_runs_where_its_contexts_exist(server: FakeAPIServer, tmp_path: Path) -> None:
    contexts = [{"name": name, "context": {"cluster": "fake", "user": "fake"}} for name in ("staging", "prod")]
    kubeconfig = server.write_kubeconfig(tmp_path / "kubeconfig", contexts=contexts)
    server.write_kubeconfig(tmp_path / "home" / "other.yaml", contexts=contexts)
    assert len(_indented_code()) == 1
    _run(_indented_code()[0], tmp_path, KUBECONFIG=str(kubeconfig), HOME=str(tmp_path / "home"))


def test_the_block_that_handles_sigterm_deletes_its_server_when_one_comes(
    server: FakeAPIServer, tmp_path: Path
) -> None:
    block = next(block for block in _blocks() if "signal.SIGTERM" in block)
    at_work = 'server.exec("echo at work")'
    assert at_work in block
    (tmp_path / "try.py").write_text(block.replace(at_work, 'print("at work", flush=True); server.exec("sleep 60")'))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen([sys.executable, "try.py"], cwd=tmp_path, env=environment, text=True, **pipes) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
        child.terminate()
        rest, _ = child.communicate(timeout=60)
    assert (said, rest, child.returncode) == ("at work\n", "", 128 + signal.SIGTERM)
    assert _names(server)["devservers"] == []


def test_the_line_that_tries_a_block_works(tmp_path: Path) -> None:
    line = next(line for line in README.splitlines() if line.endswith(" try.py"))
    words = [sys.executable if word == ".venv/bin/python" else word for word in line.split()]
    (tmp_path / "try.py").write_text(_blocks()[0], encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, "hello from here\n 0\n"), done.stderr


def test_there_are_as_many_blocks_as_fences() -> None:
    assert len(_blocks()) == README.count("```python") == README.count("```") // 2
    assert len(_blocks()) >= 7


@pytest.mark.parametrize(("before", "after"), list(zip(SECTIONS, SECTIONS[1:])))
def test_the_sections_are_in_order(before: str, after: str) -> None:
    assert README.index(f"\n## {before}\n") < README.index(f"\n## {after}\n")


def test_the_two_commands_are_complete() -> None:
    begin = "    python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/python -m "
    assert f"{begin}tests.fakeapiserver demo\n" in README
    assert f"{begin}pytest\n" in README


def test_the_version_is_the_last_one_of_the_changes() -> None:
    import devservers

    assert f"\n{devservers.__version__}:" in README.partition("\n## Changes\n")[2]
