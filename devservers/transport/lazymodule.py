"""Modules that are loaded by their first use, and then kept.

A client deletes what it created even while the interpreter ends, and may have to open a connection
for that. An ``import`` in a function fails then, also that of a module which was imported before:
``sys.modules`` has been emptied. What a :class:`LazyModule` has loaded stays usable. To a type
checker it is the module::

    if TYPE_CHECKING:
        import ssl
    else:
        ssl = LazyModule("ssl")
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any, Optional


class LazyModule:
    """The module ``name``, relative to ``package`` if it begins with a dot."""

    def __init__(self, name: str, package: str = "") -> None:
        self._name = name
        self._package = package
        self._module: Optional[ModuleType] = None

    def __getattr__(self, attribute: str) -> Any:
        if self._module is None:
            self._module = import_module(self._name, self._package)
        return getattr(self._module, attribute)
