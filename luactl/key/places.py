"""Adding and removing holders of the root and key books, of a profile in the person's own file.

A new holder has the root, durably and read back, before the profile names it; one that goes loses it before
the profile forgets it. In that order no holder is ever missed by an epoch, whatever breaks in between. The
register follows: it knows a place before anybody leaves it out, and forgets one that is gone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..config import Profile
from ..db import Session, transaction
from ..errors import NotFoundError, RefusedError, UsageError
from ..exclusive import Hold
from ..profile import demand_own, set_places
from . import consent
from .book import EMPTY, Book, sync
from .fate import destroy
from .holder import (
    Destroyed,
    ForeignRootError,
    Holder,
    HolderError,
    UnusableRootError,
    open_holder,
    open_holders,
)
from .register import Kind, adopt, call, end, enrol, row_of, write
from .root import exclusive, place, read_root, wipe
from .status import KeyStatus, State, require, status

Verb = Literal["add", "remove"]


@dataclass(frozen=True)
class PlaceChange:
    """A holder or book that comes or goes: what is done there, and what the profile names afterwards."""

    kind: Kind
    verb: Verb
    name: str
    epoch: int
    steps: tuple[str, ...]
    holders: tuple[str, ...]
    books: tuple[str, ...]
    lost: bool = False
    """A holder whose medium is out of reach for good: it is only forgotten."""
    answers: tuple[Destroyed, ...] = ()


def plan(session: Session, kind: Kind, verb: Verb, name: str, *, lost: bool = False) -> PlaceChange:
    """Return what would be done; a place that goes may be stale, damaged or, if `lost`, out of reach.

    Raises UsageError, NotFoundError, RefusedError.
    """
    demand_own(session.profile.name)
    known = session.profile.holders if kind == "holder" else tuple(map(str, session.profile.books))
    if kind == "book" and not Path(name).is_absolute():
        raise UsageError(f"{name!r} is no absolute path", hint="write it from the root on")
    if kind == "holder":
        name = open_holder(name).name
    if verb == "add" and name in known:
        raise RefusedError(
            f"profile {session.profile.name!r} names {name} already",
            hint=f"nothing to do; `luactl key {kind} list` shows how it is",
        )
    if verb == "remove" and name not in known:
        raise NotFoundError(
            f"profile {session.profile.name!r} names no {kind} {name}", hint="`luactl key status`"
        )
    after = (*known, name) if verb == "add" else tuple(one for one in known if one != name)
    if not after:
        raise RefusedError(
            f"that is the last {kind}: without it nothing could be opened", hint="add another first"
        )
    holders = after if kind == "holder" else session.profile.holders
    books = after if kind == "book" else tuple(map(str, session.profile.books))
    wanted = PlaceChange(kind, verb, name, 0, (), holders, books, lost)
    found = _others(session, wanted)
    return replace(wanted, epoch=found.epoch, steps=_steps(found, wanted))


def _others(session: Session, wanted: PlaceChange) -> KeyStatus:
    """Return how all places stand but the one that goes; they must be settled. Raises RefusedError."""
    profile = session.profile if wanted.verb == "add" else _profile(session, wanted)
    found = status(replace(session, profile=profile), count=False)
    require(found, State.SETTLED)
    return found


def _profile(session: Session, wanted: PlaceChange) -> Profile:
    return replace(session.profile, holders=wanted.holders, books=tuple(map(Path, wanted.books)))


def _steps(found: KeyStatus, wanted: PlaceChange) -> tuple[str, ...]:
    if wanted.kind == "book":
        added = wanted.verb == "add"
        return ("write the whole sealed tree there" if added else "leave the file there: it is sealed",)
    holder = open_holder(wanted.name)
    if wanted.verb == "remove":
        if wanted.lost:
            return ("nothing there: its root must be taken for stolen, so rotate afterwards",)
        return tuple(f"destroy the root of epoch {epoch} there" for epoch in holder.epochs())
    stale = [epoch for epoch in (holder.epochs() if holder.exists() else ()) if epoch < found.epoch]
    return (
        *(f"destroy the old root of epoch {epoch} there" for epoch in stale),
        f"copy the root of epoch {found.epoch}",
    )


def carry_out(session: Session, wanted: PlaceChange) -> PlaceChange:
    """Do it, and leave `key.holder.add` and the like in the ledger, intent and done.

    Cut short it can be run again: what is there already is looked at, not written twice. Raises BusyError
    when the tree is in use, RefusedError for a place that another database uses, or without the approval
    that a rule demands.
    """
    from ..ledger import Entry, append

    action = f"key.{wanted.kind}.{wanted.verb}"
    entry = Entry(action, object=f"{wanted.kind}:{wanted.name}"[:200], outcome="intent")
    granted = consent.demand(
        session, action, wanted.name, f"{wanted.verb.capitalize()} key {wanted.kind}", lost=wanted.lost
    )
    with exclusive(session) as held:
        found = _others(session, wanted)
        staying = session if wanted.verb == "add" else replace(session, profile=_profile(session, wanted))
        enrol(session, call(staying, found.tree_id))
        with transaction(session):
            consent.use(session, granted, finish=False)
            append(session, replace(entry, detail={"epoch": found.epoch}))
        do = _add if wanted.verb == "add" else _remove
        answers = do(session, held, wanted, found)
        with transaction(session):
            consent.use(session, granted)
            append(session, replace(entry, outcome="done", detail={"epoch": found.epoch}))
    return replace(wanted, epoch=found.epoch, answers=answers)


def _add(session: Session, _held: Hold, wanted: PlaceChange, found: KeyStatus) -> tuple[Destroyed, ...]:
    """Fill the place, register it, and name it in the profile."""
    there: Holder | Book
    answers: tuple[Destroyed, ...] = ()
    if wanted.kind == "book":
        there = Book(Path(wanted.name))
        _add_book(session, there, found)
    else:
        there = open_holder(wanted.name)
        answers = _add_holder(session, there, found)
    roll = call(session, found.tree_id)
    place_id = adopt(session, roll, wanted.kind, there)
    write(session, roll, [(place_id, wanted.kind, wanted.name)])
    _write_profile(session, wanted)
    return answers


def _remove(session: Session, held: Hold, wanted: PlaceChange, found: KeyStatus) -> tuple[Destroyed, ...]:
    """Empty a holder, end the place in the register, and take it out of the profile.

    Its plate goes when the register knows of its end: by that a run that was cut short finds its row.
    """
    there = open_holder(wanted.name) if wanted.kind == "holder" else Book(Path(wanted.name))
    row = row_of(call(session, found.tree_id), wanted.kind, there)
    answers: tuple[Destroyed, ...] = ()
    if not isinstance(there, Book):
        _demand_other(session, wanted.name, found)
        held.check(session.conn)
        answers = () if wanted.lost else _empty(session, there, found)
    if row:
        with transaction(session):
            end(session, row, "lost" if wanted.lost else "removed", root_left=wanted.lost)
    if not wanted.lost:
        with suppress(HolderError, OSError):  # a plate opens nothing
            there.take_plate()
    _write_profile(session, wanted)
    return answers


def _write_profile(session: Session, wanted: PlaceChange) -> None:
    set_places(session.profile, _profile(session, wanted))
    session.step("profile written")


def _empty(session: Session, holder: Holder, found: KeyStatus) -> tuple[Destroyed, ...]:
    """Destroy every root that a holder has, also old and torn ones; refuse another database's."""
    epochs = holder.epochs()
    for epoch in epochs:
        with suppress(FileNotFoundError):
            _look(holder, found, epoch)
    return tuple(destroy(session, holder, found.tree_id, epoch) for epoch in epochs)


