"""YAML as kubectl reads it, and no document that could harm the process that reads it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from devservers.errors import KubeConfigError
from devservers.transport.config.goyaml import first_document
from devservers.transport.config.kubeconfig import parse

from .childpython import run_python


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: !anything b", "b"),
        ("a: !anything {b: [1]}", {"b": [1]}),
        ("a: !anything [b]", ["b"]),
        ("a: <<", "<<"),
        ("a: =", "="),
        ("a: !!binary YWJj", "abc"),
        ("a: 2024-01-01", "2024-01-01"),
        ("a: 12:30", "12:30"),
        ("b: &b {x: 1}\na: {<<: *b, y: 2}", {"x": 1, "y": 2}),
        ("a: 1\n---\na: 2", 1),
    ],
)
def test_scalars_and_tags_are_those_of_kubectl(text: str, value: Any) -> None:
    assert first_document(text)["a"] == value


@pytest.mark.parametrize("text", ["", "\n", "# nothing", "---\n", "--- # nothing\n...\n"])
def test_an_empty_document_is_nothing(text: str) -> None:
    assert first_document(text) is None


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.getcwd []", "!!python/name:os.getcwd ''", "!!python/none x"])
def test_a_tag_that_would_make_an_object_of_python_is_refused(tag: str) -> None:
    with pytest.raises(yaml.YAMLError):
        first_document(f"a: {tag}")


DEEP = [
    ("[", 100_000, ""),
    ("- ", 100_000, ""),
    ("{a: ", 50_000, ""),
    ("? ", 100_000, ""),
    ("[", 20_000, "]"),
    ("[", 2_000, "]"),
    ("- ", 2_000, ""),
    ("[", 500, "]"),
]


@pytest.mark.parametrize("parser", ["", "import yaml; vars(yaml).pop('CSafeLoader', None)"], ids=["libyaml", "python"])
def test_a_document_of_any_depth_does_not_end_the_process_and_is_refused_as_too_deep(parser: str) -> None:
    """Found by comparing with kubectl: libyaml overran the stack; since 0.2.6 it has a limit and words of its own."""
    code = f"""
{parser}
from devservers.errors import KubeConfigError
from devservers.transport.config.kubeconfig import parse
for begin, count, end in {DEEP!r}:
    text = begin * count + end * count
    try:
        parse(text.encode(), "config")
    except KubeConfigError as error:
        print(str(error).partition(",")[0])
"""
    said = run_python(code).splitlines()
    assert said == ["kubeconfig config: is not valid YAML: is nested too deeply"] * len(DEEP)


@pytest.mark.parametrize("behind", ["", "\nb: " + "[" * 2_000])
def test_a_syntax_error_before_any_depth_is_reported_by_line(behind: str) -> None:
    with pytest.raises(KubeConfigError, match="is not valid YAML: line 2, column 1: "):
        parse(f"a: 1\n@{behind}".encode(), "config")


@pytest.mark.parametrize("line", ["a{n}: &a{n} [{refs}]", "a{n}: &a{n}\n  <<: [{refs}]"])
def test_aliases_that_multiply_are_refused_before_they_fill_the_memory(line: str) -> None:
    lines = ["a0: &a0 {k: v}"] + [line.format(n=n, refs=", ".join([f"*a{n - 1}"] * 10)) for n in range(1, 12)]
    with pytest.raises(KubeConfigError, match="its aliases multiply"):
        parse("\n".join(lines).encode(), "config")


def test_depth_and_aliases_of_daily_life_are_fine() -> None:
    nested = "[" * 90 + "]" * 90
    text = f"common: &common {{server: 'https://x'}}\nclusters: [{{name: a, cluster: *common}}]\nother: {nested}"
    assert parse(text.encode(), "config").clusters["a"].text("server") == "https://x"


def test_an_alias_inside_its_own_anchor_is_not_an_endless_loop() -> None:
    assert parse(b"q: &a [*a, *a]\nusers: []", "config").users == {}
