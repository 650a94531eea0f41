"""OpenAPI documents, as far as kubectl reads them: which parameters a kind's writes take, and the schemas of kinds.

kubectl asks version 3 whether a PATCH takes ``fieldValidation`` (then the server validates, not kubectl) and explains
kinds from the schemas; ``/openapi/v2`` serves older clients that read JSON.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ..serving.http import Reply, Request, Response
from ..vocabulary.objects import encode
from ..vocabulary.resources import ResourceType, Types
from ..vocabulary.status import page_not_found

Document = dict[str, Any]

INFO = {"title": "Kubernetes", "version": "v1.36.4"}
WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
ACTIONS = {"get": "get", "put": "put", "patch": "patch", "delete": "delete"}
METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
METADATA_SCHEMA: Document = {
    "description": "ObjectMeta is metadata that all persisted resources must have.",
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "Unique within a namespace."},
        "namespace": {"type": "string"},
        "generateName": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "finalizers": {"type": "array", "items": {"type": "string"}},
    },
}


def serve(types: Types, request: Request, parts: list[str]) -> Reply:
    """Answer a path below ``/openapi``."""
    if parts == ["v2"]:
        return Response(200, encode(_version2(types)))
    if parts == ["v3"]:
        return Response(200, encode({"paths": {path: _located(types, path) for path in _group_versions(types)}}))
    path = "/".join(parts[1:])
    if parts[0] == "v3" and path in _group_versions(types):
        return Response(200, encode(_version3(_of(types, path))))
    return page_not_found()


def _group_versions(types: Types) -> dict[str, tuple[str, str]]:
    """``apis/devserver.io/v1`` -> (group, version)."""
    return {_root(kind): (kind.group, kind.version) for kind in types}


def _root(kind: ResourceType) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def _of(types: Types, path: str) -> list[ResourceType]:
    return [kind for kind in types if _root(kind) == path]


def _located(types: Types, path: str) -> Document:
    digest = hashlib.sha256(encode(_version3(_of(types, path)))).hexdigest().upper()
    return {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}


def _version3(kinds: list[ResourceType]) -> Document:
    schemas = {_schema_name(kind): _schema(kind, "#/components/schemas/") for kind in kinds}
    return {
        "openapi": "3.0.0",
        "info": INFO,
        "paths": {path: item for kind in kinds for path, item in _paths(kind, {"schema": {"type": "string"}}).items()},
        "components": {"schemas": {METADATA: METADATA_SCHEMA, **schemas}},
    }


def _version2(types: Types) -> Document:
    return {
        "swagger": "2.0",
        "info": INFO,
        "paths": {path: item for kind in types for path, item in _paths(kind, {"type": "string"}).items()},
        "definitions": {
            METADATA: METADATA_SCHEMA,
            **{_schema_name(kind): _schema(kind, "#/definitions/") for kind in types},
        },
    }


def _schema_name(kind: ResourceType) -> str:
    if not kind.custom:
        return f"io.k8s.api.{kind.group.split('.')[0] or 'core'}.{kind.version}.{kind.kind}"
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def _schema(kind: ResourceType, references: str) -> Document:
    schema = dict(kind.schema or {"type": "object"})
    head = {
        "apiVersion": {"type": "string", "description": "The version of the schema that the object is written in."},
        "kind": {"type": "string", "description": "The REST resource that the object represents."},
        "metadata": {"allOf": [{"$ref": references + METADATA}], "description": "Standard object metadata."},
    }
    schema["properties"] = {**(schema.get("properties") or {}), **head}
    schema["x-kubernetes-group-version-kind"] = [_gvk(kind)]
    return schema


def _gvk(kind: ResourceType) -> Document:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _paths(kind: ResourceType, form: Document) -> Document:
    """The kind's collection and object, with the operations that each takes."""
    base = f"/{_root(kind)}" + ("/namespaces/{namespace}" if kind.namespaced else "") + f"/{kind.plural}"
    return {
        base: {"get": _operation(kind, "list", form), "post": _operation(kind, "post", form)},
        f"{base}/{{name}}": {method: _operation(kind, action, form) for method, action in ACTIONS.items()},
    }


def _operation(kind: ResourceType, action: str, form: Document) -> Document:
    parameters = WRITE_PARAMETERS if action in ("post", "put", "patch") else ()
    return {
        "parameters": [{"name": name, "in": "query", "uniqueItems": True, **form} for name in parameters],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(kind),
    }
