"""Every Python block of the README runs as written, in order, against the fake API server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakeapiserver import FakeAPIServer

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


def test_the_blocks_run_as_written(server: FakeAPIServer, tmp_path: Path) -> None:
    """In one interpreter of its own, warnings as errors, as a reader would paste them one after the other."""
    story = tmp_path / "readme.py"
    story.write_text("\n".join(_blocks()), encoding="utf-8")
    (tmp_path / "workspace" / "src").mkdir(parents=True)
    (tmp_path / "workspace" / "src" / "main.py").write_text("print('hello')\n")
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); exec(open({str(story)!r}, encoding='utf-8').read())"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path / "workspace", capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "main.py" in done.stdout
    assert server.store.list("devservers") == []


def test_there_are_as_many_blocks_as_fences() -> None:
    assert len(_blocks()) == README.count("```python") == README.count("```") // 2
    assert len(_blocks()) >= 7


@pytest.mark.parametrize(("before", "after"), list(zip(SECTIONS, SECTIONS[1:])))
def test_the_sections_stand_in_their_order(before: str, after: str) -> None:
    assert README.index(f"\n## {before}\n") < README.index(f"\n## {after}\n")


def test_the_two_commands_are_whole() -> None:
    begin = "    python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/python -m "
    assert f"{begin}tests.fakeapiserver demo\n" in README
    assert f"{begin}pytest\n" in README


def test_the_version_is_the_one_the_changes_end_with() -> None:
    import devservers

    assert f"\n{devservers.__version__}:" in README.partition("\n## Changes\n")[2]
