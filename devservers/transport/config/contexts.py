"""From the entries of a kubeconfig to a :class:`ClientConfig`: a context, its cluster and its user.

kubectl's rules decide what is valid. What is not is refused here, while the configuration is
loaded, with the file and the entry in the message, instead of as a puzzling 401 or TLS failure
later.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Callable, NamedTuple, Optional

from ...errors import KubeConfigError
from ..auth.credentials import Credentials
from ..locks import ForkSafeLock
from ..names import validate_namespace
from ..text import shown_path
from ..tls.context import TLSSettings
from .clientconfig import ClientConfig
from .entry import Entry
from .kubeconfig import KubeConfig
from .serverurl import is_host
from .user import has_credentials, user_credentials

_SERVER_KEYS = (
    "server",
    "proxy-url",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
)
_TLS_KEYS = (
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "client-certificate",
    "client-certificate-data",
)


class _Choice(NamedTuple):
    """A context and the entries that it refers to."""

    name: str
    context: Entry
    cluster: Entry
    user: Optional[Entry]

    def user_version(self) -> object:
        """A value that changes when the user's entry does."""
        if self.user is None:
            return None
        return self.user.body, os.path.dirname(os.path.abspath(self.user.file))

    def server_version(self) -> object:
        """A value that changes when the server does, or the way it is reached or verified."""
        values = [self.cluster.body.get(key) for key in _SERVER_KEYS]
        return values, self.cluster.path("certificate-authority")


def client_config(
    kube: KubeConfig,
    context: Optional[str],
    namespace: Optional[str],
    read_again: Optional[Callable[[], KubeConfig]] = None,
) -> ClientConfig:
    """The configuration of one context of ``kube``, by default the current one.

    ``read_again`` reads the files of ``kube`` anew; it is called when the credentials are refused.

    Raises: KubeConfigError naming the file and the entry that is wrong.
    """
    choice = _choose(kube, context)
    reread = None
    if read_again is not None:
        reread = _Rereading(read_again, choice).changed_credentials
    return ClientConfig(
        server=_server(choice.cluster, choice.user),
        namespace=namespace or _namespace(choice.context),
        credentials=user_credentials(choice.user, choice.cluster, reread),
        tls=_tls_settings(choice.cluster),
        proxy_url=choice.cluster.text("proxy-url") or None,
        source=f"kubeconfig {shown_path(choice.context.file)}, context {choice.name!r}",
    )


class _Rereading:
    """Notices when the credentials in a kubeconfig have been changed.

    It looks at the user of the context as it was. The server must not have changed: new credentials
    are never sent to another server than the one beside them, and a client stays with its server.
    """

    def __init__(self, read: Callable[[], KubeConfig], choice: _Choice) -> None:
        self._read = read
        self._name = choice.name
        self._user_version = choice.user_version()
        self._server_version = choice.server_version()
        self._lock = ForkSafeLock()
        # The last new credentials and their version: threads share them, and run one plugin once.
        self._found: Optional[tuple[object, Credentials]] = None

    def changed_credentials(self) -> Optional[Credentials]:
        """The credentials of the user's entry, None if it has not changed.

        Raises: KubeConfigError if they cannot be used, or are meant for another server.
        """
        choice = _choose(self._read(), self._name)
        version = choice.user_version()
        if version == self._user_version:
            return None
        if choice.server_version() != self._server_version:
            raise choice.context.wrong(
                "now leads to another server, CA or proxy: create a new client; for the whole "
                "process devservers.reset() does so, or, if it was configured, configure() again"
            )
        if choice.user is None or not has_credentials(choice.user):
            entry = choice.user or choice.context
            raise entry.wrong("names no credentials any more; perhaps it is being written")
        with self._lock:
            if self._found is None or self._found[0] != version:
                reread = _Rereading(self._read, choice).changed_credentials
                self._found = version, user_credentials(choice.user, choice.cluster, reread)
            return self._found[1]


def _namespace(context: Entry) -> Optional[str]:
    name = context.text("namespace")
    if not name:
        return None
    try:
        return validate_namespace(name, "namespace")
    except ValueError as error:
        raise context.wrong(f"{error}; correct it, or pass namespace=") from None


def _choose(kube: KubeConfig, context: Optional[str]) -> _Choice:
    name, entry = _choose_context(kube, context)
    cluster = _referred_entry(kube.clusters, entry, "cluster")
    user = _referred_entry(kube.users, entry, "user")
    if cluster is None:
        raise entry.wrong("names no cluster; set its cluster")
    return _Choice(name, entry, cluster, user)


def _choose_context(kube: KubeConfig, wanted: Optional[str]) -> tuple[str, Entry]:
    name = wanted or kube.current_context
    there = ", ".join(sorted(kube.contexts)) or "none"
    if not name:
        raise KubeConfigError(
            f"kubeconfig {kube}: has no current-context (contexts there: {there}); "
            "run `kubectl config use-context NAME`, or pass context=NAME"
        )
    if name not in kube.contexts:
        which = "context" if wanted else "current-context"
        raise KubeConfigError(
            f"kubeconfig {kube}: {which} {name!r} does not exist (contexts there: {there}); "
            "choose one of them, or name another file in KUBECONFIG"
        )
    return name, kube.contexts[name]


def _referred_entry(entries: Mapping[str, Entry], context: Entry, kind: str) -> Optional[Entry]:
    """The cluster or user that a context names, None if it names none."""
    name = context.text(kind)
    if not name:
        return None
    if name not in entries:
        there = ", ".join(sorted(entries)) or "none"
        raise context.wrong(
            f"its {kind} {name!r} does not exist ({kind}s there: {there}); "
            f"correct the name or add the {kind}"
        )
    return entries[name]


def _server(cluster: Entry, user: Optional[Entry]) -> str:
    """The server's URL. A bare ``host:port`` is https if TLS is configured, as in client-go."""
    server = cluster.text("server").strip()
    if not server:
        raise cluster.wrong("names no server; set it to the API server's URL, https://HOST:PORT")
    if "://" in server:
        return server
    entries = [cluster] if user is None else [cluster, user]
    scheme = "http"
    if any(entry.body.get(key) for entry in entries for key in _TLS_KEYS):
        scheme = "https"
    return f"{scheme}://{server}"


def _tls_settings(cluster: Entry) -> TLSSettings:
    ca = cluster.pem("certificate-authority")
    insecure = cluster.flag("insecure-skip-tls-verify")
    if ca is not None and insecure:
        raise cluster.wrong(
            "a certificate authority and insecure-skip-tls-verify exclude each other; "
            "remove the latter"
        )
    name = cluster.text("tls-server-name").strip("[]")
    if name and not is_host(name):
        raise cluster.wrong(
            "tls-server-name must be a host name or address; "
            "set it to a name from the server's certificate"
        )
    return TLSSettings(ca, name or None, insecure)
