"""ObjectMeta validated: what the API server finds wrong with new and with changed metadata, in its words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

from ..vocabulary.fielderrors import Cause, forbidden, invalid, invalid_struct, required, too_long
from ..vocabulary.names import label_errors, label_value_errors, qualified_name_errors, subdomain_errors
from .objectmeta import STRUCTS, Metadata

ANNOTATIONS_LIMIT = 256 * 1024
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def validate_new(metadata: Metadata, namespaced: bool, name_errors: Callable[[str], list[str]]) -> Iterator[Cause]:
    """What is wrong with the metadata of an object to be created."""
    prefix, name, namespace = (metadata.get(key, "") for key in ("generateName", "name", "namespace"))
    if prefix:
        masked = prefix[:-2] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix
        yield from (invalid("metadata.generateName", prefix, why) for why in name_errors(masked))
    if name:
        yield from (invalid("metadata.name", name, why) for why in name_errors(name))
    else:
        yield required("metadata.name", "name or generateName is required")
    if namespaced and not namespace:
        yield required("metadata.namespace")
    elif namespaced:
        yield from (invalid("metadata.namespace", namespace, why) for why in label_errors(namespace))
    yield from _maps(metadata)
    yield from _owners(metadata.get("ownerReferences") or [])
    yield from _finalizers(metadata.get("finalizers") or [])


def validate_update(new: Metadata, old: Metadata) -> Iterator[Cause]:
    """What is wrong with changed metadata."""
    if "deletionTimestamp" in old:
        added = [name for name in new.get("finalizers") or [] if name not in (old.get("finalizers") or [])]
        if added:
            shown = ", ".join(f'"{name}"' for name in sorted(added))
            why = "no new finalizers can be added if the object is being deleted, found new finalizers"
            yield forbidden("metadata.finalizers", f"{why} []string{{{shown}}}")
    if not new.get("resourceVersion"):
        yield invalid("metadata.resourceVersion", "", "must be specified for an update")
    if new.get("generation", 0) < old.get("generation", 0):
        yield invalid("metadata.generation", new.get("generation", 0), "must not be decremented")
    for name in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if new.get(name) != old.get(name):
            yield invalid(f"metadata.{name}", new.get(name), "field is immutable")
    yield from _maps(new)
    yield from _owners(new.get("ownerReferences") or [])


def _maps(metadata: Metadata) -> Iterator[Cause]:
    for key, value in sorted((metadata.get("labels") or {}).items()):
        yield from (invalid("metadata.labels", key, why) for why in qualified_name_errors(key))
        yield from (invalid("metadata.labels", value, why) for why in label_value_errors(value))
    annotations = metadata.get("annotations") or {}
    for key in sorted(annotations):
        yield from (invalid("metadata.annotations", key, why) for why in qualified_name_errors(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        yield too_long("metadata.annotations", ANNOTATIONS_LIMIT)


def _owners(owners: list[Any]) -> Iterator[Cause]:
    path = "metadata.ownerReferences"
    declared = STRUCTS["OwnerReference"]
    owners = [{name: owner[name] for name in declared if name in owner} for owner in owners]
    first = ""
    for owner in owners:
        yield from _owner(owner, path)
        if not owner.get("controller"):
            continue
        shown = f"{owner.get('kind', '')}/{owner.get('name', '')}"
        if first:
            why = 'Only one reference can have Controller set to true. Found "true" in references for'
            yield invalid_struct(path, owners, f"{why} {first} and {shown}")
        first = first or shown


def _owner(owner: dict[str, Any], path: str) -> Iterator[Cause]:
    version = owner.get("apiVersion", "")
    if version.count("/") > 1 or not version.split("/")[-1]:
        yield invalid(f"{path}.apiVersion", version, "version must not be empty")
    for name in ("kind", "name", "uid"):
        if not owner.get(name):
            yield invalid(f"{path}.{name}", "", "must not be empty")
    if (version, owner.get("kind")) == ("v1", "Event"):
        yield invalid_struct(path, owner, "/v1, Kind=Event is disallowed from being an owner")


def _finalizers(finalizers: list[str]) -> Iterator[Cause]:
    for name in finalizers:
        yield from (invalid("metadata.finalizers", name, why) for why in qualified_name_errors(name))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        why = "finalizer orphan and foregroundDeletion cannot be both set"
        yield invalid("metadata.finalizers", finalizers, why)


def finalizer_warnings(new: Metadata, old: Metadata) -> list[str]:
    """Advice on finalizers that name no domain."""
    added = set(new.get("finalizers") or []) - set(old.get("finalizers") or [])
    advice = (
        "prefer a domain-qualified finalizer name including a path (/) "
        "to avoid accidental conflicts with other finalizer writers"
    )
    return [
        f'metadata.finalizers: "{name}": {advice}'
        for name in sorted(added)
        if "/" not in name and name not in STANDARD_FINALIZERS
    ]


NAME_RULES: dict[str, Callable[[str], list[str]]] = {"namespaces": label_errors, "services": label_errors}


def name_rule(plural: str) -> Callable[[str], list[str]]:
    return NAME_RULES.get(plural, subdomain_errors)
