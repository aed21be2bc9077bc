"""`luactl staff`: people and jobs that work for Lua CRM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import UsageError

from . import staff_undertaking
from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Yes, optional_day, secret
from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.staff import Person

HELP = "People and jobs that work for Lua CRM: their logins, and what they signed."
app = group(HELP)
app.add_typer(staff_undertaking.app, name="undertaking")

COLUMNS = (
    ("handle", "HANDLE"),
    ("name", "NAME"),
    ("kind", "KIND"),
    ("manager", "MANAGER"),
    ("teams", "TEAMS"),
    ("logins", "LOGINS"),
    ("bound", "BOUND"),
    ("started_on", "SINCE"),
    ("ended_at", "LEFT"),
)
CHANGE = tuple((f"after.{field}", title) for field, title in COLUMNS if field not in ("bound", "ended_at"))
Handle = Annotated[str, typer.Argument(metavar="HANDLE", help="The name in commands, such as anna.berger.")]
Team = Annotated[
    list[str] | None,
    typer.Option(
        "--team", metavar="TEAM", help="A team they belong to; may be repeated.", show_default=False
    ),
]
Login = Annotated[
    list[str] | None,
    typer.Option(
        "--login", metavar="LOGIN", help="A login that is theirs; may be repeated.", show_default=False
    ),
]


@app.command("add")
def add(
    handle: Handle,
    name: Annotated[
        str, typer.Option("--name", metavar="VALUE|-", help="Their name; `-` reads it from standard input.")
    ],
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="employee, contractor or job.")
    ] = "employee",
    manager: Annotated[
        str | None,
        typer.Option("--manager", metavar="HANDLE", help="Whom they report to.", show_default=False),
    ] = None,
    team: Team = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DAY", help="Their first day; default today.", show_default=False),
    ] = None,
    login: Login = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Register a person, or a job and who answers for it. The ledger keeps their id, no name.

    Examples:
        luactl staff add anna.berger --name - --manager otto.lang --team support
        luactl staff add nightly --name "nightly purge" --kind job --manager anna.berger --login nightly
    """
    from luactl import staff

    first = optional_day(since, "--since")
    new = staff.NewPerson(
        handle, secret(name, "name"), kind, manager, tuple(team or ()), first, tuple(login or ())
    )
    with session("staff add") as s:
        if dry_run:
            show_plan(staff.add(s, new, dry_run=True), CHANGE)
            return
        added = staff.add(s, new)
    show(added, CHANGE, _unbound(added.after))


def _unbound(person: Person) -> list[str]:
    if person.bound:
        return []
    what = "their manager has" if person.kind == "job" else "they have"
    add_it = f"`luactl staff undertaking add {person.answering}`"
    return [f"{person.handle} is granted nothing before {what} signed: {add_it}"]


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Those who have left, too.")] = False,
) -> None:
    """List people and jobs; BOUND says whether their undertakings are in force.

    Examples:
        luactl staff list --all
    """
    from luactl import staff

    with session("staff list") as s:
        show(staff.list_(s, every=every), COLUMNS)


@app.command("show")
def show_(handle: Handle) -> None:
    """Show a person or a job: logins, undertakings, and who reports to them.

    Examples:
        luactl staff show anna.berger
    """
    from luactl import staff

    with session("staff show") as s:
        show(staff.gather(s, staff.find(s, handle)))


@app.command("change")
def change(
    handle: Handle,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="VALUE|-", help="New name; `-` reads it from standard input."),
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="employee or contractor.")
    ] = None,
    manager: Annotated[str | None, typer.Option("--manager", metavar="HANDLE", help="New manager.")] = None,
    no_manager: Annotated[bool, typer.Option("--no-manager", help="They report to nobody.")] = False,
    team: Team = None,
    no_team: Annotated[bool, typer.Option("--no-team", help="They belong to no team.")] = False,
    since: Annotated[str | None, typer.Option("--since", metavar="DAY", help="New first day.")] = None,
    login: Login = None,
    not_login: Annotated[
        list[str] | None,
        typer.Option(
            "--not-login", metavar="LOGIN", help="A login that is theirs no more.", show_default=False
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Write what is said of somebody anew; what is not given stays. --team names all their teams.

    Examples:
        luactl staff change anna.berger --manager ida.brandt
        luactl staff change anna.berger --login anna_admin
    """
    from dataclasses import replace

    from luactl import staff

    if (manager and no_manager) or (team and no_team):
        raise UsageError("one of two options contradicts the other", hint="give one of the two")
    first = optional_day(since, "--since")
    with session("staff change") as s:
        before = staff.find(s, handle)
        gone = set(not_login or ())
        if gone - set(before.logins):
            raise UsageError(
                f"{sorted(gone - set(before.logins))[0][:63]!r} is no login of {handle}",
                hint=f"`luactl staff show {handle}` shows theirs",
            )
        after = replace(
            before,
            name=before.name if name is None else secret(name, "name"),
            kind=before.kind if kind is None else kind,
            manager=manager or (None if no_manager else before.manager),
            teams=tuple(team) if team else () if no_team else before.teams,
            started_on=first or before.started_on,
            logins=tuple(one for one in (*before.logins, *(login or ())) if one not in gone),
        )
        if dry_run:
            show_plan(staff.change(s, before, after, dry_run=True), CHANGE)
        else:
            show(staff.change(s, before, after), CHANGE)


@app.command("offboard")
def offboard(
    handle: Handle,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; no personal data.")],
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="HANDLE", help="Who takes over; default their manager.", show_default=False
        ),
    ] = None,
    keep_tokens: Annotated[
        bool, typer.Option("--keep-tokens", help="API tokens that they issued go on working.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """See somebody out: logins, grants, sessions, released keys and tokens end; what is open goes on.

    Run it again when it was cut short, or when steps were left to others: it does what remains. Ends with
    exit code 6 while something is left.

    Examples:
        luactl staff offboard anna.berger --reason "contract ended" --dry-run
        luactl staff offboard anna.berger --reason "contract ended" --to ida.brandt --yes
    """
    from luactl import staff
    from luactl.errors import Exit

    with session("staff offboard") as s:
        leaving = staff.prepare_leaving(s, staff.find(s, handle), reason, to, keep_tokens=keep_tokens)
        plan = staff.plan_offboarding(s, leaving)
        if dry_run:
            show_plan(plan)
            return
        if plan.steps:
            confirm(f"See {handle} out, in {len(plan.steps)} steps?", yes=yes, retype=handle, name=handle)
        done = staff.offboard(s, leaving)
    notes = [] if done.steps else [f"nothing of {handle}'s is left"]
    if done.left:
        notes.append(f"{len(done.left)} steps are left to others; run it again when they are done")
    show(done, notes=notes, outcome=Exit.FINDINGS if done.left else Exit.DONE)
