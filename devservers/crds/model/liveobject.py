"""A Kubernetes object in memory: the raw JSON as last read, and the views that write through to it.

Invariants:

1. What the server said is kept whole, whether we know the field or not; views write into it and
   copy nothing.
2. Before the caller can modify any of it, it is remembered as it was read, so that the caller's own
   changes can be told from later ones of the server.
3. Reading changes nothing: an empty part that was made up so that a view has something to show is
   not sent.
4. A pickle holds no client and no credentials. If the object had a client of its own, the pickle
   notes the cluster: the unpickled object refuses to go to another one by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from ...errors import KubeConfigError
from ...transport.default import default_client, was_default
from ...transport.names import validate_name
from ...transport.resources import Resource
from . import merge
from .jsonvalue import copy_json
from .metadata import ObjectMeta, new_metadata
from .reference import Collection, ObjectRef

if TYPE_CHECKING:
    from ...transport.config.clientconfig import ClusterID
    from ...transport.rest import RESTClient


class LiveObject:
    """An object of ``resource``: as it was read, as the caller changed it, and its client."""

    def __init__(
        self, resource: Resource, raw: dict[str, Any], client: Optional[RESTClient] = None, *,
        preexisting: bool = False,
    ) -> None:  # fmt: skip
        self.resource = resource
        self.raw = raw
        self.client = client
        self.preexisting = preexisting
        """It came from get(), list() or create(): a ``with`` only attaches to it."""
        # The cluster it belongs to, if it was pickled while it had a client of its own.
        self._home: Optional[ClusterID] = None
        # The object as the server gave it, as JSON; made before the caller can change anything.
        self._as_read: Optional[str] = None
        # Keys of parts that were made up for a view.
        self._placeholders: frozenset[str] = frozenset()

    def __str__(self) -> str:
        metadata = self.raw.get("metadata") or {}
        name = metadata.get("name") or f"{metadata.get('generateName', '')}*"
        where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
        phase = self.status.get("phase")
        state = f" phase={phase}" if phase else ""
        return f"<{self.resource.kind} {where}{name}{state}>"

    # -- where it is ------------------------------------------------------------------------------

    def connected(self) -> RESTClient:
        """The client of this object: its own, else the process-wide one.

        Raises:
            KubeConfigError: there is no configuration; or it leads to another cluster than the
                client that this object had when it was pickled.
        """
        if self.client is None and self._home is None:
            self.client = default_client()
        elif self.client is None:
            self.client = self._client_of_home()
        return self.client

    def _client_of_home(self) -> RESTClient:
        home = self._home or ("",)
        problem = "there is no configuration"
        try:
            client = default_client()
            if client.config.cluster_id() == home:
                return client
            problem = f"the configuration leads to {client.config.server}"
        except KubeConfigError:
            pass
        raise KubeConfigError(
            f"{self} was unpickled without the client it had, which led to {home[0]}, and "
            f"{problem} here: give it a client by use(client), or configure() that cluster"
        )

    def use(self, client: RESTClient) -> None:
        """Reach it by this client from now on."""
        self.client = client
        self._home = None

    def collection(self) -> Collection:
        """Where it is, or is to be created."""
        client = self.connected()
        namespace = (self.raw.get("metadata") or {}).get("namespace")
        if self.resource.namespaced and namespace is None:
            namespace = client.config.namespace or "default"
        return Collection(client, self.resource, namespace)

    def ref(self) -> ObjectRef:
        """This object, with the uid it had when it was read; None if it never was."""
        metadata = self.raw.get("metadata") or {}
        name = validate_name(metadata.get("name", ""))
        return self.collection().named(name, metadata.get("uid"))

    # -- what it says -----------------------------------------------------------------------------

    @property
    def status(self) -> Mapping[str, Any]:
        """The status as read, for us to look at; what a caller may modify is :meth:`part`."""
        status: Mapping[str, Any] = self.raw.get("status") or {}
        return status

    def part(self, key: str) -> dict[str, Any]:
        """The part ``key``, live; an empty one is made up if it is not there."""
        self.remember()
        part: Optional[dict[str, Any]] = self.raw.get(key)
        if part is None:
            part = self.raw[key] = {}
            self._placeholders |= {key}
        return part

    def assign(self, key: str, value: object) -> None:
        """Replace the part ``key``."""
        if not isinstance(value, (Mapping, ObjectMeta)):
            raise TypeError(f"{key}: must be a dict, not {type(value).__name__}")
        self.remember()
        self.raw[key] = copy_json(value, key)
        self._placeholders -= {key}

    def to_dict(self) -> dict[str, Any]:
        """A copy, unknown fields included.

        Raises:
            TypeError, ValueError: something in it has no JSON form; the message names the field.
        """
        raw: dict[str, Any] = copy_json(self.raw)
        for key in self._placeholders:
            if not raw.get(key):
                raw.pop(key, None)
        return _normal(raw)

    def to_create(self) -> dict[str, Any]:
        """The body that creates this object: without the fields that only the cluster sets."""
        body = self.to_dict()
        body.pop("status", None)
        body["metadata"] = new_metadata(body["metadata"])
        return body

    # -- what was read, and what was changed since ------------------------------------------------

    def take(self, raw: dict[str, Any]) -> None:
        """Become what the server answered."""
        self.raw = raw
        self._as_read = None
        self._placeholders = frozenset()

    def remember(self) -> None:
        """Keep the object as read; to be called before the caller can modify it."""
        if self._as_read is None and "resourceVersion" in (self.raw.get("metadata") or {}):
            self._as_read = json.dumps(self.raw)

    def metadata_as_read(self) -> dict[str, Any]:
        """The metadata as the server gave it, before the caller changed anything."""
        read = self.raw
        if self._as_read is not None:
            read = json.loads(self._as_read)
        metadata: dict[str, Any] = read.get("metadata") or {}
        return metadata

    def replay_onto(self, theirs: dict[str, Any]) -> dict[str, Any]:
        """The caller's own changes since the object was read, on top of ``theirs``.

        Raises:
            merge.MergeConflict: a field was changed on both sides, or ``theirs`` is another object
                of that name.
        """
        read: dict[str, Any] = _normal(json.loads(self._as_read or "{}"))
        if (theirs.get("metadata") or {}).get("uid") != (read.get("metadata") or {}).get("uid"):
            raise merge.MergeConflict("metadata.uid")
        merged: dict[str, Any] = merge.three_way(read, self.to_dict(), theirs)
        return merged

    # -- copies and pickles -----------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[int, Any]) -> LiveObject:
        """A copy that shares nothing with this one but the client."""
        from copy import deepcopy

        raw = deepcopy(self.raw, memo)
        twin = LiveObject(self.resource, raw, self.client, preexisting=self.preexisting)
        twin._home = self._home
        twin._as_read, twin._placeholders = self._as_read, self._placeholders
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """Without the client, so that no credentials get into a pickle; its cluster is noted."""
        state = {**self.__dict__, "client": None}
        if self.client is not None and not was_default(self.client):
            state["_home"] = self.client.config.cluster_id()
        return state


def _normal(raw: dict[str, Any]) -> dict[str, Any]:
    """``raw`` without null parts and empty metadata collections: they mean the same as none."""
    normal = {key: value for key, value in raw.items() if value is not None}
    if "metadata" in normal:
        normal["metadata"] = ObjectMeta.over(normal["metadata"]).to_dict()
    return normal
