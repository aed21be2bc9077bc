"""Reading a credential back: first the record of it is committed, then the value is opened.

The CRM's documented call, and what `secret reveal` does for a person.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError, UsageError
from ..tenant.register import Tenant
from .register import Secret, living, of_kind


@dataclass(frozen=True)
class Revealed:
    """A credential with its value."""

    name: str
    """What it is called."""
    value: str = field(repr=False)
    """In clear."""


def reveal(session: Session, tenant: Tenant, name: str, *, purpose: str) -> Revealed:
    """Record that a credential is read and why, then open it.

    Raises UsageError for an empty purpose, NotFoundError, RefusedError for a token (there is nothing to
    read), for one that has expired, and off a key host; SealError when it was tampered with.
    """
    from ..key import open_tenant
    from ..key.credential import unseal_credential
    from ..ledger import record_read

    if not purpose.strip():
        raise UsageError("a purpose is needed: the ledger keeps why a credential was read")
    with transaction(session, tenant.tenant_id) as conn:
        found = _readable(session, tenant, name)
        sealed = queries("secret").sealed(conn, tenant_id=tenant.tenant_id, secret_id=found.secret_id)
        key = open_tenant(session, tenant.tenant_id).credential_key
    if sealed is None:
        raise NotFoundError(f"secret {name} was replaced or revoked a moment ago", hint="run it again")
    record_read(session, tenant.tenant_id, [], purpose.strip(), f"secret:{name}", 1)
    return Revealed(name, unseal_credential(bytes(sealed), tenant.tenant_id, found.secret_id, key))


def _readable(session: Session, tenant: Tenant, name: str) -> Secret:
    found = living(session, tenant, name)
    of_kind(found, "credential", "a token is kept as a hash: rotate it to get a new one")
    if not found.works(session.clock.now()):
        raise RefusedError(
            f"secret {name} expired at {found.expires_at:%Y-%m-%d %H:%M}",
            hint=f"`luactl secret rotate {name} --tenant {tenant.slug}` gives it a new value",
        )
    return found
