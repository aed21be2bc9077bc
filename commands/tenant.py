"""`luactl tenant`: the companies whose data Lua CRM keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import UsageError

from .app import group
from .context import is_json, session
from .diagnostics import confirm, progress
from .options import DryRun, Yes, identifier
from .output import show as show_result
from .output import show_plan
from .table import Column, origin, show_report

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.portable import DataImport
    from luactl.tenant import Tenant

HELP = "Tenants: the companies whose data Lua CRM keeps."
app = group(HELP)

COLUMNS = (
    ("slug", "SLUG"),
    ("name", "NAME"),
    ("country", "COUNTRY"),
    ("status", "STATUS"),
    ("isolation", "ISOLATION"),
    ("contact", "CONTACT"),
    ("created_at", "CREATED"),
)
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
EXPORTED = (
    ("export_id", "EXPORT"),
    ("tenant", "TENANT"),
    ("folder", "FOLDER"),
    ("purpose", "PURPOSE"),
)
TAKEN = (("export_id", "EXPORT"), ("tenant", "TENANT"), ("creates_tenant", "CREATES IT"))
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
FILES = (("name", "FILE"), ("rows", "ROWS"), ("bytes", "BYTES"))
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of the export.")]
Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The tenant's name in commands.")]
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
        show_result(tenant.list_(s), COLUMNS)


@app.command("show")
def show(slug: Slug) -> None:
    """Show one tenant: age, rules, roles, instructions, rows and sizes, keys, newest and unfinished work.

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


@app.command("export")
def export(
    slug: Slug,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that does not exist yet.")],
    purpose: Annotated[
        str, typer.Option("--purpose", metavar="TEXT", help="Why; the ledger keeps it.")
    ] = "return of the tenant's data",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Hand over everything that a tenant keeps: a portable folder, with a signed receipt.

    The files hold personal data in clear. Every reading is recorded first. `luactl tenant import-data`
    takes the folder in again, `luactl verify` checks it offline.

    Examples:
        luactl tenant export smile ./smile-export --dry-run
        luactl tenant export smile ./smile-export --purpose 'end of contract' --yes
    """
    from luactl import portable, tenant

    with session("tenant export") as s:
        found = tenant.find(s, slug)
        plan = portable.export(s, found, folder, purpose, dry_run=True)
        if dry_run:
            show_plan(plan if is_json() else plan.files, FILES)
            return
        rows = sum(file.rows for file in plan.files)
        confirm(f"Write {rows:,} rows of {slug} in clear to {folder}?", yes=yes)
        with progress("rows", rows) as advance:
            done = portable.export(s, found, folder, purpose, progress=advance)
    notes = [f"{file.name}: {file.rows:,} rows" for file in done.files]
    if done.pending:
        notes.append(f"the receipt is pending, without signature or proof: {done.pending}")
    show_result(done, EXPORTED, notes)


@app.command("import-data")
def import_data(
    folder: Folder,
    slug: Annotated[
        str | None,
        typer.Option("--as", metavar="SLUG", help="Under this slug; without it the one in the export."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Take an export in again: people, contacts, interactions and invoices with their ids, sealed anew.

    Makes the tenant if there is none of that slug. What is there already stays; an interrupted run is
    finished by repeating it. Who was erased in this tenant since is not brought back.

    Examples:
        luactl tenant import-data ./smile-export --dry-run
        luactl tenant import-data ./smile-export --as smile-new --yes
    """
    from luactl import portable

    bundle = portable.read_bundle(folder)
    wanted = slug or str(bundle.tenant.get("slug"))
    with session("tenant import-data") as s:
        plan = portable.import_data(s, bundle, wanted, dry_run=True)
        total = sum(plan.rows.values())
        if dry_run:
            show_plan(plan, TAKEN, _remarks(plan))
            return
        confirm(f"Take {total:,} rows into tenant {wanted}?", yes=yes, name=wanted)
        with progress("rows", total) as advance:
            done = portable.import_data(s, bundle, wanted, progress=advance)
    show_result(done, TAKEN, _remarks(done))


def _remarks(done: DataImport) -> list[str]:
    said = [f"{file}: {count:,} of {done.rows[file]:,} rows" for file, count in done.written.items()]
    if done.creates_tenant:
        said.append(f"tenant {done.tenant} is made from the export")
    said += done.settings
    if done.left_out:
        said.append(f"{done.left_out:,} rows are left out: their people are erased here")
    return said


@app.command("terminate")
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
        found = tenant.find(s, slug)
        if withdraw:
            _withdraw(s, found, dry_run, yes)
            return
        export = identifier(returned, "export", "tenant export") if returned else None
        plan = termination.plan(s, found, returned=export, unwanted=not_wanted)
        if dry_run:
            show_plan(plan if is_json() else plan.going, GOING, [f"state: {plan.state}"])
            return
        if plan.state == "none":
            _announce(s, found, instruction, grace, yes)
            return
        if plan.state == "due":
            rows = sum(one.rows for one in plan.going)
            confirm(f"Erase all {rows:,} rows and all keys of {slug}, for good?", yes=yes, retype=slug)
        done = termination.run(s, found, plan, find_paths().certificates, certificate)
    show_result(done, ENDED, _pending(done.pending))


def _pending(reason: str | None) -> list[str]:
    return [f"the certificate is pending, without signature or proof: {reason}"] if reason else []


def _announce(s: Session, found: Tenant, instruction: str | None, grace: int, yes: bool) -> None:
    from datetime import timedelta

    from luactl import termination

    if instruction is None:
        raise UsageError(
            "the end of a tenant needs --instruction", hint="say where the tenant's word is found"
        )
    confirm(f"Suspend {found.slug} now and erase its data in {grace} days?", yes=yes, name=found.slug)
    made = termination.announce(s, found, instruction, timedelta(days=grace))
    show_result(made, ANNOUNCED, [f"hand the data over: `luactl tenant export {found.slug} FOLDER`"])


def _withdraw(s: Session, found: Tenant, dry_run: bool, yes: bool) -> None:
    from luactl import termination

    if dry_run:
        plan = termination.plan(s, found)
        show_plan(plan if is_json() else plan.going, GOING, [f"state: {plan.state}"])
        return
    confirm(f"Take back the end of {found.slug}?", yes=yes)
    taken = termination.withdraw(s, found)
    show_result(found, COLUMNS, [] if taken else ["there was no announced end"])
