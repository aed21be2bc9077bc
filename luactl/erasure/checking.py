"""Trying to reach erased people: rows, keys in database, book and holders, hidden invoices, index and log.

Changes nothing. Each attempt is made on all people of an erasure at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import RefusedError
from ..key.classes import KeyClass
from ..pack import Uuids, teach
from . import record
from .planning import PERSON, TABLES, USER_TABLES
from .record import Erasure, find

TOLD = 5


@dataclass(frozen=True)
class Check:
    """One attempt and what came of it."""

    check: str
    state: str
    """holds, broken or not observable."""
    what: str
    """What was found."""


@dataclass(frozen=True)
class Verification:
    """All attempts on one erasure."""

    erasure_id: UUID
    subject_id: UUID | None
    """The person, when it is one; None when they are many."""
    ok: bool
    """Nothing is broken."""
    checks: tuple[Check, ...]
    people: int
    """How many people were tried."""


@dataclass(frozen=True)
class Known:
    """What is on record of an erasure, read once for all attempts."""

    session: Session
    erasure: Erasure
    people: tuple[UUID, ...]
    keys: Sequence[record.DroppedKey]

    def ask(self, query: str) -> Any:
        """Ask a named query about all these people, in the tenant's context."""
        with transaction(self.session, self.erasure.tenant_id) as conn:
            found = getattr(queries("erasure"), query)(
                conn, tenant_id=self.erasure.tenant_id, ids=Uuids.of(self.people)
            )
            return found if found is None or isinstance(found, int | tuple) else list(found)


def verify(session: Session, erasure_id: UUID) -> Verification:
    """Try to reach the people of an erasure. Findings are returned, not raised. Raises NotFoundError."""
    erasure = find(session, erasure_id)
    known = _known(session, erasure)
    checks = [_outcome(erasure), *_attempts(known)]
    ok = all(one.state != "broken" for one in checks)
    return Verification(erasure.erasure_id, erasure.subject_id, ok, tuple(checks), len(known.people))


def check(session: Session, erasure: Erasure) -> list[Check]:
    """Run every attempt but that on the record itself."""
    return _attempts(_known(session, erasure))


def _known(session: Session, erasure: Erasure) -> Known:
    teach(session.conn)
    with transaction(session, erasure.tenant_id) as conn:
        return Known(session, erasure, record.people(conn, erasure), record.dropped_keys(conn, erasure))


def _attempts(known: Known) -> list[Check]:
    attempts: dict[str, Callable[[Known], Iterator[str]]] = {
        "no key is claimed": _claims,
        "the keys do not open from the database": _database,
        "the keys do not open from the key books": _books,
        "the old root is gone from every holder": _holders,
    }
    if known.erasure.scope == PERSON:
        attempts = {
            "the subject's row is empty": _row,
            "nothing leads from the ledger to the person": _reference,
            "its rows are gone": _rows,
            "no blind index or digest is left": _index,
            **attempts,
            "only bookkeeping sees what a duty keeps": _retained,
        }
    return [_attempt(name, attempt, known) for name, attempt in attempts.items()]


def _attempt(name: str, attempt: Callable[[Known], Iterator[str]], known: Known) -> Check:
    """Run one attempt: it yields what it found wrong, and returns what it looked at."""
    wrong: list[str] = []
    try:
        steps = attempt(known)
        while True:
            try:
                wrong.append(next(steps))
            except StopIteration as end:
                return Check(name, "broken", _told(wrong)) if wrong else Check(name, "holds", end.value)
    except RefusedError as error:
        return Check(name, "not observable", error.what)


def _told(wrong: Sequence[str]) -> str:
    more = [f"and {len(wrong) - TOLD:,} more"] if len(wrong) > TOLD else []
    return "; ".join([*wrong[:TOLD], *more])


def _outcome(erasure: Erasure) -> Check:
    name = "the erasure is complete"
    if erasure.state == "done":
        return Check(name, "holds", f"since {erasure.completed_at:%Y-%m-%dT%H:%M:%SZ}")
    return Check(name, "broken", "it was cut short; `luactl erasure run` finishes it")


def _row(known: Known) -> Any:
    missing, living, _referenced = known.ask("not_erased")
    if missing:
        yield f"{missing} missing, so that the person could be written anew"
    if living:
        yield f"{living} not marked as erased"
    return f"status erased, nothing personal: {len(known.people)} of {len(known.people)}"


def _reference(known: Known) -> Any:
    referenced = known.ask("not_erased")[2]
    if referenced:
        yield f"{referenced} sealed references to the ledger are there"
    return "the sealed reference to the ledger is gone"


