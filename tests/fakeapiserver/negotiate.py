"""Content negotiation: which form an answer takes, and how a body is to be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import yaml

from . import protobuf
from .http import Request
from .status import not_acceptable, unsupported_media_type

JSON, YAML, PROTOBUF = "application/json", "application/yaml", protobuf.MEDIA_TYPE
SERVED_TYPES = (JSON, YAML)
KNOWN_TYPES = (JSON, YAML, PROTOBUF)
VIEWS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True)
class MediaType:
    """The chosen form: JSON or YAML, and perhaps a Table or metadata only instead of the object."""

    type: str = JSON
    view: str = ""  # "", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
    view_version: str = "v1"
    pretty: bool = False
    parameters: dict[str, str] = field(default_factory=dict, compare=False)


PLAIN = MediaType()


def parse_accept(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The clauses of an Accept header, best first."""
    clauses = []
    for order, clause in enumerate(header.split(",")):
        media, *rest = (part.strip() for part in clause.split(";"))
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 1.0
        clauses.append((-quality, order, media, parameters))
    for _, _, media, parameters in sorted(clauses, key=lambda clause: clause[:2]):
        yield media, parameters


def negotiate(request: Request) -> MediaType:
    """The answer's form, by the Accept header; raises 406 if none will do."""
    header = request.headers.get("Accept")
    if not header or header == JSON:
        return MediaType(JSON, pretty=True) if request.flag("pretty") else PLAIN
    for media, parameters in parse_accept(header):
        if media in ("*/*", "application/*"):
            media = JSON
        if media in SERVED_TYPES and _view_known(parameters):
            pretty = request.flag("pretty") or parameters.get("pretty") == "1"
            return MediaType(media, parameters.get("as", ""), parameters.get("v", "v1"), pretty, parameters)
    raise not_acceptable(KNOWN_TYPES)


def _view_known(parameters: dict[str, str]) -> bool:
    if not {"as", "g", "v"} & set(parameters):
        return True
    return (
        parameters.get("as") in VIEWS
        and parameters.get("g") == "meta.k8s.io"
        and parameters.get("v") in ("v1", "v1beta1")
    )


def body_type(request: Request, custom: bool = True) -> str:
    """How the body is written; raises 415 for a type that is not known (custom resources know no protobuf)."""
    header = request.headers.get("Content-Type") or ""
    media = header.split(";")[0].strip().lower()
    if not media:
        return JSON
    if media not in (SERVED_TYPES if custom else KNOWN_TYPES):
        raise unsupported_media_type(KNOWN_TYPES)
    return media


class _YAMLLoader(yaml.SafeLoader):
    """YAML as the API server reads it: what looks like a time is text, and a lone y or n is a boolean."""

    bool_values: ClassVar[dict[str, bool]] = {**yaml.SafeLoader.bool_values, "y": True, "n": False}


BOOLEAN, YES_OR_NO = "tag:yaml.org,2002:bool", re.compile(r"[yYnN]\Z")
_YAMLLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_YAMLLoader.add_implicit_resolver(BOOLEAN, YES_OR_NO, list("yYnN"))


def load_yaml(text: bytes) -> Any:
    """Parse the first YAML document; ValueError with the server's prefix when it cannot be."""
    try:
        loader = _YAMLLoader(text)
        return loader.get_data() if loader.check_data() else None  # type: ignore[no-untyped-call]
    except yaml.YAMLError as error:
        raise ValueError(f"error converting YAML to JSON: yaml: {_explain(error)}") from None


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


def load_body(body: bytes, media: str) -> Any:
    """Parse a body; ValueError when it cannot be."""
    if media == PROTOBUF:
        return protobuf.decode(body)
    return json.loads(body) if media == JSON else load_yaml(body)


TEXT = "tag:yaml.org,2002:str"


class _YAMLDumper(yaml.SafeDumper):
    """YAML as Go writes it: what would be read as something else than text stands in double quotes."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    ambiguous = dumper.resolve(yaml.ScalarNode, text, (True, False)) != TEXT  # type: ignore[no-untyped-call]
    return dumper.represent_scalar(TEXT, text, style='"' if ambiguous else "|" if "\n" in text else None)


_YAMLDumper.add_representer(str, _represent_text)
_YAMLDumper.add_implicit_resolver(BOOLEAN, YES_OR_NO, list("yYnN"))


def dump(body: bytes, media: MediaType) -> bytes:
    """JSON in the form that was asked for."""
    if media.type == YAML:
        document = json.loads(body)
        text = yaml.dump(document, Dumper=_YAMLDumper, default_flow_style=False, allow_unicode=True, width=80)
        return text.encode()
    if media.pretty:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False).encode()
    return body
