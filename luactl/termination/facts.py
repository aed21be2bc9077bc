"""What the certificate of a tenant's end states: for programs (facts) and for people (document).

Facts hold texts, integers, true, false, null, and lists and mappings of these: they have one canonical form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..approval.checking import said
from ..certificate.markdown import CLOSING, cell, table
from ..certificate.system import system
from ..clock import instant
from ..db import Session
from ..processor.certified import section
from ..tenant import own
from .planning import STAYING
from .record import Termination

if TYPE_CHECKING:
    from ..processor import Due, Notice
    from ..tenant import Tenant

METHOD = "cryptographic erase of target data (NIST SP 800-88 Rev. 2): the tenant's whole part of the key tree"
EXPOSURE = (
    "Backups, standbys, the write-ahead log and dead rows of the database may still hold rows of the tenant. "
    "What is personal stands there as ciphertext only, under keys that hung below the root secret that was "
    "destroyed. Beside it stand, in clear, random ids, times, kinds of interactions, and numbers, dates and "
    "amounts of invoices.",
    "An erasure cannot reach a copy of the root secret, or of readable data, that somebody made before; what "
    "was returned to the tenant is the tenant's to keep.",
)


@dataclass(frozen=True)
class Check:
    """One attempt to reach what was erased: kept, when nothing was reached, or broken."""

    check: str
    state: str
    what: str


def facts(
    session: Session,
    tenant: Tenant,
    known: Termination,
    checks: Sequence[Check],
    notices: Sequence[Due],
    at: datetime,
) -> dict[str, Any]:
    """Return certificate.json as a mapping; `notices` are made with the outcome."""
    epoch, plan = known.epoch or 0, known.plan or {}
    return {
        "v": 1,
        "kind": "termination",
        "id": str(known.termination_id),
        "method": METHOD,
        "tenant": {"id": tenant.tenant_id, "slug": tenant.slug, "name": tenant.name},
        "instruction": known.instruction,
        "returned": known.returned,
        "announced_by": known.announced_by,
        "announced_at": instant(known.announced_at),
        "requested_by": known.requested_by,
        "approval": plan.get("approval"),
        "completed_by": session.actor,
        "completed_at": instant(at),
        "system": system(session).stated(),
        "epoch": {"from": epoch - 1, "to": epoch},
        "erased": [{"table": name, "rows_before": count} for name, count in plan.get("rows", {}).items()],
        "own": list(own(session, tenant.tenant_id)) if tenant.isolation == "dedicated" else [],
        "keys": plan.get("keys", 0),
        "holders": _holders(session, epoch - 1),
        "books": [str(book) for book in session.profile.books],
        "processors": [one.stated() for one in notices],
        "processors_at": instant(at),
        "kept": [{"what": what, "ground": ground} for what, ground in STAYING],
        "verification": [{"check": one.check, "state": one.state, "what": one.what} for one in checks],
        "remaining_exposure": list(EXPOSURE),
    }


def restated(stated: dict[str, Any], told: Sequence[Notice], at: datetime) -> dict[str, Any]:
    """Return the same facts with what processors were told and confirmed by now; unchanged where that is."""
    now = [one.stated() for one in told]
    if now == sorted(stated.get("processors", []), key=lambda one: str(one["processor"])):
        return stated
    return {**stated, "processors": now, "processors_at": instant(at)}


def _holders(session: Session, epoch: int) -> list[dict[str, Any]]:
    """Return what each holder of the root answered: gone, or gone from when on, at what level."""
    from ..key.fate import fate
    from ..key.register import unanswered

    found: list[dict[str, Any]] = [
        {
            "holder": one.holder,
            "old_root": one.state,
            "level": one.level,
            "effective_at": None if one.effective_at is None else instant(one.effective_at),
        }
        for one in fate(session, epoch)
    ]
    return found + [
        {
            "holder": one.name,
            "old_root": "retired" if one.retired_at else "missing",
            "level": None,
            "effective_at": None,
            "host": one.host,
            "retired_by": one.retired_by,
            "reason": one.reason,
        }
        for one in unanswered(session, epoch)
    ]


def _effective(holder: dict[str, Any]) -> str:
    if holder["old_root"] in ("retired", "missing"):
        return "not known: whoever has it has the old root"
    return holder["effective_at"] or "at once"


def _own(names: list[str]) -> list[str]:
    """Return the lines about what a dedicated tenant had to itself; none for a pooled one."""
    if not names:
        return []
    return [f"Its own tables and roles were dropped: {', '.join(f'`{name}`' for name in names)}.", ""]


def document(stated: dict[str, Any]) -> str:
    """Return certificate.md: the same facts, for people."""
    epoch, system = stated["epoch"], stated["system"]
    head = [
        ("Termination", stated["id"]),
        ("Tenant (controller)", stated["tenant"]["name"]),
        ("Instruction", stated["instruction"]),
        ("Return of the data", stated["returned"]),
        ("Announced", f"{stated['announced_at']} by {stated['announced_by']}"),
        ("Requested by", stated["requested_by"]),
        ("Approved by", said(stated.get("approval"))),
        ("Completed", f"{stated['completed_at']} by {stated['completed_by']}"),
        ("Method", stated["method"]),
        ("Database", f"{system['database']} of cluster {system['cluster']}"),
        ("Key tree", f"{system['tree']}, epoch {epoch['from']} → {epoch['to']}"),
    ]
    return "\n".join(
        [
            "# Certificate of erasure at the end of a contract",
            "",
            *table(("", ""), head),
            "## What was erased",
            "",
            *table(("Table", "Rows"), [(one["table"], one["rows_before"]) for one in stated["erased"]]),
            f"All keys of the tenant were destroyed, {stated['keys']} of them in use.",
            "",
            *_own(stated.get("own", [])),
            "## The root secret below which they hung",
            "",
            *table(
                ("Holder", "Old root", "Level", "Effective"),
                [(h["holder"], h["old_root"], h["level"] or "none claimed", _effective(h))
                 for h in stated["holders"]],
            ),
            *section(stated),
            "## What stays, and why",
            "",
            *table(("What", "Ground"), [(one["what"], one["ground"]) for one in stated["kept"]]),
            "## Verification",
            "",
            *(f"- {one['check']}: {one['state']} ({cell(one['what'])})" for one in stated["verification"]),
            "",
            "## Remaining exposure",
            "",
            *(f"- {text}" for text in stated["remaining_exposure"]),
            "",
            CLOSING,
            "",
        ]
    )  # fmt: skip
