"""The register of holders and key books: no epoch is turned while one of them is left out.

A profile names what its host reaches. What other profiles name, and this one forgot, would keep the old root
and be found stale afterwards, when it is too late. So the database knows every place, by the id on its plate.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from ..config import Profile
from ..db import Session, queries, transaction
from ..errors import RefusedError
from . import plate
from .book import open_books
from .holder import HolderError, open_holders

Kind = Literal["holder", "book"]


@dataclass(frozen=True)
class Place:
    """A holder or key book, as it stands in the register."""

    place_id: UUID
    kind: Kind
    name: str
    """As the profile called it that registered it."""
    host: str
    """The host that registered it."""
    registered_at: datetime
    registered_by: str
    registered_epoch: int
    retired_at: datetime | None
    """None: epochs are turned with it."""
    retired_by: str | None
    retired_epoch: int | None
    """At which epoch the tree stood then."""
    reason: str | None
    root_left: bool | None
    """Whether a retired holder kept its root; None for a book."""

    @property
    def said(self) -> str:
        """Whatever names it to a person."""
        return f"key {self.kind} {self.name} of host {self.host} ({self.place_id})"

    @property
    def missed(self) -> str:
        """What is said of it where a profile leaves it out."""
        return f"{self.said} is registered, and left out here"

    @property
    def retiring(self) -> str:
        """The command that ends it when it is gone for ever."""
        return f"luactl key {self.kind} retire {self.place_id} --reason TEXT"


@dataclass(frozen=True)
class Named:
    """A place that the profile names, and what its plate says."""

    kind: Kind
    place: plate.Plated
    place_id: UUID | None
    """None: no plate of this tree, and nothing that tells which place it was."""
    is_read: bool
    """False: the place is out of reach."""
    is_hung: bool
    """Whether the plate hangs there already."""


@dataclass(frozen=True)
class Roll:
    """The register beside the places of a profile."""

    tree_id: UUID
    rows: tuple[Place, ...]
    named: tuple[Named, ...]

    @property
    def ids(self) -> dict[UUID, Named]:
        """The places of the profile by their ids."""
        return {one.place_id: one for one in self.named if one.place_id is not None}

    @property
    def left_out(self) -> tuple[Place, ...]:
        """Places that are registered, not retired, and not among the profile's."""
        return tuple(row for row in self.rows if row.retired_at is None and row.place_id not in self.ids)

    @property
    def forgotten(self) -> tuple[Place, ...]:
        """The same without those whose names the profile has, and whose plates are out of reach."""
        unread = {(one.kind, one.place.name) for one in self.named if not one.is_read}
        return tuple(row for row in self.left_out if (row.kind, row.name) not in unread)


def list_(session: Session) -> tuple[Place, ...]:
    """Return every place that was ever registered, in that order."""
    return tuple(Place(*row) for row in queries("key").places(session.conn))


def call(session: Session, tree_id: UUID) -> Roll:
    """Read the register, and the plates of the profile's places; changes nothing.

    A key book that was lost and made anew where it was counts as the same.
    """
    rows = list_(session)
    named = tuple(_read(kind, one, tree_id) for kind, one in _places(session.profile))
    seen = {one.place_id for one in named}
    lost: dict[tuple[str, str], UUID] = {
        (row.kind, row.name): row.place_id
        for row in rows
        if row.kind == "book" and row.retired_at is None and row.place_id not in seen and _is_here(row)
    }
    return Roll(
        tree_id,
        rows,
        tuple(
            one if one.place_id else replace(one, place_id=lost.get((one.kind, one.place.name)))
            for one in named
        ),
    )


def _is_here(row: Place) -> bool:
    return row.host == host()


def host() -> str:
    """Return the name of this host."""
    return socket.gethostname() or "localhost"


def _places(profile: Profile) -> Iterable[tuple[Kind, plate.Plated]]:
    for holder in open_holders(profile.holders):
        yield "holder", holder
    for book in open_books(profile.books):
        yield "book", book


def _read(kind: Kind, one: plate.Plated, tree_id: UUID) -> Named:
    try:
        place_id = plate.unpack(tree_id, one.plate())
    except (HolderError, OSError):
        return Named(kind, one, None, is_read=False, is_hung=False)
    return Named(kind, one, place_id, is_read=True, is_hung=place_id is not None)


