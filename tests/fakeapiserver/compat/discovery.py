"""What the server says about itself: groups, resources, version."""

from __future__ import annotations

import json
from typing import Callable

from ..serving.http import Reply, Request, Response
from ..vocabulary.resources import ResourceType, Types
from ..vocabulary.status import page_not_found
from . import openapi, reviews

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.4",
    "gitCommit": "unknown",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26.10",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def serve(types: Types, request: Request) -> Reply:
    """Answer a path that names no resource."""
    parts = [part for part in request.path.split("/") if part]
    top = parts[0] if parts else ""
    return _SERVED.get((top, len(parts)), _elsewhere)(types, request, parts)


def _elsewhere(types: Types, request: Request, parts: list[str]) -> Reply:
    """The root lists the paths there are; of a path that nothing serves there is nothing to say."""
    if parts:
        return page_not_found()
    return Response(200, json.dumps({"paths": _paths(types)}, indent=2).encode())


def _paths(types: Types) -> list[str]:
    groups = {f"/apis/{kind.group}" for kind in _served_types(types) if kind.group}
    versions = {f"/apis/{kind.group}/{kind.version}" for kind in _served_types(types) if kind.group}
    fixed = {"/api", "/api/v1", "/apis", "/apis/", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz"}
    return sorted({*fixed, "/version", *groups, *versions})


def _version(types: Types, request: Request, parts: list[str]) -> Reply:
    return Response(200, json.dumps(VERSION, indent=2).encode())


def _healthy(types: Types, request: Request, parts: list[str]) -> Reply:
    return Response(200, b"ok", "text/plain; charset=utf-8")


def _core_versions(types: Types, request: Request, parts: list[str]) -> Reply:
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": request.headers.get("Host") or ""}]
    return Response(200, {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses})


def _core_resources(types: Types, request: Request, parts: list[str]) -> Reply:
    return resource_list(types, "", parts[1])


def _groups(types: Types, request: Request, parts: list[str]) -> Reply:
    names = dict.fromkeys(resource.group for resource in _served_types(types) if resource.group)
    return Response(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(types, name) for name in names]})


def _group(types: Types, request: Request, parts: list[str]) -> Reply:
    if not group_versions(types, parts[1]):
        return page_not_found()
    return Response(200, {"kind": "APIGroup", "apiVersion": "v1", **group(types, parts[1])})


def _resources(types: Types, request: Request, parts: list[str]) -> Reply:
    return resource_list(types, parts[1], parts[2])


def _openapi(types: Types, request: Request, parts: list[str]) -> Reply:
    return openapi.serve(types, request, parts[1:])


def _served_types(types: Types) -> list[ResourceType]:
    return [*types, *reviews.TYPES]


def group_versions(types: Types, name: str) -> list[str]:
    return list(dict.fromkeys(resource.version for resource in _served_types(types) if resource.group == name))


def group(types: Types, name: str) -> dict[str, object]:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in group_versions(types, name)]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(types: Types, group_name: str, version: str) -> Reply:
    found = [r for r in _served_types(types) if (r.group, r.version) == (group_name, version)]
    if not found:
        return page_not_found()
    group_version = f"{group_name}/{version}" if group_name else version
    entries = [entry for resource in found for entry in _entries(resource)]
    return Response(
        200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries}
    )


def _entries(resource: ResourceType) -> list[dict[str, object]]:
    entry: dict[str, object] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.storage_hash:
        entry["storageVersionHash"] = resource.storage_hash
    subresources = [
        {
            "name": f"{resource.plural}/{sub.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": sub.kind or resource.kind,
            "verbs": list(sub.verbs),
        }
        for sub in resource.subresources
    ]
    return [entry, *subresources]


_SERVED: dict[tuple[str, int], Callable[[Types, Request, list[str]], Reply]] = {
    ("version", 1): _version,
    ("healthz", 1): _healthy,
    ("livez", 1): _healthy,
    ("readyz", 1): _healthy,
    ("api", 1): _core_versions,
    ("api", 2): _core_resources,
    ("apis", 1): _groups,
    ("apis", 2): _group,
    ("apis", 3): _resources,
    **{("openapi", depth): _openapi for depth in (2, 4, 5)},
}
