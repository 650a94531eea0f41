"""A Kubernetes object in memory: the raw JSON as last read is the truth, everything else looks through to it.

Invariants:

1. What the server said is kept whole, whether we know the field or not; views write into it and copy nothing.
2. Before the caller gets a hand on any of it, it is remembered as it was read, so that the caller's own changes can be
   told from the server's later.
3. Looking changes nothing: an empty part that had to be made up for a view is not sent.
4. A pickle holds no client and no credentials. If the object had been given a client of its own, it
   holds which cluster that led to: unpickled, the object does not go to another one by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Optional, TypeVar

from ...errors import KubeConfigError
from ...transport.default import default_client, was_default
from . import merge
from .jsonvalue import copy_json
from .metadata import Metadata, ObjectMeta

if TYPE_CHECKING:
    from ...transport.config.clientconfig import ClusterID
    from ...transport.rest import RESTClient

R = TypeVar("R", bound="RawObject")


class RawObject:
    """Metadata, spec and status of an object, live. The base of :class:`BaseCustomResource`."""

    kind: ClassVar[str]
    _SHARED: ClassVar[frozenset[str]] = frozenset({"_client"})
    """Attributes that are no part of the object: copies share them, pickles leave them out."""

    _raw: dict[str, Any]
    _client: Optional[RESTClient] = None
    _home: Optional[ClusterID] = None  # of an object that was pickled with a client of its own, and has none since
    _stands: bool = False  # it was read from the cluster, or created there, on its own account
    _as_read: Optional[str] = None  # JSON of the object as the server gave it; made before anything can change it
    _lent: frozenset[str] = frozenset()  # parts that were not there and have been made up to be looked at

    @property
    def metadata(self) -> ObjectMeta:
        """The metadata, live."""
        return ObjectMeta.over(self._part("metadata"))

    @metadata.setter
    def metadata(self, value: Metadata) -> None:
        self._assign("metadata", value)

    @property
    def spec(self) -> dict[str, Any]:
        """The desired state as in the API, live."""
        return self._part("spec")

    @spec.setter
    def spec(self, value: Mapping[str, Any]) -> None:
        self._assign("spec", value)

    @property
    def status(self) -> dict[str, Any]:
        """The observed state as in the API, live; empty as long as nobody has written one."""
        return self._part("status")

    @status.setter
    def status(self, value: Mapping[str, Any]) -> None:
        self._assign("status", value)

    def to_dict(self) -> dict[str, Any]:
        """The whole object as in the API: a copy, unknown fields included.

        Raises:
            TypeError, ValueError: something was put into it that has no JSON form; the message names the field.
        """
        raw: dict[str, Any] = copy_json(self._raw)
        for key in self._lent:
            if not raw.get(key):
                raw.pop(key, None)
        return _normal(raw)

    def __repr__(self) -> str:
        metadata = self._raw.get("metadata") or {}
        name = metadata.get("name") or f"{metadata.get('generateName', '')}*"
        where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
        phase = (self._raw.get("status") or {}).get("phase")
        return f"<{self.kind} {where}{name}{f' phase={phase}' if phase else ''}>"

    def __copy__(self: R) -> R:
        """A copy that shares nothing with this one but the client."""
        return self.__deepcopy__({})

    def __deepcopy__(self: R, memo: dict[int, Any]) -> R:
        from copy import deepcopy

        twin = type(self).__new__(type(self))
        for name, value in self.__dict__.items():
            twin.__dict__[name] = value if name in self._SHARED else deepcopy(value, memo)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """Without the client: no credentials get into a pickle. If it had one of its own, its cluster is noted."""
        state = {name: value for name, value in self.__dict__.items() if name not in self._SHARED}
        if self._client is not None and not was_default(self._client):
            state["_home"] = self._client.config.cluster_id()
        return state

    def _connected(self) -> RESTClient:
        """The client of this object: its own, else the process-wide one.

        Raises:
            KubeConfigError: there is no configuration; or it leads to another cluster than that of
                a client which this object was pickled without.
        """
        if self._client is None:
            self._client = default_client() if self._home is None else self._client_of_home(self._home)
        return self._client

    def _client_of_home(self, home: ClusterID) -> RESTClient:
        problem = "there is no configuration"
        try:
            client = default_client()
            if client.config.cluster_id() == home:
                return client
            problem = f"the configuration leads to {client.config.server}"
        except KubeConfigError:
            pass
        raise KubeConfigError(
            f"{self!r} was unpickled without the client it had, which led to {home[0]}, and {problem} here: give it a "
            "client by use(client), or configure() that cluster"
        )

    def _part(self, key: str) -> dict[str, Any]:
        self._remember()
        part: Optional[dict[str, Any]] = self._raw.get(key)
        if part is None:
            part = self._raw[key] = {}
            self._lent |= {key}
        return part

    def _assign(self, key: str, value: object) -> None:
        if not isinstance(value, (Mapping, ObjectMeta)):
            raise TypeError(f"{key}: must be a dict, not {type(value).__name__}")
        self._remember()
        self._raw[key] = copy_json(value, key)
        self._lent -= {key}

    def _remember(self) -> None:
        """Keep the object as read before the caller gets a hand on it."""
        if self._as_read is None and "resourceVersion" in (self._raw.get("metadata") or {}):
            self._as_read = json.dumps(self._raw)

    def _metadata_as_read(self) -> dict[str, Any]:
        """The metadata as the server gave it, before the caller changed anything."""
        read: dict[str, Any] = self._raw if self._as_read is None else json.loads(self._as_read)
        metadata: dict[str, Any] = read.get("metadata") or {}
        return metadata

    def _take(self: R, raw: dict[str, Any]) -> R:
        """Become what the server answered."""
        self._raw = raw
        self._as_read = None
        self._lent = frozenset()
        return self

    def _replayed(self, theirs: dict[str, Any]) -> dict[str, Any]:
        """The caller's own changes since the object was read, on top of ``theirs``.

        Raises:
            merge.MergeConflict: a field was changed on both sides, or ``theirs`` is another object of the same name.
        """
        read: dict[str, Any] = _normal(json.loads(self._as_read or "{}"))
        if (theirs.get("metadata") or {}).get("uid") != (read.get("metadata") or {}).get("uid"):
            raise merge.MergeConflict("metadata.uid")
        merged: dict[str, Any] = merge.three_way(read, self.to_dict(), theirs)
        return merged


def _normal(raw: dict[str, Any]) -> dict[str, Any]:
    """``raw`` without parts that are null and metadata collections that are empty: absent means the same."""
    normal = {key: value for key, value in raw.items() if value is not None}
    if "metadata" in normal:
        normal["metadata"] = ObjectMeta.over(normal["metadata"]).to_dict()
    return normal
