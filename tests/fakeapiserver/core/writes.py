"""Writing: create, update and patch, in the order of steps (and so of errors) of the API server's handlers."""

from __future__ import annotations

from typing import Callable

from ..apply.managedfields import manager_name
from ..forms.negotiate import MediaType, body_type, negotiate
from ..schema.body import check_version, decode
from ..schema.metarules import finalizer_warnings
from ..serving.http import Reply, Request
from ..vocabulary.fielderrors import invalid
from ..vocabulary.objects import Object, encode
from ..vocabulary.resources import ResourceType
from ..vocabulary.status import MODIFIED, APIFailure, already_exists, bad_request, conflict, internal
from ..vocabulary.status import invalid as invalid_object
from . import strategy
from .answers import load
from .api import API
from .eventlog import Stored
from .options import WriteOptions, parse_version, write_options
from .store import object_key

SYSTEM_FIELDS = ("creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
ETCD_LIMIT = 3 << 19
OWNED_TWICE = (
    ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, "
    "and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {uids}"
)
UNCONDITIONAL = (
    "configmaps",
    "deployments",
    "events",
    "namespaces",
    "pods",
    "replicasets",
    "secrets",
    "serviceaccounts",
    "services",
)


class Write:
    """One write under way: where to, how, and the warnings it collects."""

    def __init__(self, api: API, resource: ResourceType, request: Request, options: WriteOptions) -> None:
        self.api = api
        self.resource = resource
        self.request = request
        self.options = options
        self.namespace: str = request.info.namespace
        self.name: str = request.info.name
        self.subresource: str = request.info.subresource
        self.warnings: list[str] = []

    @property
    def manager(self) -> str:
        return manager_name(self.options.field_manager, self.request.headers.get("User-Agent"))

    def track(self, live: Object, new: Object) -> Object:
        manager = strategy.field_manager(self.resource, self.subresource)
        return manager.update(live, new, self.manager, self.api.store.sources.now())

    def owners(self, obj: Object, when: str = "") -> Object:
        """Owners are told once; whoever repeats one is warned."""
        owners = obj["metadata"].get("ownerReferences") or []
        repeated = [owner for at, owner in enumerate(owners) if owner in owners[:at]]
        if repeated:
            uids = ", ".join(owner.get("uid", "") for owner in repeated)
            self.warnings.append(OWNED_TWICE.format(when=when, uids=uids))
            obj["metadata"]["ownerReferences"] = [o for at, o in enumerate(owners) if o not in owners[:at]]
        return obj

    def answer(self, code: int, stored: bytes, media: MediaType) -> Reply:
        return self.api.answers.one(code, self.resource, stored, media, self.warnings)

    def fail(self, failure: APIFailure) -> APIFailure:
        """Warnings are sent with errors, too."""
        failure.warnings.extend(self.warnings)
        return failure


def create(api: API, resource: ResourceType, request: Request) -> Reply:
    media = negotiate(request)
    body_type(request, resource.custom)
    write = Write(api, resource, request, write_options("CreateOptions", request))
    obj, write.warnings = decode(request, resource, write.options.field_validation)
    try:
        return write.answer(201, _create(write, obj), media)
    except APIFailure as failure:
        raise write.fail(failure) from None


def _create(write: Write, obj: Object) -> bytes:
    resource, metadata = write.resource, obj["metadata"]
    check_version(obj, resource)
    match_namespace(resource, metadata, write.namespace)
    check_namespace(write.api, resource, write.namespace)
    blank: Object = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": {}}
    obj = write.track(blank, without_system_fields(obj))
    write.owners(obj)
    if not obj["metadata"].get("name") and obj["metadata"].get("generateName"):
        obj["metadata"]["name"] = write.api.store.sources.name(obj["metadata"]["generateName"])
    return store_new(write, obj)


def without_system_fields(obj: Object) -> Object:
    """What a creator says of these is not heard."""
    for name in SYSTEM_FIELDS:
        obj["metadata"].pop(name, None)
    return obj


def store_new(write: Write, obj: Object) -> bytes:
    """Validate and add an object that does not exist yet; with dryRun all but the adding."""
    resource, metadata = write.resource, obj["metadata"]
    strategy.prepare_create(resource, obj)
    sources = write.api.store.sources
    metadata.update({"uid": sources.uid(), "creationTimestamp": sources.now()})
    strategy.validate_create(resource, obj)
    if resource.custom:
        write.warnings.extend(finalizer_warnings(metadata, {}))
    version = metadata.pop("resourceVersion", "")
    if version.isdigit() and int(version):
        raise internal("resourceVersion should not be set on objects to be created")
    if write.options.dry_run:
        key = object_key(metadata.get("namespace", ""), metadata["name"])
        there = write.api.store.table(resource).objects.get(key)
        if there is not None:
            raise already_exists(resource, metadata["name"], there.terminating)
        return encode(obj)
    _check_size(obj)
    stored = write.api.store.add(resource, {**obj, "apiVersion": resource.storage_api_version})
    write.api.stored(resource, stored)
    return stored.raw


def _check_size(obj: Object) -> None:
    """etcd takes no more than 1.5 MiB in one request."""
    if len(encode(obj)) > ETCD_LIMIT:
        raise internal("etcdserver: request is too large")


def match_namespace(resource: ResourceType, metadata: Object, namespace: str) -> None:
    """The body's namespace is the path's: filled in if absent, dropped where there is none; raises 400 if another."""
    if not resource.namespaced:
        metadata.pop("namespace", None)
    elif metadata.get("namespace") in (None, "", namespace):
        metadata["namespace"] = namespace
    else:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def check_namespace(api: API, resource: ResourceType, namespace: str) -> None:
    """Nothing can be created in a namespace that does not exist."""
    if resource.namespaced:
        api.store.find(api.store.type("namespaces"), "", namespace)


def check_name(metadata: Object, name: str) -> None:
    """The body's name is the path's; raises 400."""
    given = metadata.get("name")
    if not given:
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if given != name:
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")


def update(api: API, resource: ResourceType, request: Request) -> Reply:
    if not request.info.name:
        raise bad_request("name must be provided")
    media = negotiate(request)
    body_type(request, resource.custom)
    write = Write(api, resource, request, write_options("UpdateOptions", request))
    obj, write.warnings = decode(request, resource, write.options.field_validation)
    try:
        check_version(obj, resource)
        match_namespace(resource, obj["metadata"], write.namespace)
        check_name(obj["metadata"], write.name)
        return write.answer(200, _replace(write, obj), media)
    except APIFailure as failure:
        raise write.fail(failure) from None


def _replace(write: Write, obj: Object) -> bytes:
    uid = obj["metadata"].get("uid")

    def make(current: Stored, live: Object) -> Object:
        if uid and uid != current.uid:
            raise conflict(write.resource, write.name, _uid_differs(write.resource, current, uid))
        return write.owners(write.track(live, obj))

    return change(write, make)


def _uid_differs(resource: ResourceType, current: Stored, uid: str) -> str:
    key = f"/registry/{resource.group or 'core'}/{resource.plural}/{current.key}"
    why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current.uid}"
    return f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {why}"


