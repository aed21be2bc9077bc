"""Users of an export taken in: the same ids, roles and times, sealed anew; their sessions are of the past.

Nobody signs in by it: what the CRM knows of passwords and second factors is none of ours, and tokens stay
where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from .. import subject
from ..db import Session, queries
from ..key import KeyClass, RetentionClass
from ..key.seal import Sealer
from ..subject.user import found_by

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..tenant import Tenant
    from .form import Row


def write(
    session: Session, tenant: Tenant, keys: TenantKeys, width: int, rows: Sequence[Row], entry_id: UUID
) -> None:
    """Write users that are not there yet, in the caller's transaction.

    A role that the tenant lacks is left out. Raises as `subject.lock` when one of them was erased meanwhile.
    """
    noun, tenant_id = queries("portable"), tenant.tenant_id
    people = [row["subject_id"] for row in rows]
    subject.lock(session, tenant_id, people)
    known = {row[0] for row in noun.roles(session.conn, tenant_id=tenant_id)}
    found = keys.subjects(sorted(set(people)), KeyClass.MAIN)
    sealer = Sealer(
        tenant_id, "crm.app_user", "personal", KeyClass.MAIN, keys.period(RetentionClass.CONTACT, 0)
    )
    for row in rows:
        who = {"tenant_id": tenant_id, "user_id": row["user_id"]}
        person = row["subject_id"]
        queries("client").add_user(
            session.conn, **who, subject_id=person, at=row["created_at"], entry_id=entry_id,
            personal=sealer.seal(person, found[person], row["user_id"], row["fields"]),
            roles=sorted(known & set(row["roles"])), **found_by(keys, width, tenant.country, row["fields"]),
        )  # fmt: skip
        queries("client").change_user(
            session.conn, **who, roles=None, state=row["state"], mfa=row["mfa"],
            at=row["ended_at"] or row["created_at"], entry_id=entry_id,
        )  # fmt: skip


def keep_sessions(session: Session, tenant_id: int, rows: Sequence[Row]) -> int:
    """Write sessions that are over, in the caller's transaction; returns how many were not there yet."""
    kept: int = queries("portable").keep_sessions(
        session.conn, tenant_id=tenant_id, session_ids=[row["session_id"] for row in rows],
        subject_ids=[row["subject_id"] for row in rows], networks=[row["network"] for row in rows],
        since=[row["since"] for row in rows], seen=[row["seen_at"] for row in rows],
        ended=[row["ended_at"] for row in rows],
    )  # fmt: skip
    return kept
