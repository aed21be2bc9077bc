"""Random histories of holds, releases, purges, erasures and imports: nothing held ever goes, and it opens.

What is held is reckoned here, from the clear columns and the holds, apart from the SQL that keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from support_erasure import erase, practice, table
from support_hold import parties, put, texts

from luactl import crm, hold, retention
from luactl.db import Session
from luactl.errors import RefusedError
from luactl.hold.filter import KINDS
from luactl.key import verify
from luactl.tenant import Tenant

STEPS = 14
ROWS = """SELECT 'interaction', interaction_id::text, subject_id, kind, (occurred_at AT TIME ZONE 'UTC')::date
          FROM crm.interaction UNION ALL
          SELECT 'invoice', number, subject_id, NULL, issued_on FROM crm.invoice"""


@dataclass(frozen=True)
class Row:
    """One row, by what stands in clear."""

    about: str
    name: str
    subject: UUID
    kind: str | None
    day: date


@dataclass
class World:
    """One tenant under a random history."""

    session: Session
    tenant: Tenant
    admin: psycopg.Connection[Any]
    base: Path
    random: Random
    people: list[UUID]
    visits: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def rows(self) -> set[Row]:
        return {Row(*row) for row in self.admin.execute(ROWS)}

    def held(self) -> set[Row]:
        holds = hold.list_(self.session, self.tenant)
        return {row for row in self.rows() if any(covers(one, row) for one in holds)}


def covers(one: hold.Hold, row: Row) -> bool:
    if one.scope == "tenant":
        return True
    if one.scope == "subject":
        return one.subject_id == row.subject
    wanted = hold.parse(str(one.query))
    return (
        wanted.about == row.about
        and (wanted.kinds is None or row.kind in wanted.kinds)
        and (wanted.first_on is None or wanted.first_on <= row.day)
        and (wanted.last_on is None or row.day <= wanted.last_on)
    )


def place(w: World) -> None:
    choice = w.random.randrange(6)
    if choice == 0:
        put(w.session, w.tenant, case=f"case {w.random.randrange(9)}")
    elif choice < 3:
        put(w.session, w.tenant, w.random.choice(w.people))
    elif choice == 3:
        put(w.session, w.tenant, query=f"invoice year={w.random.choice((2016, 2025))}")
    else:
        kinds = ",".join(w.random.sample(KINDS, 2))
        put(
            w.session, w.tenant, query=f"interaction kind={kinds} until={w.random.choice((2020, 2026))}-03-31"
        )


def release(w: World) -> None:
    holds = [one for one in hold.list_(w.session, w.tenant) if one.case is None]
    cases = {one.case for one in hold.list_(w.session, w.tenant) if one.case}
    if cases and w.random.random() < 0.5:
        hold.release(w.session, w.tenant, hold.of_case(w.session, w.tenant, min(cases)), "settled")
    elif holds:
        hold.release(w.session, w.tenant, [w.random.choice(holds)], "settled")


def purge(w: World) -> None:
    retention.purge(w.session, retention.plan(w.session, [w.tenant]))
    assert retention.plan(w.session, [w.tenant]).tenants == ()


def erase_somebody(w: World) -> None:
    who = w.random.choice(w.people)
    kept = any(row.subject == who and row.about == "interaction" for row in w.held())
    try:
        erase(w.session, w.tenant, who, w.base)
    except RefusedError:
        return
    assert not kept


def come(w: World) -> None:
    """Something new comes in, into an old month or a new one."""
    w.visits += 1
    text, kind = f"visit {w.visits}", w.random.choice(KINDS)
    month = w.random.choice(("2020-03", "2020-05", "2026-10"))
    line = f"{w.random.choice((1, 2, 3))},{month}-15T09:00:{w.visits:02}Z,{kind},{text}\n"
    crm.import_interactions(w.session, w.tenant, table(f"CustomerId,Date,Type,Text\n{line}"), crm.Options())


def change_rule(w: World) -> None:
    retention.set_rule(w.session, w.tenant, "interaction", w.random.choice((12, 36, 240)))


ACTS = (place, place, place, release, release, purge, purge, purge, erase_somebody, come, come, change_rule)


def check(w: World, before: set[Row]) -> None:
    """What was held is there, and all of it opens."""
    after = w.rows()
    assert before <= after, w.said
    living = crm.list_interactions(w.session, w.tenant, 0).rows
    opened = {str(one.interaction_id) for one in living} | set(parties(w.session, w.tenant))
    assert {row.name for row in before} <= opened, w.said
    assert None not in texts(w.session, w.tenant)


def tell(w: World) -> None:
    for _step in range(STEPS):
        act = w.random.choice(ACTS)
        w.said.append(act.__name__)
        before = w.held()
        act(w)
        kept = before if act is not release else before & w.held()
        check(w, kept)
    holds = hold.list_(w.session, w.tenant)
    if holds:
        hold.release(w.session, w.tenant, holds, "the end")
    purge(w)
    assert verify(w.session).findings == ()
    assert w.admin.execute("SELECT count(*) FROM vault.period WHERE period_id >> 24 > 3").fetchone() == (0,)
    due = datetime(2026, 1, 1, tzinfo=UTC).year - 9
    assert not [row for row in w.rows() if row.about == "invoice" and row.day.year < due]


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(n, marks=pytest.mark.long) for n in range(3, 25))]
)
def test_nothing_held_ever_goes(
    session: Session, admin: psycopg.Connection[Any], tmp_path: Path, seed: int
) -> None:
    tenant = practice(session)
    rows = crm.list_customers(session, tenant, 0).rows
    tell(World(session, tenant, admin, tmp_path, Random(seed), [one.subject_id for one in rows]))
