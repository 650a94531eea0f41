"""Fields that the API server does not know are refused by name, or warned of; never lost in silence."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.model import fieldcheck
from devservers.errors import APIWarning
from tests.fakeapiserver.faults.faultyanswers import Suffer
from tests.fakeapiserver.serving.http import Response

from .builders import SPEC, created, names_on
from .staged import StagedServer

MISSPELT = {**SPEC, "imagee": "x", "persistentHome": {"enabled": True, "sizee": "1Gi"}}
FIELDS = "the fields spec.imagee, spec.persistentHome.sizee"

Write = Callable[[dict[str, Any]], object]


def update(spec: dict[str, Any], **options: Any) -> DevServer:
    server = DevServer.get("dev")
    server.spec = spec
    return server.update(**options)


def apply(spec: dict[str, Any], **options: Any) -> DevServer:
    return DevServer(ObjectMeta(name="dev"), spec).apply(field_manager="me", force=True, **options)


def patch(spec: dict[str, Any], **options: Any) -> DevServer:
    return DevServer.get("dev").patch({"spec": spec}, **options)


def json_patch(spec: dict[str, Any], **options: Any) -> DevServer:
    steps = [{"op": "add", "path": f"/spec/{key}", "value": spec[key]} for key in ("imagee", "persistentHome")]
    return DevServer.get("dev").patch(steps, **options)


WRITES: dict[str, Callable[..., object]] = {"update": update, "merge patch": patch, "JSON patch": json_patch}


@contextmanager
def warned() -> Iterator[list[str]]:
    """The texts of the warnings in the body."""
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
    assert all(warning.category is APIWarning for warning in caught)
    assert all(Path(warning.filename).name == Path(__file__).name for warning in caught)
    texts.extend(str(warning.message) for warning in caught)


# servers of today


def test_a_create_with_unknown_fields_is_refused_and_they_are_named(cluster: StagedServer) -> None:
    with pytest.raises(errors.InvalidError) as caught:
        DevServer.create(ObjectMeta(name="dev"), MISSPELT)
    assert str(caught.value).startswith(f'DevServer "dev" was not written: the API server does not know {FIELDS} (400 ')
    assert [cause["field"] for cause in caught.value.causes] == ["spec.imagee", "spec.persistentHome.sizee"]
    assert names_on(cluster) == []


def test_a_with_statement_with_unknown_fields_is_refused_at_once(cluster: StagedServer) -> None:
    with pytest.raises(errors.InvalidError, match=FIELDS):
        DevServer(ObjectMeta(name="dev"), MISSPELT).__enter__()
    assert [request.method for request in cluster.requests] == ["POST"]


@pytest.mark.parametrize("kind", WRITES)
def test_a_write_with_unknown_fields_is_refused_and_nothing_is_quoted(cluster: StagedServer, kind: str) -> None:
    before = created(spec={**SPEC, "ssh": {"publicKey": "quoted-key"}}).metadata.resource_version
    with pytest.raises(errors.InvalidError) as caught:
        WRITES[kind](MISSPELT)
    assert "<DevServer default/dev> was not written: the API server does not know " in str(caught.value)
    assert "imagee" in str(caught.value)
    assert "quoted-key" not in str(caught.value)
    assert DevServer.get("dev").metadata.resource_version == before


def test_an_apply_with_unknown_fields_is_refused_and_they_are_named(cluster: StagedServer) -> None:
    with pytest.raises(errors.InvalidError, match=r"does not know the field spec\.imagee") as caught:
        apply({**SPEC, "imagee": "x"})
    assert caught.value.status == 500


@pytest.mark.parametrize("kind", WRITES)
def test_warn_drops_them_with_a_warning(cluster: StagedServer, kind: str) -> None:
    created()
    with warned() as texts:
        WRITES[kind](MISSPELT, field_validation="Warn")
    assert any('unknown field "spec.imagee"' in text for text in texts)
    assert "imagee" not in DevServer.get("dev").spec


@pytest.mark.parametrize("kind", WRITES)
def test_ignore_drops_them(cluster: StagedServer, kind: str) -> None:
    created()
    with warned() as texts:
        WRITES[kind](MISSPELT, field_validation="Ignore")
    assert texts == []


@pytest.mark.parametrize("value", ["strict", "", None, True])
def test_another_way_is_refused_at_the_door(cluster: StagedServer, value: Any) -> None:
    server = created()
    before = len(cluster.requests)
    writes: list[Callable[[], object]] = [
        lambda: DevServer.create(ObjectMeta(name="x"), SPEC, field_validation=value),
        lambda: server.update(field_validation=value),
        lambda: server.patch({}, field_validation=value),
        lambda: server.apply(field_manager="me", field_validation=value),
    ]
    for write in writes:
        with pytest.raises(ValueError, match="field_validation: must be one of Strict, Warn, Ignore, not"):
            write()
    assert len(cluster.requests) == before


# servers before 1.25


@pytest.mark.parametrize("kind", WRITES)
def test_where_they_are_dropped_in_silence_we_warn(cluster: StagedServer, kind: str) -> None:
    created()
    with warned() as texts, cluster.fault.no_field_validation():
        WRITES[kind](MISSPELT)
    assert len(texts) == 1
    assert "<DevServer default/dev" in texts[0]
    assert "the API server dropped the field" in texts[0]
    assert "imagee" in texts[0]


def test_a_create_whose_fields_are_dropped_in_silence_is_warned_of(cluster: StagedServer) -> None:
    with warned() as texts, cluster.fault.no_field_validation():
        DevServer.create(ObjectMeta(name="dev"), MISSPELT)
    assert texts == [f'DevServer "dev": the API server dropped {FIELDS}, which it does not know']


@pytest.mark.parametrize(
    ("patched", "named"),
    [
        ({"metadata": {"lables": {"a": "b"}}}, "metadata.lables"),
        ([{"op": "add", "path": "/metadata/lables", "value": {"a": "b"}}], "/metadata/lables"),
        ([{"op": "add", "path": "/spec/lifecycle", "value": {"timeToLive": "9h", "ttl": "x"}}], "/spec/lifecycle/ttl"),
        ([{"op": "add", "path": "/spec/volumes/0/readonly", "value": True}], "/spec/volumes/0/readonly"),
        ([{"op": "copy", "from": "/spec/image", "path": "/spec/imagee"}], "/spec/imagee"),
    ],
)
def test_a_patch_whose_field_is_dropped_in_silence_is_warned_of(
    cluster: StagedServer, patched: Any, named: str
) -> None:
    server = created(spec={**SPEC, "volumes": [{"claimName": "c", "mountPath": "/x"}]})
    with warned() as texts, cluster.fault.no_field_validation():
        server.patch(patched)
    assert texts == [f"<DevServer default/dev>: the API server dropped the field {named}, which it does not know"]


def test_a_create_whose_metadata_is_misspelt_is_warned_of(cluster: StagedServer) -> None:
    with warned() as texts, cluster.fault.no_field_validation():
        DevServer.create({"name": "dev", "lables": {"team": "red"}}, SPEC)
    assert [text.split(": ")[1] for text in texts] == [
        "the API server dropped the field metadata.lables, which it does not know"
    ]


def test_a_write_of_known_fields_is_not_warned_of(cluster: StagedServer) -> None:
    with warned() as texts, cluster.fault.no_field_validation():
        server = created(labels={"a": "b"}, spec={**SPEC, "volumes": [{"claimName": "c", "mountPath": "/x"}]})
        server.patch({"spec": {"image": None, "lifecycle": {"timeToLive": "1h"}}, "metadata": {"labels": {"a": None}}})
        server.patch([{"op": "add", "path": "/spec/volumes/-", "value": {"claimName": "d", "mountPath": "/y"}}])
        server.patch([{"op": "remove", "path": "/spec/volumes"}])
        server.spec["mode"] = "standalone"
        server.update()
    assert texts == []


def test_where_warnings_are_errors_a_with_statement_leaves_nothing(cluster: StagedServer) -> None:
    with warnings.catch_warnings(), cluster.fault.no_field_validation():
        warnings.simplefilter("error")
        with pytest.raises(APIWarning):
            DevServer(ObjectMeta(name="dev"), MISSPELT).__enter__()
    assert names_on(cluster) == []


def test_where_warnings_are_errors_a_create_names_the_object_that_it_leaves(cluster: StagedServer) -> None:
    with warnings.catch_warnings(), cluster.fault.no_field_validation():
        warnings.simplefilter("error")
        with pytest.raises(APIWarning) as caught:
            DevServer.create(ObjectMeta(generate_name="dev-"), MISSPELT)
        with pytest.raises(APIWarning) as dry:
            DevServer.create(ObjectMeta(name="dev"), MISSPELT, dry_run=True)
    (name,) = names_on(cluster)
    assert str(caught.value).endswith(f"; <DevServer default/{name}> was created nevertheless")
    assert "nevertheless" not in str(dry.value)


def test_where_warnings_are_errors_a_with_statement_deletes_at_once_what_it_knows(cluster: StagedServer) -> None:
    with warnings.catch_warnings(), cluster.fault.no_field_validation():
        warnings.simplefilter("error")
        with pytest.raises(APIWarning) as caught:
            DevServer(ObjectMeta(name="dev"), MISSPELT).__enter__()
    assert [request.method for request in cluster.requests][:2] == ["POST", "DELETE"]
    assert "nevertheless" not in str(caught.value)


@pytest.mark.parametrize("validation", ["Strict", "Warn"])
@pytest.mark.parametrize("kind", ["update", "patch", "JSON patch"])
def test_where_warnings_are_errors_the_object_is_what_was_written(
    cluster: StagedServer, kind: str, validation: str
) -> None:
    """With "Warn" the server warns in a header, and the answer is not read."""
    server = created()
    server.spec = MISSPELT
    steps = [{"op": "add", "path": "/spec/imagee", "value": "x"}, {"op": "add", "path": "/spec/image", "value": "y"}]
    writes: dict[str, Callable[[], object]] = {
        "update": lambda: server.update(field_validation=validation),
        "patch": lambda: server.patch({"spec": MISSPELT}, field_validation=validation),
        "JSON patch": lambda: server.patch(steps, field_validation=validation),
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        if validation == "Strict":
            stack.enter_context(cluster.fault.no_field_validation())
        warnings.simplefilter("error", APIWarning)
        with pytest.raises(APIWarning, match=r"<DevServer default/dev> was written nevertheless$"):
            writes[kind]()
    assert server.to_dict() == cluster.store.get("devservers", "dev", "default")


# warnings of the server


def with_header(value: str) -> Suffer:
    return lambda request, proceed, over: Response(
        200, json.dumps({"metadata": {"name": "dev"}}).encode(), "application/json", [("Warning", value)]
    )


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ('299 - "devserver.io/v1 is deprecated"', ["devserver.io/v1 is deprecated"]),
        ('299 - "one", 299 kube "two \\"quoted\\""', ["one", 'two "quoted"']),
        ('299 - "tabs\tand \x1b[31mcolours"', ["tabs and  [31mcolours"]),
        ('199 - "miscellaneous"', []),
        ("nonsense", []),
    ],
)
def test_what_the_server_warns_of_is_a_warning(cluster: StagedServer, header: str, told: list[str]) -> None:
    with warned() as texts, cluster.fault.inject(with_header(header), "get", "devservers"):
        DevServer.get("dev")
    begin = 'get devservers.devserver.io "dev" in namespace "default": the API server warns: '
    assert texts == [begin + text for text in told]


# the words of servers


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ('strict decoding error: unknown field "spec.a", unknown field "spec.b[0].c"', ["spec.a", "spec.b[0].c"]),
        ('patch: Invalid value: "{unknown field "x"}": strict decoding error: unknown field "spec.a"', ["spec.a"]),
        ("failed to create typed patch object (d/t; v1, Kind=X): .spec.a: field not declared in schema", ["spec.a"]),
        ("failed to create typed patch object: .spec.a: field not declared in schema", ["spec.a"]),
        ("errors:\n  .spec.a: field not declared in schema", []),
        ('unknown field "spec.a"', []),
        ("", []),
    ],
)
def test_the_fields_of_a_refusal(message: str, fields: list[str]) -> None:
    assert fieldcheck.refused_fields(message) == fields


@pytest.mark.parametrize(
    ("sent", "stored", "dropped"),
    [
        ({"spec": {"a": 1}}, {"spec": {"a": 2}}, []),
        ({"spec": {"a": None}}, {"spec": {}}, []),
        ({"spec": {"a": {"b": 1}}}, {"spec": {"a": {}}}, ["spec.a.b"]),
        ({"specc": {}}, {"spec": {}}, ["specc"]),
        ({"spec": {"l": [{"a": 1}, {"b": 1}]}}, {"spec": {"l": [{"a": 1}, {}]}}, ["spec.l[1].b"]),
        ({"spec": {"l": [1]}}, {"spec": {"l": [1, 2]}}, []),
        ({"metadata": {"labels": {"a": "b"}, "uid": "1"}, "status": {"y": 1}}, {"metadata": {}}, []),
        ({"metadata": {"lables": {"a": "b"}}}, {"metadata": {"labels": {}}}, ["metadata.lables"]),
        (
            {"metadata": {"ownerReferences": [{"uid": "1", "blockOwner": True}]}},
            {"metadata": {"ownerReferences": [{"uid": "1"}]}},
            ["metadata.ownerReferences[0].blockOwner"],
        ),
        ({"spec": {"l": [{"a": 1}, {"b": 1}]}}, {"spec": {"l": [{"b": 1}, {}, {"a": 1}]}}, []),
        ({"spec": {"l": [{"a": 1, "b": 1}]}}, {"spec": {"l": [{"c": 1}, {"a": 1}]}}, ["spec.l[0].b"]),
        ([{"op": "add", "path": "/spec/a", "value": 1}], {"spec": {}}, ["/spec/a"]),
        ([{"op": "add", "path": "/spec/a", "value": 1}, {"op": "remove", "path": "/spec/a"}], {"spec": {}}, []),
        ([{"op": "replace", "path": "/spec/x~1y", "value": 1}], {"spec": {"x/y": 1}}, []),
        ([{"op": "add", "path": "/spec/l/-", "value": 1}], {"spec": {"l": [1]}}, []),
        ([{"op": "test", "path": "/spec/a", "value": 1}, "odd"], {"spec": {}}, []),
        ([{"op": "add", "path": "/spec/a", "value": {"b": 1, "c": 1}}], {"spec": {"a": {"b": 1}}}, ["/spec/a/c"]),
        (
            [{"op": "add", "path": "/spec/l", "value": [{"b": 1, "c~d": 1}]}],
            {"spec": {"l": [{"b": 1}]}},
            ["/spec/l/0/c~0d"],
        ),
        ([{"op": "add", "path": "/spec/l/-", "value": {"b": 1}}], {"spec": {"l": [{"a": 1}]}}, ["/spec/l/-/b"]),
        ([{"op": "add", "path": "/spec/l/0/b", "value": 1}], {"spec": {"l": [{"a": 1}]}}, ["/spec/l/0/b"]),
        ([{"op": "copy", "from": "/spec/a", "path": "/spec/b"}], {"spec": {"a": 1}}, ["/spec/b"]),
        ([{"op": "move", "from": "/spec/a", "path": "/spec/b"}], {"spec": {}}, ["/spec/b"]),
        ([{"op": "move", "from": "/spec/a", "path": "/spec/b"}], {"spec": {"b": {"c": 1}}}, []),
        ([{"op": "add", "path": "/metadata/lables", "value": {}}], {"metadata": {}}, ["/metadata/lables"]),
        ([{"op": "add", "path": "/metadata/labels/a", "value": "b"}], {"metadata": {}}, []),
        ([{"op": "add", "path": "/status/a", "value": "b"}], {}, []),
        (
            [{"op": "add", "path": "/spec/a", "value": {"b": 1, "c": 1}}, {"op": "remove", "path": "/spec/a/b"}],
            {"spec": {"a": {}}},
            ["/spec/a/c"],
        ),
        (
            [{"op": "add", "path": "/spec/a", "value": 1}, {"op": "move", "from": "/spec/a", "path": "/spec/b"}],
            {"spec": {"b": 1}},
            [],
        ),
        (
            [{"op": "add", "path": "/spec/l/-", "value": {"b": 1}}, {"op": "remove", "path": "/spec/l/0"}],
            {"spec": {"l": [{"a": 1}]}},
            [],
        ),
        (
            [{"op": "add", "path": "/spec/l/-", "value": {"b": 1}}, {"op": "add", "path": "/spec/l/-", "value": {}}],
            {"spec": {"l": [{}, {}]}},
            ["/spec/l/-/b"],
        ),
    ],
)
def test_what_is_not_in_the_answer_was_dropped(sent: Any, stored: Any, dropped: list[str]) -> None:
    assert fieldcheck.dropped_fields(sent, stored) == dropped
