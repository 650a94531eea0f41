"""Exec credential plugins: what they are told, what they may answer, when they run, and how their failures read."""

from __future__ import annotations

import json
import os
import pty
import threading
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Optional

import pytest

from devservers.errors import KubeConfigError
from devservers.transport.auth.credentials import Credentials
from devservers.transport.auth.plugin import ExecPlugin, PluginCommand
from devservers.transport.deadline import Deadline
from devservers.transport.http.dial import connect

from .certificates import authority, server_context
from .kubeconfigs import config_of, document, user_config
from .plugins import GROUP, Plugin, exec_credential, failure_of, printing, using
from .tlsserver import echo, serving

CLUSTER_CONFIG = {"name": f"{GROUP}/exec", "extension": {"audience": "team"}}


def told(plugin: Plugin, directory: Path, **cluster: Any) -> dict[str, Any]:
    """The KUBERNETES_EXEC_INFO that a plugin which copies its environment was given."""
    using(plugin, cluster).credentials.identity()
    info: dict[str, Any] = json.loads((directory / "info").read_text())
    return info


def recording(directory: Path, **stanza: Any) -> Plugin:
    """A plugin that writes KUBERNETES_EXEC_INFO down and gives a token."""
    return Plugin(
        directory,
        f"printf %s \"$KUBERNETES_EXEC_INFO\" > '{directory}/info'; echo '{exec_credential(token='abc')}'",
        **stanza,
    )


class TestStanza:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"apiVersion": None}, "apiVersion must be one of client.authentication.k8s.io/v1, "),
            ({"apiVersion": "v1"}, "apiVersion must be one of"),
            ({"command": ""}, "names no command"),
            ({"interactiveMode": None}, "interactiveMode is required with apiVersion v1"),
            ({"interactiveMode": "Sometimes"}, "interactiveMode must be Never, IfAvailable or Always"),
            ({"args": "get-token"}, "args must be a list, not a string"),
            ({"args": [1]}, "args must be a list of strings"),
            ({"env": {"A": "b"}}, "env must be a list, not a mapping"),
            ({"env": ["A=b"]}, "entry 1 of env must be a mapping of name and value"),
            ({"env": [{"name": "", "value": "b"}]}, "is not an environment variable"),
            ({"env": [{"name": "A=B", "value": "b"}]}, "is not an environment variable"),
            ({"env": [{"name": "A", "value": 1}]}, "value must be a string, not a number; put it in quotes"),
            ({"provideClusterInfo": "yes"}, "provideClusterInfo must be true or false"),
        ],
    )
    def test_a_broken_stanza_is_reported_by_key(self, change: dict[str, Any], said: str) -> None:
        stanza = {"apiVersion": f"{GROUP}/v1", "command": "aws", "interactiveMode": "Never", **change}
        with pytest.raises(KubeConfigError) as caught:
            user_config(exec=stanza)
        assert said in str(caught.value)
        assert "exec of user 'alice' in /etc/kube/config" in str(caught.value)

    def test_loading_the_configuration_runs_nothing(self, tmp_path: Path) -> None:
        plugin = printing(tmp_path / "plugin")
        using(plugin)
        assert plugin.runs == 0

    def test_a_command_with_a_separator_resolves_against_the_kubeconfig(self, tmp_path: Path) -> None:
        printing(tmp_path / "bin")
        stanza = {"apiVersion": f"{GROUP}/v1beta1", "command": "bin/plugin", "args": None, "env": None}
        (tmp_path / "bin" / "output").write_text(exec_credential("v1beta1", token="abc"))
        config = config_of(document(user={"exec": stanza}), str(tmp_path / "config"))
        assert config.credentials.identity().headers == [("Authorization", "Bearer abc")]

    def test_a_bare_command_is_found_on_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        printing(tmp_path / "bin")
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
        config = user_config(exec={"apiVersion": f"{GROUP}/v1", "command": "plugin", "interactiveMode": "Never"})
        assert config.credentials.identity().headers == [("Authorization", "Bearer t0ken")]

    def test_no_shell_reads_command_and_arguments(self, tmp_path: Path) -> None:
        plugin = Plugin(
            tmp_path / "a b;$(false)", 'test "$1" = \'$HOME; *\' && cat "${0%/*}/output"', args=["$HOME; *"]
        )
        (plugin.path.parent / "output").write_text(exec_credential(token="abc"))
        assert using(plugin).credentials.identity().headers == [("Authorization", "Bearer abc")]


