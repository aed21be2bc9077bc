"""A tenant's credentials on their way home: sealed to the recipient's own key, readable to nobody else.

They are the tenant's, so it may have them back; but they open services, so they never lie in clear beside
the data. API tokens are kept as hashes and cannot be returned. Format: docs/reference/formats-portable.md.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..key.classes import SealError
from ..secret.putting import checked_value
from ..secret.register import Secret, checked_name, current, read
from . import form
from .form import Row

if TYPE_CHECKING:
    from ..key.person import PersonKey
    from ..tenant import Tenant

FILE = "secrets.jsonl"


@dataclass(frozen=True)
class Standing:
    """What a tenant has by way of secrets."""

    credentials: tuple[Secret, ...]
    """Those that work."""
    tokens: int
    """API tokens that work: nobody can return them."""

    def stated(self, sealed_to: bytes | None) -> dict[str, Any]:
        """Return what the receipt says, for programs; `sealed_to` is the recipient's key."""
        return {
            "credentials": len(self.credentials),
            "included": sealed_to is not None,
            "sealed_to": None if sealed_to is None else sha256(sealed_to).hexdigest(),
            "tokens": self.tokens,
        }


@dataclass(frozen=True)
class Opened:
    """A credential that came home."""

    secret_id: UUID
    name: str
    """What the CRM asks for."""
    expires_at: datetime | None
    value: str = field(repr=False)
    """In clear."""


@dataclass(frozen=True)
class Taken:
    """What taking credentials in did, or would do."""

    written: tuple[str, ...]
    """Names of those that went in."""
    kept: tuple[str, ...]
    """Names under which the tenant has something else: that stays."""
    expired: tuple[str, ...]
    """Names of those that have expired since."""


def _text_of_base64(value: Any) -> bytes:
    try:
        return base64.b64decode(form.text(value), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is no base64") from None


def _name(value: Any) -> str:
    from ..errors import UsageError

    try:
        return checked_name(form.text(value))
    except UsageError:
        raise ValueError("is no name of a secret") from None


FORM: Mapping[str, form.Read] = {
    "secret_id": form.uuid,
    "name": _name,
    "expires_at": form.maybe(form.moment),
    "sealed": _text_of_base64,
}
"""The form of a line."""


def place(export_id: UUID, secret_id: UUID, name: str) -> bytes:
    """Return what a returned credential is bound to."""
    return f"luactl/1|export|{export_id}|{secret_id}|{name}".encode()


def standing(session: Session, tenant: Tenant) -> Standing:
    """Return the secrets of a tenant that work."""
    with transaction(session, tenant.tenant_id):
        return _standing(session, tenant)


def _standing(session: Session, tenant: Tenant) -> Standing:
    now = session.clock.now()
    found = [one for one in read(session, tenant.tenant_id) if one.works(now)]
    return Standing(
        tuple(one for one in found if one.kind == "credential"),
        sum(one.kind == "token" for one in found),
    )


def rows(session: Session, tenant: Tenant, export_id: UUID, to: bytes, purpose: str) -> Iterator[Row]:
    """Yield the lines of the file: the reading of each is on record before it is opened.

    One that was replaced or revoked at this very moment is left out.
    `to` is the recipient's X25519 key. Raises RefusedError off a key host, UsageError for a key that is none.
    """
    from ..key import open_tenant
    from ..key.credential import unseal_credential
    from ..key.person import seal_value_to
    from ..ledger import record_read

    with transaction(session, tenant.tenant_id) as conn:
        found = _standing(session, tenant).credentials
        blobs = dict(queries("secret").sealed_all(conn, tenant_id=tenant.tenant_id))
        key = open_tenant(session, tenant.tenant_id).credential_key
    for one in found:
        if (blob := blobs.get(one.secret_id)) is None:
            continue
        record_read(session, tenant.tenant_id, [], purpose, f"secret:{one.name}", 1)
        value = unseal_credential(bytes(blob), tenant.tenant_id, one.secret_id, key)
        sealed = seal_value_to(to, value.encode(), place(export_id, one.secret_id, one.name))
        yield {
            "secret_id": one.secret_id,
            "name": one.name,
            "expires_at": one.expires_at,
            "sealed": base64.b64encode(sealed).decode(),
        }


def opened(export_id: UUID, lines: Sequence[Row], person: PersonKey) -> tuple[Opened, ...]:
    """Open what was sealed to a person. Raises SealError for what was not, or was altered."""
    from ..key.person import open_value

    found = []
    for row in lines:
        plain = open_value(person, row["sealed"], place(export_id, row["secret_id"], row["name"]))
        try:
            value = checked_value(plain.decode())
        except ValueError:
            raise SealError(f"credential {row['name']} of the export is no text") from None
        found.append(Opened(row["secret_id"], row["name"], row["expires_at"], value))
    return tuple(found)


def take_in(session: Session, tenant: Tenant | None, found: Sequence[Opened], *, dry_run: bool) -> Taken:
    """Keep these credentials at a tenant, None for one that is not there yet; what is there stays.

    Raises what putting a credential raises.
    """
    from ..secret import Put, put

    now, there = session.clock.now(), []
    if tenant is not None:
        with transaction(session, tenant.tenant_id):
            there = read(session, tenant.tenant_id)
    known = {one.secret_id for one in there}
    expired = [one for one in found if one.expires_at is not None and one.expires_at <= now]
    fresh = [one for one in found if one not in expired and one.secret_id not in known]
    taken = [one for one in fresh if current(there, one.name) is not None]
    free = [one for one in fresh if one not in taken]
    if tenant is not None and not dry_run:
        for one in free:
            put(
                session,
                tenant,
                Put(tenant.slug, one.name, "put", one.expires_at, one.secret_id, None),
                one.value,
            )
    return Taken(*(tuple(one.name for one in some) for some in (free, taken, expired)))


def texts(stated: Mapping[str, Any]) -> list[str]:
    """Return what the receipt says of secrets, for people."""
    many, tokens = stated["credentials"], stated["tokens"]
    if stated["included"]:
        said = [
            f"{many} credentials are in `{FILE}`, each sealed to the recipient's own key (SHA-256 "
            f"{stated['sealed_to']}): nobody else can read them."
        ]
    else:
        said = [
            f"{many} credentials are not included: they open services, and are returned only sealed to a key "
            "of the recipient (`luactl tenant export --secrets-to FILE`)."
        ]
    said.append(
        f"{tokens} API tokens cannot be returned, since only hashes of them are kept: they are revoked with "
        "the end of the tenant."
    )
    return said
