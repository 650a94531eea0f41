"""Where objects are on the cluster: a Collection of them, and an ObjectRef to one.

A name alone does not identify an object: it can be deleted and another one created under its name.
So client, resource, namespace, name and uid travel together.

Reading an object has three outcomes: it is there; it is known not to be; neither could be found
out. A 404 proves nothing unless it is about this very object (:meth:`NotFoundError.is_about`).
Somebody who may not ``get`` an object may still ``list`` it, which is all that a watch needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from ...errors import ForbiddenError, NotFoundError

if TYPE_CHECKING:
    from ...transport.deadline import Deadline
    from ...transport.resources import Resource
    from ...transport.rest import Object, RESTClient


class Collection(NamedTuple):
    """The objects of one kind in a namespace; None: in all of them, or of a cluster-scoped kind."""

    client: RESTClient
    resource: Resource
    namespace: Optional[str]

    def named(self, name: str, uid: Optional[str] = None) -> ObjectRef:
        """The object of that name, whichever it is, or the one with that uid."""
        return ObjectRef(self.client, self.resource, self.namespace, name, uid)

    def ref_of(self, raw: Mapping[str, Any]) -> ObjectRef:
        """The very object that ``raw`` is; ``raw`` was read from here."""
        metadata = raw["metadata"]
        namespace = metadata.get("namespace") or self.namespace
        return ObjectRef(
            self.client, self.resource, namespace, metadata["name"], metadata.get("uid")
        )

    def list_all(
        self,
        selectors: Optional[Mapping[str, Optional[str]]] = None,
        deadline: Optional[Deadline] = None,
    ) -> list[Object]:
        """Every object that the selectors select: one consistent snapshot."""
        items, _ = self.client.list_all(
            self.resource, self.namespace, selectors=selectors, deadline=deadline
        )
        return items


class ObjectRef(NamedTuple):
    """One object; ``uid`` None: whichever has the name."""

    client: RESTClient
    resource: Resource
    namespace: Optional[str]
    name: str
    uid: Optional[str] = None

    def __str__(self) -> str:
        where = f' in namespace "{self.namespace}"' if self.namespace else ""
        return f'{self.resource.kind} "{self.name}"{where}'

    @property
    def kubectl_args(self) -> str:
        """What ``kubectl get`` and ``kubectl delete`` take for it."""
        where = f" -n {self.namespace}" if self.namespace else ""
        kind = f"{self.resource.plural}.{self.resource.group}"
        return " ".join(filter(None, (kind, self.name))) + where

    @property
    def collection(self) -> Collection:
        """Where it is."""
        return Collection(self.client, self.resource, self.namespace)

    @property
    def field_selector(self) -> dict[str, str]:
        """What selects it by name from its collection."""
        return {"fieldSelector": f"metadata.name={self.name}"}

    def over(self, client: RESTClient) -> ObjectRef:
        """This object, reached by another client."""
        return self._replace(client=client)

    def is_this(self, raw: Mapping[str, Any]) -> bool:
        """Whether ``raw`` is this very object and not a namesake."""
        return (raw.get("metadata") or {}).get("uid") == self.uid

    def is_denied_by(self, error: NotFoundError) -> bool:
        """Whether a 404 says that there is no object of this name, and not something else."""
        return error.is_about(self.resource, self.name)

    def get(self, deadline: Optional[Deadline] = None) -> Object:
        """The object of this name as it is now; any failure is raised."""
        return self.client.get(self.resource, self.namespace, self.name, deadline=deadline)

    def find(self, deadline: Optional[Deadline] = None) -> Optional[Object]:
        """The object of this name as it is now; None if it is known not to be there.

        Raises:
            DevServersError: it may not be read, there was no answer, or one that proves nothing.
        """
        try:
            return self.get(deadline)
        except ForbiddenError as refusal:
            try:
                items = self.collection.list_all(self.field_selector, deadline)
            except ForbiddenError:
                raise refusal from None
            return next(iter(items), None)
        except NotFoundError as error:
            if self.is_denied_by(error):
                return None
            raise

    def replace(
        self, body: Object, *, field_manager: Optional[str], field_validation: str
    ) -> Object:
        """PUT the whole object, bound to the resourceVersion in ``body``."""
        return self.client.replace(
            self.resource, self.namespace, self.name, body,
            field_manager=field_manager, field_validation=field_validation,
        )  # fmt: skip

    def patch(self, body: Any, content_type: str, query: Mapping[str, Any]) -> Object:
        """Change it, or whichever object has its name unless ``body`` says otherwise."""
        return self.client.patch(
            self.resource, self.namespace, self.name, body, content_type, query=query
        )

    def delete(
        self, *, propagation_policy: Optional[str] = None, deadline: Optional[Deadline] = None
    ) -> Object:
        """Delete it; with a uid only that very object (ConflictError else)."""
        return self.client.delete(
            self.resource, self.namespace, self.name, uid=self.uid,
            propagation_policy=propagation_policy, deadline=deadline,
        )  # fmt: skip


def describe_new(resource: Resource, body: Mapping[str, Any]) -> str:
    """An object that is to be created, for messages; the server may still generate its name."""
    metadata = body["metadata"]
    return f'{resource.kind} "{metadata.get("name") or metadata.get("generateName", "") + "…"}"'


def describe_finalizers(raw: Mapping[str, Any]) -> str:
    """The finalizers of an object, for messages; those of ``{}`` are not known."""
    if not raw:
        return "unknown (the API server did not answer)"
    return ", ".join(map(str, raw["metadata"].get("finalizers") or ())) or "none"
