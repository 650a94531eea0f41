"""Three-way merge and subset: pure functions over JSON values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devservers.crds.model.merge import MergeConflict, contains, same, three_way

OBJECT = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 1) | st.lists(st.integers(0, 1), max_size=2),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)


@settings(max_examples=50, deadline=None)
@given(OBJECT, OBJECT)
def test_without_changes_of_my_own_theirs_stands(base: Any, theirs: Any) -> None:
    assert same(three_way(base, base, theirs), theirs)


@settings(max_examples=50, deadline=None)
@given(OBJECT, OBJECT)
def test_without_changes_of_theirs_mine_stands(base: Any, mine: Any) -> None:
    assert same(three_way(base, mine, base), mine)


@settings(max_examples=50, deadline=None)
@given(OBJECT, OBJECT)
def test_the_same_change_on_both_sides_is_no_conflict(base: Any, changed: Any) -> None:
    assert same(three_way(base, changed, changed), changed)


@settings(max_examples=50, deadline=None)
@given(OBJECT, OBJECT, OBJECT)
def test_a_merge_does_not_depend_on_who_is_called_mine(base: Any, mine: Any, theirs: Any) -> None:
    try:
        merged = three_way(base, mine, theirs)
    except MergeConflict:
        with pytest.raises(MergeConflict):
            three_way(base, theirs, mine)
        return
    assert same(three_way(base, theirs, mine), merged)


def test_changes_of_different_fields_of_one_mapping_go_together() -> None:
    base = {"spec": {"image": "a", "flavor": "x"}}
    mine = {"spec": {"image": "b", "flavor": "x"}}
    theirs = {"spec": {"image": "a", "flavor": "y"}, "status": {"phase": "Running"}}
    assert three_way(base, mine, theirs) == {"spec": {"image": "b", "flavor": "y"}, "status": {"phase": "Running"}}


def test_a_removal_of_mine_is_replayed() -> None:
    assert three_way({"a": 1, "b": 1}, {"b": 1}, {"a": 1, "b": 2}) == {"b": 2}


def test_a_mapping_added_on_both_sides_is_merged_by_key() -> None:
    assert three_way({}, {"labels": {"a": "1"}}, {"labels": {"b": "2"}}) == {"labels": {"a": "1", "b": "2"}}


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "path"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, {"a": {"b": 3}}, "a.b"),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 3]}, "a"),
        ({"a": 1}, {}, {"a": 2}, "a"),
        ({"a": {"b": 1}}, {}, {"a": {"b": 2}}, "a"),
        ({}, {"a": 1}, {"a": True}, "a"),
    ],
)
def test_a_field_changed_differently_on_both_sides_is_a_conflict_that_names_it(
    base: Any, mine: Any, theirs: Any, path: str
) -> None:
    with pytest.raises(MergeConflict) as caught:
        three_way(base, mine, theirs)
    assert caught.value.path == path


def test_true_is_not_one() -> None:
    assert not same({"a": True}, {"a": 1})
    assert not same([1], [True])
    assert same({"a": 1.0}, {"a": 1})


@settings(max_examples=50, deadline=None)
@given(OBJECT)
def test_an_object_contains_itself(value: Any) -> None:
    assert contains(value, value)


@pytest.mark.parametrize(
    ("whole", "part", "there"),
    [
        ({"phase": "Running", "x": 1}, {"phase": "Running"}, True),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, False),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": 1}, {"a": {"b": 1}}, False),
        ({}, {"a": None}, False),
        ({"a": 1}, {}, True),
    ],
)
def test_a_part_is_there_if_each_of_its_keys_is(whole: Any, part: Any, there: bool) -> None:
    assert contains(whole, part) is there
