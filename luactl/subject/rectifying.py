"""Correcting what a tenant keeps about a person (Art. 16 GDPR): the old value opens in no old copy either."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError, UsageError
from .finding import indexes
from .rekeying import Rekeyed, plan_rekey, rekey
from .sealed import CONTACT, USER, Table
from .user import FIELDS as USER_FIELDS
from .user import checked, reindex_user

if TYPE_CHECKING:
    from ..tenant import Tenant

FIELD = re.compile(r"[a-z][a-z0-9_]{0,39}")
LONGEST = 10_000


@dataclass(frozen=True)
class Rectification:
    """A correction of one contact, or of a user of the CRM: which fields, and what is sealed anew for it."""

    subject_id: UUID
    contact_id: UUID | None
    """The contact; None when it is a user."""
    fields: tuple[str, ...]
    """Names of fields that are set or removed; no values."""
    instruction: str
    rekeyed: Rekeyed
    user_id: UUID | None = None
    """The user of the CRM; None when it is a contact."""


def _check(names: tuple[str, ...], instruction: str) -> None:
    if not names:
        raise UsageError("no field is named", hint="--field NAME sets one, --remove NAME takes one away")
    for name in names:
        if not FIELD.fullmatch(name):
            raise UsageError("that is no name of a field", hint="as in the import: email, last_name, phone …")
        if name == "external_id":
            raise UsageError(
                "an external id is what an import finds the person by", hint="correct it in the other system"
            )
    if not instruction.strip() or len(instruction) > 200:
        raise UsageError(
            "an instruction of at most 200 characters is needed", hint="where the order is found"
        )


def plan_rectification(
    session: Session,
    tenant: Tenant,
    subject_id: UUID,
    fields: tuple[str, ...],
    instruction: str,
    contact_id: UUID | None = None,
    *,
    user: bool = False,
) -> Rectification:
    """Return what `rectify` would do to a contact or, if there is none or with `user`, to a user of the CRM.

    Raises UsageError, NotFoundError, RefusedError for an erased one.
    """
    _check(fields, instruction)
    plan = plan_rekey(session, tenant, subject_id)
    where = {"tenant_id": tenant.tenant_id, "subject_id": subject_id}
    with transaction(session, tenant.tenant_id) as conn:
        contacts = [row[0] for row in queries("subject").contacts(conn, **where)]
        user_id = queries("subject").user(conn, **where)
    if contact_id is None and user_id is not None and (user or not contacts):
        return Rectification(subject_id, None, _of_user(fields), instruction, plan, user_id)
    return Rectification(
        subject_id, _contact(subject_id, contacts, contact_id, user), fields, instruction, plan
    )


def _of_user(fields: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := set(fields) - set(USER_FIELDS):
        raise UsageError(
            f"a user of the CRM has no {', '.join(sorted(unknown))}", hint=f"one of {', '.join(USER_FIELDS)}"
        )
    return fields


def _contact(subject_id: UUID, contacts: list[UUID], asked: UUID | None, user: bool) -> UUID:
    """Return which contact is meant."""
    if user:
        if asked is not None:
            raise UsageError("a contact, or the user?", hint="--contact or --user, not both")
        raise NotFoundError(f"subject {subject_id} is no user of the CRM")
    if not contacts:
        raise NotFoundError(f"subject {subject_id} has no contact, and is no user of the CRM")
    if asked is None and len(contacts) > 1:
        listed = ", ".join(map(str, contacts))
        raise UsageError(
            f"subject {subject_id} has {len(contacts)} contacts", hint=f"--contact, one of {listed}"
        )
    if asked is not None and asked not in contacts:
        raise NotFoundError(f"subject {subject_id} has no contact {asked}")
    return asked or contacts[0]


def rectify(
    session: Session, tenant: Tenant, plan: Rectification, values: Mapping[str, str | None]
) -> Rectification:
    """Set the fields of a plan to `values`, None to remove one, and drop the key of what was there before.

    Blind indexes follow, and what a user signs in with. Raises as `rekey`, UsageError for values that are
    none of the plan's, RefusedError for a login that is another user's.
    """
    if tuple(sorted(values)) != tuple(sorted(plan.fields)):
        raise UsageError("the values are not those of the plan")
    if any(value is not None and (not value or len(value) > LONGEST) for value in values.values()):
        raise UsageError(
            f"a value has between 1 and {LONGEST:,} characters", hint="--remove takes a field away"
        )
    after: dict[str, Any] = {}
    table, row = (CONTACT, plan.contact_id) if plan.user_id is None else (USER, plan.user_id)

    def edit(of: Table, row_id: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        if of != table or row_id != str(row):
            return fields
        changed = {name: value for name, value in {**fields, **values}.items() if value is not None}
        if not changed:
            raise RefusedError("a contact without any field is none", hint="erase the person instead")
        after.update(checked(changed) if table == USER else changed)
        return after

    def found_again() -> None:
        if plan.user_id is not None:
            reindex_user(session, tenant, plan.user_id, after)
        elif plan.contact_id is not None:
            reindex_contact(session, tenant, plan.contact_id, after)

    done = rekey(
        session,
        tenant,
        plan.subject_id,
        purpose=plan.instruction,
        edit=edit,
        action="subject.rectify",
        detail={"fields": sorted(values)},
        after=found_again,
    )
    return replace(plan, rekeyed=done)


def reindex_contact(session: Session, tenant: Tenant, contact_id: UUID, fields: Mapping[str, Any]) -> None:
    """Give the contact the blind indexes of what it holds now, of the width that it had."""
    from ..key import blind, open_tenant

    where = {"tenant_id": tenant.tenant_id, "contact_id": contact_id}
    version = queries("subject").index_version(session.conn, **where)
    if version is None or not fields:
        raise NotFoundError(f"contact {contact_id} went away meanwhile")
    indexer = blind.Indexer(open_tenant(session, tenant.tenant_id).index_key, version, tenant.country)
    email, phones, names = indexes(indexer, fields)
    queries("subject").set_contact_indexes(
        session.conn, **where, email_index=email, phone_index=phones, name_index=names
    )
