"""The random references that stand for people in the ledger, and the only way from one to the other.

A subject's reference is sealed in crm.subject.personal under their main key, so erasure cuts the way for
ever, in every backup too. Details about one person are sealed under the same key, with a commitment to that
key.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from ..db import Session, queries, transaction

if TYPE_CHECKING:
    from ..key.classes import PeriodKey, Place, SubjectKey
    from ..key.tenant import TenantKeys


def _place(tenant_id: int, subject_id: UUID) -> Place:
    from ..key.classes import Place

    return Place(tenant_id, subject_id, "crm.subject", "personal", subject_id)


def seal_reference(
    reference: UUID, tenant_id: int, subject_id: UUID, subject_key: SubjectKey, period_key: PeriodKey
) -> bytes:
    """Return what crm.subject.personal holds: `{"ledger": reference}` under class main, contact period 0."""
    from ..key.classes import KeyClass
    from ..key.seal import seal

    fields = {"ledger": str(reference)}
    return seal(fields, _place(tenant_id, subject_id), subject_key, period_key, KeyClass.MAIN)


def references(
    session: Session, keys: TenantKeys, tenant_id: int, subject_ids: Collection[UUID]
) -> dict[UUID, UUID]:
    """Return the ledger reference of each living subject, making those that are missing.

    Runs in a transaction of its own. Erased and unknown subjects are not in the answer, nor is anybody where
    only keys of duties are at hand. Two callers at once
    agree: the first reference that is written stays.
    """
    from ..key.classes import KeyClass, RetentionClass
    from ..key.seal import Opener

    wanted = sorted(set(subject_ids))
    if not wanted or not keys.reaches(KeyClass.MAIN):
        return {}
    period = keys.period(RetentionClass.CONTACT, 0)
    with transaction(session, tenant_id):
        seals = _seals(session, tenant_id, wanted)
        missing = [subject_id for subject_id in wanted if seals.get(subject_id, b"") is None]
        if missing:
            _give(session, keys, tenant_id, missing, period)
            seals = _seals(session, tenant_id, wanted)
        living = keys.subjects(seals, KeyClass.MAIN)
    opener = Opener(tenant_id, "crm.subject", "personal", period)
    return {
        subject_id: UUID(opener.open(seal, subject_id, living[subject_id], subject_id)["ledger"])
        for subject_id, seal in seals.items()
        if seal is not None and subject_id in living
    }


def _seals(session: Session, tenant_id: int, subject_ids: Sequence[UUID]) -> dict[UUID, bytes | None]:
    rows = queries("ledger").subject_seals(session.conn, tenant_id=tenant_id, subject_ids=list(subject_ids))
    return dict(rows)


def _give(
    session: Session, keys: TenantKeys, tenant_id: int, missing: Sequence[UUID], period: PeriodKey
) -> None:
    """Write references for those who have none once their rows are locked; keys are read under the lock."""
    from ..key.classes import KeyClass

    rows = queries("ledger").lock_unreferenced(session.conn, tenant_id=tenant_id, subject_ids=list(missing))
    living = keys.subjects([row[0] for row in rows], KeyClass.MAIN)
    queries("ledger").give_references(
        session.conn,
        tenant_id=tenant_id,
        at=session.clock.now(),
        subject_ids=list(living),
        seals=[seal_reference(uuid4(), tenant_id, id_, key, period) for id_, key in living.items()],
    )


def _commitment(subject_key: SubjectKey, period_key: PeriodKey, plaintext: bytes, entry_id: UUID) -> bytes:
    from ..key.derive import hkdf

    key = hkdf(subject_key.key + period_key.key, b"", b"luactl/1|ledger|commit")
    return hmac.digest(key, plaintext + entry_id.bytes, "sha256")


def _detail_place(tenant_id: int, subject_id: UUID, entry_id: UUID) -> Place:
    from ..key.classes import Place

    return Place(tenant_id, subject_id, "ledger.entry", "detail", entry_id)


def sealed_detail(
    fields: Mapping[str, Any],
    *,
    entry_id: UUID,
    tenant_id: int,
    subject_id: UUID,
    subject_key: SubjectKey,
    period_key: PeriodKey,
) -> dict[str, str]:
    """Return the detail of an entry about one person: sealed fields and a commitment to the key, in base64.

    AES-GCM does not commit to its key, so without the commitment one ciphertext could be shown to mean two
    things. `entry_id` comes from `new_id` and must be the entry's own.
    """
    from ..key.classes import KeyClass
    from ..key.seal import encode, seal

    frame = seal(
        fields, _detail_place(tenant_id, subject_id, entry_id), subject_key, period_key, KeyClass.MAIN
    )
    commitment = _commitment(subject_key, period_key, encode(fields), entry_id)
    return {"sealed": base64.b64encode(frame).decode(), "commitment": base64.b64encode(commitment).decode()}


def open_detail(
    detail: Mapping[str, str],
    *,
    entry_id: UUID,
    tenant_id: int,
    subject_id: UUID,
    subject_key: SubjectKey,
    period_key: PeriodKey,
) -> dict[str, Any]:
    """Return the fields that `sealed_detail` sealed. Raises SealError when they do not open."""
    from ..key.classes import SealError
    from ..key.seal import encode, unseal

    place = _detail_place(tenant_id, subject_id, entry_id)
    fields = unseal(base64.b64decode(detail["sealed"]), place, subject_key, period_key)
    expected = _commitment(subject_key, period_key, encode(fields), entry_id)
    if not hmac.compare_digest(expected, base64.b64decode(detail["commitment"])):
        raise SealError(f"the detail of entry {entry_id} was sealed under another key")
    return fields
