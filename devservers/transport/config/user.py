"""The user entry of a kubeconfig as :class:`Credentials`, and every conflict in it."""

from __future__ import annotations

from typing import Callable, Optional

from ...errors import KubeConfigError
from ...parts import needed_by
from ..auth.credentials import (
    BLANKS,
    Authorizer,
    BasicAuth,
    BearerToken,
    Credentials,
    Impersonation,
    TokenFile,
)
from ..deadline import Deadline
from ..tls.pem import ClientCertificate
from .entry import Entry

_OTHER_CREDENTIALS = ("token", "tokenFile", "username", "exec")
_CREDENTIALS = (*_OTHER_CREDENTIALS, "client-certificate", "client-certificate-data")

_AUTH_PROVIDER_ADVICE = {
    "gcp": (
        "install gke-gcloud-auth-plugin and run `gcloud container clusters get-credentials` again"
    ),
    "azure": "install kubelogin (Azure) and run `kubelogin convert-kubeconfig`",
    "oidc": "use an exec plugin such as kubelogin (`kubectl oidc-login`)",
    "openstack": "use the exec plugin client-keystone-auth",
}


def has_credentials(user: Entry) -> bool:
    """Whether the entry names any credentials."""
    return any(user.body.get(key) for key in _CREDENTIALS)


def user_credentials(
    user: Optional[Entry], cluster: Entry, read_again: Optional[Callable[[], Optional[Credentials]]]
) -> Credentials:
    """The credentials of ``user`` for use with ``cluster``; without a user, nobody's.

    Raises: KubeConfigError naming the entry and the key that is wrong.
    """
    if user is None:
        return Credentials(read_again=read_again)
    return Credentials(
        _authorizer(user, cluster), _client_certificate(user), _impersonation(user), read_again
    )


def _client_certificate(user: Entry) -> Optional[ClientCertificate]:
    certificate = user.pem("client-certificate")
    key = user.pem("client-key")
    if certificate is None and key is None:
        return None
    if key is None:
        raise user.wrong("has a client certificate and no key; add client-key or client-key-data")
    if certificate is not None:
        return ClientCertificate(certificate, key)
    if any(user.body.get(name) for name in _OTHER_CREDENTIALS):
        return None  # kubectl ignores a key that is left over from a certificate, too
    raise user.wrong(
        "has a client key and no certificate; add client-certificate or client-certificate-data"
    )


def _authorizer(user: Entry, cluster: Entry) -> Authorizer:
    """Where the Authorization header comes from: tokenFile, else token, username, exec."""
    token = user.text("token").strip(BLANKS)
    token_path = user.path("tokenFile")
    username = user.text("username")
    plugin, provider = user.child("exec"), user.child("auth-provider")
    if username and (token or token_path):
        raise user.wrong("has a token and a user name with password; remove one of the two")
    if provider is not None:
        raise _auth_provider_error(user, provider, plugin is not None)
    if token_path:
        until_read = BearerToken(token, f"token of {user}") if token else None
        authorizer = TokenFile(token_path, f"tokenFile of {user}", instead=until_read)
        authorizer.current(
            Deadline(None)
        )  # a missing file is an error now, not at the first request
        return authorizer
    if token:
        return BearerToken(token, f"token of {user}")
    if username:
        return BasicAuth(username, user.text("password"), f"username or password of {user}")
    if plugin is not None:
        with needed_by("the exec stanza of a kubeconfig"):
            from ..auth.plugin import ExecPlugin
            from .execstanza import plugin_command

        return ExecPlugin(plugin_command(plugin, cluster))
    return Authorizer()


def _auth_provider_error(user: Entry, provider: Entry, has_exec: bool) -> KubeConfigError:
    if has_exec:
        return user.wrong("has exec and auth-provider; remove auth-provider")
    name = provider.text("name")
    advice = _AUTH_PROVIDER_ADVICE.get(name, "ask the provider of the cluster for an exec plugin")
    return user.wrong(
        f"auth-provider {name!r} was removed from Kubernetes clients in 1.26; {advice}"
    )


def _impersonation(user: Entry) -> Optional[Impersonation]:
    name, uid, groups = user.text("as"), user.text("as-uid"), user.texts("as-groups")
    extra: dict[str, list[str]] = {}
    extra_entry = user.child("as-user-extra")
    if extra_entry is not None:
        extra = {_extra_key(user, key): extra_entry.texts(key) for key in extra_entry.body}
    if name:
        return Impersonation(name, uid, groups, extra, f"impersonation of {user}")
    if uid or groups or extra:
        raise user.wrong("as-uid, as-groups and as-user-extra need `as`: the user to act as")
    return None


def _extra_key(user: Entry, key: object) -> str:
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)  # YAML without quotes
    if isinstance(key, str) and key:
        return key
    raise user.wrong("the keys of as-user-extra must be strings; put them in quotes")