class TestWhatThePluginIsTold:
    @pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
    def test_it_is_told_the_api_version_and_answers_in_the_same(self, tmp_path: Path, version: str) -> None:
        script = (
            f"printf %s \"$KUBERNETES_EXEC_INFO\" > '{tmp_path}/info'; echo '{exec_credential(version, token='x')}'"
        )
        plugin = Plugin(tmp_path, script, version=version)
        assert told(plugin, tmp_path) == {
            "apiVersion": f"{GROUP}/{version}",
            "kind": "ExecCredential",
            "spec": {"interactive": False},
        }

    def test_exec_info_goes_before_env_which_goes_before_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FROM", "environment")
        monkeypatch.setenv("KEPT", "kept")
        env = [{"name": "FROM", "value": "stanza"}, {"name": "KUBERNETES_EXEC_INFO", "value": "not this"}]
        script = f"echo $FROM $KEPT > '{tmp_path}/seen'; printf %s \"$KUBERNETES_EXEC_INFO\" > '{tmp_path}/info'"
        plugin = Plugin(tmp_path, f"{script}; echo '{exec_credential(token='abc')}'", env=env)
        assert told(plugin, tmp_path)["kind"] == "ExecCredential"
        assert (tmp_path / "seen").read_text() == "stanza kept\n"

    def test_provide_cluster_info_adds_the_cluster_with_its_ca_as_data(self, tmp_path: Path) -> None:
        (tmp_path / "ca.crt").write_bytes(b"a ca")
        cluster = {
            "server": "https://api.example:6443",
            "certificate-authority": str(tmp_path / "ca.crt"),
            "tls-server-name": "kubernetes",
            "proxy-url": "http://proxy.example:3128",
            "disable-compression": True,
            "extensions": [{"name": "other", "extension": 1}, CLUSTER_CONFIG],
        }
        plugin = recording(tmp_path, provideClusterInfo=True)
        assert told(plugin, tmp_path, **cluster)["spec"]["cluster"] == {
            "server": "https://api.example:6443",
            "certificate-authority-data": "YSBjYQ==",
            "tls-server-name": "kubernetes",
            "proxy-url": "http://proxy.example:3128",
            "disable-compression": True,
            "config": {"audience": "team"},
        }

    def test_it_is_told_in_the_bytes_of_kubectl(self, tmp_path: Path) -> None:
        """Recorded from kubectl 1.32: some plugins take it apart with grep and sed."""
        cluster = {
            "server": "https://api.example:6443/a&b",
            "insecure-skip-tls-verify": True,
            "disable-compression": True,
            "extensions": [{"name": f"{GROUP}/exec", "extension": {"audience": "<x>"}}],
        }
        using(recording(tmp_path / "alone"), cluster).credentials.identity()
        using(recording(tmp_path / "cluster", provideClusterInfo=True), cluster).credentials.identity()
        using(recording(tmp_path / "plain", provideClusterInfo=True), {"server": "https://x"}).credentials.identity()
        begin = f'{{"kind":"ExecCredential","apiVersion":"{GROUP}/v1","spec":'
        assert (tmp_path / "alone" / "info").read_text() == begin + '{"interactive":false}}\n'
        assert (tmp_path / "cluster" / "info").read_text() == (
            begin + '{"cluster":{"server":"https://api.example:6443/a\\u0026b","insecure-skip-tls-verify":true,'
            '"disable-compression":true,"config":{"audience":"\\u003cx\\u003e"}},"interactive":false}}\n'
        )
        assert (tmp_path / "plain" / "info").read_text() == (
            begin + '{"cluster":{"server":"https://x","config":null},"interactive":false}}\n'
        )

    def test_a_number_that_json_does_not_know_is_refused(self) -> None:
        stanza = {"apiVersion": f"{GROUP}/v1", "command": "x", "interactiveMode": "Never", "provideClusterInfo": True}
        extension = {"name": f"{GROUP}/exec", "extension": {"limit": float("nan")}}
        with pytest.raises(KubeConfigError, match="has a value that JSON cannot represent"):
            config_of(document(user={"exec": stanza}, cluster={"extensions": [extension]}))

    def test_without_it_the_cluster_stays_out(self, tmp_path: Path) -> None:
        assert "cluster" not in told(recording(tmp_path), tmp_path, extensions=[CLUSTER_CONFIG])["spec"]

    def test_it_has_no_standard_input_when_it_may_not_interact(self, tmp_path: Path) -> None:
        plugin = Plugin(tmp_path, f"test -z \"$(cat)\" && echo '{exec_credential(token='abc')}'")
        assert using(plugin).credentials.identity()


