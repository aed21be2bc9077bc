"""The keys of the house itself: a subtree of the key tree that belongs to no tenant (docs/design/log.md)."""

from __future__ import annotations

from ...db import Session, queries, transaction
from ...key import TenantKeys, create_tenant, open_tenant, reserve_tenants
from ...tenant.birth import RESERVED_SLUG

HOUSE = (1 << 40) - 1
"""The last number that a pooled tenant could have: none ever gets it."""
SLUG = RESERVED_SLUG


def has_keys(session: Session) -> bool:
    """Whether the house has keys, and this is a key host."""
    found = queries("log").house_key(session.conn, tenant_id=HOUSE)
    return found is not None and bool(session.profile.holders)


def found_house(session: Session) -> None:
    """Give the house its keys, once. Nothing off a key host, where nothing can be sealed."""
    if not session.profile.holders or has_keys(session):
        return
    key_no = reserve_tenants(session).start
    with transaction(session, HOUSE) as conn:
        if queries("log").insert_house(conn, tenant_id=HOUSE, slug=SLUG, key_no=key_no):
            create_tenant(session, HOUSE, key_no)


def house(session: Session) -> TenantKeys | None:
    """Return the keys of the house; None where it has none, or off a key host."""
    return open_tenant(session, HOUSE) if has_keys(session) else None
