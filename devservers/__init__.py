"""Python SDK for the ``devserver.io`` Kubernetes custom resources.

::

    >>> from devservers import DevServer, ObjectMeta
    >>> with DevServer(metadata=ObjectMeta(name="dev"), spec={"flavor": "cpu-small"}) as server:
    ...     print(server.exec("uname -a").stdout)

The exceptions are in :mod:`devservers.errors`; all of them are :class:`DevServersError`.

Names load on first use (PEP 562): importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import errors
    from .crds.base import BaseCustomResource, ObjectMeta
    from .crds.devserver import DevServer, ExecResult, PersistentHomeSpec
    from .crds.devserverflavor import DevServerFlavor
    from .crds.devserveruser import DevServerUser
    from .errors import DevServersError, KubeConfigError
    from .transport.config.clientconfig import ClientConfig
    from .transport.config.sources import load_config
    from .transport.default import configure, reset
    from .transport.rest import RESTClient

__version__ = "0.1.0"

_HOMES = {
    "BaseCustomResource": "crds.base",
    "ClientConfig": "transport.config.clientconfig",
    "DevServer": "crds.devserver",
    "DevServerFlavor": "crds.devserverflavor",
    "DevServerUser": "crds.devserveruser",
    "DevServersError": "errors",
    "ExecResult": "crds.devserver",
    "KubeConfigError": "errors",
    "ObjectMeta": "crds.base",
    "PersistentHomeSpec": "crds.devserver",
    "RESTClient": "transport.rest",
    "configure": "transport.default",
    "load_config": "transport.config.sources",
    "reset": "transport.default",
}

__all__ = [
    "BaseCustomResource",
    "ClientConfig",
    "DevServer",
    "DevServerFlavor",
    "DevServerUser",
    "DevServersError",
    "ExecResult",
    "KubeConfigError",
    "ObjectMeta",
    "PersistentHomeSpec",
    "RESTClient",
    "__version__",
    "configure",
    "errors",
    "load_config",
    "reset",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "errors":
        return import_module(".errors", __name__)  # which binds the name here
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
