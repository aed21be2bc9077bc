"""Credentials: a new one, or a new value of one, sealed before it leaves this process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import UsageError
from ..tenant.register import Tenant
from .change import check_free, end_of, record, told
from .register import Secret, checked_name, of_kind

LONGEST_VALUE = 16_384


@dataclass(frozen=True)
class Put:
    """A credential that was put, or would be; without its value."""

    tenant: str
    """Slug."""
    name: str
    """What the CRM asks for."""
    outcome: str
    """put or rotated."""
    expires_at: datetime | None
    """When it ends; None: when somebody ends it."""
    secret_id: UUID
    """UUIDv7 of the new value."""
    replaces: UUID | None
    """The value whose place it takes, which is gone with it."""


def checked_value(value: str) -> str:
    """Return a value that can be kept. Raises UsageError, which does not repeat it."""
    if not value or len(value.encode("utf-8", "surrogatepass")) > LONGEST_VALUE:
        raise UsageError(f"a credential has 1 to {LONGEST_VALUE:,} bytes", hint="give it on standard input")
    if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise UsageError("a credential is text in UTF-8 without NUL", hint="encode other bytes in base64")
    return value


def plan_put(session: Session, tenant: Tenant, name: str, days: int | None = None) -> Put:
    """Return what `put` would do.

    Raises UsageError for a malformed name, LuactlError when there is a secret of that name, RefusedError off
    a key host.
    """
    plan = _plan(session, tenant, checked_name(name), days, None)
    _check(session, tenant, plan)
    return plan


def plan_rotate(session: Session, tenant: Tenant, old: Secret, days: int | None = None) -> Put:
    """Return what a new value of a credential would do. Raises as `put`, RefusedError for a token."""
    of_kind(old, "credential", "`luactl secret rotate` makes a token's successor")
    plan = _plan(session, tenant, old.name, days, old.secret_id)
    _check(session, tenant, plan)
    return plan


def _plan(session: Session, tenant: Tenant, name: str, days: int | None, replaces: UUID | None) -> Put:
    from ..ledger import new_id

    outcome, secret_id = "rotated" if replaces else "put", new_id(session.clock.now())
    return Put(tenant.slug, name, outcome, end_of(session, days), secret_id, replaces)


def _check(session: Session, tenant: Tenant, plan: Put) -> bytes:
    from ..key import open_tenant

    with transaction(session, tenant.tenant_id):
        check_free(session, tenant, plan.name, plan.replaces)
        return open_tenant(session, tenant.tenant_id).credential_key


def put(session: Session, tenant: Tenant, plan: Put, value: str) -> Put:
    """Carry out a plan: keep the value, sealed under the tenant's credential key.

    An earlier value goes with it. Raises UsageError for a malformed value, LuactlError or BusyError when
    somebody else was quicker, RefusedError off a key host or without the right.
    """
    from ..key.credential import seal_credential

    key = _check(session, tenant, plan)
    sealed = seal_credential(checked_value(value), tenant.tenant_id, plan.secret_id, key)
    at, verb = session.clock.now(), "rotate" if plan.replaces else "put"
    detail = {"kind": "credential", "secret": plan.secret_id, "expires_at": plan.expires_at}
    with told(tenant, plan.name), transaction(session, tenant.tenant_id) as conn:
        entry_id = record(session, tenant, verb, plan.name, {**detail, "replaces": plan.replaces})
        queries("secret").put_credential(
            conn,
            tenant_id=tenant.tenant_id,
            secret_id=plan.secret_id,
            name=plan.name,
            sealed=sealed,
            expires_at=plan.expires_at,
            at=at,
            entry_id=entry_id,
            replaces=plan.replaces,
        )
    return replace(plan)
