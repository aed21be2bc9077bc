"""What a certificate of erasure states: for programs (facts) and for people (document). Words follow NIST
SP 800-88.

Facts hold texts, integers, true, false, null, and lists and mappings of these: they have one canonical
form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..certificate.manifest import instant
from ..db import Session, queries, transaction
from ..key.classes import KeyClass
from ..key.pack import pack_uuids
from . import record
from .checking import Check
from .planning import TABLES, Dropping, Going, Staying
from .record import Batch, Erasure

if TYPE_CHECKING:
    from ..key.holder import Destroyed

METHOD = "cryptographic erase of target data (NIST SP 800-88 Rev. 2)"
NO_LEVEL = "no level claimed"
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
CLOSING = "`luactl verify FOLDER --key VKEY` checks this folder offline; take the log's key from elsewhere."
_RETAINED = "| Table | Year | Rows | Ground | Until | Readable by |"


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
        "staying": [
            {
                "table": one.table,
                "period": one.period,
                "rows": one.rows,
                "lines": one.lines,
                "ground": one.ground,
                "until": None if one.until is None else instant(one.until),
                "readable_by": one.readable_by,
            }
            for one in staying
        ],
    }


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
    holders = _holders(session, erasure)
    with transaction(session) as conn:
        system, database, tree_id, _epoch = queries("erasure").system(conn)
    with transaction(session, erasure.tenant_id) as conn:
        gone = summed(record.batches(conn, erasure))[0]
        ids = pack_uuids(record.people(conn, erasure))
        counts = queries("erasure").counts(conn, tenant_id=erasure.tenant_id, ids=ids)
    left = dict(zip(TABLES, counts, strict=True))
    return {
        "v": 1,
        "kind": "erasure",
        "id": str(erasure.erasure_id),
        "method": METHOD,
        "tenant": {"id": erasure.tenant_id, "slug": tenant},
        "subject": None if erasure.subject_id is None else str(erasure.subject_id),
        "instruction": erasure.instruction,
        "requested_by": erasure.requested_by,
        "completed_by": session.actor,
        "started_at": instant(erasure.created_at),
        "completed_at": instant(at),
        "system": {"cluster": system, "database": database, "tree": str(tree_id)},
        "epoch": {"from": erasure.epoch - 1, "to": erasure.epoch_to},
        "erased": [
            {"table": one.table, "rows_before": one.rows, "rows_after": left[one.table]} for one in gone
        ],
        "keys": [{"class": one["class"], "version": one["version"]} for one in erasure.plan["keys"]],
        "holders": holders,
        "books": [str(book) for book in session.profile.books],
        "retained": erasure.plan["staying"],
        "verification": [{"check": one.check, "state": one.state, "what": one.what} for one in checks],
        "remaining_exposure": _exposure(holders),
    }


def _holders(session: Session, erasure: Erasure) -> list[dict[str, Any]]:
    """Return what each holder of the root answered: gone, or gone from when on, at what level.

    Of several epochs the answer that promises least counts: the latest date, the weakest level.
    """
    from ..key.fate import fate

    least: dict[str, Destroyed] = {}
    for epoch in range(erasure.epoch - 1, erasure.epoch_to):
        for answer in fate(session, epoch):
            known = least.get(answer.holder, answer)
            later = max(known, answer, key=_effective)
            level = None if None in (known.level, answer.level) else later.level
            least[answer.holder] = replace(later, level=level)
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
    ]


def _effective(answer: Destroyed) -> float:
    return answer.effective_at.timestamp() if answer.effective_at else 0.0


def _level(answer: Destroyed) -> str:
    if answer.level is None:
        return NO_LEVEL
    how = "key file overwritten" if answer.holder.startswith("file:") else "as the holder states"
    return f"{answer.level.capitalize()} ({how})"


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else instant(moment)


def _exposure(holders: Sequence[dict[str, Any]]) -> list[str]:
    """Return what remains possible, and until when."""
    pending = [
        f"{one['holder']} destroys the old root at {one['effective_at']}: until then whoever rules over it "
        "can bring it back, and with it what lies in old copies."
        for one in holders
        if one["old_root"] == "scheduled"
    ]
    return [*pending, *EXPOSURE]


def document(stated: dict[str, Any]) -> str:
    """Return certificate.md: the same facts, for people."""
    parts = (_head(stated), _erased(stated), _holders_text(stated), _retained(stated), _rest(stated))
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(stated: dict[str, Any]) -> list[str]:
    epoch, system = stated["epoch"], stated["system"]
    rows = [
        ("Erasure", stated["id"]),
        ("Method", stated["method"]),
        ("Tenant (controller)", stated["tenant"]["slug"]),
        ("Subject (pseudonym)", stated["subject"]),
        ("Instruction", stated["instruction"]),
        ("Requested by", stated["requested_by"]),
        ("Completed by", stated["completed_by"]),
        ("Started", stated["started_at"]),
        ("Completed", stated["completed_at"]),
        ("Database", f"{system['database']} of cluster {system['cluster']}"),
        ("Key tree", f"{system['tree']}, epoch {epoch['from']} → {epoch['to']}"),
    ]
    table = [f"| {name} | {_cell(value)} |" for name, value in rows]
    return ["# Certificate of erasure", "", "| | |", "|---|---|", *table, ""]


def _cell(value: object) -> str:
    """Return a value as text that cannot leave its table cell or become markup."""
    text = str(value).replace("\\", "\\\\")
    return "".join(f"\\{c}" if c in "|<>[]`*_#" else c for c in text)


def _erased(stated: dict[str, Any]) -> list[str]:
    rows = [
        f"| {_cell(one['table'])} | {one['rows_before']} | {one['rows_after']} |" for one in stated["erased"]
    ]
    keys = [f"- class {one['class']}, version {one['version']}" for one in stated["keys"]]
    return [
        "## What was erased",
        "",
        "| Table | Rows before | Rows after |",
        "|---|---|---|",
        *rows,
        "",
        "Keys of the person that were destroyed:",
        "",
        *(keys or ["- none: the person had none left"]),
        "",
    ]


def _holders_text(stated: dict[str, Any]) -> list[str]:
    rows = [
        f"| {_cell(one['holder'])} | {one['old_root']} | {one['level']} "
        f"| {_cell(one['file_system'])} | {one['scheduled_at']} | {one['effective_at']} |"
        for one in stated["holders"]
    ]
    return [
        "## The root secret",
        "",
        f"The root secret of epoch {stated['epoch']['from']}, below which those keys hung, at each holder:",
        "",
        "| Holder | Old root | Level | Kept on | Asked | Effective |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _retained(stated: dict[str, Any]) -> list[str]:
    if not stated["retained"]:
        return ["## What remains by law", "", "Nothing.", ""]
    rows = [
        f"| {_cell(one['table'])} | {one['period']} | {one['rows']} ({one['lines']} lines) "
        f"| {_cell(one['ground'])} | {one['until'] or 'no end'} | {_cell(one['readable_by'])} |"
        for one in stated["retained"]
    ]
    return [
        "## What remains by law",
        "",
        _RETAINED,
        "|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _rest(stated: dict[str, Any]) -> list[str]:
    checks = [f"- {one['check']}: {one['state']} ({_cell(one['what'])})" for one in stated["verification"]]
    exposure = [f"- {text}" for text in stated["remaining_exposure"]]
    return ["## Verification", "", *checks, "", "## Remaining exposure", "", *exposure, "", CLOSING]
