"""kubeconfig files: reading, merging, and typed access to their entries.

Parsing and merging are pure. An :class:`Entry` remembers the file it stands in: relative paths resolve against that
file, and every error can name it. Only what is asked for is checked, unknown keys are ignored, and no value that was
found ever appears in a message (it may be a secret in the wrong place), nor does a parser's own exception, which quotes
the text around the fault.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ...arguments import is_encodable
from ...errors import KubeConfigError, MissingDependencyError
from ..text import json_or_none, shown_path

_IS_NO_PATH = re.compile(
    r"\n|-----BEGIN|\A\s*(LS0tLS1|eyJ[\w-]{8,}\.)|[^/]{256}"
)  # PEM, its base64, a JSON web token
_SHORT_FLAGS = {
    "y": True,
    "Y": True,
    "n": False,
    "N": False,
}  # booleans of YAML 1.1 that PyYAML takes for text
_TYPE_NAMES = {
    dict: "a mapping",
    list: "a list",
    str: "a string",
    bool: "true or false",
    type(None): "null",
}


class _YAMLMissingError(MissingDependencyError, KubeConfigError):
    """PyYAML is needed to read this kubeconfig: no configuration, for want of a package."""


def _kind_of(value: object) -> str:
    return _TYPE_NAMES.get(
        type(value), "a number" if isinstance(value, (int, float)) else "something else"
    )


@dataclass(frozen=True)
class Entry:
    """A named entry of a kubeconfig (or a mapping inside of one) and the file that holds it."""

    label: str  # "user 'alice'"
    file: str
    body: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.label} in {shown_path(self.file)}"

    def wrong(self, problem: str) -> KubeConfigError:
        return KubeConfigError(f"{self}: {problem}")

    def text(self, key: str) -> str:
        """The string at ``key``, ``""`` if there is none."""
        value = self.body.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(f"{key} must be a string, not {_kind_of(value)}; put it in quotes")
        return self._encodable(key, value)

    def flag(self, key: str) -> bool:
        value = self.body.get(key)
        if value is None:
            return False
        if isinstance(value, str):
            value = _SHORT_FLAGS.get(value, value)
        if not isinstance(value, bool):
            raise self.wrong(f"{key} must be true or false, not {_kind_of(value)}")
        return value

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

    def items(self, key: str) -> list[Any]:
        value = self.body.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(f"{key} must be a list, not {_kind_of(value)}")
        return value

    def child(self, key: str) -> Optional[Entry]:
        """The mapping at ``key`` as an entry of its own, None if there is none."""
        value = self.body.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(f"{key} must be a mapping, not {_kind_of(value)}")
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
        """The path at ``key``, resolved against the directory of the file; ``""`` if there is none."""
        value = self.text(key)
        if _IS_NO_PATH.search(value):
            where = "token" if key == "tokenFile" else f"{key}-data (in base64)"
            raise self.wrong(
                f"{key} holds the thing itself (not shown), not the path of a file; put it into {where}"
            )
        return self.resolve(value) if value else ""

    def resolve(self, path: str) -> str:
        if "\0" in path:
            raise self.wrong("a path holds a NUL character")
        return os.path.join(os.path.dirname(os.path.abspath(self.file)), path)


@dataclass(frozen=True)
class KubeConfig:
    """What one or several merged files say, by name."""

    files: tuple[str, ...]
    current_context: str = ""
    clusters: Mapping[str, Entry] = field(default_factory=dict)
    contexts: Mapping[str, Entry] = field(default_factory=dict)
    users: Mapping[str, Entry] = field(default_factory=dict)

    def __str__(self) -> str:
        return shown_path(os.pathsep.join(self.files))


def merge(configs: Iterable[KubeConfig]) -> KubeConfig:
    """kubectl's rules: the first file that has a name wins the whole entry, the first current-context counts."""
    configs = list(configs)
    clusters: dict[str, Entry] = {}
    contexts: dict[str, Entry] = {}
    users: dict[str, Entry] = {}
    for config in reversed(configs):
        clusters.update(config.clusters)
        contexts.update(config.contexts)
        users.update(config.users)
    current = next((config.current_context for config in configs if config.current_context), "")
    return KubeConfig(
        tuple(file for config in configs for file in config.files),
        current,
        clusters,
        contexts,
        users,
    )


