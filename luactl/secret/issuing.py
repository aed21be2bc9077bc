"""API tokens: made here, kept as a hash, and told to whoever asked for one, this once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import psycopg

from ..db import Session, queries, transaction
from ..errors import RefusedError, UsageError
from ..tenant.register import Tenant
from .change import check_free, record, told
from .register import Secret, checked_name, of_kind
from .token import new_token

DAYS = 90
"""How long a token works unless somebody says otherwise."""
SCOPE = re.compile(r"[a-z][a-z-]*\.[a-z][a-z-]*")
MOST_SCOPES = 100


@dataclass(frozen=True)
class Issued:
    """A token that was made, or would be."""

    tenant: str
    """Slug."""
    name: str
    """What it is called."""
    outcome: str
    """issued or rotated."""
    scopes: tuple[str, ...]
    """What it allows, as `thing.verb`."""
    expires_at: datetime
    """When it ends."""
    secret_id: UUID
    """UUIDv7 of the new token."""
    replaces: UUID | None
    """The token whose successor it is."""
    old_until: datetime | None
    """Until when that one works on."""
    user_id: UUID | None = None
    """The user of the CRM whose own it is, and with whom it ends; None: the tenant's."""
    token: str | None = field(default=None, repr=False)
    """The token itself, told this once; None in a plan."""


def checked_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """Return scopes sorted and once each. Raises UsageError for none, too many, or no `thing.verb`."""
    wrong = [scope for scope in scopes if not SCOPE.fullmatch(scope)]
    if wrong or not 0 < len(scopes) <= MOST_SCOPES:
        what = f"{wrong[0][:80]!r} is no scope" if wrong else f"a token has 1 to {MOST_SCOPES} scopes"
        raise UsageError(what, hint="such as contact.read: what it is about, and what may be done with it")
    return tuple(sorted(set(scopes)))


def plan_issue(
    session: Session,
    tenant: Tenant,
    name: str,
    scopes: Sequence[str],
    days: int = DAYS,
    user_id: UUID | None = None,
) -> Issued:
    """Return what a new token would be; with a user it is that user's own.

    Raises UsageError for a malformed name or scope, LuactlError when there is a secret of that name.
    """
    plan = _plan(session, tenant, checked_name(name), checked_scopes(scopes), days)
    return replace(plan, user_id=user_id)


def plan_successor(
    session: Session, tenant: Tenant, old: Secret, overlap: timedelta, days: int = DAYS
) -> Issued:
    """Return what the successor of a token would be, with its scopes.

    The old one works on for the overlap, but never longer than it had. Raises RefusedError for a credential,
    BusyError when `old` is no longer the present one.
    """
    of_kind(old, "token", "give the credential's new value")
    now = session.clock.now()
    until = min(now + overlap, old.expires_at or now)
    return _plan(session, tenant, old.name, old.scopes, days, old.secret_id, until)


def _plan(
    session: Session,
    tenant: Tenant,
    name: str,
    scopes: tuple[str, ...],
    days: int,
    replaces: UUID | None = None,
    until: datetime | None = None,
) -> Issued:
    from ..ledger import new_id

    with transaction(session, tenant.tenant_id):
        check_free(session, tenant, name, replaces)
    now, outcome = session.clock.now(), "rotated" if replaces else "issued"
    end = now + timedelta(days=days)
    return Issued(tenant.slug, name, outcome, scopes, end, new_id(now), replaces, until)


def issue(session: Session, tenant: Tenant, plan: Issued) -> Issued:
    """Carry out a plan: make the token, keep its hash, return it.

    Raises LuactlError or BusyError when somebody else was quicker, RefusedError without the right.
    """
    token, verb = new_token(), "rotate" if plan.replaces else "issue"
    detail = {"kind": "token", "secret": plan.secret_id, "prefix": token.prefix, "scopes": plan.scopes}
    more = {"expires_at": plan.expires_at, "replaces": plan.replaces, "old_until": plan.old_until}
    more |= {"user": plan.user_id}
    with told(tenant, plan.name), transaction(session, tenant.tenant_id) as conn:
        check_free(session, tenant, plan.name, plan.replaces)
        entry_id = record(session, tenant, verb, plan.name, {**detail, **more})
        queries("secret").put_token(
            conn,
            tenant_id=tenant.tenant_id,
            secret_id=plan.secret_id,
            name=plan.name,
            prefix=token.prefix,
            hash=token.hash,
            scopes=list(plan.scopes),
            expires_at=plan.expires_at,
            at=session.clock.now(),
            entry_id=entry_id,
            replaces=plan.replaces,
            until=plan.old_until,
        )
        _own(session, tenant, plan, entry_id)
    return replace(plan, token=token.text)


def _own(session: Session, tenant: Tenant, plan: Issued, entry_id: UUID) -> None:
    """Write whose own a token is; the successor of a user's token is that user's. Part of the transaction."""
    noun, user_id = queries("secret"), plan.user_id
    if plan.replaces is not None:
        user_id = noun.user_of_token(session.conn, tenant_id=tenant.tenant_id, secret_id=plan.replaces)
    if user_id is None:
        return
    try:
        noun.own_token(
            session.conn, tenant_id=tenant.tenant_id, secret_id=plan.secret_id, user_id=user_id,
            entry_id=entry_id,
        )  # fmt: skip
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        raise RefusedError(
            f"user {user_id} is not active at {tenant.slug}", hint="`luactl access user list` shows who is"
        ) from error
