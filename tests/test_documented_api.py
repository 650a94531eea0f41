"""Every code block of the documented API runs as it is written, against the fake API server and its operator.

A block is compiled from its own lines, so that a failure points into ``documented_api.md``. The blocks of a section
share a namespace, as they do for a reader who pastes them one after the other; what earlier sections have imported and
defined is there, and so is the server that a section takes for granted.
"""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver_tests.watching import until_gone

DOCUMENT = Path(__file__).with_name("documented_api.md")
FENCE = "```"


class Block(NamedTuple):
    """A code block, its sub-section, and the number of its first line."""

    section: str
    line: int
    code: str

    def run(self, namespace: dict[str, Any]) -> None:
        source = "\n" * (self.line - 1) + self.code
        exec(compile(source, str(DOCUMENT), "exec"), namespace)


def blocks() -> list[Block]:
    found: list[Block] = []
    lines: list[str] = []
    section, begun = "", 0
    for number, line in enumerate(DOCUMENT.read_text().splitlines(), 1):
        if begun and line == FENCE:
            found.append(Block(section, begun, "\n".join(lines)))
            begun = 0
        elif begun:
            lines.append(line)
        elif line.startswith("#"):
            section = line.lstrip("# ") if line.startswith("#### ") else section
        elif line.startswith(FENCE):
            begun, lines = number + 1, []
    return found


BLOCKS = blocks()
SECTIONS = list(dict.fromkeys(block.section for block in BLOCKS))

SAID = {
    "Creating a DevServer": ["Successfully created 'my-test-server' with status: {}\n"],
    "Managing a DevServer Lifecycle with a Context Manager": [
        "DevServer cm-test-server is ready with status: {",
        "'phase': 'Running'",
        "Hello from a ready server!\n",
    ],
    "Syncing a Local Workspace": ["hello from local workspace\n"],
    "Typed Spec Access": ["Persistent home is enabled with size: 20Gi\n"],
    "Getting and Listing DevServers": ["Found server: my-test-server\n", "Available servers:\n- my-test-server\n"],
    "Updating a DevServer": ["Old image: ubuntu:22.04\nNew image: fedora:latest\n", "New TTL: 8h\n"],
    "Deleting a DevServer": ["DevServer 'my-test-server' deleted.\n"],
    "Refreshing Local State": ["Current status phase is: "],
    "Waiting for a Specific Status": [
        "Waiting for 'my-test-server' to reach phase: Running...\n",
        "Server is now running.\n",
        "Server is ready to be used.\n",
    ],
    "Executing Commands in a DevServer": ["hello from inside\n", "\ntotal ", "grep my-process"],
}
"""What each section prints, among other lines, in this order."""


def a_readers_namespace() -> dict[str, Any]:
    """What a reader has after the first two sections."""
    return {
        "__name__": "__main__",
        "DevServer": DevServer,
        "ObjectMeta": ObjectMeta,
        "metadata": ObjectMeta(name="cm-test-server", namespace="default"),
        "spec": {"flavor": "cpu-small", "image": "ubuntu:22.04"},
    }


def make_my_test_server() -> None:
    """The server that the first section creates."""
    names = {"print": lambda *_: None, "__builtins__": builtins}
    BLOCKS[0].run(names)


def assert_said(wanted: list[str], output: str) -> None:
    """One after another, in order."""
    position = 0
    for words in wanted:
        position = output.find(words, position)
        assert position >= 0, f"{words!r} is not in (the rest of):\n{output}"


def test_every_block_of_the_document_is_found() -> None:
    assert len(BLOCKS) == DOCUMENT.read_text().count(f"{FENCE}python") == 12
    assert list(SAID) == SECTIONS


@pytest.mark.parametrize("section", SECTIONS)
def test_the_blocks_of_a_section_run_as_written(
    server: FakeAPIServer, section: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if section != SECTIONS[0]:
        make_my_test_server()
    namespace = a_readers_namespace()
    for block in BLOCKS:
        if block.section == section:
            block.run(namespace)
    assert_said(SAID[section], capsys.readouterr().out)


def test_the_whole_document_runs_from_top_to_bottom(server: FakeAPIServer, capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in BLOCKS:
        block.run(namespace)
        if block.section == "Deleting a DevServer":  # and what follows takes it for granted again
            until_gone(server, "devservers", "my-test-server")
            make_my_test_server()
    assert_said([words for section in SECTIONS for words in SAID[section]], capsys.readouterr().out)
    assert [raw["metadata"]["name"] for raw in server.store.list("devservers")] == ["my-test-server"]


def test_without_a_configuration_the_first_example_prints_the_advice(capsys: pytest.CaptureFixture[str]) -> None:
    BLOCKS[0].run({"__name__": "__main__"})
    assert capsys.readouterr().out.startswith("Error: ")