class TestInteraction:
    def run_on(self, stdin: int, mode: str, directory: Path) -> tuple[dict[str, Any], Plugin]:
        """Run a plugin with ``stdin`` as our standard input."""
        plugin = recording(directory, interactiveMode=mode)
        kept = os.dup(0)
        os.dup2(stdin, 0)
        try:
            return told(plugin, directory)["spec"], plugin
        finally:
            os.dup2(kept, 0)
            os.close(kept)

    @pytest.mark.parametrize(("mode", "interactive"), [("Never", False), ("IfAvailable", True), ("Always", True)])
    def test_on_a_terminal_it_may_interact_unless_never(self, tmp_path: Path, mode: str, interactive: bool) -> None:
        ours, theirs = pty.openpty()
        try:
            assert self.run_on(theirs, mode, tmp_path)[0] == {"interactive": interactive}
        finally:
            os.close(ours)
            os.close(theirs)

    def test_away_from_a_terminal_if_available_does_not(self, tmp_path: Path) -> None:
        with open(os.devnull) as null:
            assert self.run_on(null.fileno(), "IfAvailable", tmp_path)[0] == {"interactive": False}

    def test_away_from_a_terminal_always_is_an_error(self, tmp_path: Path) -> None:
        with open(os.devnull) as null, pytest.raises(KubeConfigError, match="standard input is not a terminal"):
            self.run_on(null.fileno(), "Always", tmp_path)


