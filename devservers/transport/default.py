"""The process-wide default client, made on first use.

It is made from :func:`load_config` when something needs it, or by :func:`configure`. Made from the
environment, it follows the environment: when the variables that decide where the configuration is
have changed since, the next call gets a new client.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional, Union
from weakref import WeakSet

from .locks import ForkSafeLock

if TYPE_CHECKING:
    from .rest import RESTClient

_VARIABLES = ("KUBECONFIG", "HOME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")

_lock = ForkSafeLock()
_client: Optional[RESTClient] = None
_defaults: WeakSet[RESTClient] = WeakSet()  # this one, and earlier ones that are still in use
_made_under: Optional[tuple[Optional[str], ...]] = None
# The environment it was made from; None: it was configured, whatever the environment says.


def default_client() -> RESTClient:
    """The process-wide client.

    Raises:
        KubeConfigError: there is no usable configuration.
    """
    global _client, _made_under
    with _lock:
        now = tuple(os.environ.get(name) for name in _VARIABLES)
        if _client is None or _made_under not in (None, now):
            from .rest import RESTClient

            _replace(RESTClient())
            _made_under = now
        assert _client is not None
        return _client


def chosen_client(client: Optional[RESTClient]) -> RESTClient:
    """``client`` if one was given, else the process-wide one."""
    return default_client() if client is None else checked_client(client)


def checked_client(client: object) -> RESTClient:
    """``client`` itself. Raises TypeError if it is something else, such as a ClientConfig."""
    from .rest import RESTClient

    if not isinstance(client, RESTClient):
        raise TypeError(f"client: must be a RESTClient, not {type(client).__name__}")
    return client


def was_default(client: RESTClient) -> bool:
    """Whether this is the process-wide client, or was one before :func:`configure`."""
    return client in _defaults


def configure(
    kubeconfig: Union[str, os.PathLike[str], Mapping[str, Any], None] = None,
    context: Optional[str] = None,
    namespace: Optional[str] = None,
) -> None:
    """Set what the process-wide client is made from, and make it now.

    Args:
        kubeconfig: path of a kubeconfig file, or its content as a dict; default: the usual places.
        context: a context of it; default: its current one.
        namespace: the namespace used where none is given; default: the context's.

    Raises:
        KubeConfigError: the configuration is not usable; the earlier client stays.
    """
    global _made_under
    from .config.sources import load_config
    from .rest import RESTClient

    client = RESTClient(load_config(kubeconfig, context, namespace=namespace))
    with _lock:
        _replace(client)
        _made_under = None


def reset() -> None:
    """Forget the process-wide client and close its connections; the next use makes a new one.

    That is made from the environment, whatever :func:`configure` was told before.
    """
    with _lock:
        _replace(None)


def _replace(client: Optional[RESTClient]) -> None:
    global _client
    old, _client = _client, client
    if client is not None:
        _defaults.add(client)
    if old is not None:
        old.close()
