"""`luactl tenant`: the companies whose data Lua CRM keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import group
from .context import session
from .diagnostics import confirm, progress
from .options import DryRun, Slug, Yes
from .output import show as show_result
from .output import show_plan
from .portable import export, import_data
from .table import Column, origin, show_report
from .termination import TENANT, terminate

HELP = "Tenants: the companies whose data Lua CRM keeps."
app = group(HELP)

MADE = (
    ("outcome", "OUTCOME"),
    ("tenant_id", "ID"),
    ("slug", "SLUG"),
    ("name", "NAME"),
    ("country", "COUNTRY"),
    ("contact", "CONTACT"),
    ("isolation", "ISOLATION"),
    ("login", "LOGIN"),
)
IMPORTED = (
    ("rows", "RECORDS"),
    ("created", "CREATED"),
    ("already_there", "ALREADY THERE"),
    ("rejected", "REJECTED"),
)
Login = Annotated[str, typer.Argument(metavar="LOGIN", help="The login of a person or a job of ours.")]


@app.command("create")
def create(
    slug: Slug,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What people call the company.")],
    country: Annotated[
        str, typer.Option("--country", metavar="CC", help="Its country, two letters (ISO 3166).")
    ],
    contact: Annotated[str, typer.Option("--contact", metavar="TEXT", help="Whom notices go to.")],
    isolation: Annotated[
        str,
        typer.Option(
            "--isolation",
            metavar="KIND",
            help="pooled (tables shared with other tenants) or dedicated (tables and a login of its own).",
        ),
    ] = "pooled",
    if_absent: Annotated[
        bool, typer.Option("--if-absent", help="Do nothing if an equal tenant is there already.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Create a tenant with keys, roles, deletion rules and its first instruction.

    Isolation is fixed at birth. A dedicated tenant shows to its own login (`luactl tenant login`) and to
    staff who are admitted (`luactl tenant admit`): whoever creates it is the first of them.

    Examples:
        luactl tenant create smile --name 'Smile GmbH' --country DE --contact dpo@smile.example
        luactl tenant create clinic --name Clinic --country DE --contact it@c.example --isolation dedicated
    """
    from luactl import tenant

    with session("tenant create") as s:
        new = tenant.NewTenant(slug, name, country, contact, isolation)
        made = tenant.create(s, new, if_absent=if_absent, dry_run=dry_run)
    notes = (
        [f"tenant {made.slug} was there already, with these attributes"] if made.outcome == "exists" else []
    )
    if dry_run:
        show_plan(made, notes=notes)
    else:
        show_result(made, MADE, notes)


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV or JSON Lines; `-` reads standard input.")],
    column: Column = [],  # noqa: B006
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Create the tenants of a file with slug, name, country and contact, each in a transaction of its own.

    A column isolation, with pooled or dedicated in it, may stand beside them.
    An equal tenant of that slug is left as it is, so an interrupted import is finished by repeating it.
    Exit code 6 says that some lines were rejected and the rest went in.

    Examples:
        luactl tenant import tenants.csv --dry-run
        luactl tenant import - --column slug=Customer --yes < tenants.jsonl
    """
    from luactl import tenant
    from luactl.table import parse_choices

    columns = parse_choices(column)
    with session("tenant import") as s, progress("tenants") as advance:
        report = tenant.import_(s, origin(file), columns, dry_run=dry_run, progress=advance)
    show_report(report, IMPORTED, report.rejected)


@app.command("list")
def list_() -> None:
    """List all tenants, oldest first.

    Examples:
        luactl tenant list
        luactl tenant list -o csv > tenants.csv
    """
    from luactl import tenant

    with session("tenant list") as s:
        show_result(tenant.list_(s), TENANT)


@app.command("show")
def show(slug: Slug) -> None:
    """Show one tenant: age, rules, roles, instructions, sizes, keys, requests, newest and unfinished work.

    Of a dedicated tenant also its login, its staff, and its own tables with their true sizes.

    Examples:
        luactl tenant show smile
    """
    from luactl import tenant

    with session("tenant show") as s:
        detail = tenant.show(s, slug)
    tables = "each table it shares" if detail.partitions else "each table"
    show_result(detail, notes=[f"sizes are estimates, from the average row of {tables}"])


@app.command("login")
def login(
    slug: Slug,
    passfile: Annotated[
        Path, typer.Option("--passfile", metavar="FILE", help="Password file (.pgpass) that gets the line.")
    ],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Give a dedicated tenant's own login a new password, written into a password file and shown nowhere.

    The CRM logs in with it. The old password ends at once; sessions that are open go on.

    Examples:
        luactl tenant login clinic --passfile /etc/crm/clinic.pgpass
    """
    from luactl import tenant

    with session("tenant login") as s:
        plan = tenant.renew_login(s, slug, passfile, dry_run=True)
        if dry_run:
            show_plan(plan)
            return
        what = f"Give {plan.login} a new password, in {plan.passfile}? An old one ends at once."
        confirm(what, yes=yes, name=slug)
        show_result(tenant.renew_login(s, slug, passfile))


@app.command("admit")
def admit(slug: Slug, login: Login, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Let somebody work on a dedicated tenant, with the rights that their group roles give them.

    Examples:
        luactl tenant admit clinic nele
    """
    from luactl import tenant

    with session("tenant admit") as s:
        plan = tenant.admit(s, slug, login, dry_run=True)
        if dry_run:
            show_plan(plan)
            return
        if plan.changed:
            confirm(f"Admit {login} to tenant {slug}?", yes=yes)
        show_result(tenant.admit(s, slug, login))


@app.command("dismiss")
def dismiss(slug: Slug, login: Login, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Take back an admission; it ends at once, also for sessions that are open.

    Examples:
        luactl tenant dismiss clinic nele --dry-run
    """
    from luactl import tenant

    with session("tenant dismiss") as s:
        plan = tenant.dismiss(s, slug, login, dry_run=True)
        if dry_run:
            show_plan(plan)
            return
        if plan.changed:
            confirm(f"Dismiss {login} from tenant {slug}?", yes=yes)
        show_result(tenant.dismiss(s, slug, login))


@app.command("suspend")
def suspend(
    slug: Slug,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; no personal data.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Keep a tenant's data from being changed until it is resumed.

    Examples:
        luactl tenant suspend smile --reason 'unpaid since March' --dry-run
    """
    from luactl import tenant

    with session("tenant suspend") as s:
        plan = tenant.suspend(s, slug, reason, dry_run=True)
        if dry_run:
            show_plan(plan)
            return
        if plan.changed:
            confirm(f"Suspend tenant {slug}?", yes=yes, name=slug)
        show_result(tenant.suspend(s, slug, reason))


@app.command("resume")
def resume(slug: Slug, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Lift a suspension.

    Examples:
        luactl tenant resume smile --yes
    """
    from luactl import tenant

    with session("tenant resume") as s:
        plan = tenant.resume(s, slug, dry_run=True)
        if dry_run:
            show_plan(plan)
            return
        if plan.changed:
            confirm(f"Resume tenant {slug}?", yes=yes)
        show_result(tenant.resume(s, slug))


app.command("export")(export)
app.command("import-data")(import_data)
app.command("terminate")(terminate)
