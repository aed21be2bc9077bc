"""`luactl retention`: how long data are kept, and the purge of what is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import Exit, UsageError

from .app import group
from .context import session
from .diagnostics import confirm, progress
from .options import AnyTenant, DryRun, TenantSlug, Yes
from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.retention import PurgePlan

app = group("How long data are kept, and the purge of what is due.")

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


@app.command("list")
def list_(tenant: TenantSlug) -> None:
    """List a tenant's deletion rules: what starts the clock, and how many months it runs.

    Examples:
        luactl retention list --tenant smile
    """
    from luactl import retention
    from luactl.tenant import find

    with session("retention list") as s:
        found = retention.rules(s, find(s, tenant))
    show(found, RULES, ["months count from the end of the month or year; none: until the person is erased"])


@app.command("set")
def set_(
    tenant: TenantSlug,
    retention_class: Annotated[str, typer.Option("--class", metavar="CLASS", help="interaction or invoice.")],
    months: Annotated[int, typer.Option("--months", min=1, max=1200, metavar="N", help="How long.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Set how many months a class of data is kept, counted from the end of its month or year.

    Refused below what a legal duty demands. A shorter period lets the next purge take more.

    Examples:
        luactl retention set --tenant smile --class interaction --months 24 --dry-run
    """
    from luactl import retention
    from luactl.tenant import find

    with session("retention set") as s:
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


@app.command("purge")
def purge(
    tenant: AnyTenant = None,
    every: Annotated[bool, typer.Option("--all", help="All tenants, suspended ones included.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete what is due: rows in batches, then the period keys, which takes it out of every backup too.

    Examples:
        luactl retention purge --tenant smile --dry-run
        luactl retention purge --all --yes
    """
    from luactl import retention
    from luactl.tenant import find
    from luactl.tenant import list_ as tenants

    if (tenant is None) != every:
        raise UsageError("exactly one of --tenant and --all is needed", hint="--all covers every tenant")
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
