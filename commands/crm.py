"""`luactl crm`: customers, interactions and invoices of a tenant."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luactl.errors import UsageError

from .app import group
from .context import session
from .diagnostics import note, progress
from .options import DryRun, Limit, Purpose, TenantSlug, Yes, identifier
from .output import show
from .table import Column, origin, remarks, show_report

if TYPE_CHECKING:
    from luactl.crm import Listing, Options, Report

app = group("Customers and invoices of a tenant: import and show.")
customer = group("People that a tenant keeps data about: import, list, show.")
interaction = group("What passed between a tenant and its customers: import, list.")
invoice = group("Invoices with their lines: import, list.")
app.add_typer(customer, name="customer")
app.add_typer(interaction, name="interaction")
app.add_typer(invoice, name="invoice")

REPORT_COLUMNS = (
    ("rows", "RECORDS"),
    ("imported", "IMPORTED"),
    ("already_there", "ALREADY THERE"),
    ("rejected", "REJECTED"),
    ("lines", "LINES"),
    ("transactions", "TRANSACTIONS"),
)

File = Annotated[str, typer.Argument(metavar="FILE", help="A CSV file; `-` reads standard input.")]
AllOrNothing = Annotated[
    bool, typer.Option("--all-or-nothing", help="One transaction; one bad line and nothing goes in.")
]
Subject = Annotated[str | None, typer.Option("--subject", metavar="ID", help="Only this person.")]


def _options(column: list[str], all_or_nothing: bool, dry_run: bool, **more: Any) -> Options:
    from luactl.crm import Options
    from luactl.table import parse_choices

    return Options(parse_choices(column), all_or_nothing, dry_run, **more)


def _import(what: str, importer: Callable[..., Report], file: str, tenant: str, options: Options) -> None:
    """Run an import with progress, then show its report; rejected records end it with exit code 6."""
    from luactl.crm import RejectedError
    from luactl.tenant import find

    try:
        with session(f"crm {what} import") as opened, progress(f"{what}s") as advance:
            report = importer(opened, find(opened, tenant), origin(file), options, progress=advance)
    except RejectedError as problem:
        for line in remarks(problem.report, _rejected(problem.report)):
            note(line)
        raise
    show_report(report, REPORT_COLUMNS, _rejected(report))


def _rejected(report: Report) -> int:
    return report.rejected + report.rejected_lines


def _show_listing(listing: Listing, columns: tuple[tuple[str, str], ...], limit: int) -> None:
    cut = [f"only the first {limit:,} are shown; --limit 0 shows all"] if listing.more else []
    show(listing.rows, columns, cut)


@customer.command("import")
def import_customers(
    file: File,
    tenant: TenantSlug,
    column: Column = [],  # noqa: B006
    all_or_nothing: AllOrNothing = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Import people from a CSV file.

    A record whose external id is there already changes nothing, so an interrupted import is finished by
    repeating it. Exit code 6 says that some records were rejected and the rest went in.

    Examples:
        luactl crm customer import customers.csv --tenant smile --dry-run
        luactl crm customer import - --tenant smile --column last_name=Surname --yes < customers.csv
    """
    from luactl import crm

    options = _options(column, all_or_nothing, dry_run)
    _import("customer", crm.import_customers, file, tenant, options)


@customer.command("list")
def list_customers(tenant: TenantSlug, limit: Limit = 100, purpose: Purpose = "administration") -> None:
    """List people; the ledger keeps who was shown.

    Examples:
        luactl crm customer list --tenant smile --limit 20 --purpose 'ticket 4711'
    """
    from luactl import crm
    from luactl.tenant import find

    with session("crm customer list") as opened:
        listing = crm.list_customers(opened, find(opened, tenant), limit, purpose)
    columns = (
        ("subject_id", "SUBJECT"),
        ("external_id", "ID"),
        ("name", "NAME"),
        ("company", "COMPANY"),
        ("email", "E-MAIL"),
        ("phone", "PHONE"),
    )
    _show_listing(listing, columns, limit)


