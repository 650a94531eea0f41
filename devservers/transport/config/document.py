"""From the bytes of a kubeconfig file to plain data: JSON by itself, YAML with PyYAML.

A parser's own exception never gets into a message or traceback: it quotes the text around the
fault, which may be a secret.
"""

from __future__ import annotations

import re
from typing import Any

from ...errors import KubeConfigError, MissingDependencyError
from ..text import json_or_none, shown_path


class _YAMLMissingError(MissingDependencyError, KubeConfigError):
    """This kubeconfig cannot be read without PyYAML."""


def load_document(data: bytes, path: str) -> Any:
    """What the file at ``path`` with the content ``data`` says; None if it is empty.

    Raises: KubeConfigError naming the file, and the line if it is not valid YAML.
    """
    text = _decode(data, path)
    if text.lstrip()[:1] == "{":
        document = json_or_none(text)
        if document is not None:
            return document  # else it may be YAML's flow style, which looks much the same
    elif not text.strip():
        return None
    return _load_yaml(text, path)


def _decode(data: bytes, path: str) -> str:
    encoding = "utf-8-sig"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"  # which `>` in PowerShell writes
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        pass
    raise KubeConfigError(f"kubeconfig {shown_path(path)}: is not UTF-8 text; save it as UTF-8")


def _load_yaml(text: str, path: str) -> Any:
    subject = f"kubeconfig {shown_path(path)}"
    try:
        import yaml
    except ImportError as error:
        why = f"cannot be imported ({error})"
        if isinstance(error, ModuleNotFoundError) and error.name == "yaml":
            why = "is not installed"
        raise _YAMLMissingError(
            f"{subject}: is YAML, and the package PyYAML, which reads YAML, {why}; run "
            "`pip install pyyaml`, or convert the file with "
            "`kubectl config view --raw --flatten -o json`"
        ) from error
    if not hasattr(yaml, "YAMLError"):
        raise _YAMLMissingError(
            f"{subject}: is YAML, which the package PyYAML reads, but the module yaml is another "
            f"one ({getattr(yaml, '__file__', None)}); rename it, or run `pip install pyyaml`"
        )
    from .goyaml import first_document

    try:
        return first_document(text)
    except yaml.YAMLError as error:
        problem = _explain_yaml_error(error)
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        problem = f"contains a value that cannot be read ({type(error).__name__})"
    except RecursionError:
        problem = "is nested too deeply, or its aliases multiply"
    raise KubeConfigError(
        f"{subject}: is not valid YAML: {problem}; fix that line or regenerate the file"
    )


def _explain_yaml_error(error: Exception) -> str:
    """Line and kind of the fault, without what the parser quotes."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or ""
    problem = re.split(r"""['"]""", problem)[0].strip() or "unreadable text"
    if mark is None:
        return problem
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
