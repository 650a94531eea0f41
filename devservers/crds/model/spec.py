"""Typed views over parts of a DevServer's spec.

A view has no state besides the raw JSON that it looks at: what is set through it is in
``server.spec`` at once, and keys it does not know survive. On its own
(``PersistentHomeSpec(size="20Gi")``) it describes a part to be assigned; assigning copies. A bad
value is refused when it is set or assigned, by the name of its field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Optional, TypeVar, Union

from .jsonvalue import copy_json
from .timetolive import parse_time_to_live, time_to_live

if TYPE_CHECKING:
    import datetime

View = TypeVar("View", bound="SpecView")
Check = Callable[[Any, str], Any]
"""Takes a value and its field's name; returns the value as in the API, or raises ValueError."""

_QUANTITY = re.compile(r"\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[munkMGTPE]|[eE][+-]?[0-9]+)?")


def boolean(value: Any, field: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{field}: must be True or False, not {value!r}")
    return value


def text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{field}: must be a non-empty string, not {value!r}")
    return value


def absolute_path(value: Any, field: str) -> str:
    if not text(value, field).startswith("/"):
        raise ValueError(f"{field}: must be an absolute path, not {value!r}")
    return str(value)


def quantity(value: Any, field: str) -> str:
    """A Kubernetes quantity of at least zero (``20Gi``, ``500m``, ``1e3``)."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise ValueError(f"{field}: must be a quantity such as '20Gi' or '500M', not {value!r}")
    return value


def _check_known(key: object, known: Mapping[str, object], field: str) -> None:
    if key in known:
        return
    advice = f"must be one of {', '.join(known)}"
    for name in known:
        if name.lower() == str(key).replace("_", "").replace("-", "").lower():
            advice = f"did you mean {name}?"
    raise ValueError(f"{field}: unknown field {key!r}: {advice}")


class SpecView:
    """A part of a spec, live. A subclass says where it is and what its keys may hold.

    Raises ValueError, naming the field, when a bad value is passed or set.
    """

    __slots__ = ("_raw",)
    _raw: dict[str, Any]

    field: ClassVar[str]
    checks: ClassVar[Mapping[str, Check]]

    @classmethod
    def over(cls: type[View], raw: dict[str, Any]) -> View:
        """A view over ``raw``: no copy is made."""
        view = cls.__new__(cls)
        view._raw = raw
        return view

    @classmethod
    def checked(cls, value: Any) -> dict[str, Any]:
        """A copy of a view or mapping as in the API, the keys we know checked."""
        if not isinstance(value, (cls, Mapping)):
            raise ValueError(
                f"{cls.field}: must be a {cls.__name__} or a dict, not {type(value).__name__}"
            )
        raw: dict[str, Any] = copy_json(value, cls.field)
        if not isinstance(value, cls):  # a view may come from a server that knows more keys
            for key in raw:
                _check_known(key, cls.checks, cls.field)
        for key, check in cls.checks.items():
            if raw.get(key) is not None:
                raw[key] = check(raw[key], f"{cls.field}.{key}")
        return raw

    def to_dict(self) -> dict[str, Any]:
        """The part as in the API: a copy, unknown keys included."""
        raw: dict[str, Any] = copy_json(self._raw, self.field)
        return raw

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return self._raw == other._raw

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._raw!r})"

    def _set(self, key: str, value: Any) -> None:
        self._raw[key] = self.checks[key](value, f"{self.field}.{key}")

    def _set_or_remove(self, key: str, value: Any) -> None:
        if value is None:
            self._raw.pop(key, None)
        else:
            self._set(key, value)


class PersistentHomeSpec(SpecView):
    """``spec.persistentHome``: a home directory that outlives the server's pods.

    Args:
        enabled: whether there is one.
        size: its size as a Kubernetes quantity (``"20Gi"``).
    """

    __slots__ = ()
    field = "spec.persistentHome"
    checks: ClassVar[Mapping[str, Check]] = {"enabled": boolean, "size": quantity}

    def __init__(self, enabled: bool = True, size: Optional[str] = None) -> None:
        self._raw = {}
        self.enabled = enabled
        self.size = size

    @property
    def enabled(self) -> bool:
        """Whether there is a home directory that outlives the pods."""
        return bool(self._raw.get("enabled", False))

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._set("enabled", value)

    @property
    def size(self) -> Optional[str]:
        """Its size as a Kubernetes quantity (``20Gi``); None leaves it to the operator."""
        return self._raw.get("size")

    @size.setter
    def size(self, value: Optional[str]) -> None:
        self._set_or_remove("size", value)


class SSHSpec(SpecView):
    """``spec.ssh``: who may log in.

    Args:
        public_key: an OpenSSH public key, one line.
    """

    __slots__ = ()
    field = "spec.ssh"
    checks: ClassVar[Mapping[str, Check]] = {"publicKey": text}

    def __init__(self, public_key: str) -> None:
        self._raw = {}
        self.public_key = public_key

    @property
    def public_key(self) -> str:
        """The OpenSSH public key that may log in, one line; ``""`` if there is none."""
        return self._raw.get("publicKey") or ""

    @public_key.setter
    def public_key(self, value: str) -> None:
        self._set("publicKey", value)


class LifecycleSpec(SpecView):
    """``spec.lifecycle``: how long the server may live.

    Args:
        time_to_live: ``"8h"``, ``"1h30m"``, or a timedelta of whole seconds.
    """

    __slots__ = ()
    field = "spec.lifecycle"
    checks: ClassVar[Mapping[str, Check]] = {"timeToLive": time_to_live}

    def __init__(self, time_to_live: Union[str, datetime.timedelta]) -> None:
        self._raw = {}
        self.time_to_live = time_to_live

    @property
    def time_to_live(self) -> Optional[str]:
        """As in the API: hours, minutes and seconds, ``1h30m``."""
        return self._raw.get("timeToLive")

    @time_to_live.setter
    def time_to_live(self, value: Union[str, datetime.timedelta, None]) -> None:
        self._set_or_remove("timeToLive", value)

    @property
    def time_to_live_delta(self) -> Optional[datetime.timedelta]:
        """The time to live as a timedelta."""
        value = self.time_to_live
        if value is None:
            return None
        return parse_time_to_live(value, f"{self.field}.timeToLive")


class VolumeSpec(SpecView):
    """One of ``spec.volumes``: a PersistentVolumeClaim mounted into the server.

    Args:
        claim_name: the claim's name.
        mount_path: an absolute path in the container.
        read_only: whether the server may only read it.
    """

    __slots__ = ()
    field = "spec.volumes[]"
    checks: ClassVar[Mapping[str, Check]] = {
        "claimName": text,
        "mountPath": absolute_path,
        "readOnly": boolean,
    }

    def __init__(self, claim_name: str, mount_path: str, read_only: bool = False) -> None:
        self._raw = {}
        self.claim_name = claim_name
        self.mount_path = mount_path
        self.read_only = read_only

    @property
    def claim_name(self) -> str:
        """The name of the PersistentVolumeClaim, in the namespace of the server."""
        return self._raw.get("claimName") or ""

    @claim_name.setter
    def claim_name(self, value: str) -> None:
        self._set("claimName", value)

    @property
    def mount_path(self) -> str:
        """Where it is mounted: an absolute path in the container."""
        return self._raw.get("mountPath") or ""

    @mount_path.setter
    def mount_path(self, value: str) -> None:
        self._set("mountPath", value)

    @property
    def read_only(self) -> bool:
        """Whether the server may only read it."""
        return bool(self._raw.get("readOnly", False))

    @read_only.setter
    def read_only(self, value: bool) -> None:
        self._set("readOnly", value)


def get_view(spec: Mapping[str, Any], key: str, view: type[View]) -> Optional[View]:
    """A live view over ``spec[key]``; None if there is no such part."""
    raw = spec.get(key)
    if not isinstance(raw, dict):
        return None
    return view.over(raw)


def set_view(spec: dict[str, Any], key: str, value: Any, view: type[SpecView]) -> None:
    """Assign a copy of ``value``; None removes the key."""
    if value is None:
        spec.pop(key, None)
    else:
        spec[key] = view.checked(value)


def get_views(spec: Mapping[str, Any], key: str, view: type[View]) -> list[View]:
    """Live views over the mappings in the list ``spec[key]``."""
    return [view.over(raw) for raw in spec.get(key) or [] if isinstance(raw, dict)]


def set_views(
    spec: dict[str, Any], key: str, values: Optional[Sequence[Any]], view: type[SpecView]
) -> None:
    """Assign a list of copies; None removes the key."""
    if values is None:
        spec.pop(key, None)
    elif isinstance(values, (str, Mapping)) or not hasattr(values, "__iter__"):
        raise ValueError(
            f"spec.{key}: must be a list of {view.__name__} or dict, not {type(values).__name__}"
        )
    else:
        spec[key] = [view.checked(value) for value in values]
