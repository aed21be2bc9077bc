"""Which slots nobody has claimed: where nodes are re-keyed they get new keys (docs/design/keys.md). Pure.

Who could open a node once has seen its unclaimed slots too, and would have the keys of people yet to come.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .path import FAN_OUT, REGIONS, SPACE_A, SPACE_B, TOP, Counter, number_at

Numbers = Mapping[tuple[int, int], int]
"""The next number of each tenant (by its number in the tree) and space: all from there on are unclaimed."""


def unclaimed(
    paths: Collection[bytes], rekeyed: Collection[bytes], numbers: Numbers
) -> dict[bytes, set[int]]:
    """Return the slots to renew, by the path of the node, of those nodes that are `rekeyed`.

    `paths` are all nodes that exist there: a slot below which there is one is in use. Numbers below `numbers`
    are handed out, and whoever has one may be about to seal with its key.
    """
    there = set(paths)
    return {path: _of(path, there, numbers) for path in rekeyed}


def _of(path: bytes, there: set[bytes], numbers: Numbers) -> set[int]:
    base, key_no, is_duty = _tenant(path)
    rest = path[len(base) :]
    spaces = [SPACE_A] if base == TOP else [SPACE_A, SPACE_B]
    if not rest:
        return {slot for slot in range(SPACE_A, FAN_OUT) if path + bytes([slot]) not in there}
    first = next((one for one in spaces if one <= rest[0] < one + REGIONS), None)
    if first is None:
        return set()
    is_leaf = len(rest) == rest[0] - first + 1
    if is_leaf and base != TOP:
        limit = numbers.get((key_no, _space(first, is_duty)), 0)
        return {slot for slot in range(FAN_OUT) if number_at(base, first, path, slot) >= limit}
    return {slot for slot in range(FAN_OUT) if path + bytes([slot]) not in there}


def _tenant(path: bytes) -> tuple[bytes, int, bool]:
    """Return the tenant's or duty node above a path, the tenant's number, and whether it is the duty node."""
    length = path[0] - SPACE_A + 2 if path else 0
    if not path or not 0 <= path[0] - SPACE_A < REGIONS or len(path) < length:
        return TOP, 0, False
    item = number_at(TOP, SPACE_A, path[: length - 1], path[length - 1])
    return path[:length], item // 2, bool(item % 2)


def _space(first: int, is_duty: bool) -> Counter:
    if first == SPACE_A:
        return Counter.DUTY_SUBJECTS if is_duty else Counter.SUBJECTS
    return Counter.DUTY_PERIODS if is_duty else Counter.PERIODS
