"""Typed views over a DevServer's spec: live, keeping what they do not know, refusing bad values by the field's name."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta
from typing import Any, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer, LifecycleSpec, PersistentHomeSpec, SSHSpec, VolumeSpec


def devserver(**spec: Any) -> DevServer:
    return DevServer(ObjectMeta(name="dev"), {"flavor": "x", **spec})


def test_parts_that_are_not_set_are_none() -> None:
    server = devserver()
    assert (server.persistent_home, server.ssh, server.lifecycle, server.volumes) == (None, None, None, [])
    assert server.spec == {"flavor": "x"}


def test_what_is_set_through_a_view_stands_in_the_spec() -> None:
    server = devserver(persistentHome={"enabled": True}, ssh={"publicKey": "a"}, lifecycle={"timeToLive": "1h"})
    assert server.persistent_home is not None
    assert server.ssh is not None
    assert server.lifecycle is not None
    server.persistent_home.size = "30Gi"
    server.ssh.public_key = "ssh-ed25519 AAAA"
    server.lifecycle.time_to_live = timedelta(hours=1, minutes=30)
    assert server.spec == {
        "flavor": "x",
        "persistentHome": {"enabled": True, "size": "30Gi"},
        "ssh": {"publicKey": "ssh-ed25519 AAAA"},
        "lifecycle": {"timeToLive": "1h30m"},
    }


def test_what_stands_in_the_spec_is_seen_through_a_view() -> None:
    server = devserver(persistentHome={"enabled": True, "size": "20Gi"})
    home = server.persistent_home
    assert home is not None
    server.spec["persistentHome"]["size"] = "40Gi"
    assert (home.enabled, home.size) == (True, "40Gi")


def test_keys_a_view_does_not_know_survive() -> None:
    server = devserver(persistentHome={"enabled": True, "storageClass": "fast"})
    assert server.persistent_home is not None
    server.persistent_home.size = "1Gi"
    server.persistent_home = server.persistent_home
    assert server.spec["persistentHome"] == {"enabled": True, "storageClass": "fast", "size": "1Gi"}


@pytest.mark.parametrize(
    ("part", "value", "advice"),
    [
        ("lifecycle", {"time_to_live": "1h"}, r"spec.lifecycle: unknown field 'time_to_live': did you mean timeToLive"),
        ("lifecycle", {"timetolive": "1h"}, r"did you mean timeToLive\?"),
        ("persistent_home", {"enabled": True, "sizee": "1Gi"}, "must be one of enabled, size"),
        ("ssh", {"public_key": "k"}, r"did you mean publicKey\?"),
        ("volumes", [{"claim_name": "c", "mountPath": "/x"}], r"spec.volumes\[\]: .* did you mean claimName\?"),
    ],
)
def test_unknown_keys_of_what_is_assigned_are_refused(part: str, value: Any, advice: str) -> None:
    server = devserver()
    with pytest.raises(ValueError, match=advice):
        setattr(server, part, value)
    assert server.spec == {"flavor": "x"}


def test_none_assigned_removes_the_part() -> None:
    server = devserver(persistentHome={"enabled": True}, ssh={"publicKey": "a"}, lifecycle={}, volumes=[])
    server.persistent_home = server.ssh = server.lifecycle = server.volumes = None
    assert server.spec == {"flavor": "x"}


def test_none_assigned_to_an_optional_value_removes_it() -> None:
    server = devserver(persistentHome={"enabled": True, "size": "1Gi"}, lifecycle={"timeToLive": "1h"})
    assert server.persistent_home is not None
    assert server.lifecycle is not None
    server.persistent_home.size = None
    server.lifecycle.time_to_live = None
    assert server.spec == {"flavor": "x", "persistentHome": {"enabled": True}, "lifecycle": {}}


def test_parts_can_be_made_and_assigned() -> None:
    server = devserver()
    server.persistent_home = PersistentHomeSpec(size="20Gi")
    server.ssh = SSHSpec("ssh-rsa AAAA")
    server.lifecycle = LifecycleSpec("8h")
    server.volumes = [VolumeSpec("data", "/data", read_only=True), {"claimName": "more", "mountPath": "/more"}]
    assert server.spec == {
        "flavor": "x",
        "persistentHome": {"enabled": True, "size": "20Gi"},
        "ssh": {"publicKey": "ssh-rsa AAAA"},
        "lifecycle": {"timeToLive": "8h"},
        "volumes": [
            {"claimName": "data", "mountPath": "/data", "readOnly": True},
            {"claimName": "more", "mountPath": "/more"},
        ],
    }


def test_assigning_copies() -> None:
    server, home = devserver(), PersistentHomeSpec(size="20Gi")
    server.persistent_home = home
    home.size = "99Gi"
    assert server.spec["persistentHome"]["size"] == "20Gi"


def test_a_view_inside_a_spec_that_is_given_becomes_plain_json() -> None:
    assert devserver(persistentHome=PersistentHomeSpec()).spec["persistentHome"] == {"enabled": True}


def test_each_volume_is_live_and_their_list_is_a_copy() -> None:
    server = devserver(volumes=[{"claimName": "a", "mountPath": "/a"}])
    volume = server.volumes[0]
    assert (volume.claim_name, volume.mount_path, volume.read_only) == ("a", "/a", False)
    volume.read_only = True
    server.volumes.append(VolumeSpec("b", "/b"))
    assert server.spec["volumes"] == [{"claimName": "a", "mountPath": "/a", "readOnly": True}]
    server.volumes = [*server.volumes, VolumeSpec("b", "/b")]
    assert [each.claim_name for each in server.volumes] == ["a", "b"]


BAD_VALUES: list[tuple[Callable[[], object], str]] = [
    (lambda: PersistentHomeSpec(enabled="yes"), "spec.persistentHome.enabled"),  # type: ignore[arg-type]
    (lambda: PersistentHomeSpec(size="20 Gi"), "spec.persistentHome.size"),
    (lambda: PersistentHomeSpec(size=20), "spec.persistentHome.size"),  # type: ignore[arg-type]
    (lambda: SSHSpec(" "), "spec.ssh.publicKey"),
    (lambda: SSHSpec(None), "spec.ssh.publicKey"),  # type: ignore[arg-type]
    (lambda: LifecycleSpec("8 hours"), "spec.lifecycle.timeToLive"),
    (lambda: LifecycleSpec(timedelta(0)), "spec.lifecycle.timeToLive"),
    (lambda: LifecycleSpec(timedelta(seconds=0.5)), "spec.lifecycle.timeToLive"),
    (lambda: LifecycleSpec(3600), "spec.lifecycle.timeToLive"),  # type: ignore[arg-type]
    (lambda: VolumeSpec("", "/a"), "spec.volumes[].claimName"),
    (lambda: VolumeSpec("a", "relative"), "spec.volumes[].mountPath"),
    (lambda: VolumeSpec("a", "/a", read_only=1), "spec.volumes[].readOnly"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "field"), BAD_VALUES)
def test_a_bad_value_is_a_value_error_that_names_its_field(make: Callable[[], object], field: str) -> None:
    with pytest.raises(ValueError, match=r"must be") as caught:
        make()
    assert str(caught.value).startswith(f"{field}: ")


def test_a_bad_value_in_a_dict_that_is_assigned_is_refused_and_changes_nothing() -> None:
    server = devserver(persistentHome={"enabled": True}, volumes=[])
    with pytest.raises(ValueError, match=r"^spec\.persistentHome\.size: .*'lots'"):
        server.persistent_home = {"size": "lots"}
    with pytest.raises(ValueError, match=r"^spec\.volumes\[\]\.mountPath: "):
        server.volumes = [{"claimName": "a", "mountPath": "a"}]
    with pytest.raises(ValueError, match="must be a SSHSpec or a dict, not str"):
        server.ssh = "ssh-rsa AAAA"  # type: ignore[assignment]
    assert server.spec == {"flavor": "x", "persistentHome": {"enabled": True}, "volumes": []}


@pytest.mark.parametrize("size", ["0", "1", "1.5", ".5", "1.", "+1Gi", "500m", "20Gi", "1k", "1E", "1e3", "2E-3"])
def test_kubernetes_quantities_are_taken(size: str) -> None:
    assert PersistentHomeSpec(size=size).size == size


@pytest.mark.parametrize("size", ["", "-1", "Gi", "1GiB", "1 Gi", "1KI", "1K", "1e", "0x1", "٣Gi", "1\n"])
def test_what_is_no_quantity_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        PersistentHomeSpec(size=size)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 10**7))
def test_a_time_to_live_goes_there_and_back(seconds: int) -> None:
    delta = timedelta(seconds=seconds)
    assert LifecycleSpec(delta).time_to_live_delta == delta


@pytest.mark.parametrize(
    ("text", "delta"),
    [("8h", timedelta(hours=8)), ("1h30m", timedelta(minutes=90)), ("90s", timedelta(seconds=90)), ("", timedelta(0))],
)
def test_a_time_to_live_is_read_as_the_schema_s_pattern_has_it(text: str, delta: timedelta) -> None:
    lifecycle = LifecycleSpec(text)
    assert (lifecycle.time_to_live, lifecycle.time_to_live_delta) == (text, delta)


@pytest.mark.parametrize("text", ["30m1h", "1d", "1.5h", "-1h", "1H", "٣h", "1h\n"])
def test_other_times_to_live_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"spec\.lifecycle\.timeToLive"):
        LifecycleSpec(text)


def test_a_time_to_live_that_is_not_set_is_none() -> None:
    lifecycle = LifecycleSpec("1h")
    lifecycle.time_to_live = None
    assert (lifecycle.time_to_live, lifecycle.time_to_live_delta) == (None, None)


def test_views_compare_by_content_and_kind() -> None:
    assert PersistentHomeSpec(size="1Gi") == PersistentHomeSpec(size="1Gi")
    assert PersistentHomeSpec(size="1Gi") != PersistentHomeSpec(size="2Gi")
    assert PersistentHomeSpec() != {"enabled": True}


def test_its_repr_shows_what_it_holds() -> None:
    assert repr(PersistentHomeSpec(size="1Gi")) == "PersistentHomeSpec({'enabled': True, 'size': '1Gi'})"


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda view: pickle.loads(pickle.dumps(view))])
def test_a_copy_is_equal_and_shares_nothing(duplicate: Any) -> None:
    home = PersistentHomeSpec(size="1Gi")
    twin = duplicate(home)
    assert twin == home
    twin.size = "2Gi"
    assert home.size == "1Gi"
