"""What a custom resource shows of its object: metadata, spec and status; copies and pickles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ...transport.default import checked_client
from .liveobject import LiveObject
from .metadata import Metadata, ObjectMeta

if TYPE_CHECKING:
    from ...transport.rest import RESTClient

V = TypeVar("V", bound="ObjectView")


class ObjectView:
    """The base of :class:`BaseCustomResource`: all that needs no request."""

    _SHARED: ClassVar[frozenset[str]] = frozenset()
    """Attributes that are no part of the object: copies share them, pickles leave them out."""

    _live: LiveObject

    if not TYPE_CHECKING:  # a type checker that saw it would accept any attribute

        def __setattr__(self, name, value):
            """Refuse an attribute that a kind of this package does not have.

            It would be a field of nothing, and be lost. Classes of users may have what they like.
            """
            cls = type(self)
            ours = cls.__module__.startswith(_PACKAGE)
            if ours and not name.startswith("_") and not hasattr(cls, name):
                raise AttributeError(_no_such_attribute(cls, name))
            super().__setattr__(name, value)

    @property
    def metadata(self) -> ObjectMeta:
        """The metadata, live."""
        return ObjectMeta.over(self._live.part("metadata"))

    @metadata.setter
    def metadata(self, value: Metadata) -> None:
        self._live.assign("metadata", value)

    @property
    def spec(self) -> dict[str, Any]:
        """The desired state as in the API, live."""
        return self._live.part("spec")

    @spec.setter
    def spec(self, value: Mapping[str, Any]) -> None:
        self._live.assign("spec", value)

    @property
    def status(self) -> dict[str, Any]:
        """The observed state as in the API, live; empty until a controller writes one."""
        return self._live.part("status")

    @status.setter
    def status(self, value: Mapping[str, Any]) -> None:
        self._live.assign("status", value)

    def to_dict(self) -> dict[str, Any]:
        """The whole object as in the API: a copy, unknown fields included.

        Raises:
            TypeError, ValueError: something in it has no JSON form; the message names the field.
        """
        return self._live.to_dict()

    def use(self: V, client: RESTClient) -> V:
        """Use this client from now on.

        An object that was pickled while it had a client of its own must be given one again, unless
        the process-wide client leads to the same cluster.
        """
        self._live.use(checked_client(client))
        return self

    def __repr__(self) -> str:
        return str(self._live)

    def __copy__(self: V) -> V:
        """A copy that shares nothing with this one but the client."""
        return self.__deepcopy__({})

    def __deepcopy__(self: V, memo: dict[int, Any]) -> V:
        from copy import deepcopy

        twin = type(self).__new__(type(self))
        for name, value in self.__dict__.items():
            twin.__dict__[name] = value if name in self._SHARED else deepcopy(value, memo)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in self._SHARED}


_PACKAGE = __name__.rpartition(".model.")[0] + "."


def _no_such_attribute(cls: type[ObjectView], name: str) -> str:
    from difflib import get_close_matches

    known = [
        each for each in dir(cls) if not each.startswith("_") and not callable(getattr(cls, each))
    ]
    message = f"{cls.__name__} has no attribute {name!r}"
    close = get_close_matches(name, known)
    if close:
        message += f" (did you mean {' or '.join(close)}?)"
    return f'{message}; a field of the spec is set by spec["{name}"] = …'
