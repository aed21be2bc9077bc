"""What a certificate of erasure states, for programs; `document` says it to people.

Words follow NIST SP 800-88.

Facts hold texts, integers, true, false, null, and lists and mappings of these: they have one canonical
form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..certificate.system import system
from ..clock import instant
from ..db import Session, queries, transaction
from ..key.classes import KeyClass
from ..pack import Uuids
from ..residue.since import claimed
from . import record
from .checking import Check
from .people import LIST, listed
from .places import LEFT, NO_LEVEL, Facts, places
from .planning import PERSON, TABLES, USER_TABLES, Dropping, Going, Staying
from .record import Batch, Erasure
from .requested import stated

if TYPE_CHECKING:
    from ..key.holder import Destroyed
    from ..key.register import Place as KeyPlace

METHOD = "cryptographic erase of target data (NIST SP 800-88 Rev. 2)"
EXPOSURE = (
    "Backups, standbys, the write-ahead log and dead rows of the database may still hold this person's rows. "
    "What is personal stands there as ciphertext only. The keys that opened it hung below the root secret "
    "that was destroyed. Beside it stand, in clear, random ids, times, kinds of interactions, and numbers, "
    "dates and amounts of invoices.",
    "A few bits of keyed hashes of e-mail address, phone number and name may stand in such copies too: each "
    "fits several people. The keyed hash of an external id has full width: who knows that id and holds "
    "today's root secret can tell from such a copy that this subject had it.",
    "Overwriting a key file is the level Clear. Solid-state drives keep remapped pages beyond its reach.",
    "An erasure cannot reach a copy of the root secret, or of readable data, that somebody made before.",
)
USER_EXPOSURE = (
    "Of a user of the CRM such copies may hold, in clear, state, second factor, roles, and times and "
    "networks of sessions; and a keyed hash of the login in full width: who knows that login and holds "
    "today's root secret can tell from such a copy that this user had it.",
)


def planned(
    going: Sequence[Going],
    dropping: Sequence[Dropping],
    keys: Sequence[tuple[int, int, int]],
    staying: Sequence[Staying],
) -> dict[str, Any]:
    """Return what lua.erasure.plan keeps: counts, slots of one person's dropped keys, what stays."""
    return {
        "going": {one.table: one.rows for one in going},
        "keys": [{"class": KeyClass(one[0]).label, "version": one[1], "slot": one[2]} for one in keys],
        "classes": {one.key_class: one.keys for one in dropping},
        "staying": retained(staying),
    }


def retained(staying: Sequence[Staying]) -> list[dict[str, Any]]:
    """Return what stays as a record and a certificate have it."""
    return [{**vars(one), "until": _instant(one.until)} for one in staying]


def staying(plan: dict[str, Any]) -> tuple[Staying, ...]:
    """Return what stays, of what `planned` wrote."""
    return tuple(
        Staying(**{**one, "until": None if one["until"] is None else datetime.fromisoformat(one["until"])})
        for one in plan["staying"]
    )


def summed(batches: Sequence[Batch]) -> tuple[tuple[Going, ...], tuple[str, ...]]:
    """Return what all batches together took: rows by table, classes of the keys."""
    rows: Counter[str] = Counter()
    keys: set[str] = set()
    for one in batches:
        rows.update(one.gone)
        keys.update(one.keys)
    return tuple(Going(table, rows[table]) for table in sorted(rows)), tuple(sorted(keys))


def facts(
    session: Session, tenant: str, erasure: Erasure, checks: Sequence[Check], at: datetime
) -> dict[str, Any]:
    """Return certificate.json as a mapping."""
    holders, this = _holders(session, erasure), _this(session, erasure)
    here = system(session)
    books, whole = [str(book) for book in session.profile.books], erasure.scope == PERSON
    stays = erasure.plan["staying"]
    where = Facts(this.sealed, holders, books, here.standbys, stays, instant(at), whole)
    return {
        "v": 1,
        "kind": "erasure",
        "id": str(erasure.erasure_id),
        "method": METHOD,
        "scope": erasure.scope,
        "tenant": {"id": erasure.tenant_id, "slug": tenant},
        "subject": None if erasure.subject_id is None else str(erasure.subject_id),
        "subjects": this.subjects,
        "plan": erasure.digest,
        "instruction": erasure.instruction,
        "request": stated(session, erasure, at),
        "requested_by": erasure.requested_by,
        "approval": erasure.plan.get("approval"),
        "completed_by": session.actor,
        "started_at": instant(erasure.created_at),
        "completed_at": instant(at),
        "system": here.stated(),
        "epoch": {"from": erasure.epoch - 1, "to": erasure.epoch_to},
        "epochs": this.epochs,
        "erased": [
            {"table": one.table, "rows_before": one.rows, "rows_after": this.left[one.table]}
            for one in this.gone
        ],
        "keys": [{"class": one["class"], "version": one["version"]} for one in erasure.plan["keys"]],
        "key_counts": this.keys,
        "holders": holders,
        "books": books,
        "places": places(where),
        "retained": stays,
        "verification": [{"check": one.check, "state": one.state, "what": one.what} for one in checks],
        "remaining_exposure": _exposure(holders, user="crm.app_user" in this.sealed),
    }


