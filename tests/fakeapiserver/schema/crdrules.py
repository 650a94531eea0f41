"""What is wrong with a CustomResourceDefinition: its names, its versions, and schemas that are not structural."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..vocabulary.fielderrors import Cause, invalid, not_supported, required
from ..vocabulary.names import subdomain_errors
from ..vocabulary.objects import Object
from .schema import PRESERVE, Schema
from .schemavalidation import INT_OR_STRING

DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
LABEL_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character "
    f"(e.g. 'my-name',  or 'abc-123', regex used for validation is '{DNS_1035}')"
)
PROTECTED = ("k8s.io", "kubernetes.io")
APPROVAL = "api-approved.kubernetes.io"
NOT_APPROVED = (
    f'protected groups must have approval annotation "{APPROVAL}", '
    "see https://github.com/kubernetes/enhancements/pull/1111"
)
TYPES = ("array", "boolean", "integer", "number", "object", "string")


def definition_causes(crd: Object) -> list[Cause]:
    """All causes why a definition (its names completed) cannot be served."""
    spec = crd.get("spec") or {}
    names, versions = spec.get("names") or {}, spec.get("versions") or []
    group, plural = spec.get("group") or "", names.get("plural") or ""
    causes = []
    if crd["metadata"].get("name", "") != f"{plural}.{group}":
        causes.append(
            invalid("metadata.name", crd["metadata"].get("name", ""), 'must be spec.names.plural+"."+spec.group')
        )
    causes += [*_group(group, crd["metadata"]), *_scope(spec.get("scope") or "")]
    causes += [*_versions(versions), *_names(names), *_schemas(versions)]
    return causes


def _group(group: str, metadata: Object) -> Iterator[Cause]:
    errors = subdomain_errors(group)
    if not group:
        yield required("spec.group")
    elif errors:
        yield invalid("spec.group", group, ",".join(errors))
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")
    protected = any(group == suffix or group.endswith(f".{suffix}") for suffix in PROTECTED)
    if protected and not (metadata.get("annotations") or {}).get(APPROVAL):
        yield required(f"metadata.annotations[{APPROVAL}]", NOT_APPROVED)


def _scope(scope: str) -> Iterator[Cause]:
    if not scope:
        yield required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        yield not_supported("spec.scope", scope, ("Cluster", "Namespaced"))


def _names(names: Object) -> Iterator[Cause]:
    for field in ("plural", "singular", "kind", "listKind"):
        if not names.get(field):
            yield required(f"spec.names.{field}")
    for field in ("plural", "singular"):
        yield from _label(f"spec.names.{field}", names.get(field) or "")
    for field in ("kind", "listKind"):
        name = names.get(field) or ""
        if name and not re.fullmatch(DNS_1035, name.lower()):
            why = f"may have mixed case, but should otherwise match: {LABEL_RULE}"
            yield invalid(f"spec.names.{field}", name, why)
    for field in ("shortNames", "categories"):
        for index, name in enumerate(names.get(field) or ()):
            yield from _label(f"spec.names.{field}[{index}]", name)
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        yield invalid("spec.names.listKind", names["listKind"], "kind and listKind may not be the same")


def _label(field: str, name: str) -> Iterator[Cause]:
    if name and not re.fullmatch(DNS_1035, name):
        yield invalid(field, name, LABEL_RULE)


def _versions(versions: list[Object]) -> Iterator[Cause]:
    for index, version in enumerate(versions):
        name = version.get("name") or ""
        if not re.fullmatch(DNS_1035, name):
            yield invalid(f"spec.versions[{index}].name", name, LABEL_RULE)
    if len({version.get("name") for version in versions}) < len(versions):
        yield invalid("spec.versions", versions, "must contain unique version names")
    stored = [version for version in versions if version.get("storage")]
    if len(stored) != 1:
        yield invalid("spec.versions", versions, "must have exactly one version marked as storage version")
    if not stored:
        yield invalid("status.storedVersions", [], "must have at least one stored version")


def _schemas(versions: list[Object]) -> Iterator[Cause]:
    """A schema that all versions share counts as the definition's own."""
    schemas = [(version.get("schema") or {}).get("openAPIV3Schema") for version in versions]
    shared = all(schema == schemas[0] for schema in schemas)
    for index, schema in enumerate(schemas):
        if schema is None:
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required")
        elif not shared or not index:
            path = "spec.validation" if shared else f"spec.versions[{index}].schema"
            yield from _structure(schema, f"{path}.openAPIV3Schema", "at the root")


def _structure(schema: Schema, path: str, where: str) -> Iterator[Cause]:
    """Every value has a type; the root is an object."""
    kind: Any = schema.get("type") or ""
    if not kind and not (where != "at the root" and (schema.get(INT_OR_STRING) or schema.get(PRESERVE))):
        yield required(f"{path}.type", f"must not be empty {where}")
    elif kind and kind not in TYPES:
        yield not_supported(f"{path}.type", kind, TYPES)
    if kind and kind != "object" and where == "at the root":
        yield invalid(f"{path}.type", kind, "must be object at the root")
    if kind == "array" and schema.get("items") is None:
        yield required(f"{path}.items", "must be specified")
    for name, child in sorted((schema.get("properties") or {}).items()):
        yield from _structure(child, f"{path}.properties[{name}]", "for specified object fields")
    for name, which in (("items", "array items"), ("additionalProperties", "object fields")):
        if isinstance(schema.get(name), dict):
            yield from _structure(schema[name], f"{path}.{name}", f"for specified {which}")
