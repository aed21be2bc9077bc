"""Correcting what a tenant keeps about a person (Art. 16 GDPR): the old value opens in no old copy either."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError, UsageError
from .finding import indexes
from .rekeying import Rekeyed, plan_rekey, rekey
from .sealed import Table

if TYPE_CHECKING:
    from ..tenant import Tenant

FIELD = re.compile(r"[a-z][a-z0-9_]{0,39}")
LONGEST = 10_000


@dataclass(frozen=True)
class Rectification:
    """A correction of one contact: which fields, and what is sealed anew for it."""

    subject_id: UUID
    contact_id: UUID
    fields: tuple[str, ...]
    """Names of fields that are set or removed; no values."""
    instruction: str
    rekeyed: Rekeyed


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
) -> Rectification:
    """Return what `rectify` would do. Raises UsageError, NotFoundError, RefusedError for an erased one."""
    _check(fields, instruction)
    plan = plan_rekey(session, tenant, subject_id)
    with transaction(session, tenant.tenant_id) as conn:
        rows = queries("subject").contacts(conn, tenant_id=tenant.tenant_id, subject_id=subject_id)
        contacts = [row[0] for row in rows]
    if not contacts:
        raise NotFoundError(f"subject {subject_id} has no contact")
    if contact_id is None and len(contacts) > 1:
        listed = ", ".join(map(str, contacts))
        raise UsageError(
            f"subject {subject_id} has {len(contacts)} contacts", hint=f"--contact, one of {listed}"
        )
    if contact_id is not None and contact_id not in contacts:
        raise NotFoundError(f"subject {subject_id} has no contact {contact_id}")
    return Rectification(subject_id, contact_id or contacts[0], fields, instruction, plan)


def rectify(
    session: Session, tenant: Tenant, plan: Rectification, values: Mapping[str, str | None]
) -> Rectification:
    """Set the fields of a plan to `values`, None to remove one, and drop the key of what was there before.

    Blind indexes follow. Raises as `rekey`, and UsageError for values that are none of the plan's.
    """
    if tuple(sorted(values)) != tuple(sorted(plan.fields)):
        raise UsageError("the values are not those of the plan")
    if any(value is not None and (not value or len(value) > LONGEST) for value in values.values()):
        raise UsageError(
            f"a value has between 1 and {LONGEST:,} characters", hint="--remove takes a field away"
        )
    after: dict[str, Any] = {}

    def edit(table: Table, row_id: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        if table.table != "crm.contact" or row_id != str(plan.contact_id):
            return fields
        changed = {name: value for name, value in {**fields, **values}.items() if value is not None}
        if not changed:
            raise RefusedError("a contact without any field is none", hint="erase the person instead")
        after.update(changed)
        return changed

    done = rekey(
        session,
        tenant,
        plan.subject_id,
        purpose=plan.instruction,
        edit=edit,
        action="subject.rectify",
        detail={"fields": sorted(values)},
        after=lambda: reindex_contact(session, tenant, plan.contact_id, after),
    )
    return Rectification(plan.subject_id, plan.contact_id, plan.fields, plan.instruction, done)


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
