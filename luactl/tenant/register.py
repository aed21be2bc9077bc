"""The register of tenants: who is there, and which of them a slug means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..connect import ADMISSION as ADMISSION
from ..db import Session, queries, transaction
from ..errors import NoTenantError, RefusedError, did_you_mean

FIRST_DEDICATED = 1 << 40
"""Ids from here on are dedicated tenants'; smaller ones share tables (docs/reference/roles.md)."""


def login_name(tenant_id: int) -> str:
    """Return what the CRM's own login for a dedicated tenant is called."""
    return f"lua_t{tenant_id}"


def own_login(tenant_id: int) -> str | None:
    """Return the login that a dedicated tenant's rows demand; None for a pooled tenant."""
    return login_name(tenant_id) if tenant_id >= FIRST_DEDICATED else None


@dataclass(frozen=True)
class Tenant:
    """One tenant, as it stands in the register."""

    tenant_id: int
    """Below 2^40 for tenants that share tables."""
    slug: str
    """The name in commands, unique."""
    name: str
    """What people call the company."""
    country: str
    """ISO 3166, two letters: whose duties and phone numbers are meant."""
    contact: str
    """Whom notices go to."""
    isolation: str
    """pooled or dedicated."""
    status: str
    """active, suspended or terminated."""
    reason: str | None
    """Why it is in this status."""
    created_at: datetime
    """When it was created."""
    updated_at: datetime
    """When any of this last changed."""


@dataclass(frozen=True)
class Role:
    """A role that a tenant gives to its own users."""

    role: str
    """Its name."""
    permissions: tuple[str, ...]
    """What it allows, as `thing.verb`."""


@dataclass(frozen=True)
class DeletionRule:
    """How long a tenant keeps data of one class."""

    retention_class: str
    """contact, interaction or invoice."""
    starting_point: str
    """What starts the clock; it runs from the end of that month or year."""
    months: int | None
    """Regular deletion period; None: until erasure."""
    minimum_months: int
    """What a legal duty demands; 0 without one."""
    basis: str
    """Why so long."""


def directory(session: Session, slugs: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return tenant id and key number of those slugs that are taken."""
    rows = queries("tenant").directory(session.conn, slugs=list(slugs))
    return {slug: (tenant_id, key_no) for slug, tenant_id, key_no in rows}


def in_context(session: Session, tenant_id: int) -> Tenant:
    """Return a tenant, seen in its own context. Raises RefusedError when it is not visible there."""
    with transaction(session, tenant_id) as conn:
        row = queries("tenant").tenant(conn, tenant_id=tenant_id)
    if row is None:
        raise RefusedError(
            f"tenant {tenant_id} is dedicated, and {session.actor!r} is not among its staff", hint=ADMISSION
        )
    return Tenant(*row)


def open_to(session: Session, tenants: Sequence[Tenant]) -> tuple[list[Tenant], list[Tenant]]:
    """Part tenants into those whose rows show to this login, and dedicated ones that do not admit it."""
    ids = [tenant.tenant_id for tenant in tenants]
    mine = {row[0] for row in queries("tenant").open_to_me(session.conn, tenant_ids=ids)}
    return (
        [tenant for tenant in tenants if tenant.tenant_id in mine],
        [tenant for tenant in tenants if tenant.tenant_id not in mine],
    )


def list_(session: Session) -> list[Tenant]:
    """Return all tenants, oldest first."""
    return [Tenant(*row) for row in queries("tenant").all_tenants(session.conn)]


def known(session: Session, slug: str) -> tuple[int, int]:
    """Return tenant id and key number. Raises NotFoundError with the nearest slugs as its hint."""
    known = directory(session, [slug]) if slug.isprintable() else {}
    if slug in known:
        return known[slug]
    guess = did_you_mean(slug, [row[0] for row in queries("tenant").slugs(session.conn)])
    raise NoTenantError(slug, guess)


def find(session: Session, slug: str) -> Tenant:
    """Return the tenant of a slug. Raises NotFoundError with the nearest slugs as its hint."""
    return in_context(session, known(session, slug)[0])


def find_ended(session: Session, slug: str) -> Tenant:
    """Return the tenant of a slug, and a dedicated one also when it has ended and shows to nobody any more.

    Raises as `find` does.
    """
    tenant_id = known(session, slug)[0]
    for row in queries("tenant").tenants_of(session.conn, slugs=[slug]):
        if (one := Tenant(*row)).status == "terminated":
            return one
    return in_context(session, tenant_id)


def active(session: Session, slug: str) -> Tenant:
    """Return the tenant of a slug, for work that changes its data.

    Raises NotFoundError, and RefusedError for a tenant that is suspended or terminated.
    """
    found = find(session, slug)
    if found.status != "active":
        because = f": {found.reason}" if found.reason else ""
        raise RefusedError(
            f"tenant {slug} is {found.status}{because}",
            hint=f"`luactl tenant resume {slug}` lifts it" if found.status == "suspended" else None,
        )
    return found
