"""`luactl promise`: what the Data Protection page promises, and the attempts to break it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from luactl.errors import Exit, UsageError

from .app import group
from .context import session
from .diagnostics import confirm, progress
from .options import DryRun, Yes
from .output import show as show_result
from .output import show_plan
from .settings import is_json

app = group("What the Data Protection page promises, and proof by trying to break it.")

STANDINGS = (
    ("id", "ID"),
    ("state", "STATE"),
    ("at", "PROVEN"),
    ("proven_by", "BY"),
    ("waiver.valid_until", "WAIVED UNTIL"),
    ("promise", "PROMISE"),
)
CLAUSES = (("id", "ID"), ("promise", "PROMISE"), ("probe", "PROBE"))
VERDICTS = (("id", "ID"), ("state", "STATE"), ("promise", "PROMISE"), ("why", "WHY"))

PageFile = Annotated[
    Path | None, typer.Option("--page", metavar="FILE", help="Another company's page; without it ours.")
]
Id = Annotated[str, typer.Argument(metavar="ID", help="A promise, such as 3.5.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Promises, such as 3.5.")]


@app.command("list")
def list_(page: PageFile = None) -> None:
    """List the promises of the page, and the probe that tries to break each. Needs no database.

    Examples:
        luactl promise list
    """
    from luactl import promise

    found = promise.load(page)
    unproven = sum(clause.probe is None for clause in found.clauses)
    show_result(found.clauses, CLAUSES, [f"{unproven} of {len(found.clauses)} promises have no probe yet"])


@app.command("show")
def show(id: Id, page: PageFile = None) -> None:
    """Show one promise: what is there to keep it, and how one would try to break it. Needs no database.

    Examples:
        luactl promise show 3.5
    """
    from luactl import promise

    show_result(promise.load(page).clause(id))


@app.command("status")
def status(page: PageFile = None) -> None:
    """List the promises with what the last proof of each came to. Proves nothing.

    A promise without a state is one whose proof this login does not see. Exit code 6 says that one is broken.

    Examples:
        luactl promise status
        luactl promise status -o json -q
    """
    from luactl import promise

    with session("promise status") as s:
        found = promise.standings(s, promise.load(page))
    silent = sum(one.state is None for one in found)
    broken = any(one.state == "broken" for one in found)
    notes = [f"{silent} of {len(found)} promises: no proof to be seen"] if silent else []
    show_result(found, STANDINGS, notes, outcome=Exit.FINDINGS if broken else Exit.DONE)


@app.command("prove")
def prove(
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="All promises of the page.")] = False,
    page: PageFile = None,
) -> None:
    """Try to break promises: attempts that only read, or that are rolled back.

    Each promise ends as kept, broken, not observable or waived, and why. The ledger keeps the outcome.
    Exit code 6 says that one is broken.

    Examples:
        luactl promise prove 3.5 5.4
        luactl promise prove --all -o json -q
    """
    from luactl import promise

    if bool(ids) == every:
        raise UsageError("either promises or --all are needed", hint="`luactl promise list` shows them")
    found = promise.load(page)
    chosen = found.chosen(ids) if ids else found.clauses
    with session("promise prove") as s, progress("proving", len(chosen)) as advance:
        proof = promise.prove(s, found, chosen, advance)
    counts = ", ".join(f"{number} {state}" for state, number in proof.counts.items())
    outcome = Exit.FINDINGS if "broken" in proof.counts else Exit.DONE
    if is_json():
        show_result(proof, None, [counts], outcome=outcome)
    else:
        show_result(proof.promises, VERDICTS, [counts], outcome=outcome)


@app.command("waive")
def waive(
    id: Id,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it may stay unproven.")],
    until: Annotated[datetime, typer.Option("--until", metavar="DATE", help="The day it ends, UTC.")],
    page: PageFile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Accept for a time that a promise is not kept; what probes find is shown all the same.

    Examples:
        luactl promise waive 3.1 --reason 'certificate ordered' --until 2026-12-31 --yes
    """
    from luactl import promise

    found = promise.load(page)
    clause, end = found.clause(id), until.replace(tzinfo=UTC)
    with session("promise waive") as s:
        plan = promise.waive(s, found, clause, reason, end, dry_run=True)
        if dry_run:
            show_plan(plan)
            return
        confirm(f"Accept until {end:%Y-%m-%d} that nobody proves: {clause.promise}?", yes=yes)
        show_result(promise.waive(s, found, clause, reason, end))


@app.command("unwaive")
def unwaive(id: Id, page: PageFile = None, dry_run: DryRun = False, yes: Yes = False) -> None:
    """End the waiver of a promise before its time.

    Examples:
        luactl promise unwaive 3.1 --yes
    """
    from luactl import promise

    found = promise.load(page)
    with session("promise unwaive") as s:
        ended = promise.unwaive(s, found, found.clause(id), dry_run=dry_run)
    if dry_run:
        show_plan(ended)
    else:
        show_result(ended)
