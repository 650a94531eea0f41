"""Secrets are cut out of what is shown, and what explains a failure is not."""

from __future__ import annotations

import pytest

from devservers.transport.auth.redaction import (
    details_without_commands,
    redact,
    redact_unmistakable,
    secrets_in_headers,
    without_command,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("authorization: basic YWJj", "authorization: basic ***"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln here", "got *** here"),
        ("k8s-aws-v1.aHR0cHM6Ly9zdHMuZXhhbXBsZS8_QWN0aW9uPUdldENhbGxlcklkZW50aXR5", "***"),
        ("GET https://bob:hunter@idp.example/login", "GET https://***@idp.example/login"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nbad", "***\nbad"),
        ("-----BEGIN PRIVATE KEY-----\nabc", "***"),
        ("bad key: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg==, try again", "bad key: ***, try again"),
    ],
)
def test_what_cannot_be_anything_else_is_redacted_though_nobody_named_it(text: str, shown: str) -> None:
    assert redact_unmistakable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "cannot get token: exit status 1",
        "Error: Token: Expired, log in",
        "basic authentication is not allowed",
        "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/jo",
        "image digest sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "cannot open /usr/local/share/google/cloud/sdk/lib/gcloud",
        "request id 0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9-0a1b2c3d4e5f607182",
        "token: abc123XYZ",
    ],
)
def test_what_explains_a_failure_stays(text: str) -> None:
    assert redact_unmistakable(text) == text


def test_known_secrets_are_redacted_the_longest_first() -> None:
    assert redact("got hunter22 and hunter22-more", ["hunter22", "hunter22-more"]) == "got *** and ***"


def test_a_value_too_short_to_be_a_secret_is_left_alone() -> None:
    assert redact("DEBUG=1, 21 tries", ["1", "true"]) == "DEBUG=1, 21 tries"


def test_of_the_headers_only_the_credentials_are_secret() -> None:
    sent = [("Accept", "application/json"), ("Authorization", "Bearer t0ken-1")]
    assert list(secrets_in_headers(sent)) == ["Bearer t0ken-1", "t0ken-1"]


def test_the_command_in_a_kubelets_url_is_redacted_in_message_and_causes() -> None:
    url = 'Post "https://10.0.0.1:10250/exec/n/p/c?command=x&command=s3cret": refused'
    shown = 'Post "https://10.0.0.1:10250/exec/n/p/c?***": refused'
    assert without_command(url) == shown
    details = {"kind": "pods", "causes": [{"message": url}, {"reason": "x"}, "odd"]}
    assert details_without_commands(details) == {"kind": "pods", "causes": [{"message": shown}, {"reason": "x"}, "odd"]}


def test_details_without_causes_are_left_as_they_are() -> None:
    assert details_without_commands({"kind": "pods", "causes": None}) == {"kind": "pods", "causes": None}
