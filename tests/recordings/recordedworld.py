"""What the recorded server's objects were at each moment, read from a recording; and how the fake is brought there.

A recording does not show every write: some exchanges were cut out, and others' doings were never in it. Their traces
are objects in later answers whose resourceVersion no recorded exchange produced. Such a *left-out write* is done on
the fake's store just before the first exchange that needs it. Rules, lest a comparison prove nothing:

* What a recorded exchange wrote is never arranged: the fake must have written it when it was asked the same.
* Only what the exchange at hand shows (or refers to by resourceVersion) is arranged, and no sooner.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from .recording import ABSENT, Exchange, Key, Object, Snapshots, is_object, key_of, revision, shown_objects, versions_in


class RecordedWorld:
    """The recorded server's objects as far as the exchanges replayed so far tell."""

    def __init__(self, snapshots: Snapshots) -> None:
        self.snapshots = snapshots
        self.revision = 0
        self._last: dict[Key, int] = {}
        self._there: set[Key] = set()

    def last(self, key: Key) -> int:
        """The revision of the last write to an object, its deletion included; 0 if none is known."""
        return self._last.get(key, 0)

    def exists(self, key: Key) -> bool:
        return key in self._there

    def there(self, place: Key) -> list[Key]:
        """The objects of a collection."""
        return [key for key in self._there if key.resource == place.resource and place.namespace in ("", key.namespace)]

    def written(self, key: Key, at: int) -> None:
        self._last[key] = at
        self._there.add(key)
        self.revision = max(self.revision, at)

    def deleted(self, key: Key, at: int = 0) -> None:
        """An object is gone; where the revision of its deletion is not known it was the next one."""
        self._last[key] = at or self.revision + 1
        self._there.discard(key)
        self.revision = max(self.revision, self._last[key])

    # what an exchange needs

    def needed(self, exchange: Exchange) -> list[tuple[Key, int, Optional[Object]]]:
        """The left-out writes that an exchange presupposes, oldest first."""
        place = exchange.place
        if place is None or exchange.is_dry_run:
            return []
        if exchange.is_watch:
            return self._before_watch(exchange, place)
        wanted = list(self._shown(exchange)) + list(self._referred_to(exchange)) + list(self._implied(exchange))
        return [
            (key, at, self.snapshots.of(key).get(at))
            for key, at in sorted(dict.fromkeys(wanted), key=lambda entry: entry[1])
            if (self.exists(key) if at == ABSENT else self.last(key) != at)
        ]

    def _shown(self, exchange: Exchange) -> Iterator[tuple[Key, int]]:
        """What the answer shows and the request did not write; and what is not shown though it should be."""
        assert exchange.place is not None
        shown = [obj for _, obj in shown_objects(exchange)]
        for obj in shown:
            key = key_of(obj, exchange.place.resource)
            if exchange.method in ("POST", "PUT", "PATCH", "DELETE") and not exchange.body.get("items"):
                yield from self._before_write(exchange, key, obj)
            elif self.last(key) < revision(obj):
                yield key, revision(obj)
        if exchange.method == "GET" and isinstance(exchange.body, dict) and "items" in exchange.body:
            yield from self._missing(exchange, {key_of(obj, exchange.place.resource) for obj in shown})

    def _before_write(self, exchange: Exchange, key: Key, obj: Object) -> Iterator[tuple[Key, int]]:
        """The state that a successful write started from."""
        written = self._written(exchange, key, obj)
        before = [at for at in self.snapshots.of(key) if self.last(key) < at and (at < written or not written)]
        if exchange.method == "POST" and self.exists(key):
            yield key, ABSENT
        if exchange.method == "POST" or not before:
            return
        yield key, max(before) if written else revision(obj)

    def _written(self, exchange: Exchange, key: Key, obj: Object) -> int:
        """The revision that a write produced; 0 if it changed nothing."""
        given = exchange.request.get("body")
        before = (given.get("metadata") or {}).get("resourceVersion") if isinstance(given, dict) else None
        at = revision(obj)
        unchanged = str(before) == str(at) or at <= self.last(key)
        if exchange.method == "DELETE" and not self.exists(key):
            unchanged = True  # the deletion had begun before
        return 0 if unchanged else at

    def _missing(self, exchange: Exchange, shown: set[Key]) -> Iterator[tuple[Key, int]]:
        """Objects that a complete list should have shown: they were deleted meanwhile."""
        if self._is_selective(exchange):
            return
        assert exchange.place is not None
        for key in self.there(exchange.place):
            if key not in shown:
                yield key, ABSENT

    @staticmethod
    def _is_selective(exchange: Exchange) -> bool:
        return bool(set(exchange.query) & {"limit", "continue", "labelSelector", "fieldSelector"})

    def _referred_to(self, exchange: Exchange) -> Iterator[tuple[Key, int]]:
        """A body with the resourceVersion of a known state was written by somebody who had read that state."""
        body, target = exchange.request.get("body"), exchange.target
        if exchange.method != "PUT" or not isinstance(body, dict) or target is None:
            return
        version = str((body.get("metadata") or {}).get("resourceVersion", ""))
        if version.isdigit() and int(version) in self.snapshots.of(target) and int(version) > self.last(target):
            yield target, int(version)

    def _implied(self, exchange: Exchange) -> Iterator[tuple[Key, int]]:
        """Existence, or absence, that only the kind of answer tells."""
        target = exchange.target
        if target is None or not target.name or not isinstance(exchange.body, dict):
            return
        reason = exchange.body.get("reason")
        exists = self.exists(target)
        if reason == "NotFound" and len(exchange.path) <= self._depth(target) and exists:
            yield target, ABSENT
        elif not exists and self._presupposes(exchange):
            known = [
                at for at, state in self.snapshots.of(target).items() if state is not None and at > self.last(target)
            ]
            if known:
                yield target, min(known)

    @staticmethod
    def _depth(target: Key) -> int:
        """How many parts the path of the object itself has."""
        return 7 if target.namespace else 5

    @staticmethod
    def _presupposes(exchange: Exchange) -> bool:
        """Does the answer tell that the object is there?"""
        if exchange.body.get("reason") == "AlreadyExists":
            return True
        if exchange.method in ("PUT", "PATCH", "DELETE"):
            refused = exchange.body.get("reason") in ("Unauthorized", "Forbidden", "UnsupportedMediaType", "NotFound")
            return not refused and not is_object(exchange.body)
        return exchange.method == "GET" and exchange.body.get("kind") in ("Table", "PartialObjectMetadata")

    # watches

    def _before_watch(self, exchange: Exchange, place: Key) -> list[tuple[Key, int, Optional[Object]]]:
        """What had happened when a watch began: all up to its revision, or all that its initial events show."""
        version = exchange.query.get("resourceVersion", "")
        if version.isdigit() and int(version):
            limit = max([int(version), *self._history(exchange)])
            return [entry for entry in self.snapshots.under(place) if self.last(entry[0]) < entry[1] <= limit]
        initial = self._initial(exchange)
        shown = {key_of(obj, place.resource) for obj in initial}
        gone = [] if self._is_selective(exchange) else [key for key in self.there(place) if key not in shown]
        return [(key, ABSENT, None) for key in gone] + [
            (key_of(obj, place.resource), revision(obj), obj)
            for obj in initial
            if self.last(key_of(obj, place.resource)) < revision(obj)
        ]

    @staticmethod
    def _initial(exchange: Exchange) -> list[Object]:
        """The events that show what there was: ADDED, in the order of names."""
        initial: list[Object] = []
        for kind, obj in shown_objects(exchange):
            names = [(o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in (*initial[-1:], obj)]
            if kind != "ADDED" or names != sorted(set(names)):
                break
            initial.append(obj)
        return sorted(initial, key=revision)

    @staticmethod
    def _history(exchange: Exchange) -> list[int]:
        """The revisions that had passed when a watch began, if it tells: only news brings a bookmark before the end."""
        bookmarks = any(line["type"] == "BOOKMARK" for line in exchange.response["lines"])
        asked = "allowWatchBookmarks" in exchange.query and int(exchange.query.get("timeoutSeconds", 0)) > 2
        return [revision(obj) for _, obj in shown_objects(exchange)] if asked and not bookmarks else []

    def during_watch(self, exchange: Exchange) -> list[tuple[Key, int, Optional[Object]]]:
        """The left-out writes that happened while a watch was open: what it shows beyond what was known."""
        assert exchange.place is not None
        last = max((revision(obj) for _, obj in shown_objects(exchange)), default=0)
        return [entry for entry in self.snapshots.under(exchange.place) if self.revision < entry[1] <= last]

    # what an exchange did

    def learn(self, exchange: Exchange) -> None:
        """Take in what the recorded exchange did to the recorded objects."""
        self.revision = max([self.revision, *versions_in(exchange.response)])
        place, target = exchange.place, exchange.target
        if place is None or exchange.is_dry_run or exchange.status >= 300:
            return
        if exchange.method == "DELETE":
            self._learn_deletion(exchange, place)
        elif exchange.method in ("POST", "PUT", "PATCH") and is_object(exchange.body) and target is not None:
            self._learn_write(key_of(exchange.body, place.resource), exchange.body)

    def _learn_write(self, key: Key, obj: Object) -> None:
        metadata = obj["metadata"]
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            self.deleted(key)  # with its last finalizer
        else:
            self.written(key, revision(obj))

    def _learn_deletion(self, exchange: Exchange, place: Key) -> None:
        if is_object(exchange.body):
            self.written(key_of(exchange.body, place.resource), revision(exchange.body))
        elif exchange.body.get("kind") == "Status":
            self.deleted(place)
        for item in exchange.body.get("items") or ():
            if not item["metadata"].get("finalizers"):
                self.deleted(key_of(item, place.resource))
