"""`luactl retention`: how long data are kept, and the purge of what is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import Exit, UsageError

from .app import group
from .context import session
from .diagnostics import confirm, progress
from .options import AnyTenant, DryRun, Yes
from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.retention import PurgePlan

app = group("How long data are kept, and the purge of what is due.")
OfLog = Annotated[bool, typer.Option("--log", help="The log: lines of servers and services, of no tenant.")]

RULES = (
    ("retention_class", "CLASS"),
    ("starting_point", "STARTS"),
    ("months", "MONTHS"),
    ("minimum_months", "MINIMUM"),
    ("basis", "BASIS"),
)
PERIODS = (
    ("tenant", "TENANT"),
    ("retention_class", "CLASS"),
    ("period", "PERIOD"),
    ("due_at", "DUE"),
    ("interactions", "INTERACTIONS"),
    ("invoices", "INVOICES"),
    ("invoice_lines", "LINES"),
    ("key", "KEY"),
    ("held", "HELD"),
)
MONTHS = (("month", "MONTH"), ("due_at", "DUE"), ("lines", "LINES"), ("held", "HELD"), ("key", "KEY"))


@app.command("list")
def list_(tenant: AnyTenant = None, log: OfLog = False) -> None:
    """List deletion rules, of a tenant or of the log: what starts the clock, and how many months it runs.

    Examples:
        luactl retention list --tenant smile
        luactl retention list --log
    """
    from luactl import retention
    from luactl.tenant import find

    one_of(tenant, log)
    with session("retention list") as s:
        found = [retention.log_rule(s)] if tenant is None else retention.rules(s, find(s, tenant))
    show(found, RULES, ["months count from the end of the month or year; none: until the person is erased"])


@app.command("set")
def set_(
    months: Annotated[int, typer.Option("--months", min=1, max=1200, metavar="N", help="How long.")],
    tenant: AnyTenant = None,
    retention_class: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="Of a tenant: interaction or invoice.")
    ] = None,
    log: OfLog = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Set how many months a class of data, or the log, is kept, counted from the end of its month or year.

    Refused below what a legal duty demands. A shorter period lets the next purge take more.

    Examples:
        luactl retention set --tenant smile --class interaction --months 24 --dry-run
        luactl retention set --log --months 24
    """
    from luactl import retention
    from luactl.tenant import find

    one_of(tenant, log)
    if (retention_class is None) is not log:
        raise UsageError("--class belongs to --tenant, and is needed there", hint="the log is one class")
    with session("retention set") as s:
        if tenant is None or retention_class is None:
            _set_log(s, months, dry_run=dry_run, yes=yes)
            return
        found = find(s, tenant)
        change = retention.set_rule(s, found, retention_class, months, dry_run=True)
        if dry_run:
            show_plan(change)
            return
        before = change.before.months
        if before is not None and months < before:
            what = f"Shorten {retention_class} of {tenant} from {before} to {months} months?"
            confirm(what, yes=yes, name=tenant)
        show(retention.set_rule(s, found, retention_class, months))


def _set_log(s: Session, months: int, *, dry_run: bool, yes: bool) -> None:
    """Set how long lines are kept; a shorter time is confirmed."""
    from luactl import retention

    change = retention.set_log_rule(s, months, dry_run=True)
    if dry_run:
        show_plan(change)
        return
    if months < (change.before.months or 0):
        confirm(
            f"Shorten the log from {change.before.months} to {months} months?", yes=yes, name=s.profile.name
        )
    show(retention.set_log_rule(s, months))


def one_of(tenant: str | None, log: bool) -> None:
    """Raise UsageError unless exactly one is meant: a tenant or the log."""
    if (tenant is None) is not log:
        raise UsageError("exactly one of --tenant and --log is needed", hint="the log belongs to no tenant")


@app.command("purge")
def purge(
    tenant: AnyTenant = None,
    every: Annotated[bool, typer.Option("--all", help="All tenants, suspended ones included.")] = False,
    log: OfLog = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete what is due: rows in batches, then the period keys, which takes it out of every backup too.

    With --log: months of the log, each as a whole, and the keys of the lines as they were written.

    Examples:
        luactl retention purge --tenant smile --dry-run
        luactl retention purge --all --yes
        luactl retention purge --log --yes
    """
    from luactl import retention
    from luactl.tenant import find
    from luactl.tenant import list_ as tenants

    if (tenant is not None) + every + log != 1:
        raise UsageError(
            "exactly one of --tenant, --all and --log is needed",
            hint="--all covers every tenant, not the log",
        )
    if log:
        _purge_log(dry_run=dry_run, yes=yes)
        return
    with session("retention purge") as s:
        asked = tenants(s) if tenant is None else [find(s, tenant)]
        with progress("looking at tenants", len(asked)) as advance:
            plan = retention.plan(s, asked, advance)
        if dry_run:
            show_plan(plan.periods, PERIODS, _notes(plan))
            return
        if plan.tenants:
            rows = sum(period.rows for period in plan.periods)
            what = f"Delete {rows:,} rows of {len(plan.tenants):,} tenants for good?"
            confirm(what, yes=yes, name=tenant or s.profile.name)
        with progress("deleting rows", sum(period.rows for period in plan.periods)) as advance:
            done = retention.purge(s, plan, advance)
    show(done, None, _notes(plan), outcome=Exit.REFUSED if plan.unreadable else Exit.DONE)


def _purge_log(*, dry_run: bool, yes: bool) -> None:
    """Purge the log of the months that are due."""
    from luactl import retention

    with session("retention purge") as s:
        plan = retention.plan_log(s)
        going = plan.going
        lines = sum(one.lines for one in going)
        notes = [f"due on {plan.at:%Y-%m-%d}: {len(going):,} months of the log, {lines:,} lines"]
        if len(going) < len(plan.months):
            notes.append(f"{len(plan.months) - len(going):,} months stay: legal holds keep lines of them")
        if plan.unfinished:
            notes.append("an earlier purge was cut short and is finished first")
        if dry_run:
            show_plan(plan.months, MONTHS, notes)
            return
        if going:
            what = f"Drop {len(going):,} months of the log, {lines:,} lines, for good?"
            confirm(what, yes=yes, name=s.profile.name)
        show(retention.purge_log(s, plan), None, notes)


def _notes(plan: PurgePlan) -> list[str]:
    """Say in words what a plan comes to."""
    from luactl.tenant import ADMISSION

    periods = plan.periods
    counts = (
        f"{sum(p.interactions for p in periods):,} interactions, "
        f"{sum(p.invoices for p in periods):,} invoices, {sum(p.invoice_lines for p in periods):,} lines, "
        f"{sum(p.key for p in periods):,} period keys"
    )
    notes = [f"due on {plan.at:%Y-%m-%d}: {counts}" if periods else f"nothing is due on {plan.at:%Y-%m-%d}"]
    if plan.held:
        notes.append(f"{plan.held:,} due rows stay: legal holds keep them; `luactl hold list` shows which")
    suspended = [one.slug for one in plan.tenants if one.status != "active"]
    unfinished = [one.slug for one in plan.tenants if one.unfinished]
    if suspended:
        notes.append(f"not active, but their rules hold all the same: {', '.join(suspended)}")
    if unfinished:
        notes.append(f"an earlier purge was cut short and is finished first: {', '.join(unfinished)}")
    if plan.unreadable:
        notes += [f"rules not visible to this login, nothing done: {', '.join(plan.unreadable)}", ADMISSION]
    return notes
