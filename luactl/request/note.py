"""The note about a request: personal, so sealed under the person's main key, and gone with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import RefusedError, UsageError
from ..key.classes import RetentionClass
from ..subject.sealed import REQUEST
from .record import Request

if TYPE_CHECKING:
    from ..key import SubjectKey, TenantKeys

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
        place = REQUEST.place(found.tenant_id, subject_id, found.request_id)
        return seal({"note": text}, place, key, period, REQUEST.key_class)

    return sealed


def opened(session: Session, found: Request, purpose: str) -> Request:
    """Return a request with its note in clear; the reading is on record before it opens.

    Without a note it is returned as it is. Raises UsageError without a purpose, RefusedError off a key host.
    """
    from ..crm.opening import Sealed, record_and_open

    if not purpose.strip():
        raise UsageError("a purpose is needed: the ledger keeps why the note was read")
    if found.subject_id is None or not found.has_note:
        return found
    with transaction(session, found.tenant_id) as conn:
        frame = queries("request").note(conn, tenant_id=found.tenant_id, request_id=found.request_id)
    sealed = [] if frame is None else [Sealed(found.subject_id, found.request_id, frame)]
    for fields in record_and_open(session, found.tenant_id, REQUEST, sealed, purpose):
        if fields is not None:
            return replace(found, note=str(fields["note"]))
    return found  # they were erased since it was read


def _key_of(keys: TenantKeys, subject_id: UUID) -> SubjectKey:
    key = keys.subjects([subject_id], REQUEST.key_class).get(subject_id)
    if key is None:
        raise RefusedError(f"subject {subject_id} has no key any more", hint="were they erased meanwhile?")
    return key