def _rows(known: Known) -> Any:
    tables = (*TABLES, *USER_TABLES)
    for table, rows in zip(tables, known.ask("counts"), strict=True):
        if rows:
            yield f"{rows} rows in {table}"
    if requests := known.ask("requests_naming"):
        yield f"{requests} requests that still lead to them or have a note"
    return f"0 rows in {', '.join(tables)}"


def _index(known: Known) -> Any:
    contacts, digests, _interactions, users, *_ = known.ask("counts")
    if contacts:
        yield f"{contacts} contacts with blind indexes"
    if digests:
        yield f"{digests} digests of external ids"
    if users:
        yield f"{users} users of the CRM with blind indexes and the digest of a login"
    return "0 blind indexes of e-mail, phone and name, 0 digests of external ids and logins"


def _claims(known: Known) -> Any:
    """A person's main and special keys never come again; of a class that went alone, new ones may."""
    whole = known.erasure.scope == PERSON
    places = {(one.subject_id, one.key_class, one.slot) for one in known.keys}
    classes = {(subject, key_class) for subject, key_class, _slot in places}
    for subject, key_class, version, slot in known.ask("slots"):
        again = key_class in (KeyClass.MAIN, KeyClass.SPECIAL) or (subject, key_class) in classes
        if (whole and again) or (subject, key_class, slot) in places:
            yield f"class {key_class}, version {version} in slot {slot}"
    return "no slot of the dropped classes"


@dataclass(frozen=True)
class _Slot:
    """Where a dropped key stood."""

    name: str
    leaf: bytes
    """Path of its node."""
    slot: int


def _places(known: Known) -> list[_Slot]:
    from ..key.path import locate, tenant_nodes
    from ..key.tenant import subject_space

    own, duty = tenant_nodes(queries("key").key_no(known.session.conn, tenant_id=known.erasure.tenant_id))
    places = []
    for one in known.keys:
        space = subject_space(KeyClass(one.key_class))
        leaf, slot = locate(duty if space.is_duty else own, space.first, one.slot)
        places.append(_Slot(f"{KeyClass(one.key_class).label} version {one.version}", leaf, slot))
    return places


def _database(known: Known) -> Any:
    """Open the very nodes, with today's root, and look into the slots."""
    from ..key.tree import Nodes

    places = _places(known)
    nodes = Nodes(known.session)
    nodes.load({one.leaf for one in places}, fresh=True)
    for one in places:
        try:
            opened = nodes[one.leaf][one.slot]
        except KeyError:
            continue
        if opened is not None:
            yield f"{one.name} opens"
    return f"opened with today's root: {len(places)} dropped slots, all empty"


def _books(known: Known) -> Any:
    """A dropped slot is empty in the newest state; a book that still has something there is behind."""
    from ..key.book import open_books
    from ..key.node import DROPPED, SLOT_SIZE

    places, books = _places(known), open_books(known.session.profile.books)
    for book in books:
        if book.state().epoch < known.erasure.epoch_to:
            yield f"{book.name} stands at epoch {book.state().epoch}, before the erasure"
        nodes = book.some({one.leaf for one in places})
        for one in places:
            found = nodes.get(one.leaf)
            if found and found[1][one.slot * SLOT_SIZE : (one.slot + 1) * SLOT_SIZE] != DROPPED:
                yield f"{one.name} still has a sealed key in {book.name}"
    return f"{len(places)} dropped slots, empty in {', '.join(book.name for book in books)}"


def _holders(known: Known) -> Any:
    from ..key.holder import open_holders

    epoch, holders = known.erasure.epoch_to, open_holders(known.session.profile.holders)
    for holder in holders:
        old = [one for one in holder.epochs() if one < epoch]
        if old:
            yield f"{holder.name} still has the root of epoch {', '.join(map(str, old))}"
    return f"no root before epoch {epoch} at {', '.join(holder.name for holder in holders)}"


def _retained(known: Known) -> Any:
    """Compare what the definer counts with what this login itself sees."""
    kept = known.ask("invoices")
    open_ones = sum(invoices for _period, invoices, _lines, retained in kept if not retained)
    if open_ones:
        yield f"{open_ones} invoices are not hidden"
    with transaction(known.session) as conn:
        bookkeeping = queries("erasure").is_accounting(conn)
    seen = known.ask("visible_invoices")
    if seen and not bookkeeping:
        yield f"{known.session.actor} sees {seen} of them without lua_accounting"
    return f"invoices that are kept, all hidden: {sum(row[1] for row in kept)}"
