"""How the CRM's writes are made: sealed, indexed and recorded in the transaction that is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from ..db import Session, queries
from ..errors import NotFoundError, RefusedError, UsageError

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..ledger import Entry
    from ..tenant import Tenant

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Contact:
    """One contact, opened."""

    contact_id: UUID
    subject_id: UUID
    fields: dict[str, Any]
    """As sealed; which names searches know, docs/design/rooms.md tells."""


def check(fields: Fields) -> None:
    """Raise UsageError for what is no contact; its values are not repeated."""
    from ..crm.customer_record import check

    if not all(isinstance(value, str) and value for value in fields.values()):
        raise UsageError("a field of a contact is a text that is not empty", hint="leave out what has none")
    reason = check(dict(fields), needs_id=False)
    if reason is not None:
        raise UsageError(reason)


def gone(contact_id: UUID) -> NotFoundError:
    """Say that there is no such contact."""
    return NotFoundError(f"there is no contact {contact_id}", hint="it never was, or its person was erased")


def insert(
    session: Session, tenant: Tenant, keys: TenantKeys, width: int, listed: Sequence[Fields], purpose: str
) -> list[Contact]:
    """Write new people with a contact and an entry each, on keys that are reserved already."""
    from ..crm.ids import uuid7s
    from ..key import KeyClass, RetentionClass
    from ..key.seal import Sealer
    from ..ledger import append_all, new_id, seal_reference

    at, tenant_id = session.clock.now(), tenant.tenant_id
    people, rows = uuid7s(at, len(listed)), uuid7s(at, len(listed))
    period = keys.period(RetentionClass.CONTACT, 0)
    claimed = keys.claim(people, KeyClass.MAIN, new=True)
    references = [uuid4() for _ in people]
    entries = [new_id(at) for _ in people]
    seal = Sealer(tenant_id, "crm.contact", "personal", KeyClass.MAIN, period).seal
    made = [Contact(*one) for one in zip(rows, people, map(dict, listed), strict=True)]
    common = {"tenant_id": tenant_id, "at": at, "subject_ids": people, "entry_ids": entries}
    queries("client").insert_people(session.conn, **common, seals=[
        seal_reference(reference, tenant_id, person, claimed[person], period)
        for reference, person in zip(references, people, strict=True)
    ])  # fmt: skip
    _insert_ids(session, tenant_id, keys, made)
    indexes = [_indexes(keys, width, tenant, one.fields) for one in made]
    queries("client").insert_contacts(
        session.conn, **common, index_version=width, contact_ids=rows,
        seals=[seal(one.subject_id, claimed[one.subject_id], one.contact_id, one.fields) for one in made],
        emails=[one["email_index"] for one in indexes],
        phones=["{" + ",".join(map(str, one["phone_index"])) + "}" for one in indexes],
        names=["{" + ",".join(map(str, one["name_index"])) + "}" for one in indexes],
    )  # fmt: skip
    append_all(session, [
        _entry(session, "crm.contact.create", tenant_id, reference, purpose, one.fields, entry)
        for one, reference, entry in zip(made, references, entries, strict=True)
    ])  # fmt: skip
    return made


def _insert_ids(session: Session, tenant_id: int, keys: TenantKeys, made: Sequence[Contact]) -> None:
    from ..key.blind import external_digest

    marks = [
        (digest, one.subject_id)
        for one in made
        if (digest := external_digest(keys.unique_key, one.fields.get("external_id", ""))) is not None
    ]
    if marks:
        queries("crm").insert_contact_keys(
            session.conn, tenant_id=tenant_id, digests=[digest for digest, _person in marks],
            subject_ids=[person for _digest, person in marks],
        )  # fmt: skip


def _indexes(keys: TenantKeys, width: int, tenant: Tenant, fields: Mapping[str, Any]) -> dict[str, Any]:
    from ..key.blind import Indexer
    from ..subject import indexes

    found = indexes(Indexer(keys.index_key, width, tenant.country), fields)
    return dict(zip(("email_index", "phone_index", "name_index"), found, strict=True))


def _entry(
    session: Session, action: str, tenant_id: int, reference: UUID, purpose: str, fields: Mapping[str, Any],
    entry_id: UUID | None = None,
) -> Entry:  # fmt: skip
    from ..ledger import Entry

    detail = {"command": session.command, "fields": sorted(fields)}
    return Entry(action, tenant_id, "table:crm.contact", reference, purpose, detail=detail, id=entry_id)


def change(
    session: Session, tenant: Tenant, keys: TenantKeys, who: tuple[UUID, UUID, UUID],
    changes: Mapping[str, str | None], purpose: str,
) -> tuple[str, ...]:  # fmt: skip
    """Change a contact (its id, its person's id and reference); returns the names of its fields.

    The person cannot be erased or re-keyed until the transaction ends, nor the period be purged. Raises
    NotFoundError when either has happened before.
    """
    from ..key import KeyClass, seal, split_period, unseal
    from ..key.seal import header
    from ..ledger import append
    from ..subject.sealed import CONTACT

    (contact_id, person, reference), tenant_id = who, tenant.tenant_id
    scope = {"tenant_id": tenant_id, "contact_id": contact_id}
    locked = dict(queries("subject").lock_subjects(session.conn, tenant_id=tenant_id, subject_ids=[person]))
    key = keys.subjects([person], KeyClass.MAIN).get(person)
    found = queries("client").lock_contact(session.conn, **scope)
    if locked.get(person) != "active" or key is None or found is None:
        raise gone(contact_id)
    sealed, width = found
    period = keys.period(*split_period(header(sealed)[2]))
    place = CONTACT.place(tenant_id, person, contact_id)
    merged = {**unseal(sealed, place, key, period), **changes}
    fields = {name: value for name, value in merged.items() if value is not None}
    check(fields)
    resealed = seal(fields, place, key, period, KeyClass.MAIN)
    replaced = queries("client").replace_contact(
        session.conn, **scope, **_indexes(keys, width, tenant, fields), personal=resealed,
        at=session.clock.now(),
    )  # fmt: skip
    if replaced != 1:
        raise RefusedError("the contact was not changed", hint="row security does not show it to this login")
    append(session, _entry(session, "crm.contact.update", tenant_id, reference, purpose, changes))
    return tuple(sorted(fields))
