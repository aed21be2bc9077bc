"""`luactl erasure`: erase people so that nobody can read them again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import Exit, UsageError

from .app import group
from .context import is_json, session
from .diagnostics import confirm, progress
from .erasure_queue import propose, queue, withdraw
from .erasure_who import All, Asked, Category, Class, File, Instruction, Request, SkipUnknown, Subject
from .options import AnyTenant, DryRun, Limit, TenantSlug, Yes, identifier
from .output import show, show_plan
from .residue import residue

if TYPE_CHECKING:
    from luactl.erasure import ErasurePlan, ErasureResult, Returned

app = group("Erase people so that nobody can read them again.")

ERASURES = (
    ("erasure_id", "ERASURE"),
    ("subject_id", "SUBJECT"),
    ("people", "PEOPLE"),
    ("scope", "SCOPE"),
    ("state", "STATE"),
    ("created_at", "STARTED"),
    ("completed_at", "COMPLETED"),
    ("requested_by", "BY"),
    ("instruction", "INSTRUCTION"),
)
LINES = (("what", "WHAT"), ("count", "COUNT"), ("fate", "FATE"), ("ground", "GROUND"), ("until", "UNTIL"))
RESULT = tuple(
    (name, name.upper().replace("_", " "))
    for name in ("erasure_id", "outcome", "people", "epoch", "keys", "certificate")
)
RECORD = (*ERASURES, ("epoch", "EPOCH"))
BACK = tuple((name, name.upper()) for name in ("tenant", "people", "revived", "special", "periods", "rows"))
REPLAYED = (*BACK, ("kept", "KEPT"), ("held", "HELD"))
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
    fate = "is destroyed" if plan.subject_id else "are destroyed"
    keys = [Line(f"key of class {one.key_class}", one.keys, fate) for one in plan.dropping]
    held = [Line(f"subject {one.subject_id}", 1, "is held", one.ground) for one in plan.held]
    return [*(Line(one.table, one.rows, "goes") for one in plan.going), *keys, *stays, *held]


def _notes(plan: ErasurePlan) -> list[str]:
    people = [f"{plan.people:,} people"] if plan.subject_id is None else []
    people += [f"{len(plan.held):,} held, left out with --except-held"] if plan.held else []
    people += [f"{plan.before:,} erased before"] if plan.before and plan.subject_id is None else []
    people += [f"answers request {plan.request}"] if plan.request and not plan.held else []
    people += [f"request {plan.request} stays open meanwhile"] if plan.request and plan.held else []
    others = [f"{plan.other_requests:,} other requests of theirs are open: afterwards nothing answers them"]
    return ["; ".join([f"state: {plan.state}", *people, f"instruction {plan.instruction!r}"]),
            f"plan {plan.digest}", *(others if plan.other_requests else [])]  # fmt: skip


@app.command("plan")
def plan_(
    tenant: TenantSlug,
    instruction: Instruction = None,
    request: Request = None,
    subject: Subject = None,
    file: File = None,
    everyone: All = False,
    key_class: Class = None,
    category: Category = None,
    skip_unknown: SkipUnknown = False,
) -> None:
    """Show what an erasure would take, what a duty keeps, on which ground and until when.

    `-o json` prints a plan that can be saved, looked at by somebody else, and run: `erasure run --plan FILE`.

    Examples:
        luactl erasure plan --tenant smile --file ids.txt --instruction T-13 -o json > plan.json
        luactl erasure plan --tenant smile --request ID
    """
    asked = Asked(subject, file, everyone, skip_unknown, key_class, category, instruction, request)
    with session("erasure plan") as s:
        plan = asked.plan(s, tenant)
    show_plan(plan if is_json() else _lines(plan), LINES, _notes(plan))


@app.command("run")
def run(
    tenant: TenantSlug,
    subject: Subject = None,
    file: File = None,
    everyone: All = False,
    key_class: Class = None,
    category: Category = None,
    instruction: Instruction = None,
    request: Request = None,
    plan_file: Annotated[
        str | None,
        typer.Option("--plan", metavar="FILE|ID", help="Run a plan from a file, or one on record."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Finish what was cut short or waited for a hold.")
    ] = False,
    skip_unknown: SkipUnknown = False,
    except_held: Annotated[
        bool, typer.Option("--except-held", help="Leave out whom a legal hold keeps, instead of refusing.")
    ] = False,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", metavar="DIR", help="Folder of the certificate, or a .zip."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Erase people: contact and interactions go, their keys are destroyed, what a duty keeps is hidden.

    Run again, it finishes what was cut short, and writes the certificate of a finished erasure anew.

    Examples:
        luactl erasure run --tenant smile --subject 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55 --instruction T-12
        luactl erasure run --tenant smile --file ids.txt --category interaction --instruction T-14
        luactl erasure run --tenant smile --request 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55
        luactl erasure run --tenant smile --plan plan.json
        luactl erasure run --tenant smile --plan 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55
        luactl erasure run --tenant smile --resume
    """
    from luactl import erasure
    from luactl.config import find_paths

    if resume:
        if subject or file or everyone or plan_file or certificate or request:
            raise UsageError("--resume finishes what was begun, and takes nobody else")
        _resume(tenant, dry_run, yes)
        return
    asked = Asked(subject, file, everyone, skip_unknown, key_class, category, instruction, request)
    with session("erasure run") as s:
        plan = asked.saved(s, tenant, plan_file) if plan_file else asked.plan(s, tenant)
        if dry_run:
            show_plan(plan if is_json() else _lines(plan), LINES, _notes(plan))
            return
        if plan.state == "planned":
            confirm(_question(plan), yes=yes, retype=tenant)
        with progress("erasing people", plan.people) as advance:
            base = find_paths().certificates
            done = erasure.run(s, plan, base, certificate, progress=advance, except_held=except_held)
    waits = [f"{len(plan.held):,} people are held and wait"] if plan.held else []
    show(done, RESULT, [*_outcome(done), *waits])


