"""ObjectMeta: a view over the raw metadata that keeps what it does not know and refuses names the server would."""

from __future__ import annotations

import copy
import datetime
import pickle
from typing import Any

import pytest

from devservers.crds.base import ObjectMeta
from devservers.crds.model.metadata import new_metadata, parse_time

UTC = datetime.timezone.utc


def test_what_is_given_stands_in_the_api_s_own_form() -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    metadata = ObjectMeta("dev", "team", {"a": "1"}, {"b": "2"}, finalizers=["x/y"], owner_references=[owner])
    assert metadata.to_dict() == {
        "name": "dev",
        "namespace": "team",
        "labels": {"a": "1"},
        "annotations": {"b": "2"},
        "finalizers": ["x/y"],
        "ownerReferences": [owner],
    }


def test_what_is_not_given_is_not_there() -> None:
    assert ObjectMeta("dev").to_dict() == {"name": "dev"}


def test_the_callers_collections_are_copied() -> None:
    labels, finalizers = {"a": "1"}, ["x/y"]
    metadata = ObjectMeta("dev", labels=labels, finalizers=finalizers)
    metadata.labels["b"] = "2"
    metadata.finalizers.append("z/z")
    assert (labels, finalizers) == ({"a": "1"}, ["x/y"])


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "%2e", "Dev", "-a", "a-", "a..b", "a b", "a" * 254, "é"])
def test_a_name_the_server_would_refuse_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match=r"^metadata\.name: "):
        ObjectMeta(name=name)


@pytest.mark.parametrize("name", ["a", "0", "a.b-c", "a" * 253])
def test_a_name_the_server_would_take_is_taken(name: str) -> None:
    assert ObjectMeta(name=name).name == name


@pytest.mark.parametrize("namespace", ["", "a.b", "A", "a/b", "a" * 64])
def test_a_namespace_the_server_would_refuse_is_a_value_error(namespace: str) -> None:
    with pytest.raises(ValueError, match=r"^metadata\.namespace: "):
        ObjectMeta(name="dev", namespace=namespace)


def test_a_name_that_is_no_string_is_a_value_error_that_says_so() -> None:
    with pytest.raises(ValueError, match="must be a string, not int"):
        ObjectMeta(name=7)  # type: ignore[arg-type]


def test_a_refused_name_leaves_the_old_one() -> None:
    metadata = ObjectMeta("dev", "team", generate_name="dev-")
    for attribute in ("name", "namespace", "generate_name"):
        with pytest.raises(ValueError, match="Invalid value"):
            setattr(metadata, attribute, "No Such")
    assert metadata.to_dict() == {"name": "dev", "namespace": "team", "generateName": "dev-"}


def test_names_can_be_changed_and_removed() -> None:
    metadata = ObjectMeta("dev", "team", generate_name="dev-")
    metadata.name, metadata.namespace, metadata.generate_name = "other", None, None
    assert metadata.to_dict() == {"name": "other"}


def test_looking_at_absent_collections_adds_nothing() -> None:
    metadata = ObjectMeta("dev")
    seen: list[Any] = [metadata.labels, metadata.annotations, metadata.finalizers, metadata.owner_references]
    assert seen == [{}, {}, [], []]
    assert metadata.to_dict() == {"name": "dev"}


def test_collections_are_live() -> None:
    metadata = ObjectMeta("dev")
    metadata.labels["team"] = "red"
    metadata.annotations.update(note="n")
    metadata.finalizers.append("x/y")
    metadata.owner_references.append({"kind": "Pod"})
    assert metadata.to_dict() == {
        "name": "dev",
        "labels": {"team": "red"},
        "annotations": {"note": "n"},
        "finalizers": ["x/y"],
        "ownerReferences": [{"kind": "Pod"}],
    }


def test_collections_can_be_replaced_and_removed() -> None:
    metadata = ObjectMeta("dev", labels={"a": "1"}, annotations={"b": "2"}, finalizers=["x/y"], owner_references=[{}])
    metadata.labels, metadata.finalizers = {"c": "3"}, ["z/z"]
    metadata.annotations, metadata.owner_references = None, None
    assert metadata.to_dict() == {"name": "dev", "labels": {"c": "3"}, "finalizers": ["z/z"]}


