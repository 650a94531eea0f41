"""Recordings of REST exchanges: read from a file, and every state of every object that they show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Optional
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]


class Key(NamedTuple):
    """An object's place."""

    resource: str
    namespace: str
    name: str


ABSENT = -1
"""In place of a revision: the object is to be gone."""


@dataclass
class Exchange:
    """One request and its answer, as recorded."""

    name: str
    request: Object
    response: Object

    @property
    def method(self) -> str:
        return str(self.request["method"])

    @property
    def path(self) -> list[str]:
        return [part for part in urlsplit(self.request["path"]).path.split("/") if part]

    @property
    def query(self) -> dict[str, str]:
        parsed = parse_qs(urlsplit(self.request["path"]).query, keep_blank_values=True)
        return {name: values[0] for name, values in parsed.items()}

    @property
    def is_watch(self) -> bool:
        return "lines" in self.response

    @property
    def body(self) -> Any:
        return self.response.get("body")

    @property
    def status(self) -> int:
        return int(self.response["status"])

    @property
    def place(self) -> Optional[Key]:
        """The collection or object that the path names; None for other paths."""
        parts = self.path
        if parts[:1] != ["apis"] or len(parts) < 4:
            return None
        rest = parts[3:]
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        return Key(rest[0], namespace, rest[1] if len(rest) > 1 else "")

    @property
    def is_dry_run(self) -> bool:
        body = self.request.get("body")
        return "dryRun" in self.query or (isinstance(body, dict) and bool(body.get("dryRun")))

    @property
    def target(self) -> Optional[Key]:
        """The one object that a request is about."""
        place = self.place
        if place is None or place.name:
            return place
        body = self.request.get("body")
        if self.method == "POST" and isinstance(body, dict):
            return place._replace(name=(body.get("metadata") or {}).get("name", ""))
        return place


@dataclass
class Recording:
    """One recorded session."""

    path: Path
    exchanges: list[Exchange] = field(default_factory=list)
    crds: Optional[Path] = None

    @classmethod
    def read(cls, path: Path) -> Recording:
        """A recording of REST exchanges; without any if the file holds something else."""
        content = json.loads(path.read_text())
        entries = content["exchanges"] if isinstance(content, dict) else content
        rest = [entry for entry in entries if "status" in (entry.get("response") or {})]
        crds = path.with_name(content.get("crds", "")) if isinstance(content, dict) and content.get("crds") else None
        return cls(path, [Exchange(e["name"], e["request"], e["response"]) for e in rest], crds)

    @property
    def namespaces(self) -> list[str]:
        """The namespaces that were there: all that paths name, but for those that were missed."""
        found = [exchange.place.namespace for exchange in self.exchanges if exchange.place]
        bodies = [exchange.body for exchange in self.exchanges if isinstance(exchange.body, dict)]
        missed = {(b.get("details") or {}).get("name") for b in bodies if _misses_a_namespace(b)}
        return [name for name in dict.fromkeys(found) if name and name not in missed]


def _misses_a_namespace(body: Object) -> bool:
    return body.get("reason") == "NotFound" and (body.get("details") or {}).get("kind") == "namespaces"


def is_object(value: Any) -> bool:
    """A whole object, not a Status, a list, a Table or metadata alone."""
    if not isinstance(value, dict) or value.get("kind") in ("Status", "Table", "PartialObjectMetadata"):
        return False
    metadata = value.get("metadata") or {}
    return "name" in metadata and str(metadata.get("resourceVersion", "")).isdigit()


def revision(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


def key_of(obj: Object, resource: str) -> Key:
    return Key(resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def shown_objects(exchange: Exchange) -> Iterator[tuple[str, Object]]:
    """The objects in an answer, each with its event type (``""`` outside watches)."""
    if exchange.is_watch:
        for line in exchange.response["lines"]:
            if line["type"] in ("ADDED", "MODIFIED", "DELETED") and is_object(line["object"]):
                yield line["type"], line["object"]
    elif is_object(exchange.body):
        yield "", exchange.body
    elif isinstance(exchange.body, dict) and exchange.body.get("kind") != "Table":
        for item in exchange.body.get("items") or ():
            if is_object(item):
                yield "", item


def versions_in(value: Any) -> Iterator[int]:
    """All resourceVersions in an answer."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "resourceVersion" and isinstance(item, str) and item.isdigit():
                yield int(item)
            else:
                yield from versions_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from versions_in(item)


class Snapshots:
    """Every state of every object that recordings of one session show."""

    def __init__(self, recordings: list[Recording]) -> None:
        self._states: dict[Key, dict[int, Optional[Object]]] = {}
        seen = [(e, kind, obj) for r in recordings for e in r.exchanges if e.place for kind, obj in shown_objects(e)]
        for exchange, kind, obj in seen:
            if kind != "DELETED" and not exchange.is_dry_run:
                self._note(exchange, obj, obj)
        for exchange, kind, obj in seen:
            if kind == "DELETED" and revision(obj) not in self.of(self._key(exchange, obj)):
                self._note(exchange, obj, self._after_deletion(exchange, obj))

    @staticmethod
    def _key(exchange: Exchange, obj: Object) -> Key:
        assert exchange.place is not None
        return key_of(obj, exchange.place.resource)

    def _note(self, exchange: Exchange, obj: Object, state: Optional[Object]) -> None:
        self._states.setdefault(self._key(exchange, obj), {})[revision(obj)] = state

    def _after_deletion(self, exchange: Exchange, obj: Object) -> Optional[Object]:
        """A deletion seen through a selector may mean that the object ceased to match: it comes back with its uid."""
        later = [
            line["object"]
            for line in exchange.response["lines"]
            if line["type"] == "ADDED"
            and line["object"]["metadata"]["uid"] == obj["metadata"]["uid"]
            and revision(line["object"]) > revision(obj)
        ]
        if not later:
            return None
        return {**obj, "metadata": {**obj["metadata"], "labels": {}}}

    def of(self, key: Key) -> dict[int, Optional[Object]]:
        """Revision -> state (None: deleted) of one object."""
        return self._states.get(key, {})

    def uids(self) -> set[str]:
        return {o["metadata"]["uid"] for states in self._states.values() for o in states.values() if o is not None}

    def under(self, place: Key) -> Iterator[tuple[Key, int, Optional[Object]]]:
        """All states of a collection's objects, oldest first."""
        found = [
            (at, key, state)
            for key, states in self._states.items()
            if key.resource == place.resource and place.namespace in ("", key.namespace)
            for at, state in states.items()
        ]
        for at, key, state in sorted(found, key=lambda entry: entry[0]):
            yield key, at, state
