"""Content negotiation: which form an answer takes, and how a body is to be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..goish import goyaml
from ..serving.http import Request
from ..vocabulary.status import not_acceptable, unsupported_media_type
from . import protobuf

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


def load_body(body: bytes, media: str) -> Any:
    """Parse a body; ValueError when it cannot be."""
    if media == PROTOBUF:
        return protobuf.decode(body)
    return json.loads(body) if media == JSON else goyaml.load(body)


def dump(body: bytes, media: MediaType) -> bytes:
    """JSON in the form that was asked for."""
    if media.type == YAML:
        return goyaml.dump(json.loads(body))
    if media.pretty:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False).encode()
    return body
