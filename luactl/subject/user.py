"""What is sealed of a user of the CRM, who is a person of the tenant, and what the user is found by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from ..db import Session, queries
from ..errors import NotFoundError, RefusedError, UsageError
from .finding import indexes

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..tenant import Tenant

FIELDS = ("login", "name", "email")
LONGEST = 200


def checked(fields: Mapping[str, str | None]) -> dict[str, str]:
    """Return what is sealed of a user. Raises UsageError, which repeats no value."""
    found = {name: value.strip() for name, value in fields.items() if value is not None}
    wrong = set(fields) - set(FIELDS)
    if wrong or not found.get("login"):
        raise UsageError("a user has a login, and may have a name and an email", hint="nothing else")
    if any(not value or len(value) > LONGEST or not value.isprintable() for value in found.values()):
        raise UsageError(f"a field of a user is one line of 1 to {LONGEST} characters")
    return found


def found_by(keys: TenantKeys, width: int, country: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the digest of a user's login and the blind indexes of the width, by their columns."""
    from ..key.blind import Indexer, login_digest

    email, _phones, names = indexes(Indexer(keys.index_key, width, country), fields)
    return {
        "login_digest": login_digest(keys.unique_key, str(fields["login"])),
        "index_version": width, "email_index": email, "name_index": names,
    }  # fmt: skip


@contextmanager
def one_login() -> Iterator[None]:
    """Say what it means when the database knows the login already."""
    try:
        yield
    except psycopg.errors.UniqueViolation:
        raise RefusedError("that login is taken", hint="it is another user's of the tenant") from None


def reindex_user(session: Session, tenant: Tenant, user_id: UUID, fields: Mapping[str, Any]) -> None:
    """Let a user be found by what it holds now, at the width that it had; in the open transaction."""
    from ..key import open_tenant

    where = {"tenant_id": tenant.tenant_id, "user_id": user_id}
    width = queries("subject").user_width(session.conn, **where)
    if width is None or not fields:
        raise NotFoundError(f"user {user_id} went away meanwhile")
    known = found_by(open_tenant(session, tenant.tenant_id), width, tenant.country, fields)
    with one_login():
        queries("subject").set_user_indexes(session.conn, **where, **known)
