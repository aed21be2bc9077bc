"""What the tests of holds share: placing and releasing in a line, and what still opens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg

from luactl import crm, hold
from luactl.db import Session, transaction
from luactl.errors import LuactlError
from luactl.key import KeyClass, Place, open_tenant, unseal
from luactl.key.classes import PeriodKey, RetentionClass, split_period
from luactl.tenant import Tenant

FILE = "LG Köln 21 O 17/26"


def put(session: Session, tenant: Tenant, who: UUID | None = None, **options: Any) -> hold.Hold:
    """Place a hold on a person, on a `query`, or on everything; return it as it stands."""
    query = options.pop("query", None)
    filter_ = None if query is None else hold.parse(query)
    placed = hold.place(session, tenant, hold.prepare(FILE, subject_id=who, query=filter_, **options))
    assert isinstance(placed, hold.Hold)
    return placed


def texts(session: Session, tenant: Tenant) -> set[str]:
    """Return the texts of all interactions that open."""
    return {str(one.text) for one in crm.list_interactions(session, tenant, 0).rows}


def parties(session: Session, tenant: Tenant) -> dict[str, str]:
    """Return the name on each invoice whose billing party opens."""
    rows = crm.list_invoices(session, tenant, 0, party=True).rows
    return {one.number: one.party["name"] for one in rows if one.party}


def sealed(admin: psycopg.Connection[Any], tenant: Tenant) -> dict[UUID, tuple[UUID, bytes]]:
    """Return person and ciphertext of every interaction, as a thief copies them."""
    rows = admin.execute(
        "SELECT interaction_id, subject_id, personal FROM crm.interaction WHERE tenant_id = %s",
        (tenant.tenant_id,),
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def living_periods(session: Session, tenant: Tenant) -> list[PeriodKey]:
    """Return every period key of a tenant that can be had today."""
    keys = open_tenant(session, tenant.tenant_id)
    with transaction(session, tenant.tenant_id) as conn:
        numbers = [row[0] for row in conn.execute("SELECT period_id FROM vault.period").fetchall()]
    found = (keys.existing_period(*split_period(number)) for number in numbers)
    return [key for key in found if key is not None]


def opens(session: Session, tenant: Tenant, row: UUID, copy: tuple[UUID, bytes]) -> bool:
    """Tell whether a copied interaction opens with any key that is left today."""
    who, blob = copy
    people = open_tenant(session, tenant.tenant_id).subjects([who], KeyClass.MAIN)
    place = Place(tenant.tenant_id, who, "crm.interaction", "personal", row)
    for period in living_periods(session, tenant):
        for key in people.values():
            try:
                unseal(blob[:6] + period.period_id.to_bytes(4) + blob[10:], place, key, period)
            except LuactlError:
                continue
            return True
    return False


def hold_periods(admin: psycopg.Connection[Any]) -> list[tuple[RetentionClass, int]]:
    """Return the periods of holds that have a living key."""
    rows = admin.execute("SELECT period_id FROM vault.period WHERE period_id >> 24 > 3 ORDER BY 1")
    return [split_period(row[0]) for row in rows]
