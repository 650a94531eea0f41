"""BaseCustomResource: create, read, update, delete, list and watch for any custom resource.

Here are the requests; the object in memory is :mod:`.model.rawobject`. Construction touches nothing: the client is
made on first use, and after any call the object is what the server answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Optional, TypeVar, Union

from ..errors import AlreadyExistsError, APIError, ConflictError, DevServersError, InvalidError, NotFoundError
from ..transport.default import default_client
from ..transport.resources import Resource, validate_name
from .model import merge, uidbound
from .model.fieldcheck import check_field_validation
from .model.jsonvalue import copy_json
from .model.metadata import Metadata, ObjectMeta, new_metadata
from .model.rawobject import RawObject
from .model.selection import LabelSelector, selectors_of
from .model.writing import written

if TYPE_CHECKING:
    from ..transport.rest import RESTClient
    from ..transport.watch import Event, Watch

__all__ = ["BaseCustomResource", "ObjectMeta"]

Self = TypeVar("Self", bound="BaseCustomResource")
StatusWanted = Union[Mapping[str, Any], Callable[[dict[str, Any]], bool]]
Patch = Union[Mapping[str, Any], list[dict[str, Any]]]  # in a class with a method list(), list[...] means the method


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
    namespaced: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "plural" in cls.__dict__ and "kind" not in cls.__dict__:  # a subclass of DevServer is one still
            cls.kind = cls.__name__

    def __init__(
        self, metadata: Metadata, spec: Optional[Mapping[str, Any]] = None, *, client: Optional[RESTClient] = None
    ) -> None:
        if spec is not None and not isinstance(spec, Mapping):
            raise TypeError(f"spec: must be a dict, not {type(spec).__name__}")
        self._client = client
        raw = new_metadata(metadata)
        if raw.get("namespace") and not self.namespaced:
            raise ValueError(f"{self.kind} is cluster-scoped: its metadata takes no namespace")
        self._raw = {"apiVersion": self._resource().api_version, "kind": self.kind, "metadata": raw}
        if spec is not None:
            self._raw["spec"] = copy_json(spec, "spec")

    @classmethod
    def _resource(cls) -> Resource:
        return Resource(cls.group, cls.version, cls.plural, cls.kind, cls.namespaced)

    @classmethod
    def _of(cls: type[Self], raw: dict[str, Any], client: RESTClient) -> Self:
        """An instance over an object as the server gave it."""
        resource = cls.__new__(cls)
        resource._client = client
        resource._raw = raw
        resource._stands = True
        return resource

    # -- where ----------------------------------------------------------------------------------------------------

    @classmethod
    def _namespace(cls, namespace: Optional[str], client: RESTClient) -> Optional[str]:
        """The namespace a request goes to: as given, else the context's, else ``default``; None if cluster-scoped."""
        if cls.namespaced:
            return namespace if namespace is not None else client.config.namespace or "default"
        if namespace is not None:
            raise ValueError(f"{cls.kind} is cluster-scoped: it takes no namespace (given: {namespace!r})")
        return None

    @classmethod
    def _collection(cls, namespace: Optional[str], all_namespaces: bool, client: RESTClient) -> Optional[str]:
        if all_namespaces and namespace is not None:
            raise ValueError(f"either namespace={namespace!r} or all_namespaces=True, not both")
        return None if all_namespaces else cls._namespace(namespace, client)

    def _place(self) -> tuple[RESTClient, Optional[str], str]:
        """Client, namespace and name of this object."""
        client = self._connected()
        metadata = self._raw.get("metadata") or {}
        return client, self._namespace(metadata.get("namespace"), client), validate_name(metadata.get("name", ""))

    def use(self: Self, client: RESTClient) -> Self:
        """Use this client from now on.

        An object that was pickled while it had a client of its own must be given one again, unless
        the process-wide client leads to the same cluster.
        """
        self._client = client
        self._home = None
        return self

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
            field_manager: name under which the server notes who set the fields; default ``devservers``.
            field_validation: what becomes of fields that the server does not know: ``"Strict"``, an InvalidError that
                names them; ``"Warn"``, dropped with an APIWarning; ``"Ignore"``, dropped. Servers before Kubernetes
                1.25 drop them: with ``"Strict"`` that is an APIWarning, too.

        Raises:
            AlreadyExistsError: there is one of that name; if that is being deleted, the text says how to wait for it.
            InvalidError, ForbiddenError: the server's refusals. KubeConfigError: no configuration.
        """
        from .lifecycle.creation import create, explained

        check_field_validation(field_validation)
        resource = cls(metadata, spec, client=client)
        client, namespace, body = resource._to_create()
        place = resource._resource()
        try:
            resource._take(
                create(
                    client, place, namespace, body, dry_run=dry_run, field_manager=field_manager,
                    field_validation=field_validation,
                )
            )  # fmt: skip
        except AlreadyExistsError as error:
            raise explained(error, client, place, namespace, body["metadata"].get("name")) from None
        resource._stands = not dry_run
        return resource

    def _to_create(self) -> tuple[RESTClient, Optional[str], dict[str, Any]]:
        """Client, namespace and body of a request that creates this object anew: without what only the cluster sets."""
        client = self._connected()
        body = self.to_dict()
        body.pop("status", None)
        body["metadata"] = new_metadata(body["metadata"])
        return client, self._namespace(body["metadata"].get("namespace"), client), body

    @classmethod
    def get(
        cls: type[Self], name: str, *, namespace: Optional[str] = None, client: Optional[RESTClient] = None
    ) -> Self:
        """Read one object.

        Raises:
            NotFoundError: there is none of that name. ValueError: a name the server would refuse.
        """
        validate_name(name, "name")
        client = client or default_client()
        return cls._of(client.get(cls._resource(), cls._namespace(namespace, client), name), client)

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
        client = client or default_client()
        place = cls._collection(namespace, all_namespaces, client)
        items, _ = client.list_all(cls._resource(), place, selectors=selectors_of(label_selector, field_selector))
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
        if page_size < 1:
            raise ValueError(f"page_size: must be at least 1, not {page_size}")
        client = client or default_client()
        place = cls._collection(namespace, all_namespaces, client)
        selectors = selectors_of(label_selector, field_selector)
        return cls._iterate(client, place, selectors, page_size)

    @classmethod
    def _iterate(
        cls: type[Self], client: RESTClient, place: Optional[str], selectors: dict[str, Optional[str]], page_size: int
    ) -> Iterator[Self]:
        from ..transport.rest import list_items

        for page in client.pages(cls._resource(), place, selectors=selectors, limit=page_size):
            for item in list_items(page, cls._resource()):
                yield cls._of(item, client)

    def refresh(self: Self) -> Self:
        """Read the object again; local changes that were not sent are gone."""
        client, namespace, name = self._place()
        return self._take(client.get(self._resource(), namespace, name))

    # -- update, patch, delete ------------------------------------------------------------------------------------

    def update(
        self: Self, *, retry_on_conflict: int = 3, field_manager: Optional[str] = None,
        field_validation: str = "Strict",
    ) -> Self:  # fmt: skip
        """Replace the object on the server by this one (PUT), whole, with its resourceVersion.

        If it has changed on the server since it was read, your own changes are replayed onto what is there now, up to
        ``retry_on_conflict`` times.

        Raises:
            ConflictError: a field was changed on both sides, or ``retry_on_conflict`` is used up; nothing is changed,
                here or there. InvalidError: the object breaks its schema. ValueError: it was never read or created.
        """
        check_field_validation(field_validation)
        client, namespace, name = self._place()
        if not (self._raw.get("metadata") or {}).get("resourceVersion"):
            raise ValueError(f"{self!r} was never read from the cluster: create() or get() it before update()")
        self._remember()
        body = self.to_dict()
        for attempt in range(retry_on_conflict + 1):
            try:
                send = partial(
                    client.replace, self._resource(), namespace, name, body, field_manager=field_manager,
                    field_validation=field_validation,
                )  # fmt: skip
                return self._take(written(send, body, repr(self), field_validation))
            except ConflictError as error:
                if attempt == retry_on_conflict:
                    raise
                body = self._merged(client.get(self._resource(), namespace, name), error)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _merged(self, theirs: dict[str, Any], error: ConflictError) -> dict[str, Any]:
        """This object's own changes on top of ``theirs``; ConflictError where they contradict each other."""
        try:
            return self._replayed(theirs)
        except merge.MergeConflict as conflict:
            if conflict.path == "metadata.uid":
                raise self._replaced(error, theirs) from error
            raise ConflictError(
                f"{conflict.path} was changed here and on the server since {self!r} was read: refresh() and make the "
                "change again",
                status=error.status, reason=error.reason, details=error.details,
            ) from error  # fmt: skip

    def patch(
        self: Self, body: Patch, *, field_manager: Optional[str] = None, field_validation: str = "Strict"
    ) -> Self:
        """Change part of the object: a dict is a merge patch (RFC 7386), a list a JSON patch (RFC 6902).

        If it was read from the cluster, only that very object is changed and not a later namesake
        (unless the patch says something of ``metadata.uid`` itself).

        Raises:
            ConflictError: it was deleted and recreated since it was read.
            NotFoundError: it is gone.
        """
        from ..transport.rest import JSON_PATCH, MERGE_PATCH

        if not isinstance(body, (Mapping, list)):
            raise TypeError(f"patch: must be a dict (merge patch) or a list (JSON patch), not {type(body).__name__}")
        content_type = MERGE_PATCH if isinstance(body, Mapping) else JSON_PATCH
        query = {"fieldManager": field_manager, "fieldValidation": check_field_validation(field_validation)}
        return self._patched(copy_json(body, "patch"), content_type, query)

    def apply(self: Self, *, field_manager: str, force: bool = False, field_validation: str = "Strict") -> Self:
        """Server-side apply of metadata and spec: create the object, or take over the fields that are set here.

        If it was read from the cluster, it is for that very object: neither a later namesake is
        changed nor a new one created.

        Raises:
            ConflictError: another manager set one of the fields otherwise (``force=True`` takes it
                over); or it was deleted since it was read, and perhaps recreated.
        """
        from ..transport.rest import APPLY_PATCH

        _, _, body = self._to_create()
        validation = check_field_validation(field_validation)
        query = {"fieldManager": field_manager, "force": force, "fieldValidation": validation}
        return self._patched(body, APPLY_PATCH, query)

    @property
    def _uid(self) -> Optional[str]:
        """The uid it had when it was read; None if it never was."""
        return _uid_of(self._raw)

    def _patched(self: Self, patch: uidbound.Patch, content_type: str, query: dict[str, Any]) -> Self:
        client, namespace, name = self._place()
        body = uidbound.bind(patch, self._uid)
        send = partial(client.patch, self._resource(), namespace, name, body, content_type, query=query)
        try:
            return self._take(written(send, patch, repr(self), query["fieldValidation"]))
        except (ConflictError, InvalidError) as error:
            if body is patch:  # it is not bound to anything, or by the caller
                raise
            theirs = self._look_again()
            replaced = uidbound.is_about_uid(error) if theirs is None else _uid_of(theirs) != self._uid
            if not replaced:
                raise
            raise self._replaced(error, theirs) from error

    def _look_again(self) -> Optional[dict[str, Any]]:
        """What the cluster has under this object's name now, ``{}`` if nothing; None if that cannot be told."""
        client, namespace, name = self._place()
        try:
            return client.get(self._resource(), namespace, name)
        except NotFoundError as error:
            return {} if error.is_about(self._resource(), name) else None
        except DevServersError:
            return None

    def _replaced(self, error: APIError, theirs: Optional[Mapping[str, Any]]) -> ConflictError:
        """The error for a request that was refused because the object is not the one that was read any more."""
        what = "deleted" if theirs == {} else "deleted and recreated"
        advice = "create() a new one" if theirs == {} else "get() the one that is there now and make the change there"
        return ConflictError(
            f"{self!r} has been {what} since it was read, and nothing was changed: {advice}",
            status=409, reason="Conflict", details=error.details,
        )  # fmt: skip

    def delete(
        self, *, propagation_policy: Optional[str] = None, wait: bool = False, timeout: Optional[float] = None
    ) -> None:
        """Delete the object; if it was read from the cluster, only that very object and not a later namesake.

        Args:
            propagation_policy: ``Foreground``, ``Background`` or ``Orphan``; default: the server's choice.
            wait: return only when it is gone (finalizers done).
            timeout: seconds for all of it; None: no limit to the waiting.

        Raises:
            NotFoundError: it is gone already. ConflictError: an object of the same name, but not this one, is there.
            WaitTimeoutError: it was still there when the time was up.
        """
        from ..transport.deadline import Deadline
        from .lifecycle.waiting import wait_for_deletion

        client, namespace, name = self._place()
        deadline = Deadline(timeout, client.clock)
        client.delete(
            self._resource(), namespace, name, uid=self._uid, propagation_policy=propagation_policy, deadline=deadline,
        )  # fmt: skip
        if wait:
            wait_for_deletion(self, deadline)

    # -- watch, wait ----------------------------------------------------------------------------------------------

    @classmethod
    def watch_all(
        cls, namespace: Optional[str] = None, *, all_namespaces: bool = False,
        label_selector: Optional[LabelSelector] = None, resource_version: Optional[str] = None,
        timeout: Optional[float] = None, client: Optional[RESTClient] = None,
    ) -> Watch:  # fmt: skip
        """Events of a namespace or of all of them: ``{"type": "ADDED" | "MODIFIED" | "DELETED", "object": raw dict}``.

        The objects there come first, as ADDED, unless ``resource_version`` says where to begin. Ends after ``timeout``
        seconds (None: never), or by ``stop()`` of what is returned, from any thread.
        """
        client = client or default_client()
        place = cls._collection(namespace, all_namespaces, client)
        return _watch(client, cls._resource(), place, selectors_of(label_selector, None), timeout, resource_version)

    def watch(self, *, timeout: Optional[float] = None) -> Watch:
        """Events of this object, as :meth:`watch_all` gives them; its present state comes first, as ADDED."""
        client, namespace, name = self._place()
        return _watch(client, self._resource(), namespace, selectors_of(None, f"metadata.name={name}"), timeout, None)

    def wait_for_status(self, status: StatusWanted, timeout: Optional[float] = 30) -> Iterator[Event]:
        """Wait until the status holds, as a generator of the events on the way.

        Args:
            status: a subset of the wanted status (nested mappings by key, all else by equality), or a predicate of the
                whole status.
            timeout: seconds; None: no limit.

        The present state is looked at first: if it already holds there is no event. The object itself follows the
        events. Dropped, expired and silent watches are resumed.

        Raises while iterating:
            WaitTimeoutError (a TimeoutError): the time was up. ResourceDeletedError: the object is gone.
        """
        from .lifecycle.waiting import wait_for_status

        return wait_for_status(self, status, timeout)

    def wait_for_deletion(self, timeout: Optional[float] = 60) -> None:
        """Block until this very object is gone.

        Raises:
            WaitTimeoutError: it was still there after ``timeout`` seconds; the message lists its finalizers.
        """
        from ..transport.deadline import Deadline
        from .lifecycle.waiting import wait_for_deletion

        client, _, _ = self._place()
        wait_for_deletion(self, Deadline(timeout, client.clock))


def _watch(
    client: RESTClient, resource: Resource, namespace: Optional[str], selectors: dict[str, Optional[str]],
    timeout: Optional[float], resource_version: Optional[str],
) -> Watch:  # fmt: skip
    from ..transport.deadline import Deadline
    from ..transport.watch import Watch

    deadline = Deadline(timeout, client.clock)
    return Watch(client, resource, namespace, selectors=selectors, resource_version=resource_version, deadline=deadline)


def _uid_of(raw: Mapping[str, Any]) -> Optional[str]:
    return (raw.get("metadata") or {}).get("uid")