class TestAnswers:
    def test_a_token_becomes_a_bearer_token(self, tmp_path: Path) -> None:
        assert using(printing(tmp_path)).credentials.identity().headers == [("Authorization", "Bearer t0ken")]

    @pytest.mark.parametrize("before", ["\ufeff", "\n\n", ""])
    def test_what_kubectl_reads_past_does_no_harm(self, tmp_path: Path, before: str) -> None:
        answer = json.dumps({"apiVersion": f"{GROUP}/v1", "status": {"token": "t0ken", "more": 1}}) + "\n\n"
        assert using(printing(tmp_path, before + answer)).credentials.identity().headers == [
            ("Authorization", "Bearer t0ken")
        ]

    def test_blanks_around_its_token_are_no_part_of_it(self, tmp_path: Path) -> None:
        plugin = printing(tmp_path, exec_credential(token=" abc\t"))
        assert using(plugin).credentials.identity().headers == [("Authorization", "Bearer abc")]

    def test_a_certificate_and_key_become_the_client_certificate(self, tmp_path: Path) -> None:
        pair = authority().issue("alice@x.example")
        output = exec_credential(clientCertificateData=pair.certificate.decode(), clientKeyData=pair.key.decode())
        credentials = using(printing(tmp_path, output)).credentials
        certificate = credentials.identity().certificate
        assert credentials.identity().headers == []
        assert certificate is not None
        assert certificate.certificate.read() == pair.certificate
        assert using(printing(tmp_path, output)).ssl_context().cert_store_stats()

    def test_its_certificate_is_shown_to_the_server_and_replaced_with_the_next_one(self, tmp_path: Path) -> None:
        def answer(name: str) -> str:
            pair = authority("clients").issue(f"{name}@x.example")
            status = {"clientCertificateData": pair.certificate.decode(), "clientKeyData": pair.key.decode()}
            return exec_credential(**status)

        plugin = printing(tmp_path, answer("alice"))
        server_side = server_context(authority().issue("127.0.0.1"), client_ca=authority("clients").pem)
        with serving(echo, server_side) as server:
            ca = b64encode(authority().pem).decode()
            cluster = {"server": f"https://127.0.0.1:{server.port}", "certificate-authority-data": ca}
            config = using(plugin, cluster)
            for name in ("alice", "bob"):
                with closing(connect(config, Deadline(10))) as sock:
                    sock.send(b"x")
                    assert sock.recv(1) == b"x"
                shown = server.seen[-1].client_certificate
                assert shown is not None
                assert shown["subjectAltName"] == (("email", f"{name}@x.example"),)
                (tmp_path / "output").write_text(answer("bob"))
                assert config.credentials.renewed(config.credentials.identity()) is not None

    @pytest.mark.parametrize(
        ("output", "said"),
        [
            ("", "is not an ExecCredential in JSON"),
            ("s3cret-token", "is not an ExecCredential in JSON"),
            (f"apiVersion: {GROUP}/v1\nstatus:\n  token: s3cret", "is not an ExecCredential in JSON"),
            ("[" * 100000, "is not an ExecCredential in JSON"),
            ('{"kind": "Secret", "apiVersion": "v1"}', "is not an ExecCredential in JSON"),
            (exec_credential("v1beta1", token="abc"), "is not of apiVersion client.authentication.k8s.io/v1,"),
            (json.dumps({"apiVersion": f"{GROUP}/v1", "kind": "ExecCredential"}), "has no status"),
            (exec_credential(), "has neither a token nor a client certificate"),
            (exec_credential(token=""), "has neither a token nor a client certificate"),
            (exec_credential(token=12345678), "has a field token that is not a string"),
            (exec_credential(clientKeyData="s3cret"), "has only one of clientCertificateData and clientKeyData"),
            (exec_credential(token="a", expirationTimestamp="soon"), "expirationTimestamp that is not an RFC 3339"),
            (exec_credential(token="a", expirationTimestamp="2024-13-01T00:00:00Z"), "expirationTimestamp that is not"),
            (exec_credential(token="s3cret\nX-Evil: 1"), "the token contains a space, a line break"),
            (exec_credential(token="s3cret\r"), "the token contains a space, a line break"),
            (exec_credential(token="\ud800"), "has a field token that is not valid Unicode text"),
            (
                exec_credential(token="a", expirationTimestamp=1893456000),
                "field expirationTimestamp that is not a string",
            ),
            (exec_credential(token="s3cret") * 2, "is not an ExecCredential in JSON"),
            ("Logging in...\n" + exec_credential(token="s3cret"), "is not an ExecCredential in JSON"),
        ],
    )
    def test_a_wrong_answer_is_refused_unshown(self, tmp_path: Path, output: str, said: str) -> None:
        message = failure_of(printing(tmp_path, output))
        assert said in message
        assert "exec plugin 'plugin' (exec of user 'alice' in /etc/kube/config)" in message
        assert "s3cret" not in message
        assert "12345678" not in message


