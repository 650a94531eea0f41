"""CustomResourceDefinitions are data: what each one says becomes the resource types that are served."""

from __future__ import annotations

import base64
import copy
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from ..vocabulary.objects import Object, Objects
from ..vocabulary.resources import CUSTOM_VERBS, STATUS, ResourceType

SHIPPED = Path(__file__).parents[1] / "crds.yaml"


@lru_cache(maxsize=1)
def _shipped() -> Objects:
    return [document for document in yaml.safe_load_all(SHIPPED.read_text()) if document]


def shipped_crds() -> Objects:
    """The three devserver.io definitions."""
    return copy.deepcopy(_shipped())


def resource_types(crd: Object) -> list[ResourceType]:
    """One resource type for each served version of a definition, the storage version's name in all of them."""
    spec = crd["spec"]
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    return [_resource_type(spec, version, storage) for version in spec["versions"] if version.get("served")]


def _resource_type(spec: Object, version: Object, storage: str) -> ResourceType:
    names = spec["names"]
    return ResourceType(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        singular=names.get("singular") or names["kind"].lower(),
        list_kind=names.get("listKind") or f"{names['kind']}List",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        verbs=CUSTOM_VERBS,
        subresources=(STATUS,) if "status" in (version.get("subresources") or {}) else (),
        custom=True,
        storage_version=storage,
        schema=(version.get("schema") or {}).get("openAPIV3Schema"),
        columns=tuple(version.get("additionalPrinterColumns") or ()),
        selectable=tuple(field["jsonPath"] for field in version.get("selectableFields") or ()),
        storage_hash=_storage_hash(spec["group"], storage, names["kind"]),
    )


def _storage_hash(group: str, version: str, kind: str) -> str:
    """What discovery calls storageVersionHash: the first 8 bytes of a SHA-256 over the stored kind."""
    digest = hashlib.sha256(f"{group}/{version}/{kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def not_yet_served(crd: Object) -> Object:
    """The status of a definition that was only just created."""
    stored = [version["name"] for version in crd["spec"].get("versions") or () if version.get("storage")]
    return {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored}


def established(crd: Object) -> Object:
    """The definition with the status that the API server's controllers give one they have begun to serve."""
    spec = crd["spec"]
    condition = {"status": "True", "lastTransitionTime": crd["metadata"]["creationTimestamp"]}
    status: dict[str, Any] = {
        "conditions": [
            {**condition, "type": "NamesAccepted", "reason": "NoConflicts", "message": "no conflicts found"},
            {
                **condition,
                "type": "Established",
                "reason": "InitialNamesAccepted",
                "message": "the initial names have been accepted",
            },
        ],
        "acceptedNames": spec["names"],
        "storedVersions": [version["name"] for version in spec["versions"] if version.get("storage")],
    }
    return {**crd, "status": status}


def complete(crd: Object) -> None:
    """Fill in the names that a definition may leave to the server."""
    spec = crd.setdefault("spec", {})
    names = spec.get("names") or {}
    if names.get("kind"):
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", f"{names['kind']}List")
    spec.setdefault("conversion", {"strategy": "None"})