def _question(plan: ErasurePlan) -> str:
    rows = sum(one.rows for one in plan.going)
    who = f"subject {plan.subject_id}" if plan.subject_id else f"{plan.people:,} people"
    return f"Erase {who}, {rows} rows, for good?"


def _resume(tenant: str, dry_run: bool, yes: bool) -> None:
    """Finish every erasure of the tenant that was begun, and erase whom a released hold had kept."""
    from luactl import erasure
    from luactl.config import find_paths
    from luactl.tenant import find

    with session("erasure run") as s:
        there = find(s, tenant)
        found, waiting = erasure.begun(s, there), erasure.waiting(s, there)
        free = sum(one.people for one in waiting)
        notes = [f"{free:,} people waited for a legal hold, and are free"] if waiting else []
        if dry_run:
            show_plan(found, ERASURES, notes)
            return
        if found or waiting:
            what = f"Finish {len(found):,} erasures that were cut short, and erase {free:,} who waited?"
            confirm(what, yes=yes, name=tenant)
        base = find_paths().certificates
        with progress("erasing people") as advance:
            done = [erasure.resume(s, tenant, one, base, progress=advance) for one in found]
            done += [erasure.run(s, one, base, progress=advance) for one in waiting]
    show(done, RESULT, [*notes, *(f"{one.erasure_id}: {text}" for one in done for text in _outcome(one))])


def _outcome(done: ErasureResult) -> list[str]:
    notes = {
        "already erased": ["was erased before; the certificate was written anew"],
        "finished": ["an earlier run was cut short; it is complete now"],
    }.get(done.outcome, [])
    if done.unconfirmed:
        notes.append(
            f"{done.unconfirmed} processors have not confirmed that they erased too: "
            "`luactl processor notice list`"
        )
    if done.pending:
        notes.append(f"the certificate is pending, without signature or proof: {done.pending}")
    return notes