def test_a_view_writes_into_what_it_looks_at_and_keeps_what_it_does_not_know() -> None:
    raw = {"name": "dev", "futureField": {"x": 1}, "managedFields": None, "labels": None}
    metadata = ObjectMeta.over(raw)
    metadata.labels["a"] = "1"
    assert raw == {"name": "dev", "futureField": {"x": 1}, "managedFields": None, "labels": {"a": "1"}}


def test_what_the_server_sets_can_be_read() -> None:
    metadata = ObjectMeta.over(
        {
            "name": "dev",
            "uid": "u-1",
            "resourceVersion": "42",
            "generation": 3,
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "deletionTimestamp": "2026-01-02T03:04:06Z",
        }
    )
    assert (metadata.uid, metadata.resource_version, metadata.generation) == ("u-1", "42", 3)
    assert metadata.creation_timestamp == datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert metadata.deletion_timestamp == datetime.datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)


def test_what_the_server_has_not_set_is_none() -> None:
    metadata = ObjectMeta(generate_name="dev-")
    assert metadata.name == ""
    assert (metadata.uid, metadata.resource_version, metadata.generation) == (None, None, None)
    assert (metadata.creation_timestamp, metadata.deletion_timestamp) == (None, None)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", (3, 5, 0)),
        ("2026-01-02T03:04:05.5Z", (3, 5, 500_000)),
        ("2026-01-02T03:04:05.123456Z", (3, 5, 123_456)),
        ("2026-01-02T03:04:05.123456789Z", (3, 5, 123_456)),
        ("2026-01-02T05:04:05.25+02:00", (3, 5, 250_000)),
    ],
)
def test_times_come_with_and_without_fractions_and_are_aware(text: str, moment: tuple[int, int, int]) -> None:
    hour, second, microsecond = moment
    assert parse_time(text) == datetime.datetime(2026, 1, 2, hour, 4, second, microsecond, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "2026-01-02", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05"])
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parse_time(text)


def test_its_repr_tells_who_it_is_and_no_more() -> None:
    metadata = ObjectMeta("dev", "team", annotations={"password": "s3cret"})
    assert repr(metadata) == "ObjectMeta(name='dev', namespace='team')"


def test_equal_metadata_are_equal_whether_looked_at_or_not() -> None:
    one, other = ObjectMeta("dev", labels={"a": "1"}), ObjectMeta("dev", labels={"a": "1"})
    assert one.annotations == {}
    assert one == other
    other.labels["a"] = "2"
    assert one != other
    assert one != {"name": "dev", "labels": {"a": "1"}}


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda metadata: pickle.loads(pickle.dumps(metadata))])
def test_a_copy_is_equal_and_shares_nothing(duplicate: Any) -> None:
    metadata = ObjectMeta("dev", labels={"a": "1"})
    twin = duplicate(metadata)
    assert twin == metadata
    twin.labels["a"] = "2"
    assert metadata.labels == {"a": "1"}


def test_an_object_to_be_created_leaves_out_what_only_the_server_sets() -> None:
    read = {
        "name": "dev",
        "labels": {"a": "1"},
        "uid": "u",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "deletionTimestamp": None,
        "managedFields": [],
        "selfLink": "/x",
    }
    assert new_metadata(ObjectMeta.over(read)) == {"name": "dev", "labels": {"a": "1"}}


def test_an_object_to_be_created_needs_a_name_or_the_beginning_of_one() -> None:
    with pytest.raises(ValueError, match="name or generate_name is needed"):
        new_metadata(ObjectMeta(namespace="team"))


@pytest.mark.parametrize("prefix", ["", "-a", "A-", "a/"])
def test_a_beginning_that_cannot_become_a_name_is_a_value_error(prefix: str) -> None:
    with pytest.raises(ValueError, match=r"metadata\.generateName"):
        ObjectMeta(generate_name=prefix)


def test_metadata_may_be_a_mapping_and_nothing_else() -> None:
    assert new_metadata({"name": "dev"}) == {"name": "dev"}
    with pytest.raises(TypeError, match="must be an ObjectMeta, not str"):
        new_metadata("dev")  # type: ignore[arg-type]
