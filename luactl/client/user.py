"""How the CRM keeps its users: made sealed, changed, renamed, signed in and out; each with its entry."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg

from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError, UsageError
from ..secret import hash_of
from ..subject.user import found_by, one_login

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..ledger import Entry
    from ..tenant import Tenant

STATES = ("active", "locked", "ended")
FACTORS = ("none", "totp", "webauthn")


@dataclass(frozen=True)
class AppUser:
    """A user of the CRM that was made."""

    user_id: UUID
    subject_id: UUID
    """The person who it is: erased, handed over and found as any other."""


@contextmanager
def told() -> Iterator[None]:
    """Say what it means when the database refuses a user."""
    try:
        with one_login():
            yield
    except psycopg.errors.ForeignKeyViolation:
        raise UsageError("the tenant has no such role", hint="`luactl tenant show` lists its roles") from None


def add(
    session: Session, tenant: Tenant, keys: TenantKeys, width: int, fields: Mapping[str, str],
    roles: Sequence[str], purpose: str,
) -> AppUser:  # fmt: skip
    """Write a new user, who is a new person, on a key that is reserved already; in the open transaction."""
    from ..crm.ids import uuid7s
    from ..key import KeyClass, RetentionClass, seal
    from ..ledger import append, new_id, seal_reference
    from ..subject.sealed import USER

    at, tenant_id, reference = session.clock.now(), tenant.tenant_id, uuid4()
    (person,), (user_id,) = uuid7s(at, 1), uuid7s(at, 1)
    period, entry = keys.period(RetentionClass.CONTACT, 0), new_id(at)
    key = keys.claim([person], KeyClass.MAIN, new=True)[person]
    queries("client").insert_people(
        session.conn, tenant_id=tenant_id, at=at, subject_ids=[person], entry_ids=[entry],
        seals=[seal_reference(reference, tenant_id, person, key, period)],
    )  # fmt: skip
    place = USER.place(tenant_id, person, user_id)
    queries("client").add_user(
        session.conn, tenant_id=tenant_id, user_id=user_id, subject_id=person, roles=sorted(set(roles)),
        personal=seal(fields, place, key, period, KeyClass.MAIN), at=at, entry_id=entry,
        **found_by(keys, width, tenant.country, fields),
    )  # fmt: skip
    detail = {"command": session.command, "fields": sorted(fields), "roles": sorted(set(roles))}
    append(session, _entry("crm.user.create", tenant_id, reference, purpose, detail, entry))
    return AppUser(user_id, person)


def _entry(
    action: str, tenant_id: int, reference: UUID | None, purpose: str, detail: dict[str, Any],
    entry_id: UUID | None = None,
) -> Entry:  # fmt: skip
    from ..ledger import Entry

    return Entry(action, tenant_id, "table:crm.app_user", reference, purpose, detail=detail, id=entry_id)


def change(
    session: Session, tenant_id: int, user_id: UUID, roles: Sequence[str] | None, state: str | None,
    mfa: str | None, purpose: str,
) -> None:  # fmt: skip
    """Give a user other roles, another state or second factor; what is None stays. One transaction."""
    from ..ledger import Entry, append

    if (state is not None and state not in STATES) or (mfa is not None and mfa not in FACTORS):
        raise UsageError(f"a state is one of {', '.join(STATES)}, a factor one of {', '.join(FACTORS)}")
    given = {"roles": None if roles is None else sorted(set(roles)), "state": state, "mfa": mfa}
    detail = {
        "command": session.command,
        **{name: value for name, value in given.items() if value is not None},
    }
    with told(), transaction(session, tenant_id) as conn:
        entry = Entry("crm.user.change", tenant_id, f"user:{user_id}", None, purpose, detail=detail)
        entry_id = append(session, entry)
        changed = queries("client").change_user(
            conn, tenant_id=tenant_id, user_id=user_id, **given, at=session.clock.now(), entry_id=entry_id
        )
        if not changed:
            raise NotFoundError(f"there is no user {user_id}", hint="or they have ended, for good")


def rename(
    session: Session, tenant: Tenant, keys: TenantKeys, who: tuple[UUID, UUID | None],
    fields: Mapping[str, str], purpose: str,
) -> None:  # fmt: skip
    """Seal other fields of a user (the id, and the person's reference), in the open transaction.

    The person cannot be erased until it ends. Raises NotFoundError for who is not there.
    """
    from ..key import KeyClass, RetentionClass, seal
    from ..ledger import append
    from ..subject.sealed import USER

    tenant_id, (user_id, reference) = tenant.tenant_id, who
    row = queries("client").lock_user(session.conn, tenant_id=tenant_id, user_id=user_id)
    key = None if row is None else keys.subjects([row[0]], KeyClass.MAIN).get(row[0])
    if row is None or key is None or reference is None:
        raise NotFoundError(f"there is no user {user_id}", hint="it never was, or its person was erased")
    period = keys.period(RetentionClass.CONTACT, 0)
    place = USER.place(tenant_id, row[0], user_id)
    queries("client").rename_user(
        session.conn, tenant_id=tenant_id, user_id=user_id, at=session.clock.now(),
        personal=seal(fields, place, key, period, KeyClass.MAIN),
        **found_by(keys, row[1], tenant.country, fields),
    )  # fmt: skip
    detail = {"command": session.command, "fields": sorted(fields)}
    append(session, _entry("crm.user.rename", tenant_id, reference, purpose, detail))


def network_of(address: str) -> str:
    """Return the /24 or /48 that an address lies in: no more of it goes to the server, nor into its log.

    Raises UsageError for what is no address, which is not repeated.
    """
    try:
        found = ip_address(address)
    except ValueError:
        raise UsageError("that is no IP address", hint="the address alone: no port, no name") from None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if isinstance(found, IPv6Address):
        return str(IPv6Network((int(found), 48), strict=False))
    return str(IPv4Network((int(found), 24), strict=False))


def new_session(
    session: Session, tenant_id: int, user_id: UUID, address: str | None, lasts: timedelta
) -> str:
    """Begin a session and return its token, told this once: 256 random bits, of which a hash is kept."""
    from ..ledger import Entry, append, new_id

    if not timedelta() < lasts <= timedelta(days=31):
        raise UsageError("a session lasts for at most 31 days")
    network = None if address is None else network_of(address)
    token, at = secrets.token_urlsafe(32), session.clock.now()
    with transaction(session, tenant_id) as conn:
        begun = queries("client").start_session(
            conn, tenant_id=tenant_id, session_id=new_id(at), user_id=user_id, hash=hash_of(token),
            address=network, ends_at=at + lasts, at=at,
        )  # fmt: skip
        if not begun:
            raise RefusedError(f"user {user_id} is not active here", hint="locked, ended, or never there")
        append(session, Entry("crm.session.start", tenant_id, f"user:{user_id}"))
    return token


def seen(session: Session, tenant_id: int, token: str) -> UUID | None:
    """Return whose session a token is, if it is good now, and note that it was used."""
    with transaction(session, tenant_id) as conn:
        found: UUID | None = queries("client").see_session(
            conn, tenant_id=tenant_id, hash=hash_of(token), at=session.clock.now()
        )
    return found


def end_session(session: Session, tenant_id: int, token: str) -> UUID | None:
    """End a session at once; returns whose it was, None when it was over already."""
    from ..ledger import Entry, append

    with transaction(session, tenant_id) as conn:
        whose: UUID | None = queries("client").end_session(
            conn, tenant_id=tenant_id, hash=hash_of(token), at=session.clock.now()
        )
        if whose is not None:
            append(session, Entry("crm.session.end", tenant_id, f"user:{whose}"))
    return whose
