"""RFC 6962 trees: the published vectors, and properties of every small tree."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_ledger import vectors

from luactl.ledger.merkle import (
    EMPTY_ROOT,
    CompactRange,
    consistency_proof,
    fold,
    inclusion_parts,
    inclusion_proof,
    leaf_hash,
    node_hash,
    perfect,
    root,
    verify_consistency,
    verify_inclusion,
)

INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
LEAVES = [leaf_hash(bytes.fromhex(text)) for text in INPUTS]
MANY = [leaf_hash(str(n).encode()) for n in range(700)]
ANYTHING = st.one_of(st.none(), st.integers(), st.binary(), st.text(), st.lists(st.binary()), st.floats())


def slow_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(slow_root(leaves[:k]), slow_root(leaves[k:]))


def test_hashes_are_those_of_the_specification() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert (
        node_hash(b"N123", b"N456").hex()
        == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    )


def test_worked_proofs_of_the_reference_tree() -> None:
    assert [h.hex() for h in inclusion_proof(LEAVES, 5)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert [h.hex() for h in consistency_proof(LEAVES[:5], 2)] == [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]
    assert [h.hex() for h in consistency_proof(LEAVES, 6)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_published_roots() -> None:
    published = json.loads(vectors("rfc6962_reference.json").read_text())
    leaves = [leaf_hash(bytes.fromhex(text)) for text in published["leaf_inputs_hex"]]
    for size, expected in enumerate(published["root_hash_by_size_hex"]):
        assert root(leaves[:size]).hex() == expected


@given(st.integers(0, 700))
def test_root_is_that_of_the_definition(size: int) -> None:
    assert root(MANY[:size]) == slow_root(MANY[:size])


@given(st.integers(1, 300), st.data())
def test_inclusion_holds_for_its_own_place_only(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaves, proof, top = MANY[:size], inclusion_proof(MANY[:size], index), root(MANY[:size])
    assert verify_inclusion(index, size, leaves[index], proof, top)
    other = data.draw(st.integers(0, size))
    assert other == index or not verify_inclusion(other, size, leaves[index], proof, top)
    assert not verify_inclusion(index, size, MANY[-1], proof, top)
    assert not verify_inclusion(index, size, leaves[index], [*proof, top], top)
    assert not proof or not verify_inclusion(index, size, leaves[index], proof[:-1], top)


@given(st.integers(1, 300), st.data())
def test_consistency_holds_for_true_prefixes_only(size2: int, data: st.DataObject) -> None:
    size1 = data.draw(st.integers(1, size2))
    old, new = root(MANY[:size1]), root(MANY[:size2])
    proof = consistency_proof(MANY[:size2], size1)
    assert verify_consistency(size1, size2, proof, old, new)
    forged = root([*MANY[: size1 - 1], MANY[-1]])
    assert not verify_consistency(size1, size2, proof, forged, new)
    assert not verify_consistency(size1, size2, proof, old, forged)
    assert not verify_consistency(size1, size2, [*proof, old], old, new)
    assert not proof or not verify_consistency(size1, size2, proof[:-1], old, new)
    assert not verify_consistency(0, size2, proof, EMPTY_ROOT, new)


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_nonsense_is_false_and_never_an_error(a: object, b: object, c: object, d: object, e: object) -> None:
    assert verify_inclusion(a, b, c, d, e) is False  # type: ignore[arg-type]
    assert verify_consistency(a, b, c, d, e) is False  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size1", "size2"), [(0, 0), (0, 8), (-1, 8), (9, 8), (True, 8), (1 << 70, 1 << 71), ("2", 8), (2.0, 8)]
)
def test_impossible_sizes_do_not_verify(size1: int, size2: int) -> None:
    assert verify_consistency(size1, size2, [], EMPTY_ROOT, EMPTY_ROOT) is False


def test_near_misses_do_not_verify() -> None:
    proof, top = inclusion_proof(LEAVES, 5), root(LEAVES)
    assert verify_inclusion(5, 8, LEAVES[5], tuple(proof), top)
    for bad in (proof[0], [bytearray(h) for h in proof], [h[:31] for h in proof], iter(proof), None):
        assert verify_inclusion(5, 8, LEAVES[5], bad, top) is False  # type: ignore[arg-type]
    assert verify_inclusion(True, 8, LEAVES[1], inclusion_proof(LEAVES, 1), top) is False
    assert verify_inclusion(8, 8, LEAVES[5], proof, top) is False


@given(st.integers(0, 700))
def test_compact_range_is_rebuilt_from_its_tiles(size: int) -> None:
    grown = CompactRange()
    subtrees = list(grown.extend(MANY[:size]))
    full = [h for level, _index, h in subtrees if level == 1]
    assert full == [root(MANY[i : i + 256]) for i in range(0, size - 255, 256)]
    tiles = [MANY[size // 256 * 256 : size], full]
    rebuilt = CompactRange.from_tiles(size, tiles)
    assert (rebuilt.size, rebuilt.nodes) == (grown.size, grown.nodes)
    assert fold(rebuilt.nodes) == root(MANY[:size])


def test_subtrees_are_told_on_every_level() -> None:
    tree = CompactRange()
    made = list(tree.extend([LEAVES[0]] * 65_536))
    assert [m[:2] for m in made][-2:] == [(1, 255), (2, 0)]
    assert len(made) == 257
    assert made[-1][2] == tree.root()
    assert CompactRange.from_tiles(65_536, [[], [], [tree.root()]]).root() == tree.root()


def test_tiles_must_fit_the_size() -> None:
    with pytest.raises(ValueError):
        CompactRange.from_tiles(3, [LEAVES[:2]])
    with pytest.raises(ValueError):
        CompactRange.from_tiles(256, [[]])


@given(st.integers(1, 1 << 40), st.data())
def test_parts_of_a_proof_cover_all_but_the_leaf(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    parts = sorted([*inclusion_parts(index, size), (index, index + 1)])
    assert parts[0][0] == 0
    assert parts[-1][1] == size
    assert all(left[1] == right[0] for left, right in pairwise(parts))
    for begin, end in parts:
        pieces = [(i << h, (i + 1) << h) for h, i in perfect(begin, end)]
        assert pieces[0][0] == begin
        assert pieces[-1][1] == end
