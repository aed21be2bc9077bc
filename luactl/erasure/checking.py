"""Trying to reach an erased person: rows, keys in database, book and holders, hidden invoices.

Changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import RefusedError
from ..key.classes import KeyClass
from .planning import TABLES
from .record import Erasure, find

CLASSES = {one.label: one for one in KeyClass}


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
    subject_id: UUID
    ok: bool
    """Nothing is broken."""
    checks: tuple[Check, ...]


def verify(session: Session, erasure_id: UUID) -> Verification:
    """Try to reach the person of an erasure. Findings are returned, not raised. Raises NotFoundError."""
    erasure = find(session, erasure_id)
    checks = [_outcome(erasure), *check(session, erasure)]
    ok = all(one.state != "broken" for one in checks)
    return Verification(erasure.erasure_id, erasure.subject_id, ok, tuple(checks))


def check(session: Session, erasure: Erasure) -> list[Check]:
    """Run every attempt but that on the record itself."""
    attempts = {
        "the subject's row is empty": _row,
        "its rows are gone": _rows,
        "no key is claimed": _claims,
        "the keys do not open from the database": _database,
        "the keys do not open from the key books": _books,
        "the old root is gone from every holder": _holders,
        "only bookkeeping sees what a duty keeps": _retained,
    }
    return [_attempt(name, attempt, session, erasure) for name, attempt in attempts.items()]


def _attempt(
    name: str, attempt: Callable[[Session, Erasure], Iterator[str]], session: Session, erasure: Erasure
) -> Check:
    """Run one attempt: it yields what it found wrong, and returns what it looked at."""
    wrong: list[str] = []
    try:
        steps = attempt(session, erasure)
        while True:
            try:
                wrong.append(next(steps))
            except StopIteration as end:
                return Check(name, "broken", "; ".join(wrong)) if wrong else Check(name, "holds", end.value)
    except RefusedError as error:
        return Check(name, "not observable", error.what)


def _outcome(erasure: Erasure) -> Check:
    name = "the erasure is complete"
    if erasure.state == "done":
        return Check(name, "holds", f"since {erasure.completed_at:%Y-%m-%dT%H:%M:%SZ}")
    return Check(name, "broken", "it was cut short; `luactl erasure run` finishes it")


def _ask(session: Session, erasure: Erasure, query: str) -> Any:
    with transaction(session, erasure.tenant_id) as conn:
        found = getattr(queries("erasure"), query)(
            conn, tenant_id=erasure.tenant_id, subject_id=erasure.subject_id
        )
        return found if found is None or isinstance(found, int | tuple) else list(found)


def _row(session: Session, erasure: Erasure) -> Any:
    found = _ask(session, erasure, "subject")
    if found is None:
        yield "it is missing, so that the person could be written anew"
    elif found[0] != "erased" or found[1] is None:
        yield f"its status is {found[0]!r}"
    return "status erased, nothing personal"


def _rows(session: Session, erasure: Erasure) -> Any:
    counts = _ask(session, erasure, "counts")
    for table, rows in zip(TABLES, counts, strict=True):
        if rows:
            yield f"{rows} rows in {table}"
    return f"0 rows in {', '.join(TABLES)}"


def _claims(session: Session, erasure: Erasure) -> Any:
    dropped = {CLASSES[one["class"]] for one in erasure.plan["keys"]} | {KeyClass.MAIN, KeyClass.SPECIAL}
    for key_class, version, slot in _ask(session, erasure, "slots"):
        if key_class in dropped:
            yield f"class {key_class}, version {version} in slot {slot}"
    return "no slot of the dropped classes"


def _places(session: Session, erasure: Erasure) -> list[tuple[str, bytes, int]]:
    """Return where each dropped key stood: its name, the path of its node, its slot there."""
    from ..key.path import locate, tenant_nodes
    from ..key.tenant import subject_space

    own, duty = tenant_nodes(queries("key").key_no(session.conn, tenant_id=erasure.tenant_id))
    places = []
    for one in erasure.plan["keys"]:
        space = subject_space(CLASSES[one["class"]])
        leaf, slot = locate(duty if space.is_duty else own, space.first, one["slot"])
        places.append((f"{one['class']} version {one['version']}", leaf, slot))
    return places


def _database(session: Session, erasure: Erasure) -> Any:
    """Open the very nodes, with today's root, and look into the slots."""
    from ..key.tree import Nodes

    places = _places(session, erasure)
    nodes = Nodes(session)
    nodes.load([leaf for _name, leaf, _slot in places], fresh=True)
    for name, leaf, slot in places:
        try:
            opened = nodes[leaf][slot]
        except KeyError:
            continue
        if opened is not None:
            yield f"{name} opens"
    return f"opened with today's root: {len(places)} dropped slots, all empty"


def _books(session: Session, erasure: Erasure) -> Any:
    """A dropped slot is empty in the newest state; a book that still has something there is behind."""
    from ..key.book import open_books
    from ..key.node import DROPPED, SLOT_SIZE

    places, books = _places(session, erasure), open_books(session.profile.books)
    for book in books:
        if book.state().epoch < erasure.epoch:
            yield f"{book.name} stands at epoch {book.state().epoch}, before the erasure"
        for name, leaf, slot in places:
            found = book.node(leaf)
            if found is not None and found[1][slot * SLOT_SIZE : (slot + 1) * SLOT_SIZE] != DROPPED:
                yield f"{name} still has a sealed key in {book.name}"
    return f"{len(places)} dropped slots, empty in {', '.join(book.name for book in books)}"


def _holders(session: Session, erasure: Erasure) -> Any:
    from ..key.holder import open_holders

    holders = open_holders(session.profile.holders)
    for holder in holders:
        old = [epoch for epoch in holder.epochs() if epoch < erasure.epoch]
        if old:
            yield f"{holder.name} still has the root of epoch {', '.join(map(str, old))}"
    return f"no root before epoch {erasure.epoch} at {', '.join(holder.name for holder in holders)}"


def _retained(session: Session, erasure: Erasure) -> Any:
    """Compare what the definer counts with what this login itself sees."""
    kept = _ask(session, erasure, "invoices")
    open_ones = sum(invoices for _period, invoices, _lines, retained in kept if not retained)
    if open_ones:
        yield f"{open_ones} invoices are not hidden"
    with transaction(session) as conn:
        bookkeeping = queries("erasure").is_accounting(conn)
    seen = _ask(session, erasure, "visible_invoices")
    if seen and not bookkeeping:
        yield f"{session.actor} sees {seen} of them without lua_accounting"
    return f"invoices that are kept, all hidden: {sum(row[1] for row in kept)}"
