"""Probes of registers and duties: instructions, erasures, retention, the contact."""

from __future__ import annotations

from ..db import Session
from .look import Look, enter, statements, tenants, undone
from .page import Page


def instructions(session: Session, page: Page, look: Look) -> None:
    """Look for a tenant at work without an instruction in force."""
    from .. import instruction

    now, held = session.clock.now(), 0
    for tenant in tenants(session, look):
        if tenant.status != "active":
            continue
        with undone(session, tenant.tenant_id) as conn:
            if not enter(conn, tenant, look):
                continue
            found = sum(one.in_force(now) for one in instruction.read(session, tenant.tenant_id))
        look.tried()
        held += found
        if not found:
            look.breaks(f"{tenant.slug} is active without an instruction in force")
    look.evidence["in_force"] = held
    look.saw = f"{look.attempts:,} active tenants, each with an instruction in force"


def erasures(session: Session, page: Page, look: Look) -> None:
    """Try to reach every person whose erasure was completed."""
    from .. import erasure

    done = []
    for tenant in tenants(session, look):
        with undone(session, tenant.tenant_id) as conn:
            if enter(conn, tenant, look):
                found = list(statements("duties").erasures(conn, tenant_id=tenant.tenant_id))
                done += [id for id, state in found if state == "done"]
                for id, state in found:
                    if state != "done":
                        look.misses(f"erasure {id} of {tenant.slug} is not finished")
    for id in done:
        for check in erasure.verify(session, id).checks:
            if check.state == "broken":
                look.breaks(f"erasure {id}: {check.check}: {check.what}")
            elif check.state != "holds":
                look.misses(f"erasure {id}: {check.check}: {check.what}")
        look.tried()
    look.evidence["completed"] = len(done)
    look.saw = f"{len(done):,} erased people, none of them reached" if done else "nobody was erased yet"


def retention(session: Session, page: Page, look: Look) -> None:
    """Look for rows, period keys and sessions of users that are past their rule, as the purges would."""
    from .. import retention as rules
    from ..access import user
    from ..tenant import ADMISSION

    there = list(tenants(session, look))
    plan = rules.plan(session, there)
    look.tried(plan.looked_at - len(plan.unreadable))
    for slug in plan.unreadable:
        look.misses(f"the rules of {slug} are not visible to this login: {ADMISSION}")
    for tenant in plan.tenants:
        for id in tenant.unfinished:
            look.misses(f"purge {id} of {tenant.slug} is not finished")
    for period in plan.periods:
        held = f"{period.rows:,} rows" if period.rows else "a key"
        what = f"{held} of {period.tenant}, {period.retention_class} {period.period}"
        look.breaks(f"{what}: due since {period.due_at:%Y-%m-%d}")
    for tenant in plan.tenants:
        for _period in tenant.released:
            look.breaks(f"the key of a hold of {tenant.slug} that was released")
    late = user.late(session, there)
    for one in late:
        look.breaks(f"{one.sessions:,} sessions of users of {one.tenant}: over for more than 90 days")
    look.evidence["sessions_due"] = sum(one.sessions for one in late)
    look.evidence["rows_due"] = sum(period.rows for period in plan.periods)
    look.evidence["rows_held"] = plan.held
    kept = f" but {plan.held:,} rows on legal hold" if plan.held else ""
    look.saw = f"{look.attempts:,} tenants, nothing past its rule on {plan.at:%Y-%m-%d}{kept}"


def contact(session: Session, page: Page, look: Look) -> None:
    """Look for a tenant without a contact for notices, and for our own on the page."""
    for tenant in tenants(session, look):
        look.tried()
        if not tenant.contact.strip():
            look.breaks(f"{tenant.slug} has nobody whom notices could go to")
    look.evidence["contact"] = page.contact
    if page.contact is None:
        look.misses(f"the page of {page.name} names no contact")
    else:
        look.misses("certificates and notices do not name the contact yet")
