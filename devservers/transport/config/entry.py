"""Typed access to one mapping of a kubeconfig: strings, flags, lists, data, paths, PEM.

An :class:`Entry` knows the file it is in: relative paths resolve against that file's directory, and
every error names it. Only what is asked for is checked. No message shows a value, which may be a
secret in the wrong place.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ...arguments import is_encodable
from ...errors import KubeConfigError
from ..text import shown_path
from ..tls.pem import PEMSource

_KEYS = "apiVersion|clusters|contexts|users|current-context|token|password|client-key-data"
_CONTENT = re.compile(
    r"[\r\n]|-----BEGIN|\A\s*[{\"']"
    rf"|\b(?:{_KEYS})(?:\"|%22)?\s*(?::|%3A)"  # also as it stands in a URL
    r"|\A\s*(?:eyJ[\w-]{8,}\.|LS0tLS1)"  # a JSON web token, or PEM in base64
    # base64 of how a kubeconfig, PEM or a gzip file begins
    r"|\A\s*(?:YXBp|Y2x1|Y29u|Y3Vy|dXNl|a2lu|eyJ|LS0t|H4sI)[\w+/=-]{40,}\s*\Z"
    r"|[^/]{256}"  # too long for the name of a file
)


def is_content(value: str) -> bool:
    """Whether ``value`` is not a path but what a file contains, which must not be shown."""
    return bool(_CONTENT.search(value)) and not os.path.exists(value)


# booleans of YAML 1.1 that PyYAML reads as strings
_SHORT_FLAGS = {"y": True, "Y": True, "n": False, "N": False}

_KINDS: dict[type, str] = {
    dict: "a mapping",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def kind_of(value: object) -> str:
    """What ``value`` is, in the words of YAML."""
    return _KINDS.get(type(value), "something else")


@dataclass(frozen=True)
class Entry:
    """A named entry of a kubeconfig, or a mapping inside of one, and the file it is in."""

    label: str  # "user 'alice'"
    file: str
    body: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.label} in {shown_path(self.file)}"

    def wrong(self, problem: str) -> KubeConfigError:
        """The error for this entry; its message begins with its name."""
        return KubeConfigError(f"{self}: {problem}")

    def text(self, key: str) -> str:
        """The string at ``key``, ``""`` if there is none."""
        value = self.body.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(f"{key} must be a string, not {kind_of(value)}; put it in quotes")
        return self._encodable(key, value)

    def texts(self, key: str) -> list[str]:
        """The list of strings at ``key``."""
        values = self.items(key)
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(f"{key} must be a list of strings; put each in quotes")
        return [self._encodable(key, value) for value in values]

    def _encodable(self, key: str, value: str) -> str:
        if not is_encodable(value):
            raise self.wrong(f"{key} is not valid Unicode text")
        return value

    def flag(self, key: str) -> bool:
        """The boolean at ``key``, False if there is none."""
        value = self.body.get(key)
        if value is None:
            return False
        if isinstance(value, str):
            value = _SHORT_FLAGS.get(value, value)
        if not isinstance(value, bool):
            raise self.wrong(f"{key} must be true or false, not {kind_of(value)}")
        return value

    def items(self, key: str) -> list[Any]:
        """The list at ``key``, empty if there is none."""
        value = self.body.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(f"{key} must be a list, not {kind_of(value)}")
        return value

    def child(self, key: str) -> Optional[Entry]:
        """The mapping at ``key`` as an entry of its own, None if there is none."""
        value = self.body.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(f"{key} must be a mapping, not {kind_of(value)}")
        return Entry(f"{key} of {self.label}", self.file, value)

    def data(self, key: str) -> bytes:
        """The base64-encoded bytes at ``key``, ``b""`` if there are none."""
        encoded = "".join(self.text(key).split())
        try:
            return b64decode(encoded.encode("ascii"), validate=True)
        except ValueError:
            pass
        raise self.wrong(
            f"{key} is not valid base64 (not shown); encode the PEM file with `base64 -w0`"
        )

    def path(self, key: str) -> str:
        """The path at ``key``, absolute; ``""`` if there is none."""
        value = self.text(key)
        if is_content(value):
            what, where = "PEM", f"{key}-data (in base64)"
            if key == "tokenFile":
                what = where = "token"
            raise self.wrong(
                f"{key} must be a file path but contains the {what} itself (not shown); "
                f"move it to {where}"
            )
        if not value:
            return ""
        return self.resolve(value)

    def pem(self, key: str) -> Optional[PEMSource]:
        """The PEM at ``key`` (a readable file) or ``key-data`` (base64), None for neither."""
        data, path = self.data(f"{key}-data"), self.path(key)
        if data and path:
            raise self.wrong(f"{key} and {key}-data are both set; remove one of them")
        if data:
            return PEMSource(f"{key}-data of {self}", data=data)
        if not path:
            return None
        try:
            with open(path, "rb"):
                pass
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a path"
            raise self.wrong(
                f"{key} names {shown_path(path)}, which cannot be read: {reason}; "
                "correct the path or restore the file"
            ) from error
        return PEMSource(f"{key} of {self}", path=path)

    def resolve(self, path: str) -> str:
        """``path`` relative to the directory of the file."""
        if "\0" in path:
            raise self.wrong("a path contains a NUL character")
        return os.path.join(os.path.dirname(os.path.abspath(self.file)), path)
