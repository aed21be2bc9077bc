"""Checks of the key tree, its holders and its books; nothing is opened."""

from __future__ import annotations

from collections.abc import Iterator

from ..key.status import KeyStatus, State, status
from .finding import Finding, Look

MEANING = {
    State.UNFINISHED: ("a change of the key tree was not finished", "run `luactl key recover`"),
    State.BEHIND: (
        "the database is older than its keys: a restore, or a failover that lost a commit",
        "do not write; lay the key book over the restored database first",
    ),
    State.BROKEN: ("a holder or key book is missing, foreign or damaged", "`luactl key status` names it"),
}


def _status(look: Look) -> KeyStatus | None:
    """Return where keys stand; None on a host that holds none, which is no fault."""
    return status(look.opened, count=False) if look.profile.holders else None


def state(look: Look) -> Iterator[Finding]:
    """Yield what tree, holders and books say together, and places that this profile leaves out."""
    found = _status(look)
    if found and found.state in MEANING:
        yield Finding(*MEANING[found.state])
    for one in found.left_out if found else ():
        yield Finding(
            f"{one.missed}: no epoch is turned",
            f"`luactl key {one.kind} add NAME`; gone for ever: `{one.retiring}`",
        )


def holders(look: Look) -> Iterator[Finding]:
    """Yield holders that are missing, damaged, or without the root of the tree's epoch."""
    found = _status(look)
    for one in found.holders if found else ():
        if one.problem:
            yield Finding(one.problem, "mount or restore it; another holder may have the root")
        elif found and found.epoch not in one.epochs:
            yield Finding(f"{one.name} has no root of epoch {found.epoch}", "copy it from another holder")


def books(look: Look) -> Iterator[Finding]:
    """Yield key books that are missing, damaged, foreign or behind."""
    found = _status(look)
    for one in found.books if found else ():
        if one.problem:
            yield Finding(one.problem, "restore it from another book, or run `luactl init` to make it anew")
        elif found and (one.tree_id, one.epoch) != (found.tree_id, found.epoch):
            what = "is empty" if one.tree_id is None else f"stands at epoch {one.epoch}, not {found.epoch}"
            yield Finding(f"key book {one.name} {what}", "run `luactl init` (empty) or `luactl key recover`")
