"""TLS: what is trusted, what is shown, where keys go, and what an unusable certificate says."""

from __future__ import annotations

import http.client
import os
import ssl
import tempfile
from pathlib import Path
from typing import Callable, Optional

import pytest

from devservers.errors import KubeConfigError, TLSError
from devservers.transport.http.opener import _early_answer
from devservers.transport.tls.context import TLSSettings, make_context, make_proxy_context
from devservers.transport.tls.explain import explain_handshake_failure
from devservers.transport.tls.pem import ClientCertificate, PEMSource

from .certificates import authority

CA = "certificate-authority-data of cluster 'main' in /etc/kube/config"


def trusting(pem: bytes) -> ssl.SSLContext:
    return make_context(TLSSettings(PEMSource(CA, pem)), None)


def encrypted_key() -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(authority().issue("alice@x.example").key, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase"))


@pytest.fixture
def without_memory_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A system without memfd; gives its temporary directory."""
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


class TestTrust:
    def test_a_clusters_ca_replaces_the_systems_authorities(self) -> None:
        assert trusting(authority().pem).cert_store_stats()["x509"] == 1

    def test_a_bundle_is_trusted_whole_and_its_comments_ignored(self) -> None:
        bundle = "# unsre CA ü\n".encode() + authority().pem + b"\n# another\n" + authority("another").pem
        assert trusting(bundle).cert_store_stats()["x509"] == 2

    @pytest.mark.parametrize("ca", [PEMSource(CA, authority().pem), None])
    def test_strict_rules_which_python_3_13_adds_are_off(self, ca: Optional[PEMSource]) -> None:
        assert not make_context(TLSSettings(ca), None).verify_flags & ssl.VERIFY_X509_STRICT
        assert not make_proxy_context(TLSSettings(ca)).verify_flags & ssl.VERIFY_X509_STRICT

    def test_a_damaged_certificate_beside_good_ones_is_passed_over(self) -> None:
        damaged = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
        bundle = authority().pem + damaged + authority("another").pem
        assert trusting(bundle).cert_store_stats()["x509"] == 2

    def test_verification_is_on_and_old_protocols_are_off(self) -> None:
        context = trusting(authority().pem)
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2

    def test_without_a_ca_the_systems_authorities_verify(self) -> None:
        context = make_context(TLSSettings(), None)
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)

    def test_the_insecure_flag_verifies_nothing(self) -> None:
        context = make_context(TLSSettings(insecure=True), None)
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)

    @pytest.mark.parametrize("pem", [b"", b"no pem", b"-----BEGIN CERTIFICATE-----"])
    def test_a_ca_without_a_certificate_names_its_entry(self, pem: bytes) -> None:
        with pytest.raises(KubeConfigError, match=f"{CA}: contains no PEM certificate"):
            trusting(pem)

    def test_a_damaged_certificate_names_its_entry_and_shows_nothing(self) -> None:
        damaged = authority().pem.replace(b"M", b"N", 3)
        with pytest.raises(TLSError, match=f"{CA}: contains a damaged certificate") as caught:
            trusting(damaged)
        assert caught.value.__context__ is None

    def test_a_ca_file_that_vanished_is_reported_with_its_path(self, tmp_path: Path) -> None:
        with pytest.raises(
            KubeConfigError, match=r"certificate-authority of x \(.*/gone\): cannot be read: No such file"
        ):
            make_context(TLSSettings(PEMSource("certificate-authority of x", path=str(tmp_path / "gone"))), None)


def with_blank_lines(pem: bytes) -> bytes:
    return pem.replace(b"\n", b" \n\n")


class TestAuthorities:
    @pytest.mark.parametrize("change", [with_blank_lines, lambda pem: b"# a remark\n" + pem.replace(b"\n", b"\r\n")])
    def test_a_bundle_may_have_blank_lines_and_remarks(self, change: Callable[[bytes], bytes]) -> None:
        bundle = change(authority("another").pem) + change(authority().pem)
        assert len(trusting(bundle).get_ca_certs()) == 2


class TestClientCertificates:
    def test_data_reaches_openssl_without_touching_a_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tempfile, "tempdir", "/no/such/directory")
        pair = authority().issue("alice@x.example")
        make_context(TLSSettings(), pair.as_client())

    def test_no_descriptor_is_left_open(self) -> None:
        before = len(os.listdir("/proc/self/fd"))
        make_context(TLSSettings(), authority().issue("alice@x.example").as_client())
        assert len(os.listdir("/proc/self/fd")) == before

    def test_files_are_used_where_they_are(self, tmp_path: Path, without_memory_files: Path) -> None:
        pair = authority().issue("alice@x.example")
        (tmp_path / "crt").write_bytes(pair.certificate)
        (tmp_path / "key").write_bytes(pair.key)
        before = sorted(os.listdir(without_memory_files))
        certificate, key = (PEMSource(name, path=str(tmp_path / name)) for name in ("crt", "key"))
        make_context(TLSSettings(), ClientCertificate(certificate, key))
        assert sorted(os.listdir(without_memory_files)) == before

    def test_without_memory_files_a_private_file_is_made_and_removed(
        self, without_memory_files: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        modes = []
        unlink = os.unlink

        def watched(path: str) -> None:
            modes.append(os.stat(path).st_mode & 0o777)
            unlink(path)

        monkeypatch.setattr(os, "unlink", watched)
        before = sorted(os.listdir(without_memory_files))
        make_context(TLSSettings(), authority().issue("alice@x.example").as_client())
        assert modes == [0o600, 0o600]
        assert sorted(os.listdir(without_memory_files)) == before

    def test_the_private_file_is_removed_after_a_failure_too(self, without_memory_files: Path) -> None:
        before = sorted(os.listdir(without_memory_files))
        with pytest.raises(TLSError):
            make_context(TLSSettings(), ClientCertificate(PEMSource("crt", b"bad"), PEMSource("key", b"bad")))
        assert sorted(os.listdir(without_memory_files)) == before

    def test_with_neither_the_error_says_what_could_be_done(
        self, without_memory_files: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", "/no/such/directory")
        with pytest.raises(TLSError, match=r"client-certificate-data of user 'alice': OpenSSL reads .*mount a tmpfs"):
            make_context(TLSSettings(), authority().issue("alice@x.example").as_client())

    def test_a_key_of_another_certificate_names_both_entries(self) -> None:
        certificate = authority().issue("alice@x.example").as_client().certificate
        key = authority().issue("bob@x.example").as_client("bob").key
        with pytest.raises(TLSError) as caught:
            make_context(TLSSettings(), ClientCertificate(certificate, key))
        assert "client-key-data of user 'bob': is not the key of client-certificate-data of user 'alice'" in str(
            caught.value
        )

    @pytest.mark.parametrize(
        ("certificate", "key", "said"),
        [
            (b"rubbish", None, "crt: contains no PEM certificate"),
            (None, b"rubbish", "key: contains no PEM private key"),
            (None, b"", "key: contains no PEM private key"),
            (None, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "crt / key: OpenSSL cannot use"),
        ],
    )
    def test_a_pair_that_openssl_cannot_use_is_reported_by_entry(
        self, certificate: Optional[bytes], key: Optional[bytes], said: str
    ) -> None:
        pair = authority().issue("alice@x.example")
        certificate, key = certificate or pair.certificate, pair.key if key is None else key
        sources = PEMSource("crt", certificate), PEMSource("key", key)
        with pytest.raises(KubeConfigError, match=said) as caught:
            make_context(TLSSettings(), ClientCertificate(*sources))
        assert caught.value.__context__ is None

    def test_an_encrypted_key_is_refused_instead_of_asking_on_the_terminal(self) -> None:
        certificate = authority().issue("alice@x.example").as_client().certificate
        with pytest.raises(TLSError, match="key: the key is encrypted; store it unencrypted"):
            make_context(TLSSettings(), ClientCertificate(certificate, PEMSource("key", encrypted_key())))

    def test_no_repr_shows_the_pem(self) -> None:
        pair = authority().issue("alice@x.example").as_client()
        assert "BEGIN" not in repr(pair) + str(pair.key) + repr(TLSSettings(pair.certificate))


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("WRONG_VERSION_NUMBER", "does not speak TLS; check the port"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "demands a client certificate; set client-certificate and client-key"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "says that the client certificate (crt) has expired; log in again"),
        ("TLSV1_ALERT_UNKNOWN_CA", "does not accept the client certificate (crt): TLSV1_ALERT_UNKNOWN_CA"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "no version of TLS that is safe (1.2 or newer)"),
        ("TLSV1_ALERT_INTERNAL_ERROR", "TLSV1_ALERT_INTERNAL_ERROR"),
    ],
)
def test_an_alert_of_the_server_becomes_advice(reason: str, said: str) -> None:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    certificate = ClientCertificate(PEMSource("crt", b""), PEMSource("key", b""))
    assert said in explain_handshake_failure(error, TLSSettings(), certificate)


class Broken:
    """A connection that broke while a request was sent; ``failure`` is what reading its answer raises."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def getresponse(self) -> None:
        raise self.failure


def test_an_alert_that_comes_while_the_request_is_sent_is_not_lost() -> None:
    alert = ssl.SSLError(1, "alert")
    alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    with pytest.raises(ssl.SSLError) as caught:
        _early_answer(Broken(alert))  # type: ignore[arg-type]
    assert caught.value is alert


@pytest.mark.parametrize("failure", [ssl.SSLEOFError(8, "end"), http.client.BadStatusLine("x"), OSError("reset")])
def test_without_an_alert_the_reset_is_reported(failure: Exception) -> None:
    with pytest.raises(ConnectionResetError, match="while the request was sent"):
        _early_answer(Broken(failure))  # type: ignore[arg-type]