def change(write: Write, make: Callable[[Stored, Object], Object]) -> bytes:
    """Replace the stored object by what ``make`` makes of it, atomically; the last finalizer's removal deletes it."""
    store, resource = write.api.store, write.resource
    with store.lock:
        current = store.find(resource, write.namespace, write.name)
        live = load(resource, current)
        new = make(current, live)
        check_revision(resource, write.name, new["metadata"], current)
        new["metadata"].pop("selfLink", None)
        new = strategy.prepare_update(resource, write.subresource, live, new)
        strategy.validate_change(resource, new, live)
        if resource.custom and not write.subresource:
            write.warnings.extend(finalizer_warnings(new["metadata"], live["metadata"]))
        if _only_times_differ(live, new):
            new["metadata"]["managedFields"] = live["metadata"]["managedFields"]
        if write.options.dry_run:
            return encode(new)
        if _last_finalizer_removed(new["metadata"], live["metadata"]):
            store.remove(resource, write.namespace, write.name)
            write.api.removed(resource, current)
            return encode(new)
        _check_size(new)
        stored = store.change(
            resource, write.namespace, write.name, lambda _: {**new, "apiVersion": resource.storage_api_version}
        )
        write.api.stored(resource, stored)
        return stored.raw


def check_revision(resource: ResourceType, name: str, metadata: Object, current: Stored) -> None:
    """Optimistic concurrency: the version written must be the one stored; some builtin kinds may leave it out."""
    text = metadata.get("resourceVersion") or ""
    if text and not text.isdigit():
        raise internal(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if parse_version(text) == 0:
        if resource.plural not in UNCONDITIONAL:
            cause = invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid_object(resource.group, resource.plural, name, [cause])
        metadata["resourceVersion"] = str(current.revision)
    elif int(text) != current.revision:
        raise conflict(resource, name, MODIFIED)


def _only_times_differ(old: Object, new: Object) -> bool:
    """Does nothing differ but the times in managedFields? Then it is no change."""
    if not old["metadata"].get("managedFields") or not new["metadata"].get("managedFields"):
        return False
    return _timeless(old) == _timeless(new)


def _timeless(obj: Object) -> Object:
    entries = [{**entry, "time": ""} for entry in obj["metadata"]["managedFields"]]
    return {**obj, "metadata": {**obj["metadata"], "managedFields": entries}}


def _last_finalizer_removed(new: Object, old: Object) -> bool:
    if new.get("finalizers") or "deletionTimestamp" not in old:
        return False
    return not old.get("deletionGracePeriodSeconds")
