"""`luactl tenant terminate`: the end of a tenant, from its announcement to its certificate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import UsageError

from .context import session
from .diagnostics import confirm
from .options import DryRun, Slug, Yes, identifier
from .output import show, show_plan
from .settings import is_json

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.tenant import Tenant
    from luactl.termination import TerminationPlan, TerminationResult

TENANT = (
    ("slug", "SLUG"),
    ("name", "NAME"),
    ("country", "COUNTRY"),
    ("status", "STATUS"),
    ("isolation", "ISOLATION"),
    ("contact", "CONTACT"),
    ("created_at", "CREATED"),
)
GOING = (("table", "TABLE"), ("rows", "ROWS"))
ANNOUNCED = (
    ("termination_id", "TERMINATION"),
    ("state", "STATE"),
    ("announced_at", "ANNOUNCED"),
    ("erase_from", "ERASED FROM"),
    ("instruction", "INSTRUCTION"),
)
ENDED = (
    ("termination_id", "TERMINATION"),
    ("tenant", "TENANT"),
    ("outcome", "OUTCOME"),
    ("epoch", "EPOCH"),
    ("returned", "RETURNED"),
    ("certificate", "CERTIFICATE"),
)


def terminate(
    slug: Slug,
    instruction: Annotated[
        str | None,
        typer.Option(
            "--instruction", metavar="REF", help="Announce the end: where the tenant's word is found."
        ),
    ] = None,
    grace: Annotated[
        int, typer.Option("--grace", min=0, max=366, metavar="DAYS", help="Days until the data go.")
    ] = 30,
    returned: Annotated[
        str | None,
        typer.Option("--returned", metavar="EXPORT", help="Id of the export that was handed over."),
    ] = None,
    not_wanted: Annotated[
        str | None, typer.Option("--not-wanted", metavar="TEXT", help="Why the tenant wants no data back.")
    ] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take an announced end back; the tenant is active again.")
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="DIR", help="Folder of the certificate.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """End a tenant: announce it, hand the data over, and once the time of grace is over erase all of them.

    The first run announces the end and suspends the tenant. After the time of grace another run destroys the
    tenant's keys and rows, whatever was cut short before, and writes the certificate.

    Examples:
        luactl tenant terminate dental-berlin --instruction 'letter of 2026-11-20' --grace 30
        luactl tenant terminate dental-berlin --returned 01a214d2-9f30-7b1d-8c55-0b6a2f1f8f11 --dry-run
        luactl tenant terminate dental-berlin --returned 01a214d2-9f30-7b1d-8c55-0b6a2f1f8f11
    """
    from luactl import tenant, termination
    from luactl.config import find_paths

    with session("tenant terminate") as s:
        found = tenant.find_ended(s, slug)
        if withdraw:
            _withdraw(s, found, dry_run, yes)
            return
        export = identifier(returned, "export", "tenant export") if returned else None
        plan = termination.plan(s, found, returned=export, unwanted=not_wanted)
        if dry_run:
            notes = [f"state: {plan.state}", *_going_besides(plan)]
            show_plan(plan if is_json() else plan.going, GOING, notes)
            return
        if plan.state == "none":
            _announce(s, found, instruction, grace, yes)
            return
        if plan.state == "due":
            rows = sum(one.rows for one in plan.going)
            confirm(f"Erase all {rows:,} rows and all keys of {slug}, for good?", yes=yes, retype=slug)
        done = termination.run(s, found, plan, find_paths().certificates, certificate)
    show(done, ENDED, _left(done))


def _left(done: TerminationResult) -> list[str]:
    """Say what is still to be done after the end."""
    notes = []
    if open_ := [one.name for one in done.processors if one.confirmed_at is None]:
        notes.append(
            f"processors that have not confirmed: {', '.join(open_)}; `luactl processor notice list --tenant "
            f"{done.tenant}`, and this command again once they have"
        )
    if done.pending:
        notes.append(f"the certificate is pending, without signature or proof: {done.pending}")
    return notes


def _going_besides(plan: TerminationPlan) -> list[str]:
    """Say what goes besides rows, and who is told."""
    notes = []
    if plan.own:
        notes.append(f"tables and roles of its own that go: {', '.join(plan.own)}")
    if plan.processors:
        notes.append(f"processors that are told: {', '.join(plan.processors)}")
    return notes


def _announce(s: Session, found: Tenant, instruction: str | None, grace: int, yes: bool) -> None:
    from datetime import timedelta

    from luactl import termination

    if instruction is None:
        raise UsageError(
            "the end of a tenant needs --instruction", hint="say where the tenant's word is found"
        )
    confirm(f"Suspend {found.slug} now and erase its data in {grace} days?", yes=yes, name=found.slug)
    made = termination.announce(s, found, instruction, timedelta(days=grace))
    show(made, ANNOUNCED, [f"hand the data over: `luactl tenant export {found.slug} FOLDER`"])


def _withdraw(s: Session, found: Tenant, dry_run: bool, yes: bool) -> None:
    from luactl import termination

    if dry_run:
        plan = termination.plan(s, found)
        show_plan(plan if is_json() else plan.going, GOING, [f"state: {plan.state}"])
        return
    confirm(f"Take back the end of {found.slug}?", yes=yes)
    taken = termination.withdraw(s, found)
    show(found, TENANT, [] if taken else ["there was no announced end"])
