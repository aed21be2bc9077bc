"""RFC 6962 trees: the published vectors, and properties of every small tree."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
LEAVES = [bytes.fromhex(text) for text in INPUTS]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]
MANY = [str(n).encode() for n in range(700)]
MANY_HASHES = [leaf_hash(leaf) for leaf in MANY]
HASH = st.binary(min_size=32, max_size=32)
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.binary(), HASH, st.text(), st.floats(), st.lists(HASH),
    st.lists(st.binary()), st.lists(st.none()), st.dictionaries(st.text(), HASH), st.just(object()),
    st.binary(min_size=32, max_size=32).map(bytearray), st.binary(min_size=32, max_size=32).map(memoryview),
)  # fmt: skip


def half(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def slow_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = half(len(leaves))
    return sha256(b"\x01" + slow_root(leaves[:k]) + slow_root(leaves[k:])).digest()


def slow_inclusion(leaves: list[bytes], m: int) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = half(len(leaves))
    if m < k:
        return [*slow_inclusion(leaves[:k], m), slow_root(leaves[k:])]
    return [*slow_inclusion(leaves[k:], m - k), slow_root(leaves[:k])]


def slow_consistency(leaves: list[bytes], m: int, whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], whole) of RFC 6962, 2.1.2."""
    if m == len(leaves):
        return [] if whole else [slow_root(leaves)]
    k = half(len(leaves))
    if m <= k:
        return [*slow_consistency(leaves[:k], m, whole), slow_root(leaves[k:])]
    return [*slow_consistency(leaves[k:], m - k, False), slow_root(leaves[:k])]


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
    leaves = [bytes.fromhex(text) for text in published["leaf_inputs_hex"]]
    for size, expected in enumerate(published["root_hash_by_size_hex"]):
        assert root(leaves[:size]).hex() == expected


@given(st.integers(0, 700))
def test_root_is_that_of_the_definition(size: int) -> None:
    assert root(MANY[:size]) == slow_root(MANY[:size])


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=70), st.data())
def test_proofs_are_those_of_the_definition(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    size1 = data.draw(st.integers(1, len(leaves)))
    assert inclusion_proof(leaves, index) == slow_inclusion(leaves, index)
    assert consistency_proof(leaves, size1) == slow_consistency(leaves, size1)


def test_every_proof_of_small_trees_holds_and_no_flipped_bit_does() -> None:
    for size in range(1, 24):
        top = root(MANY[:size])
        for index in range(size):
            proof = inclusion_proof(MANY[:size], index)
            assert verify_inclusion(index, size, MANY_HASHES[index], proof, top)
            for place in range(len(proof)):
                bad = [*proof[:place], bytes([proof[place][0] ^ 1]) + proof[place][1:], *proof[place + 1 :]]
                assert not verify_inclusion(index, size, MANY_HASHES[index], bad, top)
        for size1 in range(1, size + 1):
            old, proof = root(MANY[:size1]), consistency_proof(MANY[:size], size1)
            assert verify_consistency(size1, size, proof, old, top)
            for place in range(len(proof)):
                bad = [*proof[:place], bytes([proof[place][0] ^ 1]) + proof[place][1:], *proof[place + 1 :]]
                assert not verify_consistency(size1, size, bad, old, top)


def test_a_proof_that_cannot_be_made_says_so() -> None:
    for index in (-1, 8, 9):
        with pytest.raises(ValueError):
            inclusion_proof(LEAVES, index)
    for size1 in (-1, 0, 9):
        with pytest.raises(ValueError):
            consistency_proof(LEAVES, size1)
    with pytest.raises(ValueError):
        inclusion_proof([], 0)


@given(st.integers(1, 300), st.data())
def test_inclusion_holds_for_its_own_place_only(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaves, proof, top = MANY_HASHES[:size], inclusion_proof(MANY[:size], index), root(MANY[:size])
    assert verify_inclusion(index, size, leaves[index], proof, top)
    other = data.draw(st.integers(0, size))
    assert other == index or not verify_inclusion(other, size, leaves[index], proof, top)
    assert not verify_inclusion(index, size, MANY_HASHES[-1], proof, top)
    assert index == 699 or not verify_inclusion(index, size, MANY[index], proof, top)
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


class Trap(bytes):
    """Bytes that raise when somebody looks at them."""

    def __len__(self) -> int:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        raise RuntimeError


class Hostile(list[bytes]):
    """A list that raises when it is read."""

    def __iter__(self) -> Iterator[bytes]:
        raise RuntimeError


def test_no_object_however_hostile_is_an_error() -> None:
    proof, top, trap, leaf5 = inclusion_proof(LEAVES, 5), root(LEAVES), Trap(32), HASHES[5]
    for leaf, path, claimed in (
        (trap, proof, top), (leaf5, [trap], top), (leaf5, proof, trap), (leaf5, Hostile(proof), top)
    ):  # fmt: skip
        assert verify_inclusion(5, 8, leaf, path, claimed) is False
        assert verify_consistency(5, 8, path, leaf, claimed) is False


def test_near_misses_do_not_verify() -> None:
    proof, top = inclusion_proof(LEAVES, 5), root(LEAVES)
    assert verify_inclusion(5, 8, HASHES[5], tuple(proof), top)
    for bad in (proof[0], [bytearray(h) for h in proof], [h[:31] for h in proof], iter(proof), None):
        assert verify_inclusion(5, 8, HASHES[5], bad, top) is False  # type: ignore[arg-type]
    assert verify_inclusion(True, 8, HASHES[1], inclusion_proof(LEAVES, 1), top) is False
    assert verify_inclusion(8, 8, HASHES[5], proof, top) is False


@given(st.integers(0, 700))
def test_compact_range_is_rebuilt_from_its_tiles(size: int) -> None:
    grown = CompactRange()
    subtrees = list(grown.extend(MANY_HASHES[:size]))
    full = [h for level, _index, h in subtrees if level == 1]
    assert full == [root(MANY[i : i + 256]) for i in range(0, size - 255, 256)]
    tiles = [MANY_HASHES[size // 256 * 256 : size], full]
    rebuilt = CompactRange.from_tiles(size, tiles)
    assert (rebuilt.size, rebuilt.nodes) == (grown.size, grown.nodes)
    assert fold(rebuilt.nodes) == root(MANY[:size])


def test_subtrees_are_told_on_every_level() -> None:
    tree = CompactRange()
    made = list(tree.extend([HASHES[0]] * 65_536))
    assert [m[:2] for m in made][-2:] == [(1, 255), (2, 0)]
    assert len(made) == 257
    assert made[-1][2] == tree.root()
    assert CompactRange.from_tiles(65_536, [[], [], [tree.root()]]).root() == tree.root()


def test_tiles_must_fit_the_size() -> None:
    with pytest.raises(ValueError):
        CompactRange.from_tiles(3, [HASHES[:2]])
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
