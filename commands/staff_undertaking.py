"""`luactl staff undertaking`: what people signed."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Yes, identifier, optional_day
from .output import show, show_plan

app = group("Undertakings of confidentiality (Art. 28(3)(b) GDPR, s. 203 StGB): without one, no grant.")

COLUMNS = (
    ("undertaking_id", "UNDERTAKING"),
    ("person", "PERSON"),
    ("basis", "BASIS"),
    ("text_version", "TEXT"),
    ("signed_on", "SIGNED"),
    ("expires_on", "UNTIL"),
    ("withdrawn_at", "WITHDRAWN"),
    ("in_force", "IN FORCE"),
)
BASES = "gdpr-28-3-b or stgb-203"
Handle = Annotated[str, typer.Argument(metavar="HANDLE", help="Who signed it.")]


@app.command("add")
def add(
    handle: Handle,
    text: Annotated[str, typer.Option("--text", metavar="VERSION", help="Which text was signed.")],
    basis: Annotated[str, typer.Option("--basis", metavar="BASIS", help=f"{BASES}.")] = "gdpr-28-3-b",
    signed: Annotated[
        str | None,
        typer.Option("--signed", metavar="DAY", help="When; default today.", show_default=False),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="DAY", help="The last day it binds.", show_default=False),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Record what a person signed. An undertaking that replaces another stands beside it.

    Examples:
        luactl staff undertaking add anna.berger --text 2026-02 --signed 2026-11-20
        luactl staff undertaking add anna.berger --basis stgb-203 --text dental-3 --expires 2028-11-20
    """
    from luactl import staff

    on, last = optional_day(signed, "--signed"), optional_day(expires, "--expires")
    with session("staff undertaking add") as s:
        new = staff.prepare(s, basis, text, on, last)
        person = staff.find(s, handle)
        if dry_run:
            show_plan(staff.record(s, person, new, dry_run=True))
        else:
            show(staff.record(s, person, new))


@app.command("list")
def list_(
    handle: Annotated[
        str | None, typer.Argument(metavar="HANDLE", help="Only theirs.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that no longer bind, too.")] = False,
) -> None:
    """List undertakings in force, and by --all those that expired or were withdrawn.

    Says so when tenants have medical data and s. 203 StGB is required of nobody.

    Examples:
        luactl staff undertaking list
        luactl staff undertaking list anna.berger --all
    """
    from luactl import staff

    with session("staff undertaking list") as s:
        found = staff.undertakings(s, None if handle is None else staff.find(s, handle))
        advice = staff.advice(s)
    notes = [advice] if advice else []
    show([one for one in found if every or one.in_force], COLUMNS, notes)


@app.command("withdraw")
def withdraw(
    undertaking: Annotated[str, typer.Argument(metavar="UNDERTAKING", help="Its id.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; no personal data.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Let an undertaking bind no more: it was recorded by mistake, or another took its place.

    Examples:
        luactl staff undertaking withdraw 019368a0-1111-7222-8333-444455556666 --reason "wrong text"
    """
    from luactl import staff

    wanted = identifier(undertaking, "undertaking", "staff undertaking list")
    with session("staff undertaking withdraw") as s:
        plan = staff.withdraw(s, wanted, reason, dry_run=True)
        if dry_run:
            show_plan(plan)
            return
        confirm(f"Withdraw what {plan.person} signed on {plan.signed_on}?", yes=yes, name=plan.person)
        show(staff.withdraw(s, wanted, reason))


@app.command("require")
def require(
    basis: Annotated[str, typer.Argument(metavar="BASIS", help=f"{BASES}.")],
    off: Annotated[bool, typer.Option("--off", help="It is required no more.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Say that everybody must be bound by a law: s. 203 StGB where tenants have medical secrets.

    Examples:
        luactl staff undertaking require stgb-203 --dry-run
        luactl staff undertaking require stgb-203 --yes
    """
    from luactl import staff

    with session("staff undertaking require") as s:
        plan = staff.require(s, basis, not off, dry_run=True)
        notes = (
            [f"{len(plan.unbound)} people have signed nothing on it yet"] if plan.unbound and not off else []
        )
        if dry_run:
            show_plan(plan, notes=notes)
            return
        if plan.before != plan.after:
            confirm(f"Is {basis} to be {'required of nobody' if off else 'required of everybody'}?", yes=yes)
        show(staff.require(s, basis, not off), notes=notes)
