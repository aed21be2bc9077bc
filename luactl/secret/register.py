"""The register of secrets: which ones a tenant has and had, and what state each is in. No value of any."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError, UsageError
from ..tenant.register import Tenant

Kind = Literal["credential", "token"]
State = Literal["active", "replaced", "expired", "revoked"]
NAME = re.compile(r"[a-z][a-z0-9]*([._-][a-z0-9]+)*")
LONGEST_NAME = 63


@dataclass(frozen=True)
class Secret:
    """One value that a secret has or had, without the value."""

    name: str
    """What the CRM asks for, or a token is called."""
    kind: Kind
    """credential or token."""
    state: State
    """active; replaced (a token that works on until it expires); expired; revoked."""
    prefix: str | None
    """A token begins with `lua_` and this."""
    scopes: tuple[str, ...]
    """What a token allows; empty for a credential."""
    created_at: datetime
    """When this value was put."""
    created_by: str
    """The login that put it."""
    expires_at: datetime | None
    """When it ends; the instant itself no longer counts."""
    last_used_at: datetime | None
    """When the CRM last admitted a token, to the minute."""
    replaced_at: datetime | None
    """When another value took its place."""
    revoked_at: datetime | None
    """When it was ended by hand."""
    secret_id: UUID
    """UUIDv7 of this value."""

    def works(self, at: datetime) -> bool:
        """Say whether it can be used at an instant."""
        expired = self.expires_at is not None and self.expires_at <= at
        replaced = self.replaced_at is not None and self.kind == "credential"
        return not (self.revoked_at or expired or replaced)


def _state(
    expires: datetime | None, replaced: datetime | None, revoked: datetime | None, at: datetime
) -> State:
    if revoked:
        return "revoked"
    if expires is not None and expires <= at:
        return "expired"
    return "replaced" if replaced else "active"


def read(session: Session, tenant_id: int) -> list[Secret]:
    """Return all secrets of a tenant, in the caller's transaction, by name and age."""
    now, found = session.clock.now(), []
    for row in queries("secret").secrets(session.conn, tenant_id=tenant_id):
        id_, kind, name, prefix, scopes, made, who, expires, used, replaced, revoked = row
        state = _state(expires, replaced, revoked, now)
        times = (made, who, expires, used, replaced, revoked)
        found.append(Secret(name, kind, state, prefix, tuple(scopes or ()), *times, id_))
    return found


def list_(session: Session, tenant: Tenant, *, ended: bool = False) -> list[Secret]:
    """Return the secrets of a tenant by name; with `ended` also what no longer works."""
    with transaction(session, tenant.tenant_id):
        found = read(session, tenant.tenant_id)
    return [one for one in found if ended or one.state == "active" or one.works(session.clock.now())]


def checked_name(name: str) -> str:
    """Return a name that a secret may have. Raises UsageError."""
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        raise UsageError(
            f"a secret cannot be called {name[:80]!r}",
            hint=f"lower-case words joined by . _ or -, at most {LONGEST_NAME} characters",
        )
    return name


def current(found: Sequence[Secret], name: str) -> Secret | None:
    """Return the value of that name that was neither replaced nor revoked; it may have expired."""
    return next((s for s in found if s.name == name and not s.replaced_at and not s.revoked_at), None)


def living(session: Session, tenant: Tenant, name: str) -> Secret:
    """Return the present value of a secret, in the caller's transaction.

    Raises NotFoundError when there is none of that name, or it was revoked.
    """
    found = read(session, tenant.tenant_id)
    now = current(found, checked_name(name))
    if now is None:
        what = "was revoked" if any(one.name == name for one in found) else "does not exist"
        raise NotFoundError(
            f"secret {name} of tenant {tenant.slug} {what}",
            hint=f"`luactl secret list --tenant {tenant.slug} --all` shows what there is and was",
        )
    return now


def present(session: Session, tenant: Tenant, name: str) -> Secret:
    """Return the present value of a secret. Raises NotFoundError."""
    with transaction(session, tenant.tenant_id):
        return living(session, tenant, name)


def of_kind(secret: Secret, kind: Kind, hint: str) -> Secret:
    """Return a secret of the wanted kind. Raises RefusedError for one of the other."""
    if secret.kind != kind:
        raise RefusedError(f"{secret.name} is a {secret.kind}, not a {kind}", hint=hint)
    return secret