@dataclass(frozen=True)
class _This:
    """What is on record of one erasure, and what is left now."""

    gone: tuple[Going, ...]
    left: dict[str, int]
    keys: dict[str, int]
    epochs: list[int]
    subjects: dict[str, Any]
    sealed: dict[str, bool]


def _this(session: Session, erasure: Erasure) -> _This:
    with transaction(session, erasure.tenant_id) as conn:
        batches = record.batches(conn, erasure)
        people = record.people(conn, erasure)
        counts = queries("erasure").counts(conn, tenant_id=erasure.tenant_id, ids=Uuids.of(people))
        gone = summed(batches)[0]
        sealed = claimed(conn, [one.table for one in gone], session.clock.now())
        before = len(record.people(conn, erasure, "before"))
        held = len(record.people(conn, erasure, "held"))
    keys: Counter[str] = Counter()
    for one in batches:
        keys.update(one.keys)
    return _This(
        gone,
        dict(zip((*TABLES, *USER_TABLES), counts, strict=True)),
        dict(sorted(keys.items())),
        [one.epoch for one in batches],
        _subjects(erasure, people, before, held),
        sealed,
    )


def _subjects(erasure: Erasure, people: Sequence[UUID], before: int, held: int) -> dict[str, Any]:
    """Return how many people it was, and the digest of the list in which they stand when they are many."""
    many = erasure.subject_id is None
    data = listed(erasure.erasure_id, people) if many else b""
    return {
        "erased": len(people),
        "erased_before": before,
        "held": held,
        "list": LIST if many else None,
        "list_sha256": sha256(data).hexdigest() if many else None,
    }


def _holders(session: Session, erasure: Erasure) -> list[dict[str, Any]]:
    """Return what each holder of the root answered: gone, or gone from when on, at what level.

    Of several epochs the answer that promises least counts: the latest date, the weakest level.
    """
    from ..key.fate import fate
    from ..key.register import unanswered

    least: dict[str, Destroyed] = {}
    silent: dict[UUID, KeyPlace] = {}
    for epoch in range(erasure.epoch - 1, erasure.epoch_to):
        for answer in fate(session, epoch):
            known = least.get(answer.holder, answer)
            later = max(known, answer, key=_effective)
            level = None if None in (known.level, answer.level) else later.level
            least[answer.holder] = replace(later, level=level)
        silent |= {one.place_id: one for one in unanswered(session, epoch)}
    return [
        {
            "holder": answer.holder,
            "file_system": answer.file_system,
            "old_root": answer.state,
            "level": _level(answer),
            "scheduled_at": _instant(answer.scheduled_at),
            "effective_at": _instant(answer.effective_at),
        }
        for answer in least.values()
    ] + [_silent(one) for one in silent.values()]


def _silent(one: KeyPlace) -> dict[str, Any]:
    """Return what is said of a holder that never answered: it was retired, or is missing."""
    return {
        "holder": one.name,
        "file_system": "unknown",
        "old_root": "retired" if one.retired_at else "missing",
        "level": NO_LEVEL,
        "scheduled_at": None,
        "effective_at": None,
        "host": one.host,
        "retired_at": _instant(one.retired_at),
        "retired_by": one.retired_by,
        "reason": one.reason,
    }


def _effective(answer: Destroyed) -> float:
    return answer.effective_at.timestamp() if answer.effective_at else 0.0


def _level(answer: Destroyed) -> str:
    if answer.level is None:
        return NO_LEVEL
    how = "key file overwritten" if answer.holder.startswith("file:") else "as the holder states"
    return f"{answer.level.capitalize()} ({how})"


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else instant(moment)


def _exposure(holders: Sequence[dict[str, Any]], *, user: bool) -> list[str]:
    """Return what remains possible, and until when; also of a user of the CRM, if one went."""
    pending = [
        f"{one['holder']} destroys the old root at {one['effective_at']}: until then whoever rules over it "
        "can bring it back, and with it what lies in old copies."
        for one in holders
        if one["old_root"] == "scheduled"
    ]
    left = [
        f"{one['holder']} of host {one['host']} {_why(one)}: whoever has it has the old root, and reads what "
        "lies in old copies."
        for one in holders
        if one["old_root"] in LEFT
    ]
    return [*left, *pending, *EXPOSURE, *(USER_EXPOSURE if user else ())]


def _why(one: dict[str, Any]) -> str:
    if one["old_root"] == "missing":
        return "is registered and has not answered"
    return f"was retired on {one['retired_at']} by {one['retired_by']} ({one['reason']})"
