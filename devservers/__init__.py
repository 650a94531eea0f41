"""Python SDK for the ``devserver.io`` Kubernetes custom resources.

::

    >>> from devservers import DevServer, ObjectMeta
    >>> with DevServer(metadata=ObjectMeta(name="dev"), spec={"flavor": "cpu-small"}) as server:
    ...     print(server.exec("uname -a").stdout)

The exceptions are in :mod:`devservers.errors`; all of them are :class:`DevServersError`. Names load
on first use (PEP 562): importing the package imports nothing else.

To change the package, start reading at :mod:`.crds` and :mod:`.transport`, whose docstrings are
maps. Layers, highest first; a module imports only what stands below it:

    crds/        what a user holds: DevServers, flavors and users as Python objects
    transport/   how the API server is reached: configuration, REST, watch, exec
    arguments    the rules for arguments, one for each kind
    errors       every exception, one tree
    notes        notes on exceptions (PEP 678), on any Python
    parts        parts that a vendored copy may leave out
    version      the version number
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
    from .version import __version__


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
    "__version__": "version",
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
