"""The public API stays as it is: signatures, the tree of exceptions, a docstring for everything a user may call."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import devservers
from devservers import errors
from devservers.crds.files.transfer import TransferReport
from devservers.crds.model import spec
from devservers.transport import Watch

PACKAGE = Path(devservers.__file__).parent

SIGNATURES = {
    "BaseCustomResource": "(metadata, spec=None, *, client=None)",
    "BaseCustomResource.create": (
        "(metadata, spec, *, client=None, dry_run=False, field_manager=None, field_validation='Strict')"
    ),
    "BaseCustomResource.get": "(name, *, namespace=None, client=None)",
    "BaseCustomResource.list": (
        "(namespace=None, *, all_namespaces=False, label_selector=None, field_selector=None, client=None)"
    ),
    "BaseCustomResource.iterate": (
        "(namespace=None, *, all_namespaces=False, label_selector=None, field_selector=None, client=None, "
        "page_size=500)"
    ),
    "BaseCustomResource.watch_all": (
        "(namespace=None, *, all_namespaces=False, label_selector=None, resource_version=None, timeout=None, "
        "client=None)"
    ),
    "BaseCustomResource.update": "(self, *, retry_on_conflict=3, field_manager=None, field_validation='Strict')",
    "BaseCustomResource.patch": "(self, body, *, field_manager=None, field_validation='Strict')",
    "BaseCustomResource.apply": "(self, *, field_manager, force=False, field_validation='Strict')",
    "BaseCustomResource.refresh": "(self)",
    "BaseCustomResource.to_dict": "(self)",
    "BaseCustomResource.delete": "(self, *, propagation_policy=None, wait=False, timeout=None)",
    "BaseCustomResource.watch": "(self, *, timeout=None)",
    "BaseCustomResource.wait_for_status": "(self, status, timeout=30)",
    "BaseCustomResource.wait_for_deletion": "(self, timeout=60)",
    "BaseCustomResource.use": "(self, client)",
    "ObjectMeta": (
        "(name=None, namespace=None, labels=None, annotations=None, generate_name=None, finalizers=None, "
        "owner_references=None)"
    ),
    "DevServer": (
        "(metadata, spec, *, wait_timeout=300, sync_workspace=None, delete_on_exit='always', if_exists='fail', "
        "deletion_timeout=10, fail_fast=True, on_event=None, client=None)"
    ),
    "DevServer.wait_for_ready": "(self, timeout=None, *, fail_fast=None)",
    "DevServer.exec": (
        "(self, args, shell=False, *, input=None, timeout=None, check=False, text=True, encoding='utf-8', "
        "errors='replace', cwd=None, env=None, container=None, stdout=None, stderr=None)"
    ),
    "DevServer.sync": "(self)",
    "DevServer.upload": "(self, local, remote, *, container=None)",
    "DevServerFlavor": "(metadata, spec=None, *, client=None)",
    "DevServerUser": "(metadata, spec=None, *, client=None)",
    "PersistentHomeSpec": "(enabled=True, size=None)",
    "RESTClient": "(config=None, *, timeout=60.0, clock=<Clock>)",
    "RESTClient.close": "(self)",
    "load_config": "(kubeconfig=None, context=None, *, namespace=None)",
    "configure": "(kubeconfig=None, context=None, namespace=None)",
    "reset": "()",
}

TREE = """
DevServersError(Exception)
  KubeConfigError(DevServersError, ValueError)
  MissingDependencyError(DevServersError, ImportError)
  TransportError(DevServersError)
    ConnectionFailedError(TransportError)
    TLSError(TransportError)
    ProtocolError(TransportError)
    RequestTimeoutError(TransportError, TimeoutError)
  APIError(DevServersError)
    BadRequestError(APIError)
    UnauthorizedError(APIError)
    ForbiddenError(APIError)
    NotFoundError(APIError)
    ConflictError(APIError)
      AlreadyExistsError(ConflictError)
    ExpiredError(APIError)
    InvalidError(APIError)
    TooManyRequestsError(APIError)
    ServerError(APIError)
      NotServedError(ServerError)
  WaitError(DevServersError)
    WaitTimeoutError(WaitError, TimeoutError)
    ResourceDeletedError(WaitError)
    ResourceFailedError(WaitError)
  ExecError(DevServersError)
    ExecTimeoutError(ExecError, TimeoutError)
    ExecConnectionLostError(ExecError)
    CommandNotFoundError(ExecError)
    CommandFailedError(ExecError)
  SyncError(DevServersError)
