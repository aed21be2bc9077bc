"""Access: which login reaches what in luactl's schemas, and how. Read from the catalog alone.

Owns the walk over memberships (`sql/queries/access.sql`). What each group role may do is a constant of the
schema and stands in docs/reference/roles.md; this tells who gets to it. It changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..db import Session, queries, transaction
from ..errors import NotFoundError
from ..tenant.register import FIRST_DEDICATED

How = Literal["now", "after SET ROLE", "after granting it to itself"]


@dataclass(frozen=True)
class Reach:
    """One thing that one login reaches, by the shortest way."""

    login: str
    """Who logs in."""
    kind: str
    """superuser, attribute, group role, predefined role, owner, table, column, definer function …"""
    reaches: str
    """The role, the object or the attribute."""
    rights: str
    """What it may do there: privileges, `member` of a role, `all` of an owner."""
    how: How
    """At once, only after SET ROLE, or only after it granted a role to itself."""
    path: str
    """The roles on the way, from the login on; `PUBLIC` for what everybody has."""


def list_(session: Session, tenant: str | None = None) -> tuple[Reach, ...]:
    """Return what every login reaches, by login; with a tenant's slug only what touches its rows.

    A pooled tenant's rows lie in tables shared by all of them: whoever reaches these reaches the tenant. A
    dedicated tenant's rows show to its own login, to the members of its staff role, after one command to
    administrators, who admit themselves, and to those whom row security does not bind.
    Raises NotFoundError for an unknown tenant.
    """
    with transaction(session) as conn:
        own_role = None if tenant is None else _own_role(conn, tenant)
        rows = queries("access").reaches(conn, tenant_only=tenant is not None, own_role=own_role)
        return tuple(Reach(*row) for row in rows)


def _own_role(conn: object, slug: str) -> str | None:
    """Return the login role that a dedicated tenant's rows demand; None for a pooled tenant."""
    tenant_id = queries("access").tenant_id(conn, slug=slug)
    if tenant_id is None:
        raise NotFoundError(f"no tenant {slug}", hint="`luactl tenant list` shows all of them")
    return f"lua_t{tenant_id}" if tenant_id >= FIRST_DEDICATED else None
