"""`luactl hold`: legal holds: what may not be erased or purged while a matter is pending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import UsageError

from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, TenantSlug, Yes, identifier
from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.hold import Release

app = group("Legal holds: what may not be erased or purged while a matter is pending.")

HOLDS = (
    ("hold_id", "HOLD"),
    ("scope", "SCOPE"),
    ("subject_id", "SUBJECT"),
    ("query", "QUERY"),
    ("case", "CASE"),
    ("reference", "REFERENCE"),
    ("placed_by", "BY"),
    ("placed_at", "PLACED"),
    ("released_at", "RELEASED"),
)
FREED = (("retention_class", "CLASS"), ("period", "PERIOD"), ("rows", "ROWS"), ("lines", "LINES"))
Reference = Annotated[
    str, typer.Option("--reference", metavar="REF", help="Where the order is found; no personal data.")
]
Case = Annotated[
    str | None, typer.Option("--case", metavar="CASE", help="The case it belongs to.", show_default=False)
]


@app.command("place")
def place(
    tenant: TenantSlug,
    reference: Reference,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="ID", help="Hold one person.", show_default=False)
    ] = None,
    query: Annotated[
        str | None,
        typer.Option("--query", metavar="FILTER", help="Hold what a filter selects.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Hold the whole tenant.")] = False,
    case: Case = None,
    ground: Annotated[
        str | None,
        typer.Option("--ground", metavar="TEXT", help="Why deletion is suspended.", show_default=False),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Place a legal hold: from now on nothing that it covers is erased or purged.

    A filter is `interaction [kind=K,K] [from=DAY] [until=DAY]` or `invoice [year=Y | from=DAY] [until=DAY]`.

    Examples:
        luactl hold place --tenant smile --reference '21 O 17/26' --subject ID
        luactl hold place --tenant smile --reference '21 O 17/26' --query 'invoice year=2024' --case hall
    """
    from luactl import hold
    from luactl.tenant import find

    if (subject is not None) + (query is not None) + everything != 1:
        raise UsageError("exactly one of --subject, --query and --everything is needed")
    new = hold.prepare(
        reference,
        ground=ground or hold.GROUND,
        subject_id=None if subject is None else identifier(subject),
        query=None if query is None else hold.parse(query),
        case=case,
    )
    with session("hold place") as s:
        placed = hold.place(s, find(s, tenant), new, dry_run=dry_run)
    if dry_run:
        show_plan(placed)
    else:
        show(placed)


@app.command("list")
def list_(
    tenant: TenantSlug,
    case: Case = None,
    released: Annotated[bool, typer.Option("--released", help="Those no longer in force too.")] = False,
) -> None:
    """List the holds of a tenant, newest first.

    Examples:
        luactl hold list --tenant smile
    """
    from luactl import hold
    from luactl.tenant import find

    with session("hold list") as s:
        show(hold.list_(s, find(s, tenant), released=released, case=case), HOLDS)


@app.command("show")
def show_(hold_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the hold.")]) -> None:
    """Show one hold: what it covers, on which ground, who placed and who released it.

    Examples:
        luactl hold show ID
    """
    from luactl import hold

    with session("hold show") as s:
        show(hold.find(s, identifier(hold_id, "hold", "hold list --tenant T")))


@app.command("release")
def release(
    hold_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Id of the hold.", show_default=False)
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="SLUG", help="With --case.", show_default=False)
    ] = None,
    case: Annotated[
        str | None, typer.Option("--case", metavar="CASE", help="All holds of a case.", show_default=False)
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why it ends; no personal data.")
    ] = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Release a hold, or a whole case: what waited goes with the next purge; the plan says what that is.

    Examples:
        luactl hold release ID --reason 'settled on 2027-02-01' --dry-run
        luactl hold release --tenant smile --case hall --reason 'settled on 2027-02-01'
    """
    from luactl import hold
    from luactl.tenant import find, in_context

    if (hold_id is None) == (case is None) or (case is None) != (tenant is None):
        raise UsageError(
            "give the id of a hold, or --tenant and --case", hint="`luactl hold list` shows both"
        )
    with session("hold release") as s:
        holds: tuple[hold.Hold, ...]
        if hold_id is not None:
            holds = (hold.find(s, identifier(hold_id, "hold", "hold list --tenant T")),)
            of = in_context(s, holds[0].tenant_id)
        else:
            of = find(s, str(tenant))
            holds = hold.of_case(s, of, str(case))
        plan = hold.release(s, of, holds, reason, dry_run=True)
        if dry_run:
            show_plan(plan, None, _notes(plan))
            return
        confirm(f"Release {len(holds)} holds of {of.slug}?", yes=yes, name=of.slug)
        done = hold.release(s, of, holds, reason)
    show(done, None, _notes(done))


def _notes(plan: Release) -> list[str]:
    """Say in words what goes once the holds are released."""
    if not plan.freed:
        return ["nothing that these holds kept is due yet"]
    rows = sum(one.rows for one in plan.freed)
    return [f"{rows:,} rows are due and go with the next `luactl retention purge --tenant {plan.tenant}`"]
