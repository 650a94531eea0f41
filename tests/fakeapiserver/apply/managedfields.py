"""Who owns which fields: ``metadata.managedFields``, kept as the API server keeps them.

An update is tracked as an operation of its own first (what it added or changed) and then joined to what its manager
owned before; whoever else owned a changed field loses it. Rules:

* An object without managedFields is not tracked by later updates; only its creation, or an apply, begins to.
* Entries of one manager are told apart by operation, version and subresource.
* The object's identity and what the server sets (``STRIPPED``) are nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from ..vocabulary.objects import Object
from ..vocabulary.status import APIFailure, bad_request
from .fieldset import EMPTY, FieldSet, Path, from_fields_v1, in_order, is_fields_v1, show, to_fields_v1, without_below
from .fieldtypes import FieldType
from .typedvalue import Comparison, compare, field_set, merge, remove, type_errors, with_named_fields

UPDATE, APPLY = "Update", "Apply"
MAX_UPDATERS = 10
BEFORE_FIRST_APPLY = "before-first-apply"
ANCIENT = "ancient-changes"

STRIPPED: FieldSet = frozenset(
    [
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        *(
            ("f:metadata", f"f:{name}")
            for name in (
                "name",
                "namespace",
                "creationTimestamp",
                "selfLink",
                "uid",
                "clusterName",
                "generation",
                "managedFields",
                "resourceVersion",
            )
        ),
    ]
)


@dataclass(frozen=True)
class Manager:
    """What identifies an entry; an applier's does not depend on the version it applied."""

    name: str
    operation: str
    version: str
    subresource: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        return (self.name, self.operation, "" if self.operation == APPLY else self.version, self.subresource)

    def shown(self) -> str:
        """As conflicts name it."""
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.version}" if self.operation == UPDATE else text


@dataclass
class Entry:
    manager: Manager
    fields: FieldSet
    time: str = ""


Entries = dict[tuple[str, str, str, str], Entry]


@dataclass
class FieldManager:
    """Tracks one resource's (sub)resource in one version."""

    kind: FieldType
    version: str
    kind_name: str
    subresource: str = ""
    ignored: tuple[Path, ...] = ()

    # updates

    def update(self, live: Object, new: Object, manager: str, time: str) -> Object:
        """The new object with managedFields as they stand after a create, update or patch by ``manager``."""
        created = "uid" not in live["metadata"]
        entries = self._entries(live, new)
        bare_new, bare_live = _without_managed(new), _without_managed(live)
        if not entries and not created:
            return bare_new
        if not type_errors(bare_new, self.kind) and not type_errors(bare_live, self.kind):
            self._track(bare_live, bare_new, entries, self._manager(manager, UPDATE), time)
        return _with_managed(bare_new, entries)

    def _manager(self, name: str, operation: str) -> Manager:
        return Manager(name or "unknown", operation, self.version, self.subresource)

    def _entries(self, live: Object, new: Object) -> Entries:
        """What the request says (which may edit or reset it), else what is stored."""
        if self.subresource:
            return decode(live)
        given = new["metadata"].get("managedFields")
        if given == [{}]:
            return {}
        return (decode(new) if _readable(given) else {}) or decode(live)

    def _track(self, live: Object, new: Object, entries: Entries, manager: Manager, time: str) -> None:
        difference = self._compare(live, new)
        self._take_away(entries, difference, None)
        taken = frozenset(difference.added | difference.modified) - STRIPPED
        if taken:
            previous = entries.get(manager.identity)
            owned = taken | previous.fields if previous else taken
            entries[manager.identity] = Entry(manager, owned, time)
        _cap(entries)

    def _compare(self, live: Object, new: Object) -> Comparison:
        found = compare(live, new, self.kind)
        return Comparison(
            *(
                set(without_below(frozenset(paths), self.ignored))
                for paths in (found.added, found.modified, found.removed)
            )
        )

    def _take_away(self, entries: Entries, difference: Comparison, except_for: Optional[Manager]) -> None:
        lost = difference.added | difference.modified | difference.removed
        for identity, entry in list(entries.items()):
            if except_for is not None and identity == except_for.identity:
                continue
            entry.fields -= lost
            if not entry.fields:
                del entries[identity]

    # apply

    def apply(self, live: Object, applied: Object, manager_name: str, force: bool, time: str) -> Object:
        """Server-side apply; raises 409 with the conflicts, 400 or 500 for a configuration that cannot be applied."""
        self._check_applied(applied)
        entries = decode(live)
        if not entries and "uid" in live["metadata"]:
            self._begin_tracking(live, entries, time)
        manager = self._manager(manager_name, APPLY)
        bare = _without_managed(live)
        last = entries.get(manager.identity)
        owned = without_below(field_set(applied, self.kind), self.ignored)
        entries[manager.identity] = Entry(manager, owned, last.time if last else "")
        merged = self._prune(merge(bare, applied, self.kind), entries, last)
        difference = self._compare(bare, merged)
        conflicts = self._conflicts(entries, difference, manager)
        if conflicts and not force:
            raise conflict_failure(conflicts)
        self._take_away(entries, difference, manager)
        entries[manager.identity].fields -= STRIPPED
        if merged != bare:  # an apply that changes nothing leaves no time
            entries[manager.identity].time = time
        if not entries[manager.identity].fields:
            del entries[manager.identity]
        return _with_managed(merged, entries)

    def _check_applied(self, applied: Object) -> None:
        shown = kind_shown(applied)
        if shown != kind_shown({"apiVersion": self.version, "kind": self.kind_name}):
            raise bad_request(f"invalid object type: {shown}")
        metadata = applied.get("metadata") or {}
        if metadata.get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        errors = type_errors(applied, self.kind, strict=True)
        if errors:
            text = errors[0] if len(errors) == 1 else "\n".join(["errors:", *(f"  {error}" for error in errors)])
            subject = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {shown}"
            raise APIFailure(500, "", f"failed to create typed patch object ({subject}): {text}")

    def _begin_tracking(self, live: Object, entries: Entries, time: str) -> None:
        """What was there before anything was tracked belongs to a manager of its own."""
        owned = frozenset(self._compare({"metadata": {}}, _without_managed(live)).added) - STRIPPED
        if owned:
            manager = self._manager(BEFORE_FIRST_APPLY, UPDATE)
            entries[manager.identity] = Entry(manager, owned, time)

    def _prune(self, merged: Object, entries: Entries, last: Optional[Entry]) -> Object:
        """Remove what this applier applied last time, does not apply now, and nobody else owns."""
        if last is None:
            return merged
        kept: FieldSet = EMPTY.union(*(with_named_fields(entry.fields, self.kind) for entry in entries.values()))
        there = with_named_fields(field_set(merged, self.kind), self.kind)
        pruned: Object = remove(merged, (with_named_fields(last.fields, self.kind) & there) - kept, self.kind)
        return pruned

    @staticmethod
    def _conflicts(entries: Entries, difference: Comparison, manager: Manager) -> list[tuple[Manager, Path]]:
        touched = difference.added | difference.modified
        return [
            (entry.manager, path)
            for identity, entry in sorted(entries.items())
            if identity != manager.identity
            for path in in_order(entry.fields & touched)
        ]


