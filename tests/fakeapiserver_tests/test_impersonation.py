"""Impersonation: who may act as whom, and with which rights."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakeapiserver import FakeAPIServer

from .plainclient import DEVSERVERS, PlainClient

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


def who_is(client: PlainClient, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.ask("POST", WHO, REVIEW, **named).json()["status"]["userInfo"]


@pytest.mark.parametrize(
    ("headers", "user", "groups"),
    [
        ({"Impersonate_User": "bob"}, "bob", ["system:authenticated"]),
        ({"Impersonate_User": "bob", "Impersonate_Group": "devs"}, "bob", ["devs", "system:authenticated"]),
        (
            {"Impersonate_User": "system:serviceaccount:ns:robot"},
            "system:serviceaccount:ns:robot",
            ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"],
        ),
    ],
)
def test_an_allowed_user_acts_as_the_other(
    client: PlainClient, headers: dict[str, str], user: str, groups: list[str]
) -> None:
    assert who_is(client, **headers) == {"username": user, "groups": groups}


def test_the_rights_of_the_impersonated_user_apply(fake: FakeAPIServer, client: PlainClient) -> None:
    refused = client.get(DEVSERVERS, **{"Impersonate-User": "bob"})
    assert (refused.status, refused.message.split(" cannot")[0]) == (
        403,
        'devservers.devserver.io is forbidden: User "bob"',
    )
    fake.rules.allow("devs", "list", "devservers")
    assert client.get(DEVSERVERS, **{"Impersonate-User": "bob", "Impersonate-Group": "devs"}).status == 200


@pytest.mark.parametrize(
    ("headers", "details", "resource"),
    [
        ({"Impersonate-User": "bob"}, {"name": "bob", "kind": "users"}, 'resource "users" in API group ""'),
        (
            {"Impersonate-User": "system:serviceaccount:ns:robot"},
            {"name": "robot", "kind": "serviceaccounts"},
            'resource "serviceaccounts" in API group "" in the namespace "ns"',
        ),
    ],
)
def test_impersonation_must_be_allowed(
    fake: FakeAPIServer, headers: dict[str, str], details: dict[str, str], resource: str
) -> None:
    fake.add_token("janes-token", "jane")
    with PlainClient(fake, "janes-token") as jane:
        refused = jane.get(DEVSERVERS, **headers)
    assert (refused.status, refused.json()["details"]) == (403, details)
    assert f'User "jane" cannot impersonate {resource}' in refused.message


def test_each_group_and_extra_must_be_allowed_too(fake: FakeAPIServer) -> None:
    fake.add_token("janes-token", "jane")
    fake.rules.allow("jane", "impersonate", "users")
    fake.rules.allow("jane", "impersonate", "userextras/scopes")
    with PlainClient(fake, "janes-token") as jane:
        assert who_is(jane, Impersonate_User="bob", Impersonate_Extra_Scopes="view")["username"] == "bob"
        of_group = jane.get(DEVSERVERS, **{"Impersonate-User": "bob", "Impersonate-Group": "devs"})
        of_extra = jane.get(DEVSERVERS, **{"Impersonate-User": "bob", "Impersonate-Extra-Acme.com%2Fteam": "x"})
    assert 'groups "devs" is forbidden: User "jane" cannot impersonate resource "groups"' in of_group.message
    assert 'cannot impersonate resource "userextras/acme.com/team" in API group "authentication' in of_extra.message


def test_groups_without_a_user_are_an_error(client: PlainClient) -> None:
    answer = client.get("/version", **{"Impersonate-Group": "devs"})
    assert answer.status == 500
    assert answer.raw == (
        b'Internal Server Error: "/version": requested [{Group  devs    }] without impersonating a user\n'
    )
