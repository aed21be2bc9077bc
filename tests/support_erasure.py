"""What the tests of retention and erasure share: a small practice with history, and runs that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from luactl import crm, erasure, retention
from luactl.clock import ShiftedClock
from luactl.db import Session, Step, unheard
from luactl.tenant import NewTenant, Tenant, create, find, list_

KILLED = -signal.SIGKILL
PEOPLE = """CustomerId,FirstName,LastName,Company,Email,Phone,City
1,Nele,Ångström,Zahnpraxis Süd,nele@praxis.example,+49 30 901820,Köln
2,Bruno,Oliveira,,bruno@loja.example,,São Paulo
3,Zoë,O'Hara,,zoe@studio.example,+353 1 679 9700,Dublin
"""
VISITS = """CustomerId,Date,Type,Text
1,2020-03-04T09:00:00Z,visit,check-up
1,2026-10-05T09:00:00Z,note,asked for a quiet room
2,2020-03-31T23:59:59Z,call,called back
2,2026-09-01T10:00:00Z,call,moved the appointment
"""
BILLS = """InvoiceId,CustomerId,InvoiceDate,Total
A-1,1,2016-06-01,40.00
A-2,1,2025-02-03,30.00
A-3,2,2016-07-01,20.00
A-4,2,2025-12-31,10.00
"""
BILL_LINES = """InvoiceId,Description,Quantity,UnitPrice
A-1,filling,2,20.00
A-2,cleaning,1,30.00
A-3,cleaning,1,20.00
A-4,cleaning,1,10.00
"""
COUNTED = (
    "crm.subject", "crm.contact", "crm.contact_key", "crm.interaction", "crm.invoice", "crm.invoice_line",
    "vault.slot", "vault.period", "vault.tombstone", "lua.erasure", "lua.purge", "ledger.entry",
)  # fmt: skip


def new_tenant(session: Session, slug: str) -> Tenant:
    """Create a tenant in Germany, which keeps invoices for eight years."""
    create(session, NewTenant(slug, f"Practice {slug}", "DE", "office@smile.example"))
    return find(session, slug)


def table(text: str) -> BytesIO:
    """Return a table as the byte stream that standard input would be."""
    return BytesIO(text.encode())


def practice(session: Session, slug: str = "smile") -> Tenant:
    """Create a tenant with three people; two of them have interactions and invoices, old and new."""
    tenant, options = new_tenant(session, slug), crm.Options()
    assert crm.import_customers(session, tenant, table(PEOPLE), options).imported == 3
    assert crm.import_interactions(session, tenant, table(VISITS), options).imported == 4
    report = crm.import_invoices(session, tenant, table(BILLS), options, table(BILL_LINES))
    assert (report.imported, report.lines) == (4, 4)
    return tenant


def person(session: Session, tenant: Tenant, external_id: str = "1") -> UUID:
    """Return the subject id of one of them."""
    rows = crm.list_customers(session, tenant, 0).rows
    found: UUID = next(view.subject_id for view in rows if view.external_id == external_id)
    return found


def counts(admin: psycopg.Connection[Any]) -> dict[str, int]:
    """Count every row that an erasure or a purge could touch, past row security."""
    found = {}
    for name in COUNTED:
        row = admin.execute(f"SELECT count(*) FROM {name}").fetchone()
        assert row is not None
        found[name] = row[0]
    return found


def later(session: Session, years: float) -> Session:
    """Return the same session with its clock moved ahead."""
    return replace(session, clock=ShiftedClock(timedelta(days=365.25 * years)))


def erase(
    session: Session, tenant: Tenant, who: UUID, base: Path, step: Step = unheard, **options: Any
) -> erasure.ErasureResult:
    """Plan, and run with a listener to the steps."""
    plan = erasure.plan(session, tenant, who, "ticket 4711")
    return erasure.run(replace(session, step=step), plan, base, **options)


def run_killed(at: str, work: str, *arguments: str) -> int:
    """Erase or purge in a process of its own that kills itself at a step; return its exit code.

    `at` names the step, and after a `#` the how manieth time that it is reached.
    """
    command = [sys.executable, __file__, at, work, *arguments]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.run(command, env=environ, check=False, timeout=60).returncode


def _erase_all(session: Session, slug: str, base: str, people: str) -> None:
    tenant = find(session, slug)
    plan = erasure.plan(session, tenant, erasure.everybody(session, tenant), "order 9")
    erasure.run(session, plan, Path(base), batch_people=int(people))


def _erase_category(session: Session, slug: str, base: str, scope: str) -> None:
    tenant = find(session, slug)
    people = erasure.everybody(session, tenant)
    erasure.run(session, erasure.plan(session, tenant, people, "order 9", scope=scope), Path(base))


def main(at: str, work: str, *arguments: str) -> None:
    """The process that `run_killed` starts."""
    from luactl.connect import open_session

    wanted, _mark, times = at.partition("#")
    heard: list[str] = []

    def step(name: str) -> None:
        heard.append(name)
        if name == wanted and heard.count(name) == int(times or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    with open_session("test", command="test") as session:
        if work == "erase":
            slug, who, base = arguments
            erase(session, find(session, slug), UUID(who), Path(base), step=step)
        elif work == "erase-request":
            slug, asked, base = arguments
            plan = erasure.plan_request(session, find(session, slug), UUID(asked))
            erasure.run(replace(session, step=step), plan, Path(base))
        elif work == "erase-category":
            _erase_category(replace(session, step=step), *arguments)
        elif work == "erase-all":
            _erase_all(replace(session, step=step), *arguments)
        else:
            plan = retention.plan(session, list_(session))
            retention.purge(replace(session, step=step), plan)


if __name__ == "__main__":
    main(*sys.argv[1:])
