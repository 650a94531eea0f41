"""Tokens, token files, basic authentication, impersonation, and what is done about a 401."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devservers.errors import KubeConfigError
from devservers.transport.auth.credentials import (
    Authorizer,
    BasicAuth,
    BearerToken,
    Credential,
    Credentials,
    Impersonation,
    TokenFile,
    check_header_text,
    check_token,
)
from devservers.transport.deadline import Deadline

from .certificates import authority
from .kubeconfigs import config_of, document, user_config
from .test_incluster import StoppedClock

NO_LIMIT = Deadline(None)


class TestTokens:
    def test_a_static_token_is_a_bearer_token_and_has_no_newer_one(self) -> None:
        credentials = Credentials(BearerToken("abc"))
        assert credentials.headers() == [("Authorization", "Bearer abc")]
        assert credentials.refresh() is False

    def test_nobody_is_anonymous(self) -> None:
        assert Credentials().headers() == []
        assert Credentials().refresh() is False
        assert Credentials().client_certificate() is None

    @pytest.mark.parametrize("token", ["a\nb", "a\r\nX-Evil: 1", "a b", "a\x00", "tök", "", "a\x7f"])
    def test_a_token_that_no_header_can_carry_is_refused_unshown(self, token: str) -> None:
        with pytest.raises(KubeConfigError) as caught:
            BearerToken(token, "token of user 'alice'")
        assert str(caught.value).startswith("token of user 'alice': the token")
        assert not token or token not in str(caught.value)

    def test_basic_authentication_encodes_user_and_password_as_utf_8(self) -> None:
        assert Credentials(BasicAuth("aladdin", "öffne dich")).headers() == [
            ("Authorization", "Basic YWxhZGRpbjrDtmZmbmUgZGljaA==")
        ]

    def test_an_empty_password_is_a_password(self) -> None:
        assert user_config(username="bob").credentials.headers() == [("Authorization", "Basic Ym9iOg==")]

    def test_a_password_without_user_name_is_nothing(self) -> None:
        assert user_config(password="pw").credentials.headers() == []


class TestTokenFile:
    def file(self, directory: Path, content: bytes = b"first\n") -> tuple[Path, TokenFile, StoppedClock]:
        path = directory / "token"
        path.write_bytes(content)
        clock = StoppedClock()
        return path, TokenFile(str(path), "tokenFile of user 'alice'", clock), clock

    def test_it_is_read_once_a_minute_ten_seconds_early(self, tmp_path: Path) -> None:
        path, tokens, clock = self.file(tmp_path)
        assert tokens.current(NO_LIMIT).authorization == "Bearer first"
        path.write_text("second")
        clock.time += 49.9
        assert tokens.current(NO_LIMIT).authorization == "Bearer first"
        clock.time += 0.1
        assert tokens.current(NO_LIMIT).authorization == "Bearer second"

    @pytest.mark.parametrize("bad", [None, b"", b"a\nb", b"\xff\xfe"])
    def test_the_last_good_value_is_kept_while_the_file_is_bad(self, tmp_path: Path, bad: bytes) -> None:
        path, tokens, clock = self.file(tmp_path)
        tokens.current(NO_LIMIT)
        path.unlink() if bad is None else path.write_bytes(bad)
        clock.time += 60
        assert tokens.current(NO_LIMIT).authorization == "Bearer first"
        path.write_text("second")
        assert tokens.current(NO_LIMIT).authorization == "Bearer second"

    @pytest.mark.parametrize("content", [b"", b" \n", b"a\nb", b"\xc3\xb6"])
    def test_a_first_value_that_is_bad_is_refused_with_the_path_unshown(self, tmp_path: Path, content: bytes) -> None:
        path, tokens, _ = self.file(tmp_path, content)
        with pytest.raises(KubeConfigError) as caught:
            tokens.current(NO_LIMIT)
        assert f"tokenFile of user 'alice' ({path}): the token" in str(caught.value)
        assert "a\nb" not in str(caught.value)

    def test_a_401_reads_it_at_once(self, tmp_path: Path) -> None:
        path, tokens, _ = self.file(tmp_path)
        credentials = Credentials(tokens)
        credentials.headers()
        path.write_text("second")
        assert credentials.refresh() is True
        assert credentials.headers() == [("Authorization", "Bearer second")]

    def test_a_401_to_a_token_that_is_still_in_the_file_is_final(self, tmp_path: Path) -> None:
        credentials = Credentials(self.file(tmp_path)[1])
        credentials.headers()
        assert credentials.refresh() is False

    def test_it_goes_before_a_token(self, tmp_path: Path) -> None:
        path, _, _ = self.file(tmp_path)
        config = user_config(token="static", tokenFile=str(path))
        assert config.credentials.headers() == [("Authorization", "Bearer first")]

    def test_a_token_beside_it_serves_until_it_can_be_read(self, tmp_path: Path) -> None:
        path = tmp_path / "later"
        credentials = user_config(token="static", tokenFile=str(path)).credentials
        assert credentials.headers() == [("Authorization", "Bearer static")]
        path.write_text("first")
        assert credentials.headers() == [("Authorization", "Bearer first")]

    def test_surrounding_white_space_is_not_part_of_it(self, tmp_path: Path) -> None:
        assert self.file(tmp_path, b"\n  abc \r\n\n")[1].current(NO_LIMIT).authorization == "Bearer abc"


class CountingAuthorizer(Authorizer):
    """Gives a new value per renewal and counts them."""

    def __init__(self) -> None:
        self.renewals = 0
        self._kept = Credential("Bearer 0")
        self._lock = threading.Lock()

    def current(self, deadline: Deadline) -> Credential:
        return self._kept

    def renewed(self, refused: Credential, deadline: Deadline) -> Credential:
        with self._lock:
            if self._kept is refused:
                self.renewals += 1
                self._kept = Credential(f"Bearer {self.renewals}")
            return self._kept


def test_many_threads_refused_with_the_same_token_renew_it_once() -> None:
    authorizer = CountingAuthorizer()
    credentials = Credentials(authorizer)
    all_refused = threading.Barrier(8)
    answers: list[tuple[bool, str]] = []

    def request() -> None:
        credentials.headers()
        all_refused.wait(10)
        answers.append((credentials.refresh(), credentials.headers()[0][1]))

    threads = [threading.Thread(target=request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert authorizer.renewals == 1
    assert answers == [(True, "Bearer 1")] * 8


class TestClientCertificateFiles:
    def test_replaced_files_make_a_resend_worth_while(self, tmp_path: Path) -> None:
        for name in ("crt", "key"):
            (tmp_path / name).write_bytes(b"old")
        user = {"client-certificate": "crt", "client-key": "key"}
        credentials = config_of(document(user=user), str(tmp_path / "config")).credentials
        credentials.headers()
        assert credentials.refresh() is False
        (tmp_path / "new").write_bytes(b"newer")
        (tmp_path / "new").replace(tmp_path / "crt")
        assert credentials.refresh() is True
        credentials.headers()
        assert credentials.refresh() is False

    def test_a_configured_certificate_is_given_with_its_entries_as_names(self) -> None:
        certificate = Credentials(certificate=authority().issue("alice@x.example").as_client()).client_certificate()
        assert certificate is not None
        assert "PRIVATE" not in repr(certificate)
        assert str(certificate.key) == "client-key-data of user 'alice'"


class TestImpersonation:
    def test_groups_are_repeated_headers_in_their_order(self) -> None:
        user = {"token": "abc", "as": "bob", "as-uid": "7", "as-groups": ["ops", "dev"]}
        assert config_of(document(user=user)).credentials.headers() == [
            ("Authorization", "Bearer abc"),
            ("Impersonate-User", "bob"),
            ("Impersonate-Uid", "7"),
            ("Impersonate-Group", "ops"),
            ("Impersonate-Group", "dev"),
        ]

    def test_extra_keys_are_lower_case_and_percent_encoded_with_repeated_values(self) -> None:
        headers = Impersonation("bob", extra={"Example.org/Scopes": ["view", "edit"], "x%y": ["1"]}).headers()
        assert headers[1:] == [
            ("Impersonate-Extra-example.org%2Fscopes", "view"),
            ("Impersonate-Extra-example.org%2Fscopes", "edit"),
            ("Impersonate-Extra-x%25y", "1"),
        ]

    def test_names_beyond_ascii_are_sent_as_utf_8(self) -> None:
        ((_, value),) = Impersonation("jürgen").headers()
        assert value.encode("latin-1").decode("utf-8") == "jürgen"

    def test_half_a_surrogate_pair_is_refused_unshown(self) -> None:
        with pytest.raises(KubeConfigError, match="is not valid Unicode text") as caught:
            Impersonation("bob\ud800").headers()
        assert caught.value.__context__ is None

    def test_a_line_break_is_refused_unshown(self) -> None:
        with pytest.raises(KubeConfigError) as caught:
            Impersonation("bob", groups=["ops\r\nX-Evil: 1"], source="impersonation of user 'alice'").headers()
        assert "impersonation of user 'alice' (Impersonate-Group)" in str(caught.value)
        assert "Evil" not in str(caught.value)


def refusal(check: Callable[[str, str], object], text: str) -> Optional[KubeConfigError]:
    """The error with which ``check`` refuses ``text``, None if it does not."""
    try:
        check(text, "here")
    except KubeConfigError as error:
        return error
    return None


def sendable(value: str) -> bool:
    """What http.client would put on the wire without complaint, as one line."""
    return value.encode("latin-1") is not None and not any(ord(c) < 32 or ord(c) == 127 for c in value)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_sendable_token_or_refused_unshown(token: str) -> None:
    error = refusal(check_token, token)
    assert error is not None or sendable(check_token(token, "here"))
    assert error is None or len(token) < 4 or token not in str(error)
    assert error is None or error.__context__ is None


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_sendable_header_value_or_refused(text: str) -> None:
    error = refusal(check_header_text, text)
    if error is not None:
        assert error.__context__ is None
        return
    value = check_header_text(text, "here")
    assert sendable(value)
    assert value.encode("latin-1").decode("utf-8") == text


@settings(deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.lists(st.just("v"), min_size=1)))
def test_any_extra_key_makes_a_header_name_of_token_characters(extra: dict[str, list[str]]) -> None:
    for name, _ in Impersonation("bob", extra=extra).headers()[1:]:
        assert name.startswith("Impersonate-Extra-")
        assert all(c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in name)


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126))))
def test_any_list_of_groups_arrives_whole_and_in_order(groups: list[str]) -> None:
    headers = Impersonation("bob", groups=groups).headers()
    assert [value for name, value in headers if name == "Impersonate-Group"] == groups
