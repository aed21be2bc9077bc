"""Where a numbered key hangs in the tree (formats.md, 2.2). Pure arithmetic.

A path is bytes, one slot number (0 to 63) a step; the top node has the empty path. A key is named by
the path of its node and its slot there.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

FAN_OUT = 64
REGIONS = 5
CAPACITY: int = sum(FAN_OUT ** (level + 1) for level in range(REGIONS))
TOP = b""
TOMBSTONE_SLOT = 1
INDEX_SLOT = 0
CREDENTIAL_SLOT = 1
UNIQUE_SLOT = 2
SPACE_A = 8
SPACE_B = 16


class Counter(IntEnum):
    """The spaces of vault.counter: each hands out numbers of its own."""

    TENANTS = 0
    SUBJECTS = 1
    DUTY_SUBJECTS = 2
    PERIODS = 3
    DUTY_PERIODS = 4

    @property
    def is_duty(self) -> bool:
        """Whether its numbers hang below the duty node."""
        return self in (Counter.DUTY_SUBJECTS, Counter.DUTY_PERIODS)

    @property
    def first(self) -> int:
        """The slot of the first region below the node it hangs from."""
        return SPACE_B if self in (Counter.PERIODS, Counter.DUTY_PERIODS) else SPACE_A


def locate(base: bytes, first: int, number: int) -> tuple[bytes, int]:
    """Return the leaf node and the slot of a number in the space that begins at slot `first` of `base`.

    Raises ValueError when the space cannot hold that number.
    """
    if number < 0:
        raise ValueError("numbers begin at 0")
    size, rest = FAN_OUT, number
    for region in range(REGIONS):
        if rest < size:
            steps = [rest // FAN_OUT**level % FAN_OUT for level in range(region, 0, -1)]
            return base + bytes([first + region, *steps]), rest % FAN_OUT
        rest -= size
        size *= FAN_OUT
    raise ValueError(f"no space holds number {number}")


def number_at(base: bytes, first: int, leaf: bytes, slot: int) -> int:
    """Return the number that `locate` puts there. Raises ValueError when the place is in no region."""
    if not leaf.startswith(base) or len(leaf) == len(base):
        raise ValueError("not below that node")
    region, steps = leaf[len(base)] - first, leaf[len(base) + 1 :]
    if not 0 <= region < REGIONS or len(steps) != region or not 0 <= slot < FAN_OUT:
        raise ValueError("not a leaf of that space")
    rest: int = 0
    for step in (*steps, slot):
        rest = rest * FAN_OUT + step
    return rest + sum(int(FAN_OUT ** (level + 1)) for level in range(region))


def leaves(base: bytes, first: int, start: int, count: int) -> list[bytes]:
    """Return the leaf nodes that hold the numbers from `start` on, in their order."""
    found, number = [], start
    while number < start + count:
        leaf, slot = locate(base, first, number)
        found.append(leaf)
        number += FAN_OUT - slot
    return found


def tenant_nodes(key_no: int) -> tuple[bytes, bytes]:
    """Return the paths of a tenant's node and of its duty node."""
    own, duty = (locate(TOP, SPACE_A, 2 * key_no + which) for which in (0, 1))
    return own[0] + bytes([own[1]]), duty[0] + bytes([duty[1]])


def ancestors(paths: Iterable[bytes]) -> list[bytes]:
    """Return those nodes and every node above them, parents first."""
    return sorted({path[:length] for path in paths for length in range(len(path) + 1)})
