"""The transport: configuration, REST, watch and exec, written by hand on the standard library.

Names load on first use (PEP 562), so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config.clientconfig import ClientConfig
    from .config.sources import load_config
    from .rest import RESTClient
    from .watch import Watch

__all__ = ["ClientConfig", "RESTClient", "Watch", "load_config"]

_HOMES = {
    "ClientConfig": "config.clientconfig",
    "load_config": "config.sources",
    "RESTClient": "rest",
    "Watch": "watch",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
