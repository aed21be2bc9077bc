"""The note about a request: personal, so sealed under the person's main key, and gone with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import RefusedError, UsageError
from ..key.classes import KeyClass, Place, RetentionClass
from .record import Request

if TYPE_CHECKING:
    from ..key import SubjectKey, TenantKeys

TABLE, COLUMN = "lua.request", "personal"
LONGEST = 10_000


def sealer_of(session: Session, found: Request, subject_id: UUID, text: str) -> Callable[[], bytes]:
    """Return what seals a note in the transaction that writes it, once the person is locked.

    Raises UsageError for a text that is none, RefusedError off a key host.
    """
    from ..key import open_tenant
    from ..key.seal import seal

    if not text.strip() or len(text) > LONGEST:
        raise UsageError(f"a note has between 1 and {LONGEST:,} characters")
    with transaction(session, found.tenant_id):
        keys = open_tenant(session, found.tenant_id)
    keys.period(RetentionClass.CONTACT, 0)

    def sealed() -> bytes:
        key, period = _key_of(keys, subject_id), keys.period(RetentionClass.CONTACT, 0)
        return seal({"note": text}, _place(found, subject_id), key, period, KeyClass.MAIN)

    return sealed


def opened(session: Session, found: Request, purpose: str) -> Request:
    """Return a request with its note in clear; the reading is on record before it opens.

    Without a note it is returned as it is. Raises UsageError without a purpose, RefusedError off a key host.
    """
    from ..key import open_tenant
    from ..key.seal import unseal
    from ..ledger import record_read, references

    if not purpose.strip():
        raise UsageError("a purpose is needed: the ledger keeps why the note was read")
    if found.subject_id is None or not found.has_note:
        return found
    who = found.subject_id
    with transaction(session, found.tenant_id):
        keys = open_tenant(session, found.tenant_id)
    known = references(session, keys, found.tenant_id, [who])
    record_read(session, found.tenant_id, list(known.values()), purpose, f"table:{TABLE}")
    with transaction(session, found.tenant_id) as conn:
        frame = queries("request").note(conn, tenant_id=found.tenant_id, request_id=found.request_id)
        period = keys.existing_period(RetentionClass.CONTACT, 0)
        if frame is None or period is None:
            return found  # they were erased since it was read
        fields = unseal(frame, _place(found, who), _key_of(keys, who), period)
    return replace(found, note=str(fields["note"]))


def _place(found: Request, subject_id: UUID) -> Place:
    return Place(found.tenant_id, subject_id, TABLE, COLUMN, found.request_id)


def _key_of(keys: TenantKeys, subject_id: UUID) -> SubjectKey:
    key = keys.subjects([subject_id], KeyClass.MAIN).get(subject_id)
    if key is None:
        raise RefusedError(f"subject {subject_id} has no key any more", hint="were they erased meanwhile?")
    return key