"""

DOCUMENTED = (
    *(getattr(devservers, name) for name in devservers.__all__ if inspect.isclass(getattr(devservers, name))),
    spec.LifecycleSpec, spec.SSHSpec, spec.VolumeSpec, TransferReport, Watch,
)  # fmt: skip


def _signature(path: str) -> str:
    """Names, kinds and defaults of the parameters, without their types (mypy checks those)."""
    found: Any = devservers
    for name in path.split("."):
        found = getattr(found, name)
    signature = inspect.signature(found)
    bare = [
        parameter.replace(annotation=parameter.empty, default=_shown(parameter.default))
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


class _Shown(str):
    __slots__ = ()
    __repr__ = str.__str__


def _shown(default: object) -> object:
    plain = default is inspect.Parameter.empty or isinstance(default, (str, int, float, type(None)))
    return default if plain else _Shown(f"<{type(default).__name__}>")


@pytest.mark.parametrize(("path", "signature"), SIGNATURES.items(), ids=list(SIGNATURES))
def test_a_signature_is_as_promised(path: str, signature: str) -> None:
    assert _signature(path) == signature


def _methods(cls: type) -> Iterator[str]:
    return (name for name, value in vars(cls).items() if name[0] != "_" and not isinstance(value, property))


@pytest.mark.parametrize("name", ["BaseCustomResource", "DevServer"])
def test_no_method_of_a_resource_is_without_a_promised_signature(name: str) -> None:
    cls = getattr(devservers, name)
    callables = {f"{name}.{method}" for method in _methods(cls) if callable(getattr(cls, method))}
    assert callables <= set(SIGNATURES)


def _drawn(cls: type[Exception], depth: int = 0) -> Iterator[str]:
    yield f"{'  ' * depth}{cls.__name__}({', '.join(base.__name__ for base in cls.__bases__)})"
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _drawn(child, depth + 1)


def test_the_exceptions_form_the_promised_tree() -> None:
    assert list(_drawn(errors.DevServersError)) == TREE.strip().splitlines()


def _undocumented(cls: type) -> Iterator[str]:
    if not inspect.getdoc(cls):
        yield cls.__name__
    for name, value in vars(cls).items():
        function = getattr(value, "__func__", getattr(value, "fget", value))
        if name[0] != "_" and inspect.isfunction(function) and not inspect.getdoc(function):
            yield f"{cls.__name__}.{name}"


@pytest.mark.parametrize("cls", DOCUMENTED, ids=lambda cls: cls.__name__)
def test_whatever_a_user_may_call_has_a_docstring(cls: type) -> None:
    assert list(_undocumented(cls)) == []


def test_the_exceptions_are_available_after_importing_the_package_alone() -> None:
    code = "import devservers; print(devservers.errors.NotFoundError.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.stdout == "NotFoundError\n", done.stderr


def _imported_roots(path: Path) -> set[str]:
    roots: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            roots.add((node.module or "").partition(".")[0])
    return roots


def _is_of_the_standard_library(root: str) -> bool:
    found = importlib.util.find_spec(root)
    origin = "" if found is None else found.origin or ""
    inside = origin.startswith(sysconfig.get_paths()["stdlib"]) and "site-packages" not in origin
    return inside or origin in ("built-in", "frozen")


def test_the_package_imports_the_standard_library_yaml_and_websocket_and_nothing_else() -> None:
    roots = {root for path in PACKAGE.rglob("*.py") for root in _imported_roots(path)}
    outside = {root for root in roots if not _is_of_the_standard_library(root)}
    assert outside == {"yaml", "websocket", "typing_extensions"}  # the last for type checkers only
