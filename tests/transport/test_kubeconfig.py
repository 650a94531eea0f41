"""kubeconfig files: parsing, merging, contexts, paths, and every broken case told by file, entry and remedy."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from devservers.errors import KubeConfigError
from devservers.transport.config.contexts import client_config
from devservers.transport.config.kubeconfig import merge, parse, read

from .kubeconfigs import cluster_config, config_of, document, user_config, write

FILE = "/etc/kube/config"
B64 = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()


def problem_of(content: dict[str, Any]) -> str:
    """The message with which a kubeconfig is refused."""
    with pytest.raises(KubeConfigError) as caught:
        config_of(content, FILE)
    return str(caught.value)


class TestParsing:
    def test_a_yaml_file_gives_server_namespace_and_token(self) -> None:
        text = b"""
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: main
  cluster: {server: "https://api.example:6443/"}
contexts:
- name: dev
  context: {cluster: main, user: alice, namespace: team}
users:
- name: alice
  user: {token: abc}
"""
        config = client_config(parse(text, FILE), None, None)
        assert (config.server, config.namespace) == ("https://api.example:6443", "team")
        assert config.credentials.identity().headers == [("Authorization", "Bearer abc")]

    def test_flow_style_yaml_is_not_mistaken_for_json(self) -> None:
        assert parse(b"{current-context: dev, contexts: [{name: dev}]}", FILE).current_context == "dev"

    def test_an_empty_file_is_an_empty_configuration(self) -> None:
        assert parse(b" \n", FILE).contexts == {}

    def test_a_byte_order_mark_and_utf_16_are_understood(self) -> None:
        text = json.dumps(document())
        assert parse(text.encode("utf-8-sig"), FILE).current_context == "dev"
        assert parse(text.encode("utf-16"), FILE).current_context == "dev"

    def test_unknown_fields_are_ignored_wherever_they_stand(self) -> None:
        content = document(cluster={"colour": "red"}, user={"token": "abc", "shoe-size": 43}, extensions="many")
        assert config_of({**content, "preferences": {"colors": True}, "future": [1]}).namespace is None

    def test_a_null_value_is_no_value(self) -> None:
        config = config_of(document(cluster={"proxy-url": None}, user={"token": None, "exec": None, "as-groups": None}))
        assert config.credentials.identity().headers == []

    @pytest.mark.parametrize("plain", ["2024-01-31", "12:30", "190:20:30.15", "=", "1:2"])
    def test_what_is_plain_text_in_go_stays_text(self, plain: str) -> None:
        text = json.dumps(document(user={"token": "PLAIN"})).replace('"PLAIN"', plain + " ").replace("{", "{ ")
        config = client_config(parse(b"#\n" + text.encode(), FILE), None, None)
        assert config.credentials.identity().headers == [("Authorization", f"Bearer {plain}")]

    @pytest.mark.parametrize("rest", ["---\n", "---\na: b\n", "...\n---\n{ not: [yaml\n"])
    def test_only_the_first_document_counts(self, rest: str) -> None:
        text = "---\n" + json.dumps(document(user={"token": "abc"})) + "\n" + rest
        config = client_config(parse(text.encode(), FILE), None, None)
        assert config.credentials.identity().headers == [("Authorization", "Bearer abc")]

    def test_a_file_of_nothing_but_comments_is_an_empty_configuration(self) -> None:
        assert parse(b"# to be filled\n", FILE).contexts == {}

    def test_an_entry_without_a_name_is_passed_over(self) -> None:
        content = document(user={"token": "abc"})
        for section in ("clusters", "contexts", "users"):
            content[section] = [None, {"name": ""}, {}, *content[section]]
        assert config_of(content).credentials.identity().headers == [("Authorization", "Bearer abc")]

    @pytest.mark.parametrize("change", [("\n", "\r\n"), ("\n", "\n\n"), ("\n", " # remark\n")])
    def test_line_ends_and_remarks_between_tokens_do_no_harm(self, change: tuple[str, str]) -> None:
        text = "current-context: dev\ncontexts:\n- name: dev\n  context:\n    cluster: main\n"
        kube = parse(text.replace(*change).encode(), FILE)
        assert kube.current_context == "dev"
        assert kube.contexts["dev"].body == {"cluster": "main"}

    def test_anchors_and_merge_keys_are_yaml_and_understood(self) -> None:
        kube = parse(b"x: &same {token: abc}\nusers: [{name: a, user: {<<: *same}}, {name: b, user: *same}]", FILE)
        assert kube.users["a"].body == kube.users["b"].body == {"token": "abc"}

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (b"clusters:\n  - name: a\n bad", "line 3"),
            (b"users: [", "line "),
            (b"a: *nowhere", "undefined alias"),
            (b"a: !!python/object:os.system {}", "line 1"),
            (b"\x00", "not valid YAML"),
            (b"\xff\xfa", "not UTF-8"),
            (b"- a", "must be a mapping, not a list"),
            (b"just words", "must be a mapping, not a string"),
            (b"[" * 20000, "not valid YAML"),
            (b'{"a":' * 20000, "not valid YAML"),
            (b"kind: Secret", "another kind"),
            (b"apiVersion: v2", "another kind"),
            (b"clusters: {}", "clusters must be a list, not a mapping"),
            (b"clusters: [a]", "entry 1 of clusters must be a mapping"),
            (b"users: [{name: a}, {name: 7}]", "entry 2 of users in /etc/kube/config: name must be a string"),
            (b"users: [{name: a, user: []}]", "user 'a' in /etc/kube/config: user must be a mapping"),
            (b"contexts: [{name: a}, {name: a}]", "contexts has 'a' twice"),
            (b"current-context: 5", "current-context must be a string"),
        ],
    )
    def test_a_malformed_file_is_refused_with_file_and_place(self, text: bytes, said: str) -> None:
        with pytest.raises(KubeConfigError) as caught:
            parse(text, FILE)
        assert FILE in str(caught.value)
        assert said in str(caught.value)

    def test_a_parse_error_quotes_nothing_of_the_file(self) -> None:
        with pytest.raises(KubeConfigError) as caught:
            parse(b"users: [{token: *s3cret-canary}]", FILE)
        assert "canary" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None

    def test_an_unreadable_file_is_an_error_and_an_absent_one_is_none(self, tmp_path: Path) -> None:
        assert read(str(tmp_path / "absent")) is None
        assert read(str(tmp_path / "absent" / "deeper")) is None
        with pytest.raises(KubeConfigError, match="cannot be read: Is a directory"):
            read(str(tmp_path))


class TestMerging:
    def test_the_first_file_wins_a_name_with_its_whole_entry(self) -> None:
        first = parse(json.dumps(document(user={"username": "u", "password": "p"})).encode(), "/one")
        second = parse(json.dumps(document(user={"token": "abc"}, namespace="two")).encode(), "/two")
        config = client_config(merge([first, second]), None, None)
        assert config.namespace is None
        assert config.credentials.identity().headers == [("Authorization", "Basic dTpw")]

    def test_a_context_may_use_entries_of_other_files(self) -> None:
        content = document(user={"token": "abc"})
        parts = [
            parse(json.dumps({"kind": "Config", section: content[section]}).encode(), f"/{section}")
            for section in ("contexts", "clusters", "users")
        ]
        merged = merge([*parts, parse(b'{"current-context": "dev"}', "/current")])
        config = client_config(merged, None, None)
        assert config.server == "https://api.example:6443"
        assert config.source == "kubeconfig /contexts, context 'dev'"

    def test_the_first_current_context_that_is_set_counts(self) -> None:
        texts = [b"{}", b'{"current-context": ""}', b'{"current-context": "b"}', b'{"current-context": "c"}']
        assert merge(parse(text, "/f") for text in texts).current_context == "b"

    def test_the_same_name_in_two_files_is_no_duplicate(self) -> None:
        one = parse(b'{"users": [{"name": "a"}]}', "/one")
        two = parse(b'{"users": [{"name": "a"}]}', "/two")
        assert merge([one, two]).users["a"].file == "/one"


class TestContexts:
    def two_contexts(self) -> dict[str, Any]:
        content = document(user={"token": "abc"}, namespace="one")
        content["clusters"].append({"name": "other", "cluster": {"server": "http://other.example"}})
        content["contexts"].append({"name": "prod", "context": {"cluster": "other", "namespace": "two"}})
        return content

    def test_a_context_argument_uses_that_contexts_cluster_user_and_namespace(self) -> None:
        config = config_of(self.two_contexts(), context="prod")
        assert (config.server, config.namespace) == ("http://other.example", "two")
        assert config.credentials.identity().headers == []

    def test_a_missing_context_is_reported_with_those_there_are(self) -> None:
        with pytest.raises(KubeConfigError, match=r"context 'stage' does not exist \(contexts there: dev, prod\)"):
            config_of(self.two_contexts(), context="stage")

    def test_a_current_context_that_does_not_exist_is_named_as_such(self) -> None:
        assert "current-context 'gone' does not exist" in problem_of({**document(), "current-context": "gone"})

    def test_no_current_context_asks_for_one_by_name(self) -> None:
        said = problem_of({**document(), "current-context": ""})
        assert "has no current-context (contexts there: dev)" in said
        assert "use-context" in said

    @pytest.mark.parametrize("kind", ["cluster", "user"])
    def test_a_reference_to_a_missing_entry_is_reported_with_those_there_are(self, kind: str) -> None:
        said = problem_of(_referring(kind, "gone"))
        assert f"context 'dev' in {FILE}: its {kind} 'gone' does not exist" in said
        assert ("main" if kind == "cluster" else "alice") in said

    def test_a_context_without_a_cluster_is_refused(self) -> None:
        assert "context 'dev' in /etc/kube/config: names no cluster" in problem_of(_referring("cluster", ""))

    def test_a_context_without_a_user_is_anonymous(self) -> None:
        assert config_of(_referring("user", "")).credentials.identity().headers == []


def _referring(kind: str, name: str) -> dict[str, Any]:
    content = document()
    content["contexts"][0]["context"][kind] = name
    return content


class TestClusters:
    def test_a_cluster_without_server_is_refused(self) -> None:
        assert f"cluster 'main' in {FILE}: names no server" in problem_of(document(cluster={"server": ""}))

    def test_a_bare_host_and_port_is_read_as_kubectl_reads_it(self) -> None:
        assert cluster_config(server="10.0.0.1:8080").server == "http://10.0.0.1:8080"
        tls = cluster_config(**{"server": "10.0.0.1:6443", "certificate-authority-data": B64})
        assert tls.server == "https://10.0.0.1:6443"
        certificate = {"client-certificate-data": B64, "client-key-data": B64}
        content = document(cluster={"server": "10.0.0.1:6443"}, user=certificate)
        assert config_of(content).server == "https://10.0.0.1:6443"

    def test_a_ca_excludes_the_insecure_flag(self) -> None:
        cluster = {"certificate-authority-data": B64, "insecure-skip-tls-verify": True}
        assert "exclude each other" in problem_of(document(cluster=cluster))

    def test_data_and_file_of_the_same_thing_exclude_each_other(self) -> None:
        cluster = {"certificate-authority-data": B64, "certificate-authority": "ca.crt"}
        said = problem_of(document(cluster=cluster))
        assert "certificate-authority and certificate-authority-data are both set" in said

    def test_base64_may_be_folded_over_lines(self) -> None:
        config = cluster_config(**{"certificate-authority-data": f"{B64[:8]}\n  {B64[8:]}\n"})
        assert config.tls.ca is not None
        assert config.tls.ca.read() == b"-----BEGIN CERTIFICATE-----"

    @pytest.mark.parametrize(("flag", "insecure"), [(True, True), ("y", True), ("Y", True), ("n", False), ("N", False)])
    def test_the_short_booleans_of_yaml_are_booleans(self, flag: object, insecure: bool) -> None:
        assert cluster_config(**{"insecure-skip-tls-verify": flag}).tls.insecure is insecure

    def test_an_address_as_tls_server_name_may_stand_in_brackets(self) -> None:
        assert cluster_config(**{"tls-server-name": "[::1]"}).tls.server_name == "::1"

    def test_tls_server_name_is_kept_and_must_be_a_host_name(self) -> None:
        assert cluster_config(**{"tls-server-name": "kubernetes.default"}).tls.server_name == "kubernetes.default"
        assert "tls-server-name must be a host name" in problem_of(document(cluster={"tls-server-name": "a b"}))

    @pytest.mark.parametrize(
        ("cluster", "said"),
        [
            ({"server": 7}, "server must be a string, not a number; put it in quotes"),
            ({"server": "ftp://x"}, "must be an http or https URL"),
            ({"insecure-skip-tls-verify": "yes"}, "insecure-skip-tls-verify must be true or false, not a string"),
            ({"certificate-authority-data": "no base64!"}, "certificate-authority-data is not valid base64"),
            ({"certificate-authority": "/no/such/ca.crt"}, "/no/such/ca.crt, which cannot be read: No such file"),
            ({"certificate-authority": "a\0b"}, "NUL"),
            ({"proxy-url": "socks5://proxy.example:1080"}, "SOCKS"),
            ({"proxy-url": ["http://p"]}, "proxy-url must be a string"),
        ],
    )
    def test_a_broken_cluster_is_reported_by_key(self, cluster: dict[str, Any], said: str) -> None:
        assert said in problem_of(document(cluster=cluster))


class TestUsers:
    @pytest.mark.parametrize(
        ("user", "said"),
        [
            ({"token": 12345}, "token must be a string, not a number; put it in quotes"),
            ({"token": "a\nb"}, "token of user 'alice' in /etc/kube/config: the token contains a space, a line break"),
            ({"token": "a", "username": "u"}, "has a token and a user name with password; remove one"),
            ({"tokenFile": "/t", "username": "u"}, "has a token and a user name with password; remove one"),
            ({"tokenFile": "/no/such/token"}, "/no/such/token): cannot be read: No such file"),
            ({"username": "a:b", "password": "p"}, "colon"),
            ({"client-key": "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t"}, "move it to client-key-data (in base64)"),
            ({"tokenFile": "eyJhbGciOiJSUzI1NiJ9.e30.x"}, "tokenFile must be a file path but contains the token its"),
            ({"client-certificate-data": B64}, "has a client certificate and no key"),
            ({"client-key-data": B64}, "has a client key and no certificate"),
            ({"client-key-data": "*"}, "client-key-data is not valid base64"),
            ({"client-certificate": "/no/such/c", "client-key": "/no/k"}, "client-certificate names /no/such/c"),
            ({"client-key-data": B64, "client-key": "k"}, "client-key and client-key-data are both set"),
            ({"exec": {}, "auth-provider": {"name": "gcp"}}, "has exec and auth-provider; remove auth-provider"),
            ({"exec": "aws"}, "exec must be a mapping, not a string"),
            ({"as-groups": ["ops"]}, "need `as`"),
            ({"as-uid": "7"}, "need `as`"),
            ({"as-user-extra": {"a": ["b"]}}, "need `as`"),
            ({"as": "bob", "as-groups": "ops"}, "as-groups must be a list, not a string"),
            ({"as": "bob", "as-groups": [1]}, "as-groups must be a list of strings"),
            ({"as": "bob", "as-user-extra": {"a": "b"}}, "a must be a list"),
            ({"as": "bob\r\nX: y"}, "Impersonate-User"),
            ({"token": "\ud800"}, "token is not valid Unicode text"),
        ],
    )
    def test_a_broken_user_is_reported_by_entry_and_key(self, user: dict[str, Any], said: str) -> None:
        told = problem_of(document(user=user))
        assert said in told
        assert "user 'alice' in /etc/kube/config" in told

    @pytest.mark.parametrize(
        ("provider", "plugin"),
        [("gcp", "gke-gcloud-auth-plugin"), ("azure", "kubelogin"), ("oidc", "kubelogin"), ("x", "an exec plugin")],
    )
    def test_an_auth_provider_is_refused_with_the_plugin_to_use(self, provider: str, plugin: str) -> None:
        said = problem_of(document(user={"auth-provider": {"name": provider, "config": {"access-token": "s3cret"}}}))
        assert f"auth-provider {provider!r} was removed" in said
        assert plugin in said
        assert "s3cret" not in said

    def test_a_broken_user_that_is_not_used_does_no_harm(self) -> None:
        content = document(user={"token": "abc"})
        content["users"].append({"name": "old", "user": {"auth-provider": {"name": "gcp"}, "token": 7}})
        assert config_of(content).credentials.identity().headers == [("Authorization", "Bearer abc")]

    @pytest.mark.parametrize("name", ["eyecatching.crt", "ey-12345678.key"])
    def test_a_file_of_any_name_is_a_path(self, name: str) -> None:
        said = problem_of(document(user={"client-certificate": name, "client-key": name}))
        assert f"client-certificate names /etc/kube/{name}, which cannot be read" in said

    def test_a_key_without_its_certificate_is_passed_over_beside_another_credential(self) -> None:
        config = user_config(**{"token": "abc", "client-key-data": B64})
        assert config.credentials.identity().headers == [("Authorization", "Bearer abc")]
        assert config.credentials.identity().certificate is None

    @pytest.mark.parametrize("token", [" abc", "abc ", "\tabc\t"])
    def test_blanks_around_a_token_are_no_part_of_it(self, token: str) -> None:
        assert user_config(token=token).credentials.identity().headers == [("Authorization", "Bearer abc")]

    def test_keys_of_extra_may_be_numbers_as_yaml_reads_them(self) -> None:
        text = b"{users: [{name: u, user: {as: bob, as-user-extra: {7: [x]}}}], current-context: c,\n"
        text += b"contexts: [{name: c, context: {cluster: k, user: u}}], clusters: [{name: k, cluster: {server: h}}]}"
        headers = client_config(parse(text, "config"), None, None).credentials.identity().headers
        assert headers == [("Impersonate-User", "bob"), ("Impersonate-Extra-7", "x")]

    def test_a_token_goes_before_a_plugin(self) -> None:
        config = user_config(token="abc", exec={"command": "never-run"})
        assert config.credentials.identity().headers == [("Authorization", "Bearer abc")]


class TestPaths:
    def test_relative_paths_resolve_against_the_file_of_their_entry(self, tmp_path: Path) -> None:
        (tmp_path / "pki").mkdir()
        for name in ("ca.crt", "client.crt", "client.key"):
            (tmp_path / "pki" / name).write_text(name)
        (tmp_path / "token").write_text("abc\n")
        cluster = {"certificate-authority": "pki/ca.crt"}
        user = {"client-certificate": "./pki/client.crt", "client-key": "pki/client.key", "tokenFile": "token"}
        path = write(tmp_path / "config", document(cluster=cluster, user=user))
        kube = read(str(path))
        assert kube is not None
        config = client_config(kube, None, None)
        certificate = config.credentials.identity().certificate
        assert config.tls.ca is not None
        assert certificate is not None
        assert config.tls.ca.read() == b"ca.crt"
        assert (certificate.certificate.read(), certificate.key.read()) == (b"client.crt", b"client.key")
        assert config.credentials.identity().headers == [("Authorization", "Bearer abc")]

    def test_a_file_given_by_a_relative_path_resolves_against_its_own_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path / "sub" / "config", document(user={"tokenFile": "token"}))
        (tmp_path / "sub" / "token").write_text("abc")
        monkeypatch.chdir(tmp_path)
        kube = read(os.path.join("sub", "config"))
        assert kube is not None
        assert client_config(kube, None, None).credentials.identity().headers == [("Authorization", "Bearer abc")]