def read(path: str) -> Optional[KubeConfig]:
    """The kubeconfig at ``path``, None if there is no such file."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise KubeConfigError(
            f"kubeconfig {shown_path(path)}: cannot be read: {reason}; "
            "check its permissions, or name another file in KUBECONFIG"
        ) from error
    return parse(data, path)


_IS_CONTENT = re.compile(
    r"[\r\n]|\A\s*[{\"']|\b(?:apiVersion|clusters|contexts|users|current-context)\"?\s*:|-----BEGIN"
    r"|\A\s*(?:YXBp|Y2x1|Y29u|Y3Vy|dXNl|a2lu|eyJ|LS0t)[\w+/=-]{40,}\s*\Z"  # the base64 of how one begins
)


def is_content(value: str) -> bool:
    """Whether this is what a kubeconfig says, and not the path of one: then it must never be shown."""
    return bool(_IS_CONTENT.search(value)) and not os.path.exists(value)


def from_mapping(document: Mapping[str, Any]) -> KubeConfig:
    """The kubeconfig that was given as a dict. Relative paths in it are relative to the working directory."""
    return _of_document(dict(document), "(a dict)")


def parse(data: bytes, path: str) -> KubeConfig:
    """The kubeconfig that ``data`` (YAML or JSON, UTF-8) holds; an empty file is an empty configuration."""
    document = _load_document(_decode(data, path), path)
    return KubeConfig((path,)) if document is None else _of_document(document, path)


def _of_document(document: object, path: str) -> KubeConfig:
    if not isinstance(document, dict):
        raise KubeConfigError(
            f"kubeconfig {shown_path(path)}: must be a mapping, not {_kind_of(document)}; is it a kubeconfig at all?"
        )
    top = Entry("kubeconfig", path, document)
    if top.text("kind") not in ("", "Config") or top.text("apiVersion") not in ("", "v1"):
        raise KubeConfigError(
            f"kubeconfig {shown_path(path)}: is of another kind; a kubeconfig has `apiVersion: v1`, `kind: Config`"
        )
    return KubeConfig(
        (path,),
        top.text("current-context"),
        _named(top, "clusters", "cluster"),
        _named(top, "contexts", "context"),
        _named(top, "users", "user"),
    )


def _named(top: Entry, section: str, kind: str) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for number, item in enumerate(top.items(section), 1):
        if item is None:
            continue
        if not isinstance(item, dict):
            raise top.wrong(f"entry {number} of {section} must be a mapping, not {_kind_of(item)}")
        name = Entry(f"entry {number} of {section}", top.file, item).text("name")
        if not name:
            continue  # nothing can refer to it; kubectl reads on, too
        if name in entries:
            raise top.wrong(f"{section} has {name!r} twice; rename or remove one of them")
        label = f"{kind} {name!r}"
        body = Entry(label, top.file, item).child(kind)
        entries[name] = Entry(label, top.file, body.body if body else {})
    return entries


def _decode(data: bytes, path: str) -> str:
    encoding = (
        "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    )  # PowerShell's `>` writes UTF-16
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        pass
    raise KubeConfigError(f"kubeconfig {shown_path(path)}: is not UTF-8 text; save it as UTF-8")


def _load_document(text: str, path: str) -> Any:
    if text.lstrip()[:1] == "{":
        document = json_or_none(text)
        if document is not None:
            return document  # else it may be YAML's flow style, which looks much the same
    elif not text.strip():
        return None
    return _load_yaml(text, path)


def _load_yaml(text: str, path: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        is_absent = isinstance(error, ModuleNotFoundError) and error.name == "yaml"
        why = "is not installed" if is_absent else f"cannot be imported ({error})"
        raise _YAMLMissingError(
            f"kubeconfig {shown_path(path)}: is YAML, and the package PyYAML that reads it {why}; "
            "run `pip install pyyaml`, or write it as JSON with `kubectl config view --raw --flatten -o json`"
        ) from error
    if not hasattr(yaml, "YAMLError"):
        raise _YAMLMissingError(
            f"kubeconfig {shown_path(path)}: is YAML, which the package PyYAML reads, but the module yaml that is "
            f"found is another one ({getattr(yaml, '__file__', None)}): rename it, or run `pip install pyyaml`"
        )
    from .goyaml import first_document

    try:
        return first_document(text)
    except yaml.YAMLError as error:
        problem = _describe_yaml_error(error)
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        problem = f"holds a value that cannot be read ({type(error).__name__})"
    except RecursionError:
        problem = "is nested too deeply, or its aliases multiply"
    raise KubeConfigError(
        f"kubeconfig {shown_path(path)}: is not valid YAML: {problem}; mend it, or write it anew"
    )


def _describe_yaml_error(error: Exception) -> str:
    """Line and kind of the fault. Quoted parts of the text are cut off: they may be part of a secret."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    problem = re.split(r"""['"]""", getattr(error, "problem", None) or "unreadable text")[0].strip()
    return where + (problem or "unreadable text")
