"""Content negotiation: which form an answer takes, and how a body is to be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from .http import Request
from .status import not_acceptable, unsupported_media_type

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
CUSTOM_TYPES = (JSON, YAML)
BODY_TYPES = (JSON, YAML, PROTOBUF)


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
        clauses.append((-quality, order, media.lower(), parameters))
    for _, _, media, parameters in sorted(clauses, key=lambda clause: clause[:2]):
        yield media, parameters


def negotiate(request: Request, views: tuple[str, ...] = ()) -> MediaType:
    """The answer's form, by the Accept header; raises 406 if none will do."""
    header = request.headers.get("Accept")
    if not header or header == JSON:
        return MediaType(JSON, pretty=True) if request.flag("pretty") else PLAIN
    for media, parameters in parse_accept(header):
        if media in ("*/*", "application/*"):
            media = JSON
        if media not in CUSTOM_TYPES or not _view_known(parameters, views):
            continue
        view, version = parameters.get("as", ""), parameters.get("v", "v1")
        return MediaType(media, view, version, pretty=request.flag("pretty"), parameters=parameters)
    raise not_acceptable(_acceptable(views))


def _acceptable(views: tuple[str, ...]) -> Iterator[str]:
    yield from (JSON, YAML)
    for view in views:
        yield f"{JSON};as={view};g=meta.k8s.io;v=v1"


def _view_known(parameters: dict[str, str], views: tuple[str, ...]) -> bool:
    view = parameters.get("as")
    if view is None:
        return True
    return view in views and parameters.get("g") == "meta.k8s.io" and parameters.get("v") in ("v1", "v1beta1")


def body_type(request: Request) -> str:
    """How the body is written; raises 415 for a type that is not known."""
    header = request.headers.get("Content-Type") or ""
    media = header.split(";")[0].strip().lower()
    if not media:
        return JSON
    if media not in CUSTOM_TYPES:
        raise unsupported_media_type(BODY_TYPES)
    return media


def load_body(body: bytes, media: str) -> Any:
    """Parse a body; ValueError when it cannot be."""
    if media == JSON:
        return json.loads(body)
    try:
        return yaml.safe_load(body)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
