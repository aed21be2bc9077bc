"""What was erased or purged and is there again, as after a restore. Changes nothing, opens no person's data.

Tombstones (formats.md, 2.6) name what was dropped, in the database and beside every key book, which no
restore of the database sets back. Rows count whether they are sealed or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..key.classes import KeyClass, split_period
from ..retention.planning import counts_due
from ..retention.register import read as read_rules
from ..retention.rule import Rule, due_at, period_id

if TYPE_CHECKING:
    from ..key.tree import Nodes
    from ..tenant import Tenant


@dataclass(frozen=True)
class Period:
    """A purged period of which something is there again."""

    retention_class: str
    """interaction or invoice."""
    period: int
    """yyyymm or yyyy."""
    interactions: int
    invoices: int
    invoice_lines: int
    key: bool
    """Whether its key is claimed again."""
    kept: bool
    """Today's rule keeps it: nothing is taken, and somebody must look."""


@dataclass(frozen=True)
class Returned:
    """What is there again at one tenant."""

    tenant_id: int
    tenant: str
    """Slug."""
    people: tuple[UUID, ...]
    """Were erased, and live again."""
    revived: tuple[UUID, ...]
    """Are marked as erased, and have rows or keys."""
    special: tuple[UUID, ...]
    """Have a claim on a key of class special that is gone."""
    periods: tuple[Period, ...]

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to erase again."""
        return not (self.people or self.revived or self.special or self.periods)


@dataclass(frozen=True)
class _Marks:
    """Tombstones of a tenant, and the key that makes them."""

    tenant_id: int
    key: bytes
    marks: frozenset[bytes]

    def subject(self, subject: UUID, key_class: KeyClass) -> bool:
        from ..key.rewrite import subject_mark

        return subject_mark(self.key, self.tenant_id, subject, key_class) in self.marks

    def period(self, identifier: int, slot: int) -> bool:
        from ..key.rewrite import period_mark

        return period_mark(self.key, self.tenant_id, identifier, slot) in self.marks


def returned(
    session: Session, tenants: Sequence[Tenant], progress: Callable[[int], None] = lambda _: None
) -> tuple[Returned, ...]:
    """Return what is there again, of those tenants that have any; `progress` gets 1 a tenant.

    Raises RefusedError off a key host, or while the database is not level with holders and books.
    """
    from ..key.status import State, require, status
    from ..key.tree import Nodes

    require(status(session, count=False), State.SETTLED)
    marks, nodes, found = _tombstones(session), Nodes(session), []
    for tenant in tenants:
        one = _tenant(session, tenant, marks, nodes)
        if not one.nothing:
            found.append(one)
        progress(1)
    return tuple(found)


def _tombstones(session: Session) -> dict[int, set[bytes]]:
    """Return every tombstone by tenant: of the database, and of every book."""
    from ..key.book import open_books

    found: dict[int, set[bytes]] = {}
    for book in open_books(session.profile.books):
        for tenant_id, mark in book.marks():
            found.setdefault(tenant_id, set()).add(bytes(mark))
    for tenant_id, mark, _epoch, _at in queries("key").tombstones(session.conn, epoch=0):
        found.setdefault(tenant_id, set()).add(bytes(mark))
    return found


def _tenant(session: Session, tenant: Tenant, marks: dict[int, set[bytes]], nodes: Nodes) -> Returned:
    from ..key.path import TOMBSTONE_SLOT, TOP

    nodes.load((TOP,), fresh=True)
    key = nodes[TOP].key(TOMBSTONE_SLOT)
    known = _Marks(tenant.tenant_id, key, frozenset(marks.get(tenant.tenant_id, ())))
    noun, this = queries("erasure"), {"tenant_id": tenant.tenant_id}
    with transaction(session, tenant.tenant_id) as conn:
        living = [row[0] for row in noun.living_subjects(conn, **this)] if known.marks else []
        revived = tuple(row[0] for row in noun.revived(conn, **this))
        claims = list(noun.class_claims(conn, **this, key_class=KeyClass.SPECIAL))
        periods = _periods(conn, tenant, known, session.clock.now())
    people = tuple(one for one in living if known.subject(one, KeyClass.MAIN))
    gone = {*people, *revived}
    special = _dead(session, tenant, [claim for claim in claims if claim[0] not in gone], nodes)
    return Returned(tenant.tenant_id, tenant.slug, people, revived, special, periods)


def _dead(
    session: Session, tenant: Tenant, claims: Sequence[tuple[UUID, int]], nodes: Nodes
) -> tuple[UUID, ...]:
    """Return those whose claim points at a slot that was dropped."""
    from ..key.path import Counter, locate, tenant_nodes

    if not claims:
        return ()
    own, _duty = tenant_nodes(queries("key").key_no(session.conn, tenant_id=tenant.tenant_id))
    places = [(subject, *locate(own, Counter.SUBJECTS.first, slot)) for subject, slot in claims]
    nodes.load({leaf for _subject, leaf, _slot in places})
    return tuple(subject for subject, leaf, slot in places if nodes[leaf][slot] is None)


def _periods(conn: Any, tenant: Tenant, known: _Marks, now: datetime) -> tuple[Period, ...]:
    """Return purged periods whose key is claimed again, and due ones with rows that no key opens.

    What a legal hold keeps lies under a key of its own, and is no return.
    """
    claims = dict(queries("erasure").period_claims(conn, tenant_id=tenant.tenant_id))
    rows = counts_due(conn, tenant.tenant_id, now)[0]
    back = [split_period(one) for one, slot in claims.items() if known.period(one, slot)]
    named = {(one.label, number): True for one, number in back}
    named |= {one: False for one, counts in rows.items() if any(counts) and period_id(*one) not in claims}
    rules = {rule.retention_class: rule for rule in read_rules(conn, tenant.tenant_id)}
    return tuple(
        _period(one, rows.get(one, (0, 0, 0)), key=named[one], kept=_kept(rules.get(one[0]), one[1], now))
        for one in sorted(named)
    )


def _period(one: tuple[str, int], rows: Sequence[int], *, key: bool, kept: bool) -> Period:
    return Period(one[0], one[1], rows[0], rows[1], rows[2], key, kept)


def _kept(rule: Rule | None, number: int, now: datetime) -> bool:
    """Whether today's rule keeps it: it may have become longer since the purge."""
    end = due_at(rule, number) if rule else None
    return end is None or end > now
