"""From the entries of a kubeconfig to a :class:`ClientConfig`: context, cluster and user, and every conflict in them.

kubectl's rules decide what is legal. What is refused is refused here, when the configuration is loaded, with the file
and the entry in the message, rather than as a puzzling 401 or TLS failure later.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Callable, NamedTuple, Optional

from ...errors import KubeConfigError
from ...parts import needed_by
from ..auth.credentials import BLANKS, Authorizer, BasicAuth, BearerToken, Credentials, Impersonation, TokenFile
from ..deadline import Deadline
from ..locks import ForkSafeLock
from ..text import shown
from ..tls.context import ClientCertificate, Material, TLSSettings
from .clientconfig import ClientConfig
from .kubeconfig import Entry, KubeConfig
from .serverurl import is_host

_AUTH_PROVIDER_ADVICE = {
    "gcp": "install gke-gcloud-auth-plugin and run `gcloud container clusters get-credentials` again",
    "azure": "install kubelogin (Azure) and run `kubelogin convert-kubeconfig`",
    "oidc": "use an exec plugin such as kubelogin (`kubectl oidc-login`)",
    "openstack": "use the exec plugin client-keystone-auth",
}


class _Choice(NamedTuple):
    """A context, and what it names."""

    name: str
    context: Entry
    cluster: Entry
    user: Optional[Entry]

    def whom(self) -> object:
        """Equal as long as the user's entry is unchanged."""
        if self.user is None:
            return None
        return self.user.body, os.path.dirname(os.path.abspath(self.user.file))

    def where(self) -> object:
        """Equal as long as the context leads to the same server, verified in the same way."""
        body = self.cluster.body
        return [body.get(key) for key in _WHERE], self.cluster.path("certificate-authority")


