"""The kinds of objects that are served: names, scope, verbs. The builtin ones stand here; CRDs bring the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

READ_WRITE = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
STATUS_VERBS = ("get", "patch", "update")


@dataclass(frozen=True)
class Subresource:
    """A subresource as discovery shows it."""

    name: str
    verbs: tuple[str, ...]
    kind: str = ""


@dataclass(frozen=True)
class ResourceType:
    """One resource in one served version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = READ_WRITE
    subresources: tuple[Subresource, ...] = ()
    custom: bool = False
    storage_version: str = ""
    schema: Optional[dict[str, Any]] = field(default=None, hash=False, repr=False)
    columns: tuple[Any, ...] = field(default=(), hash=False)
    selectable: tuple[str, ...] = ()
    storage_hash: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def storage_api_version(self) -> str:
        version = self.storage_version or self.version
        return f"{self.group}/{version}" if self.group else version

    @property
    def key(self) -> tuple[str, str]:
        """Where the store keeps its objects: versions of one resource share them."""
        return (self.group, self.plural)

    @property
    def qualified(self) -> str:
        """``devservers.devserver.io``, or ``pods`` in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def has_subresource(self, name: str) -> bool:
        return any(sub.name == name for sub in self.subresources)


Types = list[ResourceType]

STATUS = Subresource("status", STATUS_VERBS)


def _core(plural: str, kind: str, short: tuple[str, ...] = (), **more: Any) -> ResourceType:
    return ResourceType(
        group="",
        version="v1",
        plural=plural,
        kind=kind,
        singular=kind.lower(),
        list_kind=f"{kind}List",
        short_names=short,
        **more,
    )


POD_SUBRESOURCES = (
    Subresource("attach", ("create", "get"), "PodAttachOptions"),
    Subresource("exec", ("create", "get"), "PodExecOptions"),
    Subresource("log", ("get",)),
    Subresource("portforward", ("create", "get"), "PodPortForwardOptions"),
    STATUS,
)

BUILTIN: tuple[ResourceType, ...] = (
    _core("configmaps", "ConfigMap", ("cm",)),
    _core("events", "Event", ("ev",)),
    _core("namespaces", "Namespace", ("ns",), namespaced=False, subresources=(STATUS,)),
    _core("persistentvolumeclaims", "PersistentVolumeClaim", ("pvc",), subresources=(STATUS,)),
    _core("pods", "Pod", ("po",), categories=("all",), subresources=POD_SUBRESOURCES),
    _core("secrets", "Secret"),
    _core("serviceaccounts", "ServiceAccount", ("sa",)),
    _core("services", "Service", ("svc",), categories=("all",), subresources=(STATUS,)),
    ResourceType(
        group="apiextensions.k8s.io",
        version="v1",
        plural="customresourcedefinitions",
        kind="CustomResourceDefinition",
        namespaced=False,
        singular="customresourcedefinition",
        list_kind="CustomResourceDefinitionList",
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources=(STATUS,),
    ),
)


def _app(plural: str, kind: str, short: str) -> ResourceType:
    return ResourceType(
        group="apps",
        version="v1",
        plural=plural,
        kind=kind,
        singular=kind.lower(),
        list_kind=f"{kind}List",
        short_names=(short,),
        categories=("all",),
        subresources=(STATUS,),
    )


APPS = (_app("deployments", "Deployment", "deploy"), _app("replicasets", "ReplicaSet", "rs"))
"""Served only where there are controllers for them."""
