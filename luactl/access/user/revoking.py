"""Taking from a user what they have: sessions, tokens, roles, or everything, the user included."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from ...db import Session, queries, transaction
from ...errors import NotFoundError, UsageError
from ...line import checked

if TYPE_CHECKING:
    from ...tenant import Tenant
    from .register import User

WHAT = ("sessions", "tokens", "roles", "all")
"""What can be taken; all: these three, and the user ends for good."""


@dataclass(frozen=True)
class Revoked:
    """What was taken, or would be."""

    tenant: str
    """Slug."""
    user_id: UUID
    what: tuple[str, ...]
    """What was asked for."""
    sessions: int
    """Open sessions that end."""
    tokens: int
    """Tokens that end."""
    roles: int
    """Roles that go."""
    ended: bool
    """Whether the user ends for good."""
    reason: str


def revoke(
    session: Session, tenant: Tenant, user: User, what: Collection[str], reason: str, *, dry_run: bool = False
) -> Revoked:
    """Take sessions, tokens or roles from a user at once, or `all`; one transaction with its ledger entry.

    Where there is nothing to take nothing changes, and no entry is left. A dry run asks the database the same
    and takes it back. Raises UsageError for what is none of `WHAT`, NotFoundError for a user that went.
    """
    from ...ledger import Entry, append

    text, asked = checked("reason", reason), tuple(one for one in WHAT if one in what)
    if not asked or set(what) - set(WHAT):
        raise UsageError("what is to be taken?", hint=f"one or more of {', '.join(WHAT)}")
    taken = ["sessions", "tokens", "roles", "user"] if "all" in asked else list(asked)
    with transaction(session, tenant.tenant_id) as conn:
        row = queries("access_user").revoke(
            conn, tenant_id=tenant.tenant_id, user_id=user.user_id, what=taken, at=session.clock.now()
        )
        if row is None:
            raise NotFoundError(f"user {user.user_id} went meanwhile", hint="they may have been erased")
        done = Revoked(tenant.slug, user.user_id, asked, row[0], row[1], row[2], row[3], text)
        if any(row):
            detail = {
                "what": list(asked), "sessions": done.sessions, "tokens": done.tokens, "roles": done.roles,
                "ended": done.ended, "reason": text,
            }  # fmt: skip
            append(session, Entry(
                "access.user-revoke", tenant.tenant_id, f"user:{user.user_id}", detail=detail
            ))  # fmt: skip
        if dry_run:
            raise psycopg.Rollback
    return done
