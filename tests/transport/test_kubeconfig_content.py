"""What a kubeconfig says, in place of its path: recognised and never shown; as a dict it is taken."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml

import devservers
from devservers import KubeConfigError, load_config

from .kubeconfigs import document

SECRET = "the-secret-token-of-alice"
CONTENT = document(user={"token": SECRET})
FORMS = {
    "YAML": yaml.safe_dump(CONTENT),
    "YAML with CRLF": yaml.safe_dump(CONTENT).replace("\n", "\r\n"),
    "YAML flow": yaml.safe_dump(CONTENT, default_flow_style=True, width=10**6).strip(),
    "JSON": json.dumps(CONTENT),
    "JSON in quotes": repr(json.dumps(CONTENT)),
    "indented JSON": json.dumps(CONTENT, indent=2),
    "base64 of YAML": base64.b64encode(yaml.safe_dump(CONTENT).encode()).decode(),
    "base64 of JSON": base64.b64encode(json.dumps(CONTENT).encode()).decode(),
    "one line of it": f"users: [{{name: alice, user: {{token: {SECRET}}}}}]",
}
SECRETS = [SECRET, *(FORMS[name][40:80] for name in FORMS if "base64" in name)]


@pytest.mark.parametrize("form", FORMS)
def test_content_in_place_of_a_path_is_recognised_and_not_shown(form: str) -> None:
    for use in (load_config, devservers.configure):
        with pytest.raises(KubeConfigError) as caught:
            use(FORMS[form])
        assert str(caught.value).startswith(
            "kubeconfig: must be a file path but contains the kubeconfig itself (not shown); write it to a file"
        )
        assert not any(secret in repr(caught.value) for secret in SECRETS)


@pytest.mark.parametrize("form", FORMS)
def test_content_in_kubeconfig_is_recognised_and_not_shown(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", FORMS[form])
    with pytest.raises(KubeConfigError) as caught:
        load_config()
    assert str(caught.value).startswith("KUBECONFIG: must be a list of file paths but contains the kubeconfig itself")
    assert not any(secret in repr(caught.value) for secret in SECRETS)


@pytest.mark.parametrize("name", ["config", "eyJhbGciOiJ.yaml", "users", "a b.json", "kube:config", "contexts.d/x"])
def test_a_path_is_not_taken_for_content(name: str, tmp_path: Path) -> None:
    with pytest.raises(KubeConfigError, match="there is no such file"):
        load_config(str(tmp_path / name))
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(CONTENT))
    assert load_config(path).server == "https://api.example:6443"


def test_a_file_of_an_odd_name_that_is_there_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("{users: x}").write_text(json.dumps(CONTENT))
    assert load_config("{users: x}").server == "https://api.example:6443"


def test_a_dict_is_a_kubeconfig() -> None:
    config = load_config(CONTENT)
    assert (config.server, config.namespace) == ("https://api.example:6443", None)
    assert "context 'dev'" in config.source
    with pytest.raises(KubeConfigError, match=r"context 'nosuch' does not exist"):
        load_config(CONTENT, context="nosuch")


def test_a_dict_stays_as_it_is_and_is_not_shown() -> None:
    before = json.dumps(CONTENT)
    assert SECRET not in repr(load_config(CONTENT))
    broken = document(user={"token": {"not": SECRET}})
    with pytest.raises(KubeConfigError) as caught:
        load_config(broken)
    assert SECRET not in str(caught.value)
    assert json.dumps(CONTENT) == before


def test_relative_paths_in_a_dict_belong_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text(SECRET)
    config = load_config(document(user={"tokenFile": "token"}))
    assert config.credentials.identity().headers == [("Authorization", f"Bearer {SECRET}")]