class TestCaching:
    def plugin(self, directory: Path, expires: str = "2030-01-01T00:00:00Z") -> tuple[Plugin, Credentials, list[float]]:
        """A plugin whose n-th token is ``token-n``, and the clock by which it expires (a list of one time)."""
        status = exec_credential(token="token-N", expirationTimestamp=expires)
        plugin = Plugin(directory, f"n=$(wc -l < '{directory}/runs'); echo '{status}' | sed \"s/N/$((n))/\"")
        clock = [1_893_456_000.0 - 60]  # a minute before 2030
        command = PluginCommand("a test", f"{GROUP}/v1", str(plugin.path), interactive_mode="Never")
        return plugin, Credentials(ExecPlugin(command, lambda: clock[0])), clock

    @pytest.mark.parametrize(
        "expires",
        [
            "2030-01-01T00:00:00Z",
            "2030-01-01T01:00:00.123456789+01:00",
            "2029-12-31T19:00:00-05:00",
            "2030-01-01T00:00:00,5Z",
        ],
    )
    def test_a_credential_serves_until_it_expires(self, tmp_path: Path, expires: str) -> None:
        plugin, credentials, clock = self.plugin(tmp_path, expires)
        assert credentials.identity().headers == credentials.identity().headers == [("Authorization", "Bearer token-1")]
        clock[0] += 59.9
        assert credentials.identity().headers == [("Authorization", "Bearer token-1")]
        clock[0] += 0.1
        assert credentials.identity().headers == [("Authorization", "Bearer token-2")]
        assert plugin.runs == 2

    @pytest.mark.parametrize("expires", [None, "0001-01-01T00:00:00Z"])
    def test_one_without_expiry_serves_for_the_process(self, tmp_path: Path, expires: Optional[str]) -> None:
        plugin = printing(tmp_path, exec_credential(token="t0ken", expirationTimestamp=expires))
        credentials = using(plugin).credentials
        for _ in range(3):
            credentials.identity()
        assert plugin.runs == 1

    def test_a_401_runs_it_again(self, tmp_path: Path) -> None:
        _, credentials, _ = self.plugin(tmp_path)
        newer = credentials.renewed(credentials.identity())
        assert newer is not None
        assert newer.headers == credentials.identity().headers == [("Authorization", "Bearer token-2")]

    def test_a_401_is_final_when_the_plugin_gives_the_same_again(self, tmp_path: Path) -> None:
        credentials = using(printing(tmp_path)).credentials
        assert credentials.renewed(credentials.identity()) is None

    def test_a_failed_run_is_not_kept(self, tmp_path: Path) -> None:
        plugin = printing(tmp_path, "broken")
        credentials = using(plugin).credentials
        with pytest.raises(KubeConfigError):
            credentials.identity()
        (tmp_path / "output").write_text(exec_credential(token="abc"))
        assert credentials.identity().headers == [("Authorization", "Bearer abc")]

    def in_threads(self, work: Callable[[], object], count: int = 8) -> None:
        threads = [threading.Thread(target=work) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

    def test_many_threads_run_it_once(self, tmp_path: Path) -> None:
        plugin, credentials, _ = self.plugin(tmp_path)
        got: list[object] = []
        self.in_threads(lambda: got.append(credentials.identity().headers))
        assert got == [[("Authorization", "Bearer token-1")]] * 8
        assert plugin.runs == 1

    def test_many_threads_with_an_expired_credential_run_it_once_more(self, tmp_path: Path) -> None:
        plugin, credentials, clock = self.plugin(tmp_path)
        credentials.identity()
        clock[0] += 30
        self.in_threads(credentials.identity)
        assert plugin.runs == 1
        status = exec_credential(token="later", expirationTimestamp="2031-01-01T00:00:00Z")
        plugin.path.write_text(f"#!/bin/sh\necho run >> '{tmp_path}/runs'\necho '{status}'\n")
        clock[0] += 31
        self.in_threads(credentials.identity)
        assert plugin.runs == 2

    def test_many_threads_refused_with_401_run_it_once_more(self, tmp_path: Path) -> None:
        plugin, credentials, _ = self.plugin(tmp_path)
        refused = threading.Barrier(8)
        renewed: list[bool] = []

        def request() -> None:
            identity = credentials.identity()
            refused.wait(10)
            renewed.append(credentials.renewed(identity) is not None)

        self.in_threads(request)
        assert renewed == [True] * 8
        assert plugin.runs == 2
