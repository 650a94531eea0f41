"""A reference to one object: where it is, and which one of those that may bear its name in turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

if TYPE_CHECKING:
    from ...transport.resources import Resource


class ObjectRef(NamedTuple):
    """Kind, place, name and identity of an object."""

    resource: Resource
    namespace: Optional[str]
    name: str
    uid: Optional[str]

    def __str__(self) -> str:
        where = f' in namespace "{self.namespace}"' if self.namespace else ""
        return f'{self.resource.kind} "{self.name}"{where}'

    @classmethod
    def of(cls, raw: Mapping[str, Any], resource: Resource, namespace: Optional[str]) -> ObjectRef:
        """The object that ``raw`` is; ``namespace`` is where it was asked for."""
        metadata = raw["metadata"]
        return cls(resource, metadata.get("namespace") or namespace, metadata["name"], metadata.get("uid"))

    @property
    def kubectl_words(self) -> str:
        """The words by which kubectl finds it."""
        where = f" -n {self.namespace}" if self.namespace else ""
        return f"{self.resource.plural}.{self.resource.group} {self.name}{where}"


def named(resource: Resource, body: Mapping[str, Any]) -> str:
    """An object that is to be created, for messages; its name may still have to be made up."""
    metadata = body["metadata"]
    return f'{resource.kind} "{metadata.get("name") or metadata.get("generateName", "") + "…"}"'


def held_by(raw: Mapping[str, Any]) -> str:
    """The finalizers of an object, for messages; of ``{}`` they are not known."""
    if not raw:
        return "unknown, for the API server did not answer"
    return ", ".join(map(str, raw["metadata"].get("finalizers") or ())) or "none"
