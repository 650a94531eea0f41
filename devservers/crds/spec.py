"""Typed views over parts of a DevServer's spec.

A view holds no state beside the raw JSON it looks at: what is set through it stands in ``server.spec`` at once, and
keys it does not know survive. Standing alone (``PersistentHomeSpec(size="20Gi")``) it describes a part to be assigned.
Bad values are refused when they are set, with the field named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional, TypeVar, Union

from .jsonvalue import copy_json

if TYPE_CHECKING:
    import datetime

View = TypeVar("View", bound="SpecView")

_QUANTITY = re.compile(r"\+?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[munkMGTPE]|[eE][+-]?\d+)?")
_TIME_TO_LIVE = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


class SpecView:
    """A part of a spec, live."""

    __slots__ = ("_raw",)
    _raw: dict[str, Any]

    @classmethod
    def over(cls: type[View], raw: dict[str, Any]) -> View:
        """A view over ``raw``: no copy is made."""
        view = cls.__new__(cls)
        view._raw = raw
        return view

    def to_dict(self) -> dict[str, Any]:
        """The part as in the API: a copy, unknown keys included."""
        raw: dict[str, Any] = copy_json(self._raw)
        return raw

    def __eq__(self, other: object) -> bool:
        return self._raw == other._raw if isinstance(other, type(self)) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._raw!r})"

    def _set(self, key: str, value: Any) -> None:
        if value is None:
            self._raw.pop(key, None)
        else:
            self._raw[key] = value


class PersistentHomeSpec(SpecView):
    """``spec.persistentHome``: a home directory that outlives the server's pods.

    Args:
        enabled: whether there is one.
        size: its size as a Kubernetes quantity (``"20Gi"``).
    """

    __slots__ = ()

    def __init__(self, enabled: bool = True, size: Optional[str] = None) -> None:
        self._raw = {}
        self.enabled = enabled
        self.size = size

    @property
    def enabled(self) -> bool:
        return bool(self._raw.get("enabled", False))

    @enabled.setter
    def enabled(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise ValueError(f"spec.persistentHome.enabled: True or False is needed, not {value!r}")
        self._set("enabled", value)

    @property
    def size(self) -> Optional[str]:
        return self._raw.get("size")

    @size.setter
    def size(self, value: Optional[str]) -> None:
        self._set("size", None if value is None else quantity(value, "spec.persistentHome.size"))


class SSHSpec(SpecView):
    """``spec.ssh``: who may log in.

    Args:
        public_key: an OpenSSH public key, one line.
    """

    __slots__ = ()

    def __init__(self, public_key: str) -> None:
        self._raw = {}
        self.public_key = public_key

    @property
    def public_key(self) -> str:
        return self._raw.get("publicKey") or ""

    @public_key.setter
    def public_key(self, value: str) -> None:
        self._set("publicKey", _text(value, "spec.ssh.publicKey"))


class LifecycleSpec(SpecView):
    """``spec.lifecycle``: how long the server may live.

    Args:
        time_to_live: ``"8h"``, ``"1h30m"``, or a timedelta of whole seconds.
    """

    __slots__ = ()

    def __init__(self, time_to_live: Union[str, datetime.timedelta]) -> None:
        self._raw = {}
        self.time_to_live = time_to_live

    @property
    def time_to_live(self) -> Optional[str]:
        """As in the API: hours, minutes and seconds, ``1h30m``."""
        return self._raw.get("timeToLive")

    @time_to_live.setter
    def time_to_live(self, value: Union[str, datetime.timedelta, None]) -> None:
        self._set("timeToLive", None if value is None else format_time_to_live(value))

    @property
    def time_to_live_delta(self) -> Optional[datetime.timedelta]:
        """The same as a timedelta."""
        return None if self.time_to_live is None else parse_time_to_live(self.time_to_live)


class VolumeSpec(SpecView):
    """One of ``spec.volumes``: a PersistentVolumeClaim mounted into the server."""

    __slots__ = ()

    def __init__(self, claim_name: str, mount_path: str, read_only: bool = False) -> None:
        self._raw = {}
        self.claim_name = claim_name
        self.mount_path = mount_path
        self.read_only = read_only

    @property
    def claim_name(self) -> str:
        return self._raw.get("claimName") or ""

    @claim_name.setter
    def claim_name(self, value: str) -> None:
        self._set("claimName", _text(value, "spec.volumes[].claimName"))

    @property
    def mount_path(self) -> str:
        return self._raw.get("mountPath") or ""

    @mount_path.setter
    def mount_path(self, value: str) -> None:
        if not _text(value, "spec.volumes[].mountPath").startswith("/"):
            raise ValueError(f"spec.volumes[].mountPath: an absolute path is needed, not {value!r}")
        self._set("mountPath", value)

    @property
    def read_only(self) -> bool:
        return bool(self._raw.get("readOnly", False))

    @read_only.setter
    def read_only(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise ValueError(f"spec.volumes[].readOnly: True or False is needed, not {value!r}")
        self._set("readOnly", value)


def get_view(spec: Mapping[str, Any], key: str, view: type[View]) -> Optional[View]:
    """A live view over ``spec[key]``, None if there is none."""
    raw = spec.get(key)
    return view.over(raw) if isinstance(raw, dict) else None


def set_view(spec: dict[str, Any], key: str, value: Union[SpecView, Mapping[str, Any], None]) -> None:
    """Assign a part; None removes the key."""
    if value is None:
        spec.pop(key, None)
        return
    if not isinstance(value, (SpecView, Mapping)):
        raise ValueError(f"spec.{key}: a mapping or None is needed, not {type(value).__name__}")
    spec[key] = value.to_dict() if isinstance(value, SpecView) else copy_json(value)


def quantity(value: str, field: str) -> str:
    """``value`` itself if it is a Kubernetes quantity of at least zero (``20Gi``, ``500m``, ``1e3``)."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise ValueError(f"{field}: a quantity such as '20Gi' or '500M' is needed, not {value!r}")
    return value


def parse_time_to_live(value: str, field: str = "spec.lifecycle.timeToLive") -> datetime.timedelta:
    """``"1h30m"`` as a timedelta."""
    from datetime import timedelta

    match = _TIME_TO_LIVE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{field}: hours, minutes and seconds such as '8h' or '1h30m' are needed, not {value!r}")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def format_time_to_live(value: Union[str, datetime.timedelta]) -> str:
    """A timedelta as ``1h30m``; a string that is one already is kept as it is."""
    if isinstance(value, str):
        parse_time_to_live(value)
        return value
    total = value.total_seconds() if hasattr(value, "total_seconds") else -1
    if total <= 0 or total != int(total):
        raise ValueError(f"spec.lifecycle.timeToLive: a positive timedelta of whole seconds is needed, not {value!r}")
    minutes, seconds = divmod(int(total), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def _text(value: str, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{field}: a non-empty string is needed, not {value!r}")
    return value
