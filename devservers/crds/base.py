"""BaseCustomResource: create, read, update, delete, list and watch for any custom resource.

Each method checks its arguments and sends its request; what takes more than that is in
:mod:`.model` (the object in memory, and how it is changed on the cluster) and :mod:`.lifecycle`
(creating and waiting). Construction touches nothing: the client is made on first use, and after any
call the object is what the server answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Optional, TypeVar, Union

from .. import arguments
from ..errors import AlreadyExistsError, APIWarning
from ..transport.deadline import Deadline
from ..transport.default import checked_client, chosen_client
from ..transport.names import validate_name
from ..transport.resources import Resource
from .model import changes
from .model.fieldcheck import check_writing
from .model.jsonvalue import copy_json
from .model.liveobject import LiveObject
from .model.metadata import Metadata, ObjectMeta, new_metadata
from .model.objectview import ObjectView
from .model.reference import Collection
from .model.selection import LabelSelector, selectors_of

if TYPE_CHECKING:
    from ..transport.rest import RESTClient
    from ..transport.watch import Event, Watch
    from .lifecycle.waiting import StatusWanted

__all__ = ["BaseCustomResource", "ObjectMeta"]

Self = TypeVar("Self", bound="BaseCustomResource")
# Defined here because in a class that has a method list(), list[...] means that method.
Patch = Union[Mapping[str, Any], list[dict[str, Any]]]


class BaseCustomResource(ObjectView):
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
        # A subclass of DevServer that says no plural of its own is still of kind DevServer.
        if "plural" in cls.__dict__ and "kind" not in cls.__dict__:
            cls.kind = cls.__name__

    def __init__(
        self, metadata: Metadata, spec: Optional[Mapping[str, Any]] = None, *,
        client: Optional[RESTClient] = None,
    ) -> None:  # fmt: skip
        raw = new_metadata(metadata)
        if raw.get("namespace") and not self.namespaced:
            raise ValueError(
                f"{self.kind} is cluster-scoped: its metadata must not have a namespace"
            )
        resource = self._resource()
        body = {"apiVersion": resource.api_version, "kind": self.kind, "metadata": raw}
        if spec is not None:
            body["spec"] = copy_json(arguments.mapping(spec, "spec"), "spec")
        if client is not None:
            checked_client(client)
        self._live = LiveObject(resource, body, client)

    @classmethod
    def _resource(cls) -> Resource:
        return Resource(cls.group, cls.version, cls.plural, cls.kind, cls.namespaced)

    @classmethod
    def _of(cls: type[Self], raw: dict[str, Any], client: RESTClient) -> Self:
        """An instance over an object as the server gave it."""
        resource = cls.__new__(cls)
        resource._live = LiveObject(cls._resource(), raw, client, preexisting=True)
        return resource

    @classmethod
    def _collection(
        cls, namespace: Optional[str], all_namespaces: bool, client: Optional[RESTClient]
    ) -> Collection:
        """Where a request goes: the given namespace, else the context's, else ``default``."""
        if arguments.flag(all_namespaces, "all_namespaces") and namespace is not None:
            raise ValueError(f"pass namespace={namespace!r} or all_namespaces=True, not both")
        if namespace is not None and not cls.namespaced:
            raise ValueError(
                f"{cls.kind} is cluster-scoped: namespace must be None, not {namespace!r}"
            )
        client = chosen_client(client)
        if cls.namespaced and namespace is None and not all_namespaces:
            namespace = client.config.namespace or "default"
        return Collection(client, cls._resource(), namespace)

    # -- create, read -----------------------------------------------------------------------------

    @classmethod
    def create(
        cls: type[Self], metadata: Metadata, spec: Mapping[str, Any], *,
        client: Optional[RESTClient] = None, dry_run: bool = False,
        field_manager: Optional[str] = None, field_validation: str = "Strict",
    ) -> Self:  # fmt: skip
        """Create an object on the cluster.

        Args:
            metadata: name (or generate_name), namespace, labels…
            spec: the desired state.
            client: the client to use; default: the process-wide one.
            dry_run: let the server check and default everything, and store nothing.
            field_manager: name under which the server notes who set the fields; default
                ``devservers``.
            field_validation: what happens to fields that the server does not know: ``"Strict"``, an
                InvalidError that names them; ``"Warn"``, dropped with an APIWarning; ``"Ignore"``,
                dropped. Servers before Kubernetes 1.25 always drop them; with ``"Strict"`` you get
                an APIWarning then (if warnings are errors, its text names the object, which has
                been created).

        Raises:
            AlreadyExistsError: there is one of that name; if that is being deleted, the text says
                how to wait for it.
            InvalidError, ForbiddenError: the server refused. KubeConfigError: no configuration.
        """
        from .lifecycle.creation import create, explain_taken_name

        check_writing(field_manager, field_validation)
        arguments.flag(dry_run, "dry_run")
        resource = cls(metadata, spec, client=client)
        live = resource._live
        collection, body = live.collection(), live.to_create()
        try:
            create(
                collection, body, live.take,
                dry_run=dry_run, field_manager=field_manager, field_validation=field_validation,
            )  # fmt: skip
        except AlreadyExistsError as error:
            raise explain_taken_name(error, collection, body["metadata"].get("name")) from None
        except APIWarning as warning:  # warnings are errors here, and the caller gets no object
            if not dry_run:
                warning.args = (f"{warning}; {live} was created nevertheless",)
            raise
        live.preexisting = not dry_run
        return resource

    @classmethod
    def get(
        cls: type[Self], name: str, *, namespace: Optional[str] = None,
        client: Optional[RESTClient] = None,
    ) -> Self:  # fmt: skip
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
        client, resource, namespace = cls._collection(namespace, all_namespaces, client)
        items, _ = client.list_all(resource, namespace, selectors=selectors)
        return [cls._of(item, client) for item in items]

    @classmethod
    def iterate(
        cls: type[Self], namespace: Optional[str] = None, *, all_namespaces: bool = False,
        label_selector: Optional[LabelSelector] = None, field_selector: Optional[str] = None,
        client: Optional[RESTClient] = None, page_size: int = 500,
    ) -> Iterator[Self]:  # fmt: skip
        """What :meth:`list` lists, with one page of ``page_size`` objects in memory at a time.

        Raises while iterating:
            ExpiredError: the snapshot grew too old between two pages; begin again.
        """
        page_size = arguments.count(page_size, "page_size", least=1)
        selectors = selectors_of(label_selector, field_selector)
        collection = cls._collection(namespace, all_namespaces, client)
        return cls._iterate(collection, selectors, page_size)  # the arguments are checked by now

    @classmethod
    def _iterate(
        cls: type[Self], collection: Collection, selectors: dict[str, Optional[str]], page_size: int
    ) -> Iterator[Self]:
        from ..transport.rest import list_items

        client, resource, namespace = collection
        for page in client.pages(resource, namespace, selectors=selectors, limit=page_size):
            for item in list_items(page, resource):
                yield cls._of(item, client)

    def refresh(self: Self) -> Self:
        """Read the object again; local changes that were not sent are discarded."""
        self._live.take(self._live.ref().get())
        return self

    # -- update, patch, delete --------------------------------------------------------------------

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
        retries = arguments.count(retry_on_conflict, "retry_on_conflict", least=0)
        changes.replace(
            self._live, retries=retries, field_manager=field_manager,
            field_validation=field_validation,
        )  # fmt: skip
        return self

    def patch(
        self: Self, body: Patch, *, field_manager: Optional[str] = None,
        field_validation: str = "Strict",
    ) -> Self:  # fmt: skip
        """Change part of the object.

        A dict is a merge patch (RFC 7386), a list a JSON patch (RFC 6902). If the object was read
        from the cluster, only that very object is changed and not a later namesake (unless the
        patch says something about ``metadata.uid`` itself).

        Raises:
            ConflictError: it was deleted and recreated since it was read.
            NotFoundError: it is gone.
        """
        from ..transport.rest import JSON_PATCH, MERGE_PATCH

        check_writing(field_manager, field_validation)
        query = {"fieldManager": field_manager, "fieldValidation": field_validation}
        if isinstance(body, Mapping):
            content_type = MERGE_PATCH
        elif isinstance(body, list):
            content_type = JSON_PATCH
        else:
            raise TypeError(
                "patch: must be a dict (merge patch) or a list (JSON patch), "
                f"not {type(body).__name__}"
            )
        changes.patch(self._live, copy_json(body, "patch"), content_type, query)
        return self

    def apply(
        self: Self, *, field_manager: str, force: bool = False, field_validation: str = "Strict"
    ) -> Self:
        """Server-side apply of metadata and spec: create the object, or set the fields set here.

        If it was read from the cluster, only that very object is changed; a later namesake is not,
        nor is a new one created.

        Raises:
            ConflictError: another manager set one of the fields to something else (``force=True``
                takes it over); or the object was deleted since it was read, and perhaps recreated.
        """
        from ..transport.rest import APPLY_PATCH

        check_writing(arguments.field_manager(field_manager), field_validation)
        query = {
            "fieldManager": field_manager,
            "force": arguments.flag(force, "force"),
            "fieldValidation": field_validation,
        }
        changes.patch(self._live, self._live.to_create(), APPLY_PATCH, query)
        return self

    def delete(
        self, *, propagation_policy: Optional[str] = None, wait: bool = False,
        timeout: Optional[float] = None,
    ) -> None:  # fmt: skip
        """Delete the object; one that was read is deleted only if it is still that very object.

        Works from a ``__del__`` while the interpreter ends, too (``wait`` does not).

        Args:
            propagation_policy: ``Foreground``, ``Background`` or ``Orphan``; default: the server's
                choice.
            wait: return only when it is gone (finalizers done).
            timeout: seconds for all of it; None: no limit to the waiting.

        Raises:
            NotFoundError: it is gone already. ConflictError: another object has its name now.
            WaitTimeoutError: it was still there when the time was up.
        """
        arguments.flag(wait, "wait")
        ref = self._live.ref()
        deadline = Deadline(timeout, ref.client.clock)
        ref.delete(propagation_policy=propagation_policy, deadline=deadline)
        if wait:  # else nothing is imported: while the interpreter ends that is not possible
            from .lifecycle.waiting import wait_for_deletion

            wait_for_deletion(self._live, deadline)

    # -- watch, wait ------------------------------------------------------------------------------

    @classmethod
    def watch_all(
        cls, namespace: Optional[str] = None, *, all_namespaces: bool = False,
        label_selector: Optional[LabelSelector] = None, resource_version: Optional[str] = None,
        timeout: Optional[float] = None, client: Optional[RESTClient] = None,
    ) -> Watch:  # fmt: skip
        """Events of a namespace or of all of them.

        An event is ``{"type": "ADDED" | "MODIFIED" | "DELETED", "object": raw dict}``. The objects
        that are there come first, as ADDED, unless ``resource_version`` says where to begin. Ends
        after ``timeout`` seconds (None: never), or by ``stop()`` of what is returned, from any
        thread.
        """
        selectors = selectors_of(label_selector, None)
        collection = cls._collection(namespace, all_namespaces, client)
        return _watch(collection, selectors, timeout, resource_version)

    def watch(self, *, timeout: Optional[float] = None) -> Watch:
        """Events of this object, as :meth:`watch_all` gives them; its present state comes first."""
        ref = self._live.ref()
        return _watch(ref.collection, ref.field_selector, timeout, None)

    def wait_for_status(
        self, status: StatusWanted, timeout: Optional[float] = 30
    ) -> Iterator[Event]:
        """Wait until the status holds, as a generator of the events on the way.

        The present state comes first: if it already holds, there is no event. The object itself
        follows the events. Dropped, expired and silent watches are resumed.

        Args:
            status: a subset of the wanted status (nested mappings by key, all else by equality), or
                a predicate of the whole status.
            timeout: seconds; None: no limit.

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
    collection: Collection, selectors: Mapping[str, Optional[str]], timeout: Optional[float],
    resource_version: Optional[str],
) -> Watch:  # fmt: skip
    from ..transport.watch import Watch

    client, resource, namespace = collection
    return Watch(
        client, resource, namespace, selectors=selectors, resource_version=resource_version,
        deadline=Deadline(timeout, client.clock),
    )  # fmt: skip
