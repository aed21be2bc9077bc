"""Naming a further anchor in the profile, and taking one out: of a profile in the person's own file.

A new anchor has the newest checkpoint before the profile names it, and one that goes leaves another behind
that has it: so somebody else knows the log at every moment. What an anchor holds stays there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError
from ..profile import demand_own, set_anchors
from .anchor import Anchor, AnchorError, open_anchor
from .entry import Entry, append
from .integrate import hand_over
from .origin import own_signer

Verb = Literal["add", "remove"]


@dataclass(frozen=True)
class AnchorChange:
    """An anchor that comes or goes: what is done, and what the profile names afterwards."""

    verb: Verb
    name: str
    size: int
    """Entries under the newest checkpoint; 0: nothing is signed yet."""
    steps: tuple[str, ...]
    anchors: tuple[str, ...]


def plan_change(session: Session, verb: Verb, name: str) -> AnchorChange:
    """Return what would be done; an anchor that goes may be out of reach.

    Raises UsageError for a kind that is not known, RefusedError off the ledger host, for what is named
    already, and for the last anchor, NotFoundError for what is not named.
    """
    profile = session.profile
    demand_own(profile.name)
    own_signer(session)
    anchor = open_anchor(name, profile.signing_key)
    known = {open_anchor(one, profile.signing_key).name: one for one in profile.anchors}
    if verb == "add" and anchor.name in known:
        raise RefusedError(
            f"profile {profile.name!r} names {anchor.name} already",
            hint="nothing to do; `luactl ledger anchor list` shows how it is",
        )
    if verb == "remove" and anchor.name not in known:
        raise NotFoundError(
            f"profile {profile.name!r} names no anchor {anchor.name}", hint="`luactl ledger anchor list`"
        )
    after = [one for own, one in known.items() if own != anchor.name] + [anchor.name] * (verb == "add")
    if not after:
        raise RefusedError(
            "that is the last anchor: nobody but the database's owner would hold a checkpoint",
            hint="add another first: `luactl ledger anchor add`",
        )
    newest = queries("ledger").newest_checkpoint(session.conn)
    size = 0 if newest is None else int(newest[0])
    return AnchorChange(verb, anchor.name, size, _steps(verb, anchor, size), tuple(after))


def _steps(verb: Verb, anchor: Anchor, size: int) -> tuple[str, ...]:
    if verb == "remove":
        return ("leave there what it holds; see that another has the newest checkpoint",)
    made = ("make it: it is not there",) if anchor.missing() else ()
    return (*made, f"hand over the checkpoint of {size:,} entries")


def carry_out(session: Session, wanted: AnchorChange) -> AnchorChange:
    """Do it, with an entry `ledger.anchor.add` or `ledger.anchor.remove` before and after.

    Cut short it can be run again. Raises AnchorError when the new one does not take the checkpoint or, of
    one that goes, no other has it; RefusedError when an anchor knows another history, or without the
    approval that a rule demands.
    """
    from ..approval import Want, demand, digest, use

    action = f"ledger.anchor.{wanted.verb}"
    entry = Entry(action, object=f"anchor:{wanted.name}"[:200], outcome="intent")
    granted = None
    if wanted.verb == "remove":
        summary = f"Take anchor {wanted.name} out of profile {session.profile.name}"[:500]
        target = digest(session.profile.name, wanted.name)
        granted = demand(session, Want(action, f"{action} {target}", summary, {"target": target}, {}))
    with transaction(session):
        if granted:
            use(session, granted, finish=False)
        append(session, entry)
    _prove(session, wanted)
    set_anchors(session.profile, wanted.anchors)
    session.step("profile written")
    with transaction(session):
        if granted:
            use(session, granted)
        append(session, replace(entry, outcome="done"))
    return wanted


def _prove(session: Session, wanted: AnchorChange) -> None:
    """Hand over the newest checkpoint: to the one that comes, or to those that stay."""
    places = [open_anchor(name, session.profile.signing_key) for name in wanted.anchors]
    if wanted.verb == "add":
        places = places[-1:]
        places[0].create()
    failed = hand_over(session, own_signer(session), places)
    if len(failed) == len(places):
        raise AnchorError(f"{failed[0].what}: the profile stays as it is", hint=failed[0].hint)