def kind_shown(obj: Object) -> str:
    """Group, version and kind as Go prints them; an apiVersion that is none counts as no kind at all."""
    version = obj.get("apiVersion") or ""
    if not isinstance(version, str) or version.count("/") > 1:
        return "/, Kind="
    return f"{version if '/' in version else f'/{version}'}, Kind={obj.get('kind') or ''}"


def conflict_failure(conflicts: list[tuple[Manager, Path]]) -> APIFailure:
    """409 with one cause for each field that another manager owns."""
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager.shown()}", "field": show(path)}
        for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        message = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        lines: list[str] = []
        for name in sorted({manager.shown() for manager, _ in conflicts}):
            lines.append(f"conflicts with {name}:")
            lines.extend(f"- {show(path)}" for manager, path in conflicts if manager.shown() == name)
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return APIFailure(409, "Conflict", message, {"causes": causes})


def _cap(entries: Entries) -> None:
    """No more than ten updaters: the oldest become one entry of ancient changes."""
    updaters = sorted((e for e in entries.values() if e.manager.operation == UPDATE), key=lambda e: e.time)
    for entry in updaters[: max(0, len(updaters) - MAX_UPDATERS + 1)] if len(updaters) > MAX_UPDATERS else ():
        bucket = Manager(ANCIENT, UPDATE, entry.manager.version)
        if entry.manager == bucket:
            continue
        joined = entries.pop(entry.manager.identity).fields
        previous = entries.get(bucket.identity)
        entries[bucket.identity] = Entry(bucket, joined | previous.fields if previous else joined, entry.time)


# to and from the object


def decode(obj: Object) -> Entries:
    entries: Entries = {}
    for item in obj["metadata"].get("managedFields") or ():
        manager = Manager(
            item.get("manager", ""), item.get("operation", ""), item.get("apiVersion", ""), item.get("subresource", "")
        )
        entries[manager.identity] = Entry(manager, from_fields_v1(item.get("fieldsV1") or {}), item.get("time", ""))
    return entries


def _readable(items: Any) -> bool:
    """Are the field sets of these entries written as field sets are? What is not counts as not said."""
    return all(is_fields_v1(item.get("fieldsV1") or {}) for item in items or ())


def encode(entries: Entries) -> list[dict[str, Any]]:
    ordered = sorted(
        entries.values(),
        key=lambda e: (e.manager.operation, e.time, e.manager.name, e.manager.version, e.manager.subresource),
    )
    return [_encode(entry) for entry in ordered]


def _encode(entry: Entry) -> dict[str, Any]:
    item = {
        "manager": entry.manager.name,
        "operation": entry.manager.operation,
        "apiVersion": entry.manager.version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields_v1(entry.fields),
        "subresource": entry.manager.subresource,
    }
    return {key: value for key, value in item.items() if value != ""}


def _without_managed(obj: Object) -> Object:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}


def _with_managed(obj: Object, entries: Entries) -> Object:
    if not entries:
        return obj
    return {**obj, "metadata": {**obj["metadata"], "managedFields": encode(entries)}}


def manager_name(field_manager: str, user_agent: Optional[str]) -> str:
    """The manager a request names, else the product name of its User-Agent."""
    if field_manager:
        return field_manager
    product = (user_agent or "").split("/")[0]
    return "".join(letter for letter in product if letter.isprintable())[:128]