def _look(holder: Holder, found: KeyStatus, epoch: int) -> bool:
    """Whether a slot holds a whole root of this tree. Raises ForeignRootError for another database's."""
    try:
        wipe(holder.get(found.tree_id, epoch))
    except ForeignRootError:
        raise
    except UnusableRootError:
        return False
    return True


def _add_holder(session: Session, holder: Holder, found: KeyStatus) -> tuple[Destroyed, ...]:
    """Copy today's root there; old ones that an interrupted try left behind are destroyed."""
    holder.prepare()
    epochs = holder.epochs()
    if any(epoch > found.epoch for epoch in epochs):
        raise RefusedError(
            f"key holder {holder.name} holds roots of a later epoch",
            hint="another database uses it: name another place",
        )
    whole = [epoch for epoch in epochs if _look(holder, found, epoch)]
    useless = [epoch for epoch in epochs if epoch < found.epoch or epoch not in whole]
    answers = [destroy(session, holder, found.tree_id, epoch) for epoch in useless]
    root = read_root(open_holders(session.profile.holders), found.tree_id, found.epoch)
    try:
        if found.epoch in whole:
            kept = holder.get(found.tree_id, found.epoch)
            if kept != root:
                raise RefusedError(f"key holder {holder.name} holds another root of epoch {found.epoch}")
            wipe(kept)
        else:
            place(holder, found.tree_id, found.epoch, root, [])
    finally:
        wipe(root)
    session.step("root placed")
    return tuple(answers)


def _demand_other(session: Session, name: str, found: KeyStatus) -> None:
    """Raise unless another holder gives today's root: nothing is destroyed that is the last."""
    others = [one for one in open_holders(session.profile.holders) if one.name != name]
    wipe(read_root(others, found.tree_id, found.epoch))


def _add_book(session: Session, book: Book, found: KeyStatus) -> None:
    book.prepare()
    state = book.state()
    if state not in (EMPTY,) and state.tree_id != found.tree_id:
        raise RefusedError(f"key book {book.name} belongs to another database", hint="name another directory")
    if (state.epoch, state.change) > (found.epoch, found.change):
        raise RefusedError(f"key book {book.name} is newer than the database", hint="`luactl key status`")
    sync(session, book)
    session.step("book written")
