"""BaseCustomResource: create, read, update, delete, list and watch for any custom resource.

Here are the requests; the object in memory is :mod:`.model.rawobject`. Construction touches
nothing: the client is made on first use, and after any call the object is what the server answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Optional, TypeVar, Union

from .. import arguments
from ..errors import (
    AlreadyExistsError,
    APIError,
    ConflictError,
    DevServersError,
    InvalidError,
    NotFoundError,
)
from ..transport.deadline import Deadline
from ..transport.default import checked_client, chosen_client
from ..transport.names import validate_name
from ..transport.resources import Resource
from .model import merge, uidbound
from .model.fieldcheck import check_writing
from .model.jsonvalue import copy_json
from .model.liveobject import LiveObject
from .model.metadata import Metadata, ObjectMeta, new_metadata
from .model.rawobject import RawObject
from .model.reference import Collection, ObjectRef
from .model.selection import LabelSelector, selectors_of
from .model.writing import written

if TYPE_CHECKING:
    from ..transport.rest import RESTClient
    from ..transport.watch import Event, Watch
    from .lifecycle.waiting import StatusWanted

__all__ = ["BaseCustomResource", "ObjectMeta"]

Self = TypeVar("Self", bound="BaseCustomResource")
Patch = Union[
    Mapping[str, Any], list[dict[str, Any]]
]  # in a class with a method list(), list[...] means the method


class BaseCustomResource(RawObject):
    """A custom resource. A subclass says where it lives in the API::

        class DevServer(BaseCustomResource):
            group, version, plural = "devserver.io", "v1", "devservers"

    ``kind`` defaults to the name of the class that says ``plural``, ``namespaced`` to True.

    Args:
        metadata: name, namespace, labels… of the object; copied.
        spec: the desired state, as in the API; copied.
        client: the client to use; default: the process-wide one.
    """

    group: ClassVar[str]
    version: ClassVar[str]
    plural: ClassVar[str]
    kind: ClassVar[str]
    namespaced: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if (
            "plural" in cls.__dict__ and "kind" not in cls.__dict__
        ):  # a subclass of DevServer is one still
            cls.kind = cls.__name__

    def __init__(
        self,
        metadata: Metadata,
        spec: Optional[Mapping[str, Any]] = None,
        *,
        client: Optional[RESTClient] = None,
    ) -> None:
        raw = new_metadata(metadata)
        if raw.get("namespace") and not self.namespaced:
            raise ValueError(f"{self.kind} is cluster-scoped: its metadata takes no namespace")
        resource = self._resource()
        body = {"apiVersion": resource.api_version, "kind": self.kind, "metadata": raw}
        if spec is not None:
            body["spec"] = copy_json(arguments.mapping(spec, "spec"), "spec")
        self._live = LiveObject(resource, body, None if client is None else checked_client(client))

    @classmethod
    def _resource(cls) -> Resource:
        return Resource(cls.group, cls.version, cls.plural, cls.kind, cls.namespaced)

    @classmethod
    def _of(cls: type[Self], raw: dict[str, Any], client: RESTClient) -> Self:
        """An instance over an object as the server gave it."""
        resource = cls.__new__(cls)
        resource._live = LiveObject(cls._resource(), raw, client, stands=True)
        return resource

    @classmethod
    def _collection(
        cls, namespace: Optional[str], all_namespaces: bool, client: Optional[RESTClient]
    ) -> Collection:
        """Where a request goes to: the namespace as given, else the context's, else ``default``."""
        if arguments.flag(all_namespaces, "all_namespaces") and namespace is not None:
            raise ValueError(f"either namespace={namespace!r} or all_namespaces=True, not both")
        if namespace is not None and not cls.namespaced:
            raise ValueError(
                f"{cls.kind} is cluster-scoped: it takes no namespace (given: {namespace!r})"
            )
        client = chosen_client(client)
        if cls.namespaced and namespace is None and not all_namespaces:
            namespace = client.config.namespace or "default"
        return Collection(client, cls._resource(), namespace)

    # -- create, read ---------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls: type[Self], metadata: Metadata, spec: Mapping[str, Any], *, client: Optional[RESTClient] = None,
        dry_run: bool = False, field_manager: Optional[str] = None, field_validation: str = "Strict",
    ) -> Self:  # fmt: skip
        """Create an object on the cluster.

        Args:
            metadata: name (or generate_name), namespace, labels…
            spec: the desired state.
            client: the client to use; default: the process-wide one.
            dry_run: let the server check and default everything, and store nothing.
            field_manager: name under which the server notes who set the fields; default
                ``devservers``.
            field_validation: what becomes of fields that the server does not know: ``"Strict"``, an
                InvalidError that names them; ``"Warn"``, dropped with an APIWarning; ``"Ignore"``,
                dropped. Servers before Kubernetes 1.25 drop them: with ``"Strict"`` that is an
                APIWarning, too.

        Raises:
            AlreadyExistsError: there is one of that name; if that is being deleted, the text says
                how to wait for it.
            InvalidError, ForbiddenError: the server's refusals. KubeConfigError: no configuration.
        """
        from .lifecycle.creation import create, explained

        check_writing(field_manager, field_validation)
        arguments.flag(dry_run, "dry_run")
        resource = cls(metadata, spec, client=client)
        live = resource._live
        place, body = live.collection(), live.to_create()
        try:
            raw = create(
                place, body, dry_run=dry_run, field_manager=field_manager, field_validation=field_validation,
            )  # fmt: skip
        except AlreadyExistsError as error:
            raise explained(error, place, body["metadata"].get("name")) from None
        live.take(raw)
        live.stands = not dry_run
        return resource

    @classmethod
    def get(
        cls: type[Self],
        name: str,
        *,
        namespace: Optional[str] = None,
        client: Optional[RESTClient] = None,
    ) -> Self:
        """Read one object.

        Raises:
            NotFoundError: there is none of that name. ValueError: a name the server would refuse.
        """
        validate_name(name, "name")
        ref = cls._collection(namespace, False, client).named(name)
        return cls._of(ref.get(), ref.client)

    @classmethod
    def list(
        cls: type[Self], namespace: Optional[str] = None, *, all_namespaces: bool = False,
        label_selector: Optional[LabelSelector] = None, field_selector: Optional[str] = None,
        client: Optional[RESTClient] = None,
    ) -> list[Self]:  # fmt: skip
        """Every object of a namespace, or of all of them: one consistent snapshot.

        Args:
            namespace: default: that of the active context.
            all_namespaces: list across namespaces instead.
            label_selector: ``"team=red,tier in (1,2)"``, or a mapping of labels that must be equal.
            field_selector: ``"metadata.name=x"``.
        """
        selectors = selectors_of(label_selector, field_selector)
        client, resource, place = cls._collection(namespace, all_namespaces, client)
        items, _ = client.list_all(resource, place, selectors=selectors)
        return [cls._of(item, client) for item in items]

    @classmethod
    def iterate(
        cls: type[Self], namespace: Optional[str] = None, *, all_namespaces: bool = False,
        label_selector: Optional[LabelSelector] = None, field_selector: Optional[str] = None,
        client: Optional[RESTClient] = None, page_size: int = 500,
    ) -> Iterator[Self]:  # fmt: skip
        """The same, one page of ``page_size`` objects in memory at a time.

        Raises while iterating:
            ExpiredError: the snapshot grew too old between two pages; begin again.
        """
        page_size = arguments.count(page_size, "page_size", least=1)
        selectors = selectors_of(label_selector, field_selector)
        return cls._iterate(
            cls._collection(namespace, all_namespaces, client), selectors, page_size
        )

    @classmethod
    def _iterate(
        cls: type[Self], place: Collection, selectors: dict[str, Optional[str]], page_size: int
    ) -> Iterator[Self]:
        from ..transport.rest import list_items

        client, resource, namespace = place
        for page in client.pages(resource, namespace, selectors=selectors, limit=page_size):
            for item in list_items(page, resource):
                yield cls._of(item, client)

    def refresh(self: Self) -> Self:
        """Read the object again; local changes that were not sent are gone."""
        return self._take(self._live.ref().get())

    # -- update, patch, delete ------------------------------------------------------------------------------------

    def update(
        self: Self, *, retry_on_conflict: int = 3, field_manager: Optional[str] = None,
        field_validation: str = "Strict",
    ) -> Self:  # fmt: skip
        """Replace the object on the server by this one (PUT), whole, with its resourceVersion.

        If it has changed on the server since it was read, your own changes are replayed onto what
        is there now, up to ``retry_on_conflict`` times.

        Raises:
            ConflictError: a field was changed on both sides, or ``retry_on_conflict`` is used up;
                nothing is changed, here or there. InvalidError: the object breaks its schema.
                ValueError: it was never read or created.
        """
        check_writing(field_manager, field_validation)
        retry_on_conflict = arguments.count(retry_on_conflict, "retry_on_conflict", least=0)
        live, ref = self._live, self._live.ref()
        if not (live.raw.get("metadata") or {}).get("resourceVersion"):
            raise ValueError(
                f"{self!r} was never read from the cluster: create() or get() it before update()"
            )
        live.remember()
        body = self.to_dict()
        for attempt in range(retry_on_conflict + 1):
            try:
                send = partial(
                    ref.client.replace, ref.resource, ref.namespace, ref.name, body, field_manager=field_manager,
                    field_validation=field_validation,
                )  # fmt: skip
                return self._take(written(send, body, repr(self), field_validation))
            except ConflictError as error:
                if attempt == retry_on_conflict:
                    raise
                body = self._merged(ref.get(), error)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _merged(self, theirs: dict[str, Any], error: ConflictError) -> dict[str, Any]:
        """This object's own changes on top of ``theirs``; ConflictError where they contradict each
        other.
        """
        try:
            return self._live.replayed(theirs)
        except merge.MergeConflict as conflict:
            if conflict.path == "metadata.uid":
                raise self._replaced(error, theirs) from error
            raise ConflictError(
                f"{conflict.path} was changed here and on the server since {self!r} was read: refresh() and make the "
                "change again",
                status=error.status, reason=error.reason, details=error.details,
            ) from error  # fmt: skip

    def patch(
        self: Self,
        body: Patch,
        *,
        field_manager: Optional[str] = None,
        field_validation: str = "Strict",
    ) -> Self:
        """Change part of the object: a dict is a merge patch (RFC 7386), a list a JSON patch (RFC
        6902).

        If it was read from the cluster, only that very object is changed and not a later namesake
        (unless the patch says something of ``metadata.uid`` itself).

        Raises:
            ConflictError: it was deleted and recreated since it was read.
            NotFoundError: it is gone.
        """
        from ..transport.rest import JSON_PATCH, MERGE_PATCH

        check_writing(field_manager, field_validation)
        if not isinstance(body, (Mapping, list)):
            raise TypeError(
                f"patch: must be a dict (merge patch) or a list (JSON patch), not {type(body).__name__}"
            )
        content_type = MERGE_PATCH if isinstance(body, Mapping) else JSON_PATCH
        query = {"fieldManager": field_manager, "fieldValidation": field_validation}
        return self._patched(copy_json(body, "patch"), content_type, query)

    def apply(
        self: Self, *, field_manager: str, force: bool = False, field_validation: str = "Strict"
    ) -> Self:
        """Server-side apply of metadata and spec: create the object, or take over the fields that are
        set here.

        If it was read from the cluster, it is for that very object: neither a later namesake is
        changed nor a new one created.

        Raises:
            ConflictError: another manager set one of the fields otherwise (``force=True`` takes it
                over); or it was deleted since it was read, and perhaps recreated.
        """
        from ..transport.rest import APPLY_PATCH

        check_writing(arguments.field_manager(field_manager), field_validation)
        arguments.flag(force, "force")
        body = self._live.to_create()
        query = {"fieldManager": field_manager, "force": force, "fieldValidation": field_validation}
        return self._patched(body, APPLY_PATCH, query)

    def _take(self: Self, raw: dict[str, Any]) -> Self:
        """Become what the server answered."""
        self._live.take(raw)
        return self

    def _patched(
        self: Self, patch: uidbound.Patch, content_type: str, query: dict[str, Any]
    ) -> Self:
        ref = self._live.ref()
        body = uidbound.bind(patch, ref.uid)
        send = partial(
            ref.client.patch, ref.resource, ref.namespace, ref.name, body, content_type, query=query
        )
        try:
            return self._take(written(send, patch, repr(self), query["fieldValidation"]))
        except (ConflictError, InvalidError) as error:
            if body is patch:  # it is not bound to anything, or by the caller
                raise
            theirs = _look_again(ref)
            replaced = uidbound.is_about_uid(error) if theirs is None else not ref.is_this(theirs)
            if not replaced:
                raise
            raise self._replaced(error, theirs) from error

    def _replaced(self, error: APIError, theirs: Optional[Mapping[str, Any]]) -> ConflictError:
        """The error for a request that was refused because the object is not the one that was read
        any more.
        """
        what = "deleted" if theirs == {} else "deleted and recreated"
        advice = (
            "create() a new one"
            if theirs == {}
            else "get() the one that is there now and make the change there"
        )
        return ConflictError(
            f"{self!r} has been {what} since it was read, and nothing was changed: {advice}",
            status=409, reason="Conflict", details=error.details,
        )  # fmt: skip

    def delete(
        self,
        *,
        propagation_policy: Optional[str] = None,
        wait: bool = False,
        timeout: Optional[float] = None,
    ) -> None:
        """Delete the object; if it was read from the cluster, only that very object and not a later
        namesake.

        Works from a ``__del__`` while the interpreter ends, too (``wait`` does not).

        Args:
            propagation_policy: ``Foreground``, ``Background`` or ``Orphan``; default: the server's
                choice.
            wait: return only when it is gone (finalizers done).
            timeout: seconds for all of it; None: no limit to the waiting.

        Raises:
            NotFoundError: it is gone already. ConflictError: an object of the same name, but not
                this one, is there.
            WaitTimeoutError: it was still there when the time was up.
        """
        arguments.flag(wait, "wait")
        ref = self._live.ref()
        deadline = Deadline(timeout, ref.client.clock)
        ref.delete(propagation_policy=propagation_policy, deadline=deadline)
        if wait:  # else nothing is imported, which the end of the interpreter does not allow
            from .lifecycle.waiting import wait_for_deletion

            wait_for_deletion(self._live, deadline)

    # -- watch, wait ----------------------------------------------------------------------------------------------

    @classmethod
    def watch_all(
        cls, namespace: Optional[str] = None, *, all_namespaces: bool = False,
        label_selector: Optional[LabelSelector] = None, resource_version: Optional[str] = None,
        timeout: Optional[float] = None, client: Optional[RESTClient] = None,
    ) -> Watch:  # fmt: skip
        """Events of a namespace or of all of them: ``{"type": "ADDED" | "MODIFIED" | "DELETED",
        "object": raw dict}``.

        The objects there come first, as ADDED, unless ``resource_version`` says where to begin.
        Ends after ``timeout`` seconds (None: never), or by ``stop()`` of what is returned, from any
        thread.
        """
        selectors = selectors_of(label_selector, None)
        return _watch(
            cls._collection(namespace, all_namespaces, client), selectors, timeout, resource_version
        )

    def watch(self, *, timeout: Optional[float] = None) -> Watch:
        """Events of this object, as :meth:`watch_all` gives them; its present state comes first, as
        ADDED.
        """
        ref = self._live.ref()
        place = Collection(ref.client, ref.resource, ref.namespace)
        return _watch(place, ref.field_selector, timeout, None)

    def wait_for_status(
        self, status: StatusWanted, timeout: Optional[float] = 30
    ) -> Iterator[Event]:
        """Wait until the status holds, as a generator of the events on the way.

        Args:
            status: a subset of the wanted status (nested mappings by key, all else by equality), or
                a predicate of the whole status.
            timeout: seconds; None: no limit.

        The present state is looked at first: if it already holds there is no event. The object
        itself follows the events. Dropped, expired and silent watches are resumed.

        Raises while iterating:
            WaitTimeoutError (a TimeoutError): the time was up. ResourceDeletedError: the object is
                gone.
        """
        from .lifecycle.waiting import wait_for_status

        return wait_for_status(self._live, status, timeout)

    def wait_for_deletion(self, timeout: Optional[float] = 60) -> None:
        """Block until this very object is gone.

        Raises:
            WaitTimeoutError: it was still there after ``timeout`` seconds; the message lists its
                finalizers.
        """
        from .lifecycle.waiting import wait_for_deletion

        wait_for_deletion(self._live, Deadline(timeout, self._live.connected().clock))


def _watch(
    place: Collection, selectors: Mapping[str, Optional[str]], timeout: Optional[float],
    resource_version: Optional[str],
) -> Watch:  # fmt: skip
    from ..transport.watch import Watch

    client, resource, namespace = place
    deadline = Deadline(timeout, client.clock)
    return Watch(
        client,
        resource,
        namespace,
        selectors=selectors,
        resource_version=resource_version,
        deadline=deadline,
    )


def _look_again(ref: ObjectRef) -> Optional[dict[str, Any]]:
    """What the cluster has under this name now, ``{}`` if nothing; None if that cannot be told."""
    try:
        return ref.get()
    except NotFoundError as error:
        return {} if ref.is_denied_by(error) else None
    except DevServersError:
        return None
