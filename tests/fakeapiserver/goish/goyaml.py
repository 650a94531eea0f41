"""YAML as the API server reads and writes it: YAML 1.1 of Go's making, turned into JSON.

Where Go and Python disagree: a lone y or n is a boolean, what looks like a time or a sexagesimal number is text, an
exponent needs no fraction, 0o17 is octal, and keys become text whatever they look like.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Union

import yaml

from .gojson import integer, number

TAG = "tag:yaml.org,2002:"
TEXT, BOOLEAN, NUMBER = TAG + "str", TAG + "bool", "!number"
RESOLVED_OTHERWISE = (TAG + "timestamp", TAG + "int", TAG + "float")

YES_OR_NO = re.compile(r"[yYnN]\Z")
MAYBE_NUMBER = re.compile(r"[-+]?\.?[0-9][-+.\w]*\Z", re.ASCII)
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def _number(text: str) -> Union[int, float, None]:
    """The number that a scalar is, if it is one: integers may have a base and underscores."""
    plain = text.replace("_", "")
    try:
        return integer(str(int(re.sub(r"^([-+]?)0(?=[0-9])", r"\g<1>0o", plain), 0)))
    except ValueError:
        return number(plain) if FLOAT.fullmatch(plain) else None


class _Loader(yaml.SafeLoader):
    bool_values: ClassVar[dict[str, bool]] = {**yaml.SafeLoader.bool_values, "y": True, "n": False}


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in known if tag not in RESOLVED_OTHERWISE]
    for letter, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(BOOLEAN, YES_OR_NO, list("yYnN"))
_Loader.add_implicit_resolver(NUMBER, MAYBE_NUMBER, list("-+.0123456789"))


def _construct_number(loader: _Loader, node: yaml.ScalarNode) -> Union[int, float, str]:
    found = _number(node.value)
    return str(node.value) if found is None else found


_Loader.add_constructor(NUMBER, _construct_number)


def load(text: bytes) -> Any:
    """Parse the first document; ValueError, in the words of Go's library, when it cannot be."""
    try:
        loader = _Loader(text)
        return _as_json(loader.get_data()) if loader.check_data() else None  # type: ignore[no-untyped-call]
    except yaml.YAMLError as error:
        raise ValueError(f"yaml: {_explain(error)}") from None
    except RecursionError:  # Python's stack ends sooner than Go's parser does
        raise ValueError("yaml: exceeded max depth of 10000") from None


def _as_json(value: Any) -> Any:
    """What JSON can hold of it: keys are text, and what is aliased is copied."""
    if isinstance(value, dict):
        return {_key(name): _as_json(item) for name, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, list) else value


def _key(name: Any) -> str:
    if isinstance(name, bool) or name is None:
        return {True: "true", False: "false", None: "null"}[name]
    return str(name)


PROBLEMS = (
    (r"expected the node content.*", "did not find expected node content"),
    (r"expected (',' or '.'), but got.*", r"did not find expected \1"),
    (r"expected <block end>, but found.*", "did not find expected key"),
    (r"expected '?(<document start>)'?, but found.*", r"did not find expected \1"),
    (r"mapping values are not allowed here", "mapping values are not allowed in this context"),
    (r"found character '\\t' that cannot start any token", "found a tab character that violates indentation"),
    (r"found character .* that cannot start any token", "found character that cannot start any token"),
    (r"found undefined alias '(.*)'", r"unknown anchor '\1' referenced"),
)


def _explain(error: yaml.YAMLError) -> str:
    """What is wrong, in libyaml's words, and where: lines are counted from 0 unless a single token is to blame."""
    problem = str(getattr(error, "problem", None) or "cannot be parsed").replace("\n", " ")
    for pattern, words in PROBLEMS:
        problem = re.sub(pattern, words, problem)
    if getattr(error, "context", None) == "while parsing a block collection":
        problem = problem.replace("expected key", "expected '-' indicator")
    in_token = isinstance(error, yaml.scanner.ScannerError)
    mark = getattr(error, "problem_mark", None)
    line = mark.line if mark is not None else 0
    if mark is not None and (not in_token or "':'" in problem) and _at_end(mark):
        line += 1
    if line:
        return f"line {line + in_token}: {problem}"
    context = getattr(error, "context_mark", None)
    return f"line {context.line}: {problem}" if context is not None and context.line else problem


def _at_end(mark: yaml.Mark) -> bool:
    """Is this the end of the text? It is a line of its own."""
    return bool(mark.column) and mark.buffer is not None and mark.buffer[mark.pointer : mark.pointer + 1] in ("", "\0")


class _Dumper(yaml.SafeDumper):
    """What would be read as something else than text stands in double quotes."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    resolved = dumper.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    ambiguous = resolved != TEXT or YES_OR_NO.match(text) or _number(text) is not None
    return dumper.represent_scalar(TEXT, text, style='"' if ambiguous else "|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def dump(document: Any) -> bytes:
    text = yaml.dump(document, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=80)
    return text.encode()
