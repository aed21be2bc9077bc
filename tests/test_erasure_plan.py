"""The plan is what runs: random practices, holds, duties and selections, on a real database."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_erasure import new_tenant, table

from luactl import crm, erasure, hold, retention
from luactl.db import Session
from luactl.errors import RefusedError
from luactl.tenant import Tenant

YEARS = (2016, 2019, 2025)


@dataclass(frozen=True)
class Someone:
    """One person of a made-up practice."""

    visits: int
    bills: tuple[int, ...]
    """Years of issue."""
    asked: bool
    before: bool
    """Erased by another act before."""
    held: bool


PEOPLE = st.lists(
    st.builds(
        Someone, st.integers(0, 4), st.lists(st.sampled_from(YEARS), max_size=3).map(tuple), st.booleans(),
        st.sampled_from((False, False, False, True)), st.sampled_from((False, False, False, True)),
    ),
    min_size=1,
    max_size=9,
)  # fmt: skip


def fill(session: Session, people: list[Someone]) -> tuple[Tenant, list[Any]]:
    """Make a practice of these people; return it with their ids."""
    tenant, options = new_tenant(session, f"p-{uuid4().hex[:12]}"), crm.Options()
    rows = "".join(f"{n},Kim,Nr{n},kim{n}@post.example\n" for n in range(len(people)))
    crm.import_customers(session, tenant, table(f"CustomerId,FirstName,LastName,Email\n{rows}"), options)
    visits = "".join(
        f"{n},2026-0{1 + k}-05T09:00:00Z,note,hello\n"
        for n, one in enumerate(people)
        for k in range(one.visits)
    )
    if visits:
        crm.import_interactions(session, tenant, table(f"CustomerId,Date,Type,Text\n{visits}"), options)
    bills = "".join(
        f"B-{n}-{k},{n},{year}-03-01,5.00\n"
        for n, one in enumerate(people)
        for k, year in enumerate(one.bills)
    )
    if bills:
        crm.import_invoices(
            session, tenant, table(f"InvoiceId,CustomerId,InvoiceDate,Total\n{bills}"), options
        )
    ids = {one.external_id: one.subject_id for one in crm.list_customers(session, tenant, 0).rows}
    return tenant, [ids[str(n)] for n in range(len(people))]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(people=PEOPLE, size=st.integers(1, 5), months=st.sampled_from((96, 120)))
def test_the_plan_is_what_runs(
    session: Session, admin: psycopg.Connection, tmp_path: Path, people: list[Someone], size: int, months: int
) -> None:
    tenant, ids = fill(session, people)
    retention.set_rule(session, tenant, "invoice", months)
    everybody = list(zip(people, ids, strict=True))
    gone = [who for one, who in everybody if one.before]
    if gone:
        erasure.run(session, erasure.plan(session, tenant, gone, "before"), tmp_path)
    held = [who for one, who in everybody if one.held and not one.before]
    for who in held:
        hold.place(session, tenant, hold.prepare(f"case {who}", subject_id=who))
    asked = [who for one, who in everybody if one.asked]
    if not asked:
        return
    plan = erasure.plan(session, tenant, asked, "order")
    taken = [one for one, who in everybody if one.asked and not one.before and who not in held]
    assert plan.people == len(taken)
    assert plan.before == sum(one.asked and one.before for one in people)
    assert {one.subject_id for one in plan.held} == {who for who in asked if who in held}
    assert {one.table: one.rows for one in plan.going} == {
        "crm.contact": len(taken), "crm.contact_key": len(taken),
        "crm.interaction": sum(one.visits for one in taken),
    }  # fmt: skip
    kept = Counter(year for one in taken for year in one.bills)
    assert {one.period: one.rows for one in plan.staying} == kept
    assert all(one.until and one.until.year == one.period + 1 + months // 12 for one in plan.staying)
    if not taken:
        try:
            erasure.run(session, plan, tmp_path, except_held=True)
        except RefusedError:
            return
        assert plan.state == "erased"  # one person, whose certificate is written anew
        return
    done = erasure.run(session, plan, tmp_path, except_held=True, batch_people=size)
    assert (done.people, done.going, done.keys, done.staying) == (
        plan.people, plan.going, plan.keys, plan.staying,
    )  # fmt: skip
    assert erasure.verify(session, done.erasure_id).ok
    left = {one.subject_id for one in crm.list_customers(session, tenant, 0).rows}
    assert left == {who for one, who in everybody if not one.before and (not one.asked or who in held)}
