"""`luactl erasure`: erase a person so that nobody can read them again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import Exit

from .app import group
from .context import is_json, session
from .diagnostics import confirm
from .options import DryRun, Limit, TenantSlug, Yes, identifier
from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.erasure import ErasurePlan

app = group("Erase a person so that nobody can read them again.")

ERASURES = (
    ("erasure_id", "ERASURE"),
    ("subject_id", "SUBJECT"),
    ("state", "STATE"),
    ("created_at", "STARTED"),
    ("completed_at", "COMPLETED"),
    ("requested_by", "BY"),
    ("instruction", "INSTRUCTION"),
)
LINES = (("what", "WHAT"), ("count", "COUNT"), ("fate", "FATE"), ("ground", "GROUND"), ("until", "UNTIL"))
RESULT = tuple(
    (name, name.upper().replace("_", " "))
    for name in ("erasure_id", "outcome", "epoch", "keys", "certificate")
)
RECORD = (*ERASURES, ("epoch", "EPOCH"))
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the erasure.")]


@dataclass(frozen=True)
class Line:
    """One line of a plan, for people."""

    what: str
    count: int
    fate: str
    ground: str = ""
    until: datetime | None = None


def _lines(plan: ErasurePlan) -> list[Line]:
    """Return a plan as a table: what goes, which keys are destroyed, what stays."""
    stays = [
        Line(
            f"{one.table} {one.period}",
            one.rows,
            f"stays, for {one.readable_by} alone",
            one.ground,
            one.until,
        )
        for one in plan.staying
    ]
    keys = [Line(f"key of class {name}", 1, "is destroyed") for name in plan.keys]
    return [*(Line(one.table, one.rows, "goes") for one in plan.going), *keys, *stays]


@app.command("run")
def run(
    tenant: TenantSlug,
    subject: Annotated[
        str, typer.Option("--subject", metavar="ID", help="Who; `luactl subject find` tells it.")
    ],
    instruction: Annotated[
        str,
        typer.Option(
            "--instruction", metavar="REF", help="Where the tenant's order is found; no personal data."
        ),
    ],
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="DIR", help="Folder of the certificate.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Erase a person: contact and interactions go, their keys are destroyed, what a duty keeps is hidden.

    Run again, it finishes what was cut short, and writes the certificate of a finished erasure anew.

    Examples:
        luactl erasure run --tenant smile --subject 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55 --instruction T-12
    """
    from luactl import erasure
    from luactl.config import find_paths
    from luactl.tenant import find

    with session("erasure run") as s:
        plan = erasure.plan(s, find(s, tenant), identifier(subject), instruction)
        if dry_run:
            notes = [f"state: {plan.state}; instruction {plan.instruction!r}"]
            show_plan(plan if is_json() else _lines(plan), LINES, notes)
            return
        if plan.state == "planned":
            rows = sum(one.rows for one in plan.going)
            confirm(f"Erase subject {plan.subject_id}, {rows} rows, for good?", yes=yes, retype=tenant)
        done = erasure.run(s, plan, find_paths().data / "certificates", certificate)
    notes = {
        "already erased": ["was erased before; the certificate was written anew"],
        "finished": ["an earlier run was cut short; it is complete now"],
    }.get(done.outcome, [])
    if done.pending:
        notes.append(f"the certificate is pending, without signature or proof: {done.pending}")
    show(done, RESULT, notes)


@app.command("list")
def list_(tenant: TenantSlug, limit: Limit = 0) -> None:
    """List the erasures of a tenant, newest first.

    Examples:
        luactl erasure list --tenant smile
    """
    from luactl import erasure
    from luactl.tenant import find

    with session("erasure list") as s:
        found = erasure.list_(s, find(s, tenant), limit + 1 if limit else 0)
    cut = bool(limit) and len(found) > limit
    notes = [f"more than {limit} erasures; `--limit 0` shows all"] if cut else []
    show(found[:limit] if cut else found, ERASURES, notes)


@app.command("show")
def show_(erasure_id: Id) -> None:
    """Show one erasure: what went, what stays, and what its certificate states.

    Examples:
        luactl erasure show 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55
    """
    from luactl import erasure

    with session("erasure show") as s:
        show(erasure.find(s, identifier(erasure_id, "erasure", "erasure list --tenant T")), RECORD)


@app.command("verify")
def verify(erasure_id: Id) -> None:
    """Try to reach an erased person: rows, keys in database, book and holders, hidden invoices.

    Exit code 6 says that something was reached.

    Examples:
        luactl erasure verify 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55
    """
    from luactl import erasure

    with session("erasure verify") as s:
        found = erasure.verify(s, identifier(erasure_id, "erasure", "erasure list --tenant T"))
    columns = (("check", "CHECK"), ("state", "STATE"), ("what", "WHAT"))
    notes = ["nothing of this person was reached" if found.ok else "something is not as it must be"]
    outcome = Exit.DONE if found.ok else Exit.FINDINGS
    if is_json():
        show(found, None, notes, outcome=outcome)
    else:
        show(found.checks, columns, notes, outcome=outcome)
