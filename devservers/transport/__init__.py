"""How the API server is reached: configuration, REST, watch and exec, on the standard library.

Nothing here knows what a DevServer is. Start reading at :mod:`.rest`, which every request passes
through; then follow one downward through :mod:`.http.opener` and :mod:`.http.dial`.

Layers, highest first; a module imports only what stands below it, which import-linter checks
(pyproject.toml):

    default      the process-wide client: ``configure``, ``reset``
    watch        a watch that resumes over everything that ends a stream
    exec/        how is a command's session carried? channels, WebSocket, pings
    rest         RESTClient: one request, one deadline, one exception
    http/        how do bytes get there? name, TCP, proxy, TLS, pool, HTTP/1.1
    resend       the attempts at one request, and as whom each is sent
    status       a failed answer as an exception
    config/      which cluster? kubeconfig, context, service account, proxies
    auth/        as whom? tokens, certificates, exec plugins, redaction
    tls/         whom do we trust? contexts, explanations, TLS inside TLS
    advice       what to do about a refusal: the sentence after the server's own
    served       what a 404 means for a kind that has been served before
    retry        which failures pass, and the loop that sends again or waits
    told         the ``devservers`` logger
    apiwarning   ``Warning`` headers as Python warnings
    deadline     one deadline through many steps; the clock; backoff
    lazymodule   modules loaded by their first use, and usable while the interpreter ends
    locks        locks that a forked child finds open
    memory       what a client has learned about its server
    resources    URL paths
    names        the API server's rules for names
    text         text that can be shown or sent

Names load on first use (PEP 562): importing the package imports none of this.
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
