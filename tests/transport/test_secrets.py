"""No secret comes out: every way to fail is walked with a canary in place of tokens, keys, passwords and content."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import socket
import traceback
import warnings
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional
from urllib.parse import quote

import pytest

from devservers.errors import DevServersError, KubeConfigError
from devservers.transport.auth.credentials import BasicAuth, BearerToken, Credentials, Impersonation, TokenFile
from devservers.transport.auth.plugin import PluginCommand
from devservers.transport.auth.process import PluginRun
from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.config.entry import is_content
from devservers.transport.config.kubeconfig import parse
from devservers.transport.config.proxies import parse_proxy
from devservers.transport.config.sources import load_config
from devservers.transport.deadline import Deadline
from devservers.transport.exec.websocket import upgrade
from devservers.transport.http.dial import connect
from devservers.transport.rest import RESTClient
from devservers.transport.tls.context import TLSSettings
from devservers.transport.tls.pem import ClientCertificate, PEMSource

from .certificates import authority, server_context
from .kubeconfigs import config_of, document, write
from .plugins import Plugin, exec_credential, printing
from .proxyserver import proxying
from .tlsserver import Talk, serving

CANARY = "C4n4ry-S3cret"
PEM = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"
FORMS = (CANARY, b64encode(CANARY.encode()).decode(), repr(CANARY.encode()), CANARY.encode().hex())


def chain(error: Optional[BaseException]) -> Iterator[BaseException]:
    """An exception and all that hang on it, by cause and by context, suppressed or not."""
    while error is not None:
        yield error
        yield from chain(error.__cause__)
        error = error.__context__


def texts(error: BaseException) -> Iterator[str]:
    """Everything that a log, a debugger or a crash reporter would show of an exception."""
    yield "".join(traceback.format_exception(type(error), error, error.__traceback__))
    for link in chain(error):
        yield from (str(link), repr(link), repr(link.args), repr(vars(link)))
        for name in ("doc", "object", "output", "stdout", "stderr", "cmd"):
            yield repr(getattr(link, name, None))


def assert_silent(shown: str) -> None:
    for form in FORMS:
        assert form not in shown
    assert CANARY.lower() not in shown.lower()


def broken_users() -> dict[str, dict[str, Any]]:
    """Users with the canary in them that cannot be loaded."""
    b64 = b64encode(CANARY.encode()).decode()
    return {
        "token with line break": {"token": f"{CANARY}\nX-Evil: 1"},
        "token beyond ASCII": {"token": f"{CANARY}ü"},
        "token of wrong type": {"token": [CANARY]},
        "token and basic": {"token": CANARY, "username": "u", "password": CANARY},
        "tokenFile of wrong type": {"tokenFile": {"path": CANARY}},
        "user name with colon": {"username": f"{CANARY}:", "password": CANARY},
        "password with line break": {"username": "u", "password": f"{CANARY}\n"},
        "password of wrong type": {"username": "u", "password": {"a": CANARY}},
        "certificate without key": {"client-certificate-data": b64},
        "key without certificate": {"client-key-data": b64},
        "bad base64": {"client-key-data": f"*{CANARY}*", "client-certificate-data": b64},
        "beyond ASCII base64": {"client-key-data": f"ü{CANARY}"},
        "key in place of its path": {"client-certificate": "crt", "client-key": PEM},
        "encoded key in place of its path": {"client-key": b64encode(PEM.encode()).decode()},
        "long key in place of its path": {"client-key": f"{CANARY}{'x' * 250}"},
        "token in place of its path": {"tokenFile": f"eyJhbGciOiJSUzI1NiJ9.{CANARY}.x"},
        "data and file": {"client-key-data": b64, "client-key": "key"},
        "auth-provider": {"auth-provider": {"name": "gcp", "config": {"access-token": CANARY}}},
        "auth-provider and exec": {"auth-provider": {"name": "gcp"}, "exec": {"env": CANARY}, "token": CANARY},
        "exec of wrong type": {"exec": CANARY},
        "exec env of wrong type": {"exec": _stanza(env=[CANARY])},
        "exec env value of wrong type": {"exec": _stanza(env=[{"name": "a", "value": [CANARY]}])},
        "exec env with NUL": {"exec": _stanza(env=[{"name": "a", "value": f"{CANARY}\0"}])},
        "exec args of wrong type": {"exec": _stanza(args=[CANARY, 1])},
        "exec apiVersion": {"exec": _stanza(apiVersion=CANARY)},
        "exec interactiveMode": {"exec": _stanza(interactiveMode=CANARY)},
        "impersonated user with line break": {"token": CANARY, "as": f"{CANARY}\n"},
        "impersonated extra of wrong type": {"as": "bob", "as-user-extra": {"scopes": CANARY}},
    }


def broken_clusters() -> dict[str, dict[str, Any]]:
    return {
        "password in the server URL": {"server": f"https://bob:{CANARY}@api.example"},
        "server that is no URL": {"server": f"https://[{CANARY}"},
        "server port": {"server": f"https://api.example:{CANARY}"},
        "password in a bad proxy-url": {"proxy-url": f"http://bob:{CANARY}@proxy.example:port"},
        "password in a socks proxy-url": {"proxy-url": f"socks5://bob:{CANARY}@proxy.example"},
        "password in a bare proxy-url": {"proxy-url": f"{CANARY}:x@proxy.example:3128"},
        "proxy-url with line break": {"proxy-url": f"http://bob:{CANARY}@proxy.example\n"},
        "CA in place of its path": {"certificate-authority": PEM.replace("PRIVATE KEY", "CERTIFICATE")},
        "path in the server URL": {"server": f"https://api.example/%-{CANARY}"},
        "CA bad base64": {"certificate-authority-data": f"*{CANARY}"},
        "tls-server-name": {"tls-server-name": f"{CANARY} {CANARY}"},
    }


def _stanza(**change: Any) -> dict[str, Any]:
    return {"apiVersion": "client.authentication.k8s.io/v1", "command": "x", "interactiveMode": "Never", **change}


BROKEN_FILES = {
    "yaml with an unknown alias": f"token: *{CANARY}",
    "yaml with a tag of python": f"token: !!python/{CANARY} x",
    "yaml with a bad escape": f'token: "{CANARY}\\q"',
    "yaml cut short": f'token: "{CANARY}',
    "yaml with a tab": f"a:\n\t- {CANARY}",
    "yaml with a stray colon": f"a: {CANARY}: b",
    "yaml with a bad key": f"? [{CANARY}]\n: x",
    "yaml int": f"a: !!int {CANARY}",
    "json cut short": f'{{"token": "{CANARY}"',
    "a document that is text": CANARY,
    "a list": f"[{CANARY}]",
    "another kind": f"kind: {CANARY}",
    "an entry that is text": f"users: [{CANARY}]",
    "not utf-8": f"\udcff{CANARY}",
}


class TestLoading:
    @pytest.mark.parametrize("user", broken_users().values(), ids=broken_users().keys())
    def test_a_broken_user(self, user: dict[str, Any]) -> None:
        self.refused(lambda: config_of(document(user=user)))

    @pytest.mark.parametrize("cluster", broken_clusters().values(), ids=broken_clusters().keys())
    def test_a_broken_cluster(self, cluster: dict[str, Any]) -> None:
        self.refused(lambda: config_of(document(cluster=cluster, user={"token": CANARY})))

    @pytest.mark.parametrize("text", BROKEN_FILES.values(), ids=BROKEN_FILES.keys())
    def test_a_broken_file(self, text: str) -> None:
        self.refused(lambda: parse(text.encode("utf-8", "surrogateescape"), "/etc/kube/config"))

    def test_missing_references_beside_a_token(self) -> None:
        content = document(user={"token": CANARY})
        self.refused(lambda: config_of(content, context="gone"))
        content["contexts"][0]["context"]["user"] = "gone"
        self.refused(lambda: config_of(content))

    @pytest.mark.parametrize("content", [f"{CANARY}\nX: y", f"{CANARY} {CANARY}", f"{CANARY}ü"])
    def test_a_broken_token_file(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "token").write_text(content)
        self.refused(lambda: config_of(document(user={"tokenFile": str(tmp_path / "token")})))

    def test_a_broken_proxy_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for url in (f"http://bob:{CANARY}@proxy.example:port", f"socks5://bob:{CANARY}@proxy.example", f"{CANARY}://"):
            monkeypatch.setenv("HTTPS_PROXY", url)
            self.refused(ClientConfig("https://api.example").proxy)

    def refused(self, attempt: Callable[[], object]) -> None:
        with pytest.raises(DevServersError) as caught:
            attempt()
        for shown in texts(caught.value):
            assert_silent(shown)


PLUGIN_SCRIPTS = {
    "fails after printing": f"echo '{exec_credential(token=CANARY)}'; echo failed with {CANARY} >&2; exit 1",
    "fails after printing half": f'echo \'{{"token": "{CANARY}"\'; exit 1',
    "fails naming its variable": 'echo "bad $SECRET_SAUCE" >&2; exit 1',
    "fails naming its argument": 'echo "bad $2" >&2; exit 1',
    "fails quoting a header": f"echo 'Authorization: Bearer {CANARY}' >&2; exit 1",
    "fails quoting JSON": f'echo \'{{"access_token":"{CANARY}"}}\' >&2; exit 1',
    "is killed": f"echo {CANARY}; kill -9 $$",
    "hangs": f"echo {CANARY}; exec sleep 60",
    "prints text": f"echo {CANARY}",
    "prints a line break": f"printf %s '{exec_credential(token=CANARY + chr(10))}'",
    "prints another version": f"echo '{exec_credential('v1beta1', token=CANARY)}'",
    "prints only a key": f"echo '{exec_credential(clientKeyData=CANARY)}'",
    "prints a bad time": f"echo '{exec_credential(token=CANARY, expirationTimestamp=CANARY)}'",
    "prints a list": f"echo '{exec_credential(token=[CANARY])}'",
    "prints a bad certificate": f"echo '{exec_credential(clientCertificateData=CANARY, clientKeyData=CANARY)}'",
}


@pytest.mark.parametrize("script", PLUGIN_SCRIPTS.values(), ids=PLUGIN_SCRIPTS.keys())
def test_a_failing_plugin(tmp_path: Path, script: str) -> None:
    env = [{"name": "SECRET_SAUCE", "value": CANARY}]
    (tmp_path / "bin").mkdir()
    plugin = Plugin(tmp_path / "bin", script, env=env, args=["--client-secret", CANARY])
    config = config_of(document(user={"exec": plugin.stanza}))

    def request() -> None:
        config.credentials.identity(Deadline(5 if "sleep" not in script else 0.3))
        config.ssl_context()

    with pytest.raises(DevServersError) as caught:
        request()
    for shown in texts(caught.value):
        assert_silent(shown)


def test_no_repr_or_text_of_an_object_shows_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(CANARY)
    certificate = ClientCertificate(PEMSource("crt", CANARY.encode()), PEMSource("key", CANARY.encode()))
    plugin = printing(tmp_path, exec_credential(token=CANARY))
    plugin.stanza.update(env=[{"name": "S", "value": CANARY}], args=[CANARY])
    impersonation = Impersonation("bob", extra={"a": [CANARY]})
    proxy_url = f"http://bob:{CANARY}@proxy.example"
    authorizers = [BearerToken(CANARY), BasicAuth("u", CANARY), TokenFile(str(tmp_path / "token"), "x")]
    config = config_of(document(user={"exec": plugin.stanza}, cluster={"proxy-url": proxy_url}))
    config.credentials.identity()
    values: list[object] = [
        *authorizers,
        *(Credentials(authorizer, certificate, impersonation) for authorizer in authorizers),
        *(authorizer.current(Deadline(None)) for authorizer in authorizers),
        certificate,
        TLSSettings(PEMSource("ca", CANARY.encode())),
        parse_proxy(proxy_url, "x"),
        config,
        config.credentials,
        RESTClient(config),
        parse(json.dumps(document(user={"token": CANARY, "exec": plugin.stanza})).encode(), "/f"),
        PluginCommand("x", "v1", "cmd", (CANARY,), {"A": CANARY}, cluster={"proxy-url": proxy_url}),
        PluginRun([CANARY], {"A": CANARY}, "x", "", False),
    ]
    for value in values:
        for shown in (repr(value), str(value), f"{value}"):
            assert_silent(shown)


def answering(answer: str) -> Talk:
    """A server that reads a request and answers with ``answer``."""

    def talk(sock: socket.socket) -> None:
        while b"\r\n\r\n" not in sock.recv(65536):
            pass
        sock.sendall(answer.replace("\n", "\r\n").encode())

    return talk


ANSWERS = {
    "401": "HTTP/1.1 401 Unauthorized\nContent-Length: 0\n\n",
    "403": "HTTP/1.1 403 Forbidden\nContent-Length: 0\n\n",
    "500": "HTTP/1.1 500 Oops\nContent-Length: 0\nConnection: close\n\n",
    "a redirect": f"HTTP/1.1 302 Found\nLocation: https://bob:{CANARY}@evil.example/{CANARY}?t={CANARY}\n\n",
    "a body that is not JSON": f"HTTP/1.1 200 OK\nContent-Length: {len(CANARY)}\n\n{CANARY}",
    "a body cut short": f"HTTP/1.1 200 OK\nContent-Length: 999\n\n{CANARY}",
    "a broken chunk": f"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n{CANARY}\n",
    "what is not HTTP": f"{CANARY} {CANARY}\n\n",
    "nothing": "",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_request_that_fails(answer: str, caplog: pytest.LogCaptureFixture) -> None:
    credentials = Credentials(BearerToken(CANARY), impersonation=Impersonation("bob", groups=[CANARY]))
    with caplog.at_level(logging.DEBUG), serving(answering(answer)) as server:
        config = ClientConfig(f"http://127.0.0.1:{server.port}", credentials=credentials)
        with RESTClient(config) as client, pytest.raises(DevServersError) as caught:
            client.request("GET", "/version", deadline=Deadline(1))
    assert_silent(caplog.text)
    for shown in texts(caught.value):
        assert_silent(shown)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_upgrade_that_fails(answer: str, caplog: pytest.LogCaptureFixture) -> None:
    credentials = Credentials(BearerToken(CANARY), impersonation=Impersonation("bob", groups=[CANARY]))
    with caplog.at_level(logging.DEBUG), serving(answering(answer)) as server:
        config = ClientConfig(f"http://127.0.0.1:{server.port}", credentials=credentials)
        with RESTClient(config) as client, pytest.raises(DevServersError) as caught:
            upgrade(client, "/exec", query={}, subprotocols=["v5.channel.k8s.io"], deadline=Deadline(1))
    assert_silent(caplog.text)
    for shown in texts(caught.value):
        assert_silent(shown)


def test_a_redirect_names_its_target_host_and_nothing_more_of_it() -> None:
    with serving(answering(ANSWERS["a redirect"])) as server, pytest.raises(DevServersError) as caught:
        RESTClient(ClientConfig(f"http://127.0.0.1:{server.port}")).request("GET", "/version", deadline=Deadline(5))
    assert "redirects (302) to evil.example" in str(caught.value)


def failing_connections() -> dict[str, Callable[[ClientConfig], contextlib.AbstractContextManager[ClientConfig]]]:
    """Ways in which a connection with secrets in its configuration fails."""

    @contextlib.contextmanager
    def refused_by_proxy(config: ClientConfig) -> Iterator[ClientConfig]:
        with proxying(user="bob", password="other") as proxy:
            yield _with(config, proxy_url=proxy.url_for("bob", CANARY))

    @contextlib.contextmanager
    def absent_proxy(config: ClientConfig) -> Iterator[ClientConfig]:
        yield _with(config, proxy_url=f"http://bob:{CANARY}@127.0.0.1:1")

    @contextlib.contextmanager
    def proxy_that_repeats_everything(config: ClientConfig) -> Iterator[ClientConfig]:
        with proxying(reply=f"HTTP/1.1 500 {CANARY}\r\n{CANARY}: {CANARY}\r\n\r\n{CANARY}".encode()) as proxy:
            yield _with(config, proxy_url=proxy.url_for("bob", CANARY))

    @contextlib.contextmanager
    def unknown_authority(config: ClientConfig) -> Iterator[ClientConfig]:
        with serving(context=server_context(authority("another").issue("127.0.0.1"))) as server:
            yield _with(config, server=f"https://127.0.0.1:{server.port}")

    @contextlib.contextmanager
    def unusable_certificate(config: ClientConfig) -> Iterator[ClientConfig]:
        bad = ClientCertificate(PEMSource("crt", CANARY.encode()), PEMSource("key", CANARY.encode()))
        yield ClientConfig("https://127.0.0.1:1", credentials=Credentials(BearerToken(CANARY), bad))

    @contextlib.contextmanager
    def unusable_ca(config: ClientConfig) -> Iterator[ClientConfig]:
        yield ClientConfig("https://127.0.0.1:1", tls=TLSSettings(PEMSource("ca", CANARY.encode())))

    ways = (refused_by_proxy, absent_proxy, proxy_that_repeats_everything, unknown_authority, unusable_certificate)
    return {way.__name__.replace("_", " "): way for way in (*ways, unusable_ca)}


def _with(config: ClientConfig, **change: Any) -> ClientConfig:
    kept = {"server": config.server, "credentials": config.credentials, "tls": config.tls}
    return ClientConfig(**{**kept, **change})


@pytest.mark.parametrize("way", failing_connections().values(), ids=failing_connections().keys())
def test_a_connection_that_fails(
    way: Callable[[ClientConfig], contextlib.AbstractContextManager[ClientConfig]],
) -> None:
    tls = TLSSettings(PEMSource("ca", authority().pem))
    config = ClientConfig("https://api.example", credentials=Credentials(BearerToken(CANARY)), tls=tls)
    with way(config) as broken, pytest.raises(DevServersError) as caught:
        connect(broken, Deadline(5))
    for shown in texts(caught.value):
        assert_silent(shown)


def test_the_warning_about_the_insecure_flag_shows_no_secret(tmp_path: Path) -> None:
    cluster = {"insecure-skip-tls-verify": True, "proxy-url": f"http://bob:{CANARY}@proxy.example"}
    config = load_config(write(tmp_path / "config", document(cluster=cluster, user={"token": CANARY})))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        config.ssl_context()
    assert len(caught) == 1
    assert_silent(str(caught[0]))


KUBECONFIG_TEXT = "apiVersion: v1\nkind: Config\nusers:\n- name: a\n  user: {token: s3cret-token}\n" * 3


@pytest.mark.parametrize(
    "content",
    [
        b64encode(gzip.compress(KUBECONFIG_TEXT.encode())).decode(),
        quote(KUBECONFIG_TEXT),
        "eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJpc3MiOiJr.s3cret",
        "token: s3cret-token",
    ],
    ids=["gzip", "URL", "JWT", "token"],
)
@pytest.mark.parametrize("listed", [False, True])
def test_content_in_any_shape_in_place_of_a_path_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, content: str, listed: bool
) -> None:
    monkeypatch.setenv("KUBECONFIG", f"/nonexistent:{content}" if listed else content)
    with pytest.raises(KubeConfigError, match=r"contains the kubeconfig itself \(not shown\)") as caught:
        load_config()
    assert content[8:40] not in str(caught.value)


@pytest.mark.parametrize("path", ["config", "~/.kube/config", "/a b/users.yaml", "/etc/token"])
def test_a_path_is_no_content(path: str) -> None:
    assert not is_content(path)