_WHERE = ("server", "proxy-url", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data")


def client_config(
    kube: KubeConfig, context: Optional[str], namespace: Optional[str],
    read_again: Optional[Callable[[], KubeConfig]] = None,
) -> ClientConfig:  # fmt: skip
    """The configuration of one context (by default the current one) of ``kube``.

    ``read_again`` reads the files of ``kube`` anew, for the day on which the credentials are refused.
    """
    choice = _choose(kube, context)
    follow = None if read_again is None else _Reading(read_again, choice).changed_credentials
    return ClientConfig(
        server=_server(choice.cluster, choice.user),
        namespace=namespace or choice.context.text("namespace") or None,
        credentials=_credentials(choice, follow),
        tls=_tls_settings(choice.cluster),
        proxy_url=choice.cluster.text("proxy-url") or None,
        source=f"kubeconfig {shown(choice.context.file)}, context {choice.name!r}",
    )


class _Reading:
    """Where credentials were read, to find out whether something else stands there by now.

    What is followed is the user of the context of that time. Its server is not: new credentials are never sent to
    another server than the one that stands beside them, and a client stays with the server that it knows.
    """

    def __init__(self, read: Callable[[], KubeConfig], choice: _Choice) -> None:
        self._read = read
        self._name = choice.name
        self._whom, self._where = choice.whom(), choice.where()
        self._lock = ForkSafeLock()
        self._found: Optional[tuple[object, Credentials]] = (
            None  # so that many threads find one plugin, and run it once
        )

    def changed_credentials(self) -> Optional[Credentials]:
        """The credentials of the user's entry, None if it says what it said.

        Raises: KubeConfigError if they cannot be used, or are meant for another server.
        """
        choice = _choose(self._read(), self._name)
        if choice.whom() == self._whom:
            return None
        if choice.where() != self._where:
            raise choice.context.wrong(
                "leads to another server, CA or proxy by now: make a new client (devservers.reset() makes one for the "
                "whole process)"
            )
        if choice.user is None or not any(choice.user.body.get(key) for key in _CREDENTIALS):
            raise (choice.user or choice.context).wrong("names no credentials any more; is it being written?")
        with self._lock:
            if self._found is None or self._found[0] != choice.whom():
                follow = _Reading(self._read, choice).changed_credentials
                self._found = choice.whom(), _credentials(choice, follow)
            return self._found[1]


def _choose(kube: KubeConfig, context: Optional[str]) -> _Choice:
    name, entry = _choose_context(kube, context)
    cluster = _referred(kube.clusters, entry, "cluster")
    user = _referred(kube.users, entry, "user")
    if cluster is None:
        raise entry.wrong("names no cluster; set its cluster")
    return _Choice(name, entry, cluster, user)


def _choose_context(kube: KubeConfig, wanted: Optional[str]) -> tuple[str, Entry]:
    name = wanted or kube.current_context
    there = ", ".join(sorted(kube.contexts)) or "none"
    if not name:
        raise KubeConfigError(
            f"kubeconfig {kube}: has no current-context (contexts there: {there}); "
            "run `kubectl config use-context NAME`, or give context=NAME"
        )
    if name not in kube.contexts:
        which = "context" if wanted else "current-context"
        raise KubeConfigError(
            f"kubeconfig {kube}: {which} {name!r} does not exist (contexts there: {there}); "
            "choose one of them, or name another file in KUBECONFIG"
        )
    return name, kube.contexts[name]


def _referred(entries: Mapping[str, Entry], context: Entry, kind: str) -> Optional[Entry]:
    """The cluster or user that a context names, None if it names none."""
    name = context.text(kind)
    if not name:
        return None
    if name not in entries:
        there = ", ".join(sorted(entries)) or "none"
        raise context.wrong(
            f"its {kind} {name!r} does not exist ({kind}s there: {there}); correct the name or add the {kind}"
        )
    return entries[name]


def _server(cluster: Entry, user: Optional[Entry]) -> str:
    server = cluster.text("server").strip()
    if not server:
        raise cluster.wrong("names no server; set it to the API server's URL, https://HOST:PORT")
    if "://" in server:
        return server
    tls_is_set_up = any(entry.body.get(key) for entry in (cluster, user) if entry for key in _TLS_KEYS)
    return f"https://{server}" if tls_is_set_up else f"http://{server}"  # a bare host:port, as client-go reads it


_TLS_KEYS = (
    "certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify",
    "client-certificate", "client-certificate-data",
)  # fmt: skip


def _tls_settings(cluster: Entry) -> TLSSettings:
    ca = material(cluster, "certificate-authority")
    insecure = cluster.flag("insecure-skip-tls-verify")
    if ca is not None and insecure:
        raise cluster.wrong(
            "a certificate authority and insecure-skip-tls-verify exclude each other; remove the latter"
        )
    name = cluster.text("tls-server-name").strip("[]")
    if name and not is_host(name):
        raise cluster.wrong(
            "tls-server-name is not a host name or address; set it to a name in the server's certificate"
        )
    return TLSSettings(ca, name or None, insecure)


def material(entry: Entry, key: str) -> Optional[Material]:
    """The PEM at ``key`` (a file, which must be readable) or ``key-data`` (base64); None for neither."""
    data, path = entry.data(f"{key}-data"), entry.path(key)
    if data and path:
        raise entry.wrong(f"{key} and {key}-data are both set; remove one of them")
    if data:
        return Material(f"{key}-data of {entry}", data=data)
    if not path:
        return None
    _require_readable(entry, key, path)
    return Material(f"{key} of {entry}", path=path)


def _require_readable(entry: Entry, key: str, path: str) -> None:
    try:
        with open(path, "rb"):
            return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise entry.wrong(
            f"{key} names {shown(path)}, which cannot be read: {reason}; correct the path or restore the file"
        ) from error


def _credentials(choice: _Choice, read_again: Optional[Callable[[], Optional[Credentials]]]) -> Credentials:
    user = choice.user
    if user is None:
        return Credentials(read_again=read_again)
    return Credentials(_authorizer(user, choice.cluster), _client_certificate(user), _impersonation(user), read_again)


def _client_certificate(user: Entry) -> Optional[ClientCertificate]:
    certificate, key = material(user, "client-certificate"), material(user, "client-key")
    if certificate is None and key is None:
        return None
    if key is None:
        raise user.wrong("has a client certificate and no key; add client-key or client-key-data")
    if certificate is not None:
        return ClientCertificate(certificate, key)
    if any(user.body.get(name) for name in _OTHER_CREDENTIALS):
        return None  # a key that is left over from a certificate does no harm; kubectl does not look at it, either
    raise user.wrong("has a client key and no certificate; add client-certificate or client-certificate-data")


_OTHER_CREDENTIALS = ("token", "tokenFile", "username", "exec")
_CREDENTIALS = (*_OTHER_CREDENTIALS, "client-certificate", "client-certificate-data")


def _authorizer(user: Entry, cluster: Entry) -> Authorizer:
    token, token_path, username = user.text("token").strip(BLANKS), user.path("tokenFile"), user.text("username")
    plugin, provider = user.child("exec"), user.child("auth-provider")
    if username and (token or token_path):
        raise user.wrong("has a token and a user name with password; remove one of the two")
    if provider is not None:
        raise _auth_provider_error(user, provider, plugin is not None)
    if token_path:
        static = BearerToken(token, f"token of {user}") if token else None
        authorizer = TokenFile(token_path, f"tokenFile of {user}", instead=static)
        authorizer.current(Deadline(None))  # a missing file is an error now, not at the first request
        return authorizer
    if token:
        return BearerToken(token, f"token of {user}")
    if username:
        return BasicAuth(username, user.text("password"), f"username or password of {user}")
    if plugin is not None:
        with needed_by("the exec stanza of a kubeconfig"):
            from ..auth.plugin import exec_plugin

        return exec_plugin(plugin, cluster)
    return Authorizer()


def _auth_provider_error(user: Entry, provider: Entry, has_exec: bool) -> KubeConfigError:
    if has_exec:
        return user.wrong("has exec and auth-provider; remove auth-provider")
    name = provider.text("name")
    advice = _AUTH_PROVIDER_ADVICE.get(name, "ask the provider of the cluster for an exec plugin")
    return user.wrong(f"auth-provider {name!r} was removed from Kubernetes clients in 1.26; {advice}")


def _impersonation(user: Entry) -> Optional[Impersonation]:
    name, uid, groups = user.text("as"), user.text("as-uid"), user.texts("as-groups")
    extra_entry = user.child("as-user-extra")
    extra = {_extra_key(user, key): extra_entry.texts(key) for key in extra_entry.body} if extra_entry else {}
    if not name:
        if uid or groups or extra:
            raise user.wrong("as-uid, as-groups and as-user-extra need `as`: the user to act as")
        return None
    return Impersonation(name, uid, groups, extra, f"impersonation of {user}")


def _extra_key(user: Entry, key: object) -> str:
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)  # YAML without quotes
    if isinstance(key, str) and key:
        return key
    raise user.wrong("the keys of as-user-extra must be strings; put them in quotes")