def demand(roll: Roll) -> None:
    """Raise RefusedError, which names the place, unless all that are registered take part, once each."""
    for missing in roll.left_out:
        raise RefusedError(
            f"{missing.said} is registered, and this profile leaves it out: no epoch was turned",
            hint=f"`luactl key {missing.kind} add NAME`, as it is reached from here; if it is gone for ever, "
            f"`{missing.retiring}`",
        )
    known = {row.place_id: row for row in roll.rows}
    for one in roll.named:
        row = known.get(one.place_id) if one.place_id else None
        if row and row.retired_at:
            raise RefusedError(
                f"key {one.kind} {one.place.name} was retired on {row.retired_at:%Y-%m-%d}"
                f" by {row.retired_by}",
                hint=f"`luactl key {one.kind} remove {one.place.name}`, then add it again",
            )
        if one.place_id and roll.ids[one.place_id] is not one:
            raise RefusedError(
                f"{roll.ids[one.place_id].place.name} and {one.place.name} bear the same plate",
                hint="one is a link to the other, or a copy: remove one of them and add it again",
            )


def enrol(session: Session, roll: Roll) -> list[UUID]:
    """Give every place of the profile its plate, and register those that are not; return all their ids.

    To be called with the tree locked: who takes part in one epoch is missed by the next.
    """
    found = [(hang(one, roll.tree_id), one.kind, one.place.name) for one in roll.named if one.is_read]
    write(session, roll, found)
    return [place_id for place_id, _kind, _name in found]


def hang(one: Named, tree_id: UUID) -> UUID:
    """Lay the plate of a place, unless it hangs there; return its id. Raises HolderError, OSError.

    To be called with the tree locked, as whoever reads the place before it.
    """
    from uuid_utils.compat import uuid7

    wanted = one.place_id or uuid7()
    if not one.is_hung:
        one.place.lay_plate(plate.pack(tree_id, wanted))
    return wanted


def write(session: Session, roll: Roll, places: Sequence[tuple[UUID, Kind, str]]) -> None:
    """Register those places that are not yet, in one transaction, with a ledger entry each."""
    from ..ledger import Entry, append

    known = {row.place_id for row in roll.rows}
    new = [one for one in places if one[0] not in known]
    if not new:
        return
    with transaction(session):
        for place_id, kind, name in new:
            detail = {"place": str(place_id), "host": host()}
            append(session, Entry(f"key.{kind}.register", object=f"{kind}:{name}"[:200], detail=detail))
            insert(session, place_id, kind, name)


def adopt(session: Session, roll: Roll, kind: Kind, new: plate.Plated) -> UUID:
    """Lay the plate of a place that is added, unless it has its own; return its id.

    A copy of another place gets an id of its own, and so does one that was retired. Raises RefusedError when
    it is a place of the profile by another name.
    """
    old = plate.unpack(roll.tree_id, new.plate())
    retired = {row.place_id for row in roll.rows if row.retired_at}
    twin = roll.ids.get(old) if old else None
    kept = None if twin or old in retired else old
    wanted = hang(Named(kind, new, kept, is_read=True, is_hung=kept is not None), roll.tree_id)
    if twin and old and plate.unpack(roll.tree_id, twin.place.plate()) == wanted:
        twin.place.lay_plate(plate.pack(roll.tree_id, old))
        raise RefusedError(
            f"key {kind} {new.name} is {twin.place.name} by another name", hint="name another place"
        )
    return wanted


def row_of(roll: Roll, kind: Kind, one: plate.Plated) -> Place | None:
    """Return the row of a place of the profile, by its plate, or by its name when it is out of reach."""
    named = next(known for known in roll.named if (known.kind, known.place.name) == (kind, one.name))
    there = [row for row in roll.rows if row.kind == kind and row.retired_at is None]
    if named.place_id:
        return next((row for row in there if row.place_id == named.place_id), None)
    missing = [row for row in roll.left_out if row in there and row.name == one.name]
    here = [row for row in missing if _is_here(row)] or missing
    return here[0] if len(here) == 1 else None


def end(session: Session, row: Place, reason: str, *, root_left: bool) -> None:
    """Retire a place in the running transaction, with its ledger entry."""
    from ..ledger import Entry, append

    detail = {"place": str(row.place_id), "host": row.host, "reason": reason, "root_left": root_left}
    append(session, Entry(f"key.{row.kind}.retire", object=f"{row.kind}:{row.name}"[:200], detail=detail))
    queries("key").retire_place(
        session.conn,
        place_id=row.place_id,
        reason=reason,
        root_left=root_left,
        at=session.clock.now(),
    )


def insert(session: Session, place_id: UUID, kind: Kind, name: str) -> None:
    """Register one place in the running transaction, unless it is."""
    queries("key").register_place(
        session.conn, place_id=place_id, kind=kind, name=name, host=host(), at=session.clock.now()
    )


def unanswered(session: Session, epoch: int) -> tuple[Place, ...]:
    """Return the holders that had the root of an epoch and never said that they destroyed it."""
    return tuple(Place(*row) for row in queries("key").unanswered(session.conn, epoch=epoch))
