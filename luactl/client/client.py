"""One connection of the CRM: reads, makes and changes contacts, and follows the epochs of the key tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from ..connect import open_session
from ..db import Session, queries, transaction
from ..errors import RefusedError, UsageError
from ..subject.user import checked
from . import user
from .writing import Contact, Fields, change, check, gone, insert

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..subject.finding import Found, Kind
    from ..tenant import Tenant

LONGEST = 200
MOST = 1_000
RECOUNT = 1_000
ATTEMPTS = 3


@dataclass(frozen=True)
class Reading:
    """What was opened for somebody, and the entries of the ledger that say so."""

    contacts: tuple[Contact, ...]
    """Whoever was erased meanwhile is left out."""
    entries: tuple[UUID, ...]
    more: bool = False
    """Whether others follow in the list."""


@contextmanager
def open_client(profile_name: str | None = None, *, service: str) -> Iterator[Client]:
    """Open a connection as the login of a profile; `service` is what the ledger says was run.

    Raises NoConnectionError, RefusedError (schema of another version, row security not at work).
    """
    with open_session(profile_name, command=service) as session:
        yield Client(session)


class Client:
    """One connection of the CRM, and the keys of the tenants that it serves. For one thread at a time.

    `on_behalf` is who the CRM says its user is, `purpose` why: at most 200 characters each, and no name or
    address of a person, since neither is ever erased. Raises UsageError without them.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._keys: dict[int, TenantKeys] = {}
        self._widths: dict[int, tuple[int, int]] = {}

    def keys(self, tenant_id: int) -> TenantKeys:
        """Return the keys of a tenant as of this epoch: what an older one had opened is forgotten.

        Raises RefusedError off a key host or for a tenant that this login may not work for.
        """
        from ..key import open_tenant

        known = self._keys.get(tenant_id)
        if known is None:
            known = self._keys[tenant_id] = open_tenant(self.session, tenant_id)
        else:
            known.refresh()
        return known

    def record_reads(
        self, tenant_id: int, references: Sequence[UUID], purpose: str, on_behalf: str, what: str
    ) -> list[UUID]:
        """Record in one call that values of so many people are about to be opened; returns the entries' ids.

        `references` are ledger references (see `references`), `what` is opened, such as `table:crm.contact`.
        When this returns the entries are on disk; only then may anything be opened.
        """
        from ..ledger import record_read

        return record_read(self._for(purpose, on_behalf), tenant_id, references, purpose, what)

    def references(self, tenant_id: int, subject_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """Return the ledger reference of each of these people who live."""
        from ..ledger import references

        return references(self.session, self.keys(tenant_id), tenant_id, subject_ids)

    def page(
        self,
        tenant_id: int,
        purpose: str,
        on_behalf: str,
        *,
        limit: int = 100,
        after: UUID | None = None,
    ) -> Reading:
        """Open up to `limit` contacts after one of them, in the order in which they came."""
        if not 0 < limit <= MOST:
            raise UsageError(f"a page has between 1 and {MOST:,} contacts")
        asked = {"after": after, "limit": limit + 1}
        return self._read(tenant_id, purpose, on_behalf, "contacts_after", asked, limit)

    def contacts(self, tenant_id: int, contact_ids: Sequence[UUID], purpose: str, on_behalf: str) -> Reading:
        """Open these contacts; what is not there, or of somebody erased, is left out."""
        asked = {"contact_ids": list(contact_ids)}
        return self._read(tenant_id, purpose, on_behalf, "contacts", asked, len(contact_ids))

    def find(self, tenant_id: int, kind: Kind, value: str, purpose: str, on_behalf: str) -> list[Found]:
        """Return which contacts answer to an e-mail address, a phone number, a name or an external id."""
        from ..subject import find

        session = self._for(purpose, on_behalf)
        return find(session, self._tenant(tenant_id), kind, value, purpose=purpose, users=False)

    def create(self, tenant_id: int, listed: Sequence[Fields], purpose: str, on_behalf: str) -> list[Contact]:
        """Make a new person with one contact each; one transaction with their entries in the ledger.

        Raises RefusedError for a tenant that is suspended, or an external id that is taken.
        """
        from ..key import KeyClass, RetentionClass

        if not 0 < len(listed) <= MOST:
            raise UsageError(f"between 1 and {MOST:,} people are made at a time")
        for fields in listed:
            check(fields)
        session, tenant, keys = self._for(purpose, on_behalf), self._active(tenant_id), self.keys(tenant_id)
        keys.reserve(KeyClass.MAIN, len(listed))
        keys.period(RetentionClass.CONTACT, 0)
        width = self._width(tenant_id, len(listed))
        try:
            with transaction(session, tenant_id):
                return insert(session, tenant, keys, width, listed, purpose)
        except psycopg.errors.UniqueViolation:
            raise RefusedError("an external id is taken", hint="it is another person's") from None

    def update(
        self,
        tenant_id: int,
        contact_id: UUID,
        changes: Mapping[str, str | None],
        purpose: str,
        on_behalf: str,
    ) -> tuple[str, ...]:
        """Set fields of a contact, None to take one away; returns the names of those it has now.

        What it held before is opened for that, and so recorded first. Others wait, and nothing that they set
        is lost. To correct what is wrong, so that the old value opens in no old copy, is `subject rectify`.
        Raises NotFoundError for a contact that is not there (any more), RefusedError as `create`.
        """
        session, tenant = self._for(purpose, on_behalf), self._active(tenant_id)
        if not changes or "external_id" in changes:
            raise UsageError("name fields to set or to take away; an external id stays as it is")
        keys = self.keys(tenant_id)
        with transaction(session, tenant_id) as conn:
            rows = list(queries("client").contacts(conn, tenant_id=tenant_id, contact_ids=[contact_id]))
        if not rows:
            raise gone(contact_id)
        self._record(session, keys, rows, purpose)
        reference = self.references(tenant_id, [rows[0][1]]).get(rows[0][1])
        if reference is None:
            raise gone(contact_id)
        with transaction(session, tenant_id):
            return change(session, tenant, keys, (contact_id, rows[0][1], reference), changes, purpose)

    def add_user(
        self, tenant_id: int, fields: Mapping[str, str], roles: Sequence[str], purpose: str, on_behalf: str
    ) -> user.AppUser:
        """Make a user with a `login` and perhaps `name` and `email`, who is a new person, with these roles.

        Raises UsageError for a role that the tenant has not, RefusedError for a login that is taken, or for a
        tenant that is suspended.
        """
        from ..key import KeyClass, RetentionClass
        from ..key.blind import version_for

        given = checked(fields)
        session, tenant, keys = self._for(purpose, on_behalf), self._active(tenant_id), self.keys(tenant_id)
        keys.reserve(KeyClass.MAIN, 1)
        keys.period(RetentionClass.CONTACT, 0)
        with user.told(), transaction(session, tenant_id) as conn:
            width = version_for(int(queries("client").user_count(conn, tenant_id=tenant_id)) + 1)
            return user.add(session, tenant, keys, width, given, roles, purpose)

    def change_user(
        self, tenant_id: int, user_id: UUID, purpose: str, on_behalf: str, *,
        roles: Sequence[str] | None = None, state: str | None = None, mfa: str | None = None,
    ) -> None:  # fmt: skip
        """Give a user other roles, another state (active, locked, ended) or factor (none, totp, webauthn).

        Who is locked or ended is signed out at once. Raises NotFoundError for a user that is not there or has
        ended, UsageError for a role that the tenant has not.
        """
        user.change(self._for(purpose, on_behalf), tenant_id, user_id, roles, state, mfa, purpose)

    def rename_user(
        self, tenant_id: int, user_id: UUID, fields: Mapping[str, str], purpose: str, on_behalf: str
    ) -> None:
        """Set what a user is called: all of `login`, `name` and `email`. Raises as `add_user`."""
        given = checked(fields)
        session, tenant, keys = self._for(purpose, on_behalf), self._active(tenant_id), self.keys(tenant_id)
        with transaction(session, tenant_id) as conn:
            row = queries("client").lock_user(conn, tenant_id=tenant_id, user_id=user_id)
        known = {} if row is None else self.references(tenant_id, [row[0]])
        reference = None if row is None else known.get(row[0])
        with user.told(), transaction(session, tenant_id):
            user.rename(session, tenant, keys, (user_id, reference), given, purpose)

    def user_of(self, tenant_id: int, login: str) -> UUID | None:
        """Return the user of a login, for signing in; None for nobody. Opens nothing, so records nothing."""
        from ..key.blind import login_digest

        digest = login_digest(self.keys(tenant_id).unique_key, login)
        with transaction(self.session, tenant_id) as conn:
            found: UUID | None = queries("client").user_by_login(conn, tenant_id=tenant_id, digest=digest)
        return found

    def may(self, tenant_id: int, user_id: UUID, action: str, object_: str) -> bool:
        """Say whether a user may do something now, such as `read` `contact`; the database alone decides."""
        with transaction(self.session, tenant_id) as conn:
            asked = {"tenant_id": tenant_id, "user_id": user_id, "action": action, "object": object_}
            return bool(queries("client").may(conn, **asked))

    def start_session(
        self,
        tenant_id: int,
        user_id: UUID,
        address: str | None = None,
        lasts: timedelta = timedelta(hours=12),
    ) -> str:
        """Sign a user in, whom the CRM has authenticated, and return the session's token, told this once.

        Of the address its network alone is sent and kept. Raises RefusedError for a user who is not active,
        UsageError for what is no address.
        """
        return user.new_session(self.session, tenant_id, user_id, address, lasts)

    def seen(self, tenant_id: int, token: str) -> UUID | None:
        """Return whose session a token is, if it is good now; None: sign in again. Asked at each request."""
        return user.seen(self.session, tenant_id, token)

    def end_session(self, tenant_id: int, token: str) -> UUID | None:
        """Sign out; returns whose session it was, None when it was over already."""
        return user.end_session(self.session, tenant_id, token)

    def _read(
        self, tenant_id: int, purpose: str, on_behalf: str, query: str, asked: dict[str, Any], limit: int
    ) -> Reading:
        """Ask for rows, record, open. Who is re-keyed between is asked for again, and recorded again."""
        from ..key import SealError

        session = self._for(purpose, on_behalf)
        for _attempt in range(ATTEMPTS - 1):
            with suppress(SealError):
                return self._read_once(session, tenant_id, query, asked, limit, purpose)
        return self._read_once(session, tenant_id, query, asked, limit, purpose)

    def _read_once(
        self, session: Session, tenant_id: int, query: str, asked: dict[str, Any], limit: int, purpose: str
    ) -> Reading:
        from ..crm.opening import open_recorded
        from ..subject.sealed import CONTACT

        with transaction(session, tenant_id) as conn:
            found = list(getattr(queries("client"), query)(conn, tenant_id=tenant_id, **asked))
        rows, more = found[:limit], len(found) > limit
        if not rows:
            return Reading((), ())
        keys = self.keys(tenant_id)
        entries = self._record(session, keys, rows, purpose)
        opened = open_recorded(session, keys, CONTACT, _sealed(rows))
        pairs = zip(rows, opened, strict=True)
        contacts = tuple(Contact(row[0], row[1], fields) for row, fields in pairs if fields is not None)
        return Reading(contacts, tuple(entries), more)

    def _record(self, session: Session, keys: TenantKeys, rows: list[Any], purpose: str) -> list[UUID]:
        from ..crm.opening import record
        from ..subject.sealed import CONTACT

        return record(session, keys, CONTACT, _sealed(rows), purpose)

    def _for(self, purpose: str, on_behalf: str) -> Session:
        for name, said in (("purpose", purpose), ("on_behalf", on_behalf)):
            if not said.strip() or len(said) > LONGEST or not said.isprintable():
                raise UsageError(f"a {name} of at most {LONGEST} characters is needed")
        return replace(self.session, on_behalf=on_behalf)

    def _tenant(self, tenant_id: int) -> Tenant:
        from ..tenant import in_context

        return in_context(self.session, tenant_id)

    def _active(self, tenant_id: int) -> Tenant:
        found = self._tenant(tenant_id)
        if found.status != "active":
            raise RefusedError(f"tenant {tenant_id} is {found.status}: nothing is written for it")
        return found

    def _width(self, tenant_id: int, count: int) -> int:
        """Return the width of new blind indexes; how many contacts there are is counted now and then."""
        from ..key.blind import version_for

        rows, left = self._widths.get(tenant_id, (0, 0))
        if left <= 0:
            with transaction(self.session, tenant_id) as conn:
                rows, left = int(queries("crm").contact_count(conn, tenant_id=tenant_id)), RECOUNT
        self._widths[tenant_id] = (rows + count, left - count)
        return version_for(rows + count)


def _sealed(rows: Sequence[Any]) -> list[Any]:
    from ..crm.opening import Sealed

    return [Sealed(subject_id, contact_id, blob) for contact_id, subject_id, blob in rows]
