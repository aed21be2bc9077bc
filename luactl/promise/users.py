"""Probe of roles, those of tenants included: a planted user of the CRM tries every action on every object.

What each role may do is worked out here once more from its permissions, and compared with what the one
function that decides (`crm.may`) answers. Planted in a transaction that is rolled back.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Literal

from ..db import Session
from ..tenant import ROLES
from ..tenant.register import FIRST_DEDICATED
from .look import Connection, Look, statements, undone
from .page import Page
from .rights import rights

SENSITIVE = frozenset({"special", "medical-record"})
"""What no wildcard gives, whatever the database says of it."""
TRAPS = {"everything": ("*.*",), "all-reading": ("*.read",), "all-of-special": ("special.*",), "idle": ()}
"""Roles that no tenant has, whose wildcards must not reach what is sensitive."""


def users(session: Session, page: Page, look: Look) -> None:
    """Do as the probe of group roles does, then try every action on every object in each role of a tenant."""
    rights(session, page, look)
    before = look.attempts
    try:
        with undone(session) as conn:
            _try_roles(conn, look)
    except psycopg.errors.InsufficientPrivilege:
        look.misses("this login may not plant a user, so nothing was tried in the roles of tenants")
    look.evidence["tried_as_users"] = look.attempts - before
    look.saw += f"; {look.attempts - before:,} decisions about users of the CRM, each as their roles say"


def _try_roles(conn: Connection, look: Look) -> None:
    plant, id = statements("isolation"), UUID(bytes=secrets.token_bytes(16))
    tenant_id = FIRST_DEDICATED - 1 - secrets.randbelow(1 << 38)
    conn.execute(SQL("SET LOCAL lua.tenant_id = {}").format(Literal(tenant_id)))
    plant.plant_tenant(conn, tenant_id=tenant_id, slug=f"probe-{secrets.token_hex(8)}")
    given = {one.role: one.permissions for one in ROLES} | TRAPS
    who = {"tenant_id": tenant_id, "id": id}
    for role, permissions in given.items():
        statements("users").plant_role(conn, tenant_id=tenant_id, role=role, permissions=list(permissions))
    plant.plant_subject(conn, **who)
    statements("users").plant_user(conn, **who)
    for role, permissions in given.items():
        statements("users").give(conn, **who, role=role, state="active")
        _compare(conn, look, tenant_id, id, role, permissions)
    statements("users").give(conn, **who, role="owner", state="locked")
    _compare(conn, look, tenant_id, id, "a locked owner", ())


def _compare(
    conn: Connection, look: Look, tenant_id: int, id: UUID, role: str, permissions: Collection[str]
) -> None:
    """Ask for everything; whatever is answered otherwise than the permissions say breaks the promise."""
    for object_, action, may in statements("users").decisions(conn, tenant_id=tenant_id, id=id):
        look.tried()
        if may and not any(one in permissions for one in _giving(object_, action)):
            look.breaks(f"a user who is {role} may {action} {object_}")
        elif not may and f"{object_}.{action}" in permissions:
            look.breaks(f"a user who is {role} may not {action} {object_}")


def _giving(object_: str, action: str) -> Iterator[str]:
    """Yield the permissions that open something."""
    yield f"{object_}.{action}"
    if object_ not in SENSITIVE:
        yield from (f"{object_}.*", f"*.{action}", "*.*")
