"""Numbers and paths: pure arithmetic of formats.md, 2.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luactl.key.classes import KeyClass, RetentionClass, period_id, split_period
from luactl.key.path import CAPACITY, SPACE_A, SPACE_B, ancestors, leaves, locate, number_at, tenant_nodes

numbers = st.integers(0, CAPACITY - 1)
bases = st.binary(max_size=6).map(lambda raw: bytes(byte % 64 for byte in raw))


@given(bases, st.sampled_from([SPACE_A, SPACE_B]), numbers)
def test_a_number_comes_back_from_its_place(base: bytes, first: int, number: int) -> None:
    leaf, slot = locate(base, first, number)
    assert number_at(base, first, leaf, slot) == number
    assert all(step < 64 for step in leaf)
    assert len(leaf) - len(base) == 1 + leaf[len(base)] - first <= 5


@given(numbers, numbers)
def test_two_numbers_never_share_a_slot(one: int, other: int) -> None:
    assert (locate(b"", SPACE_A, one) == locate(b"", SPACE_A, other)) == (one == other)


@given(numbers, numbers)
def test_no_leaf_is_an_ancestor_of_another(one: int, other: int) -> None:
    """Else a subject's key would be a node's key too, and dropping the subject would drop the node."""
    first, second = locate(b"", SPACE_A, one)[0], locate(b"", SPACE_A, other)[0]
    assert first == second or not second.startswith(first)


@pytest.mark.parametrize(
    ("number", "leaf", "slot"),
    [
        (0, [8], 0),
        (63, [8], 63),
        (64, [9, 0], 0),
        (4159, [9, 63], 63),
        (4160, [10, 0, 0], 0),
        (266303, [10, 63, 63], 63),
        (266304, [11, 0, 0, 0], 0),
        (17043520, [12, 0, 0, 0, 0], 0),
        (CAPACITY - 1, [12, 63, 63, 63, 63], 63),
    ],
)
def test_the_edges_of_the_regions(number: int, leaf: list[int], slot: int) -> None:
    assert locate(b"", SPACE_A, number) == (bytes(leaf), slot)


@pytest.mark.parametrize("number", [-1, CAPACITY])
def test_numbers_outside_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="number"):
        locate(b"", SPACE_A, number)


@given(st.integers(0, 300_000), st.integers(1, 500))
def test_leaves_of_a_block_are_those_of_its_numbers(start: int, count: int) -> None:
    each = [locate(b"\x01", SPACE_A, number)[0] for number in range(start, start + count)]
    assert leaves(b"\x01", SPACE_A, start, count) == list(dict.fromkeys(each))


def test_a_tenant_and_its_duties_are_neighbours() -> None:
    assert tenant_nodes(0) == (bytes([8, 0]), bytes([8, 1]))
    assert tenant_nodes(32) == (bytes([9, 0, 0]), bytes([9, 0, 1]))


@given(st.lists(bases, max_size=5))
def test_parents_come_before_children(paths: list[bytes]) -> None:
    seen: set[bytes] = set()
    for path in ancestors(paths):
        assert not path or path[:-1] in seen
        seen.add(path)
    assert seen >= set(paths)


@given(st.sampled_from(RetentionClass), st.integers(0, (1 << 24) - 1))
def test_a_period_id_tells_class_and_number(retention_class: RetentionClass, number: int) -> None:
    assert split_period(period_id(retention_class, number)) == (retention_class, number)


def test_a_period_number_fits_in_24_bits() -> None:
    with pytest.raises(ValueError, match="period number"):
        period_id(RetentionClass.INVOICE, 1 << 24)


def test_only_duties_outlive_an_erasure() -> None:
    assert [c.label for c in KeyClass if c.is_duty] == ["accounting", "medical-record"]