@app.command("list")
def list_(
    tenant: TenantSlug,
    limit: Limit = 0,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="intent (begun, not finished) or done.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Begun since then: 2026-11-20, -30d.")
    ] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="ID", help="The page after this erasure.")
    ] = None,
) -> None:
    """List the erasures of a tenant, newest first.

    Examples:
        luactl erasure list --tenant smile --state intent
    """
    from luactl import erasure
    from luactl.log import parse_time
    from luactl.tenant import find

    if state not in (None, "intent", "done"):
        raise UsageError("--state is intent or done")
    with session("erasure list") as s:
        found = erasure.list_(
            s,
            find(s, tenant),
            limit + 1 if limit else 0,
            state=state,
            since=parse_time(since, s.clock.now()) if since else None,
            before=identifier(before, "erasure", "erasure list --tenant T") if before else None,
        )
    cut = bool(limit) and len(found) > limit
    notes = [f"more than {limit} erasures; `--before {found[limit - 1].erasure_id}` goes on"] if cut else []
    show(found[:limit] if cut else found, ERASURES, notes)


@app.command("show")
def show_(
    erasure_id: Id,
    pdf: Annotated[
        Path | None, typer.Option("--pdf", metavar="FILE", help="Write its certificate as PDF, for people.")
    ] = None,
    packed: Annotated[
        Path | None, typer.Option("--zip", metavar="FILE", help="Write its certificate's folder as a .zip.")
    ] = None,
) -> None:
    """Show one erasure: what went, what stays, and what its certificate states.

    A PDF is for reading; what `luactl verify` checks is the folder or its .zip.

    Examples:
        luactl erasure show 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55 --pdf certificate.pdf
    """
    from luactl import erasure
    from luactl.config import find_paths

    with session("erasure show") as s:
        found = erasure.find(s, identifier(erasure_id, "erasure", "erasure list --tenant T"))
    if pdf is not None:
        erasure.write_pdf(found, pdf)
    if packed is not None:
        erasure.write_zip(found, find_paths().certificates, packed)
    show(found, RECORD)


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


@app.command("replay")
def replay(
    tenant: AnyTenant = None,
    every: Annotated[bool, typer.Option("--all", help="All tenants, suspended ones included.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Erase again what was erased or purged and is there again, as after a restore of the database.

    Finds people, classes and periods by the tombstones beside the key books. Finding nothing is the rule.

    Examples:
        luactl erasure replay --all --dry-run
    """
    from luactl import erasure
    from luactl.config import find_paths
    from luactl.tenant import find
    from luactl.tenant import list_ as tenants

    if (tenant is None) != every:
        raise UsageError("exactly one of --tenant and --all is needed", hint="--all covers every tenant")
    with session("erasure replay") as s:
        asked = tenants(s) if tenant is None else [find(s, tenant)]
        with progress("looking at tenants", len(asked)) as advance:
            found = erasure.returned(s, asked, advance)
        if dry_run:
            show_plan(found if is_json() else [_back(one) for one in found], BACK)
            return
        if found:
            people = sum(len(one.people) + len(one.revived) for one in found)
            what = f"Erase again {people:,} people and what else is there again at {len(found):,} tenants?"
            confirm(what, yes=yes, name=tenant or s.profile.name)
        base = find_paths().certificates
        with progress("erasing people") as advance:
            done = [erasure.replay(s, one, base, advance) for one in found]
    kept = [f"{one.tenant}: {one.kept} purged periods are there again, and today's rule keeps them: look at "
            "`luactl retention list`" for one in done if one.kept]  # fmt: skip
    notes = kept if done else ["nothing is there again"]
    show(done, REPLAYED, notes, outcome=Exit.FINDINGS if kept else Exit.DONE)


@dataclass(frozen=True)
class Back:
    """What is there again at one tenant, in numbers."""

    tenant: str
    people: int
    revived: int
    special: int
    periods: int
    rows: int


def _back(found: Returned) -> Back:
    rows = sum(one.interactions + one.invoices for one in found.periods)
    return Back(
        found.tenant, len(found.people), len(found.revived), len(found.special), len(found.periods), rows
    )


app.command("residue")(residue)
app.command("propose")(propose)
app.command("withdraw")(withdraw)
app.command("queue")(queue)
