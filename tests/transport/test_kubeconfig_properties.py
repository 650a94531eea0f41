"""Properties of merging, and a fuzz of the loader: any input gives a configuration or a KubeConfigError."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Optional

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devservers.errors import KubeConfigError
from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.config.contexts import client_config
from devservers.transport.config.kubeconfig import KubeConfig, merge, parse
from devservers.transport.config.proxies import proxy_from_environment

from .kubeconfigs import document

NAMES = st.sampled_from(["a", "b", "c", "d"])
SECTIONS = ("clusters", "contexts", "users")


@st.composite
def files(draw: st.DrawFn) -> list[KubeConfig]:
    """Some kubeconfig files whose entries overlap."""
    made = []
    for number in range(draw(st.integers(0, 5))):
        content: dict[str, Any] = {"current-context": draw(st.sampled_from(["", "a", "b"]))}
        for section in SECTIONS:
            content[section] = [{"name": name} for name in draw(st.lists(NAMES, unique=True))]
        made.append(parse(json.dumps(content).encode(), f"/file-{number}"))
    return made


def summary(config: KubeConfig) -> object:
    """What a merged configuration comes to: per section and name, the file that won."""
    won = [{name: entry.file for name, entry in getattr(config, section).items()} for section in SECTIONS]
    return config.current_context, won


@settings(deadline=None)
@given(files())
def test_every_name_comes_from_the_first_file_that_has_it(configs: list[KubeConfig]) -> None:
    merged = merge(configs)
    for section in SECTIONS:
        for name, entry in getattr(merged, section).items():
            assert entry.file == next(config.files[0] for config in configs if name in getattr(config, section))
        assert set(getattr(merged, section)) == {name for config in configs for name in getattr(config, section)}


@settings(deadline=None)
@given(files())
def test_the_current_context_is_the_first_that_is_set(configs: list[KubeConfig]) -> None:
    assert merge(configs).current_context == next((c.current_context for c in configs if c.current_context), "")


@settings(deadline=None)
@given(files(), files())
def test_merging_in_steps_is_merging_at_once(first: list[KubeConfig], second: list[KubeConfig]) -> None:
    assert summary(merge([merge(first), merge(second)])) == summary(merge([*first, *second]))


@settings(deadline=None)
@given(files())
def test_a_file_given_twice_changes_nothing(configs: list[KubeConfig]) -> None:
    assert summary(merge([*configs, *configs])) == summary(merge(configs))


def load(data: bytes) -> object:
    """What the loader makes of ``data``: a configuration or its refusal; anything else is an exception here."""
    try:
        config = client_config(merge([parse(data, "/dev/null/config")]), None, None)
        config.proxy()
        return config
    except KubeConfigError as error:
        return error


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["dev", "a\0", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = (
    "server", "certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify", "tls-server-name",
    "proxy-url", "extensions", "token", "tokenFile", "username", "password", "client-certificate",
    "client-certificate-data", "client-key", "client-key-data", "exec", "auth-provider", "as", "as-uid", "as-groups",
    "as-user-extra", "namespace", "cluster", "user", "apiVersion", "command", "args", "env", "interactiveMode",
    "provideClusterInfo", "installHint", "name", "value", "config",
)  # fmt: skip
STANZAS = st.dictionaries(st.sampled_from(KEYS), VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "command": "x", "interactiveMode": "Never"}


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_a_configuration_or_a_refusal(data: bytes) -> None:
    assert isinstance(load(data), (ClientConfig, KubeConfigError))


@settings(deadline=None)
@given(st.text(alphabet="{}[]:,-&*!|>'\"%@`#\n \tab0~?.=<\\\u2028\ufeff", max_size=60))
@example("? [a]\n: b")
@example("&a [*a]")
@example("2001-99-99")
@example("0b")
@example("1_:0")
@example("!!int ''")
@example("!!float x")
@example("!!timestamp x")
@example("!!binary x")
@example("<<: [a]")
@example("{? {}}")
@example("--- a\n--- b")
@example("clusters: &a [*a]")
def test_any_yaml_gives_a_configuration_or_a_refusal(text: str) -> None:
    assert isinstance(load(text.encode("utf-8", "surrogatepass")), (ClientConfig, KubeConfigError))


@settings(max_examples=300, deadline=None)
@given(STANZAS, STANZAS, st.booleans())
@example(
    {"provideClusterInfo": True, "extensions": []},
    {"exec": {**PLUGIN, "env": [{"name": "a", "value": "\ud800"}]}},
    True,
)
@example({"server": "https://[v1.x]"}, {}, False)
@example({"server": "https://a", "tls-server-name": "\u2028"}, {"as": "a", "as-user-extra": {"": ["b"]}}, False)
def test_any_stanzas_give_a_configuration_or_a_refusal(
    cluster: dict[str, Any], user: dict[str, Any], plugin: bool
) -> None:
    if plugin and isinstance(user.get("exec"), dict):
        user["exec"] = {**PLUGIN, **user["exec"]}
    data = json.dumps(document(cluster=cluster, user=user)).encode()
    outcome = load(data)
    assert isinstance(outcome, (ClientConfig, KubeConfigError))
    assert str(outcome).encode() is not None


@settings(deadline=None)
@given(VALUES, st.sampled_from(["clusters", "contexts", "users", "current-context", "kind", "apiVersion"]))
def test_any_value_at_the_top_gives_a_configuration_or_a_refusal(value: object, key: str) -> None:
    data = json.dumps({**document(), key: value}).encode()
    assert isinstance(load(data), (ClientConfig, KubeConfigError))


@settings(deadline=None)
@given(st.text() | st.text("abc[]:/@%?#.\u2028\x00", max_size=20).map("https://{}".format))
def test_any_server_url_gives_a_configuration_or_a_refusal(url: str) -> None:
    outcome = refused(lambda: ClientConfig(url))
    assert outcome is None or outcome.__context__ is None
    if outcome is None:
        assert ClientConfig(ClientConfig(url).server).server == ClientConfig(url).server


@settings(deadline=None)
@given(
    st.text() | st.text("abc[]:/@%?#.\u2028\x00", max_size=20).map("http://{}".format),
    st.text("10.:/[]*a,", max_size=20),
)
def test_any_proxy_variables_give_a_decision_or_a_refusal(proxy: str, no_proxy: str) -> None:
    environ = {"HTTPS_PROXY": proxy, "NO_PROXY": no_proxy}
    for host in ("api.example", "10.1.1.1", "2001:db8::1"):
        refused(lambda host=host: proxy_from_environment("https", host, 443, environ))  # type: ignore[misc]


def refused(attempt: Callable[[], object]) -> Optional[KubeConfigError]:
    """The refusal that ``attempt`` ends in, None for success; anything else is an exception here."""
    try:
        attempt()
    except KubeConfigError as error:
        return error
    return None


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b"]), st.binary() | st.dates() | st.sets(st.integers()), min_size=1))
def test_values_that_only_yaml_knows_are_refused_where_json_is_needed(extension: dict[str, object]) -> None:
    exec_extension = {"name": "client.authentication.k8s.io/exec", "extension": extension}
    user = {"exec": {**PLUGIN, "provideClusterInfo": True}}
    content = document(cluster={"extensions": [exec_extension]}, user=user)
    assert isinstance(load(yaml.safe_dump(content).encode()), (ClientConfig, KubeConfigError))