@customer.command("show")
def show_customer(
    subject: Annotated[str, typer.Argument(metavar="ID", help="The subject's id.")],
    tenant: TenantSlug,
    purpose: Purpose = "administration",
) -> None:
    """Show all contact data of one person; the ledger keeps that they were shown.

    Examples:
        luactl crm customer show 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55 --tenant smile
    """
    from luactl import crm
    from luactl.tenant import find

    with session("crm customer show") as opened:
        found = crm.show_customer(opened, find(opened, tenant), identifier(subject), purpose)
    more = [f"this person has {len(found)} contacts, the first is shown"] if len(found) > 1 else []
    show(found[0], notes=more)


@interaction.command("import")
def import_interactions(
    file: File,
    tenant: TenantSlug,
    column: Column = [],  # noqa: B006
    all_or_nothing: AllOrNothing = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Import interactions from a CSV file; customers are named by their external ids.

    A record that is there already changes nothing. Exit code 6 says that some were rejected.

    Examples:
        luactl crm interaction import visits.csv --tenant smile --yes
    """
    from luactl import crm

    options = _options(column, all_or_nothing, dry_run)
    _import("interaction", crm.import_interactions, file, tenant, options)


@interaction.command("list")
def list_interactions(
    tenant: TenantSlug,
    subject: Subject = None,
    limit: Limit = 100,
    purpose: Purpose = "administration",
) -> None:
    """List interactions, the latest first; the ledger keeps whose were shown.

    Examples:
        luactl crm interaction list --tenant smile --subject 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55
    """
    from luactl import crm
    from luactl.tenant import find

    wanted = None if subject is None else identifier(subject)
    with session("crm interaction list") as opened:
        listing = crm.list_interactions(opened, find(opened, tenant), limit, wanted, purpose)
    columns = (
        ("occurred_at", "WHEN"),
        ("kind", "KIND"),
        ("subject_id", "PERSON"),
        ("subject", "SUBJECT"),
        ("text", "TEXT"),
    )
    _show_listing(listing, columns, limit)


@invoice.command("import")
def import_invoices(
    file: File,
    tenant: TenantSlug,
    lines: Annotated[
        str | None, typer.Option("--lines", metavar="FILE", help="A CSV file with the invoices' lines.")
    ] = None,
    currency: Annotated[
        str, typer.Option("--currency", metavar="CODE", help="Currency where no column says it.")
    ] = "EUR",
    column: Column = [],  # noqa: B006
    line_column: Annotated[
        list[str],
        typer.Option("--line-column", metavar="FIELD=HEADER", help="The same for the file of lines."),
    ] = [],  # noqa: B006
    all_or_nothing: AllOrNothing = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Import invoices from a CSV file; customers are named by their external ids.

    An invoice whose number is there already changes nothing. Exit code 6 says that some were rejected.

    Examples:
        luactl crm invoice import invoices.csv --lines lines.csv --tenant smile --yes
    """
    from luactl import crm
    from luactl.table import parse_choices

    if file == "-" and lines == "-":
        raise UsageError("only one of the two files can be standard input")
    more = {"currency": currency, "line_columns": parse_choices(line_column)}
    options = _options(column, all_or_nothing, dry_run, **more)
    importer = partial(crm.import_invoices, lines=None if lines is None else origin(lines))
    _import("invoice", importer, file, tenant, options)


@invoice.command("list")
def list_invoices(
    tenant: TenantSlug,
    subject: Subject = None,
    party: Annotated[
        bool,
        typer.Option("--party", help="Open the billing party too (lua_accounting); the ledger keeps it."),
    ] = False,
    limit: Limit = 100,
    purpose: Purpose = "administration",
) -> None:
    """List invoices, the latest first. Those of erased people show to bookkeeping alone.

    Examples:
        luactl crm invoice list --tenant smile
        luactl crm invoice list --tenant smile --party --purpose 'VAT audit' -o csv
    """
    from luactl import crm
    from luactl.tenant import find

    wanted = None if subject is None else identifier(subject)
    with session("crm invoice list") as opened:
        found = find(opened, tenant)
        listing = crm.list_invoices(opened, found, limit, wanted, party=party, purpose=purpose)
    columns = (
        ("number", "NUMBER"),
        ("issued_on", "ISSUED"),
        ("total", "TOTAL"),
        ("currency", "CURRENCY"),
        ("lines", "LINES"),
        ("subject_id", "PERSON"),
    )
    parties = (("party.name", "NAME"), ("party.company", "COMPANY"), ("party.city", "CITY")) if party else ()
    _show_listing(listing, columns + parties, limit)
