"""What the recorded server said, in terms of the one that is asked now.

Recorded requests hold what only the server of that time could know: uids, resourceVersions, continue tokens,
generated names, whole objects as they were read. Each answer of the new server, laid beside the recorded one, tells
what has become of these. Pure: recorded exchanges and new answers in, requests out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Callable, Optional
from urllib.parse import quote, unquote

from .recording import Exchange, Key, Object, Snapshots, key_of, revision, shown_objects


class Translation:
    """Grows with each exchange."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._strings: dict[str, str] = {}
        self._revisions: dict[int, int] = {}
        self._states: dict[tuple[Key, int], Object] = {}

    # learning

    def learn(self, recorded: Exchange, answered: Exchange) -> None:
        """Take in what the new server answered to a request."""
        for old, new in self._pairs(recorded, answered):
            assert recorded.place is not None
            self.state(key_of(old, recorded.place.resource), old, new)
        if isinstance(recorded.body, dict) and isinstance(answered.body, dict):
            old, new = (each.body.get("metadata") or {} for each in (recorded, answered))
            self._revision(old.get("resourceVersion"), new.get("resourceVersion"))
            if old.get("continue") and new.get("continue"):
                self._strings[old["continue"]] = new["continue"]

    def _pairs(self, recorded: Exchange, answered: Exchange) -> Iterator[tuple[Object, Object]]:
        """Objects in both answers that are the same one, at the same point of its story."""
        if recorded.place is None or recorded.is_dry_run:
            return
        old, new = list(shown_objects(recorded)), list(shown_objects(answered))
        if recorded.is_watch:
            for (kind, before), (other_kind, now) in zip(old, new):
                if kind != other_kind or self.name(before["metadata"]["name"]) != now["metadata"]["name"]:
                    return
                yield before, now
        elif "items" not in (recorded.body or {}):
            yield from ((before, now) for (_, before), (_, now) in zip(old, new))
        else:
            named = {(now["metadata"].get("namespace"), now["metadata"]["name"]): now for _, now in new}
            for _, before in old:
                where = (before["metadata"].get("namespace"), self.name(before["metadata"]["name"]))
                if where in named:
                    yield before, named[where]

    def state(self, key: Key, old: Object, new: Object) -> None:
        """``new`` is on the new server what ``old`` was."""
        self._states[key, revision(old)] = new
        self._revision(old["metadata"]["resourceVersion"], new["metadata"]["resourceVersion"])
        for name in ("uid", "name"):
            if old["metadata"][name] != new["metadata"][name]:
                self._strings[old["metadata"][name]] = new["metadata"][name]

    def deleted(self, old: int, new: str) -> None:
        """What was deleted at one revision was so, on the new server, at the other or before."""
        if old > 0:
            self._revision(old, new)

    def _revision(self, old: Any, new: Any) -> None:
        if str(old).isdigit() and str(new).isdigit():
            self._revisions[int(old)] = int(new)

    # translating

    def name(self, name: str) -> str:
        return self._strings.get(name, name)

    def revision(self, version: str) -> str:
        """A version from before the recording, or no version at all, means the same everywhere."""
        if not version.isdigit():
            return version
        earlier = [known for known in self._revisions if known <= int(version)]
        return str(self._revisions[max(earlier)]) if earlier else version

    def target(self, path: str) -> str:
        """The request target, spelled as it was."""
        path, mark, query = path.partition("?")
        parts = [self.name(part) for part in path.split("/")]
        return "/".join(parts) + mark + "&".join(map(self._parameter, query.split("&")))

    def _parameter(self, parameter: str) -> str:
        name, mark, value = parameter.partition("=")
        if name == "resourceVersion":
            value = self.revision(value)
        elif name == "continue":
            value = quote(self._strings.get(unquote(value), unquote(value)))
        return name + mark + value

    def body(self, exchange: Exchange, last: int) -> Any:
        """The request's body; ``last`` is the recorded revision of the last write to its object."""
        body = exchange.request.get("body")
        if isinstance(body, str):
            for old, new in self._strings.items():
                body = body.replace(old, new)
            return body
        read = self._read(exchange, body, last) if isinstance(body, dict) and exchange.method == "PUT" else None
        return self._values(body) if read is None else carried(body, *read, self._values)

    def _read(self, exchange: Exchange, body: Object, last: int) -> Optional[tuple[Object, Object]]:
        """The state that the sender of a body had read, then and now."""
        key = exchange.target
        version = str((body.get("metadata") or {}).get("resourceVersion", ""))
        if key is None:
            return None
        for at in (int(version) if version.isdigit() else 0, last):
            old, new = self._snapshots.of(key).get(at), self._states.get((key, at))
            if old is not None and new is not None:
                return old, new
        return None

    def _values(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: self.revision(item) if name == "resourceVersion" and isinstance(item, str) else self._values(item)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self._values(item) for item in value]
        return self._strings.get(value, value) if isinstance(value, str) else value


def carried(body: Any, old: Any, new: Any, otherwise: Callable[[Any], Any]) -> Any:
    """What stands in ``body`` as it was in ``old`` is as in ``new``; ``otherwise`` makes what the sender put there."""
    if body == old:
        return new
    if isinstance(body, dict) and isinstance(old, dict) and isinstance(new, dict):
        return {
            name: carried(item, old[name], new[name], otherwise) if name in old and name in new else otherwise(item)
            for name, item in body.items()
        }
    lists = isinstance(body, list) and isinstance(old, list) and isinstance(new, list)
    if lists and len(body) == len(old) == len(new):
        return [carried(*each, otherwise) for each in zip(body, old, new)]
    return otherwise(body)


def renamed(value: Any, old: str, new: str) -> Any:
    """A recording's entries with another namespace in paths and objects; what is said in messages stays."""
    if isinstance(value, dict):
        return {
            name: new if name == "namespace" and item == old else renamed(item, old, new)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [renamed(item, old, new) for item in value]
    if isinstance(value, str):
        return value.replace(f"/namespaces/{old}/", f"/namespaces/{new}/")
    return value


def copied(value: Any) -> Any:
    return json.loads(json.dumps(value))
