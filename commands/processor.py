"""`luactl processor`: who processes for tenants in Lua CRM's place, and what they are told."""

from __future__ import annotations

from typing import Annotated

import typer

from luactl.errors import UsageError

from . import processor_notice
from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Yes, optional_day
from .output import show, show_plan

HELP = "Companies that process for tenants in Lua CRM's place, and what they are told."
app = group(HELP)
app.add_typer(processor_notice.app, name="notice")

COLUMNS = (
    ("slug", "PROCESSOR"),
    ("name", "NAME"),
    ("service", "SERVICE"),
    ("country", "COUNTRY"),
    ("channel", "CHANNEL"),
    ("used_since", "SINCE"),
    ("used_until", "UNTIL"),
    ("tenants", "TENANTS"),
    ("unconfirmed", "UNCONFIRMED"),
)
CHANGE = tuple((f"after.{field}", title) for field, title in COLUMNS[:-1])
SERVICES = "cloud, payment, authentication or communication"
Slug = Annotated[str, typer.Argument(metavar="PROCESSOR", help="The processor's name in commands.")]


@app.command("add")
def add(
    slug: Slug,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What people call the company.")],
    service: Annotated[str, typer.Option("--service", metavar="KIND", help=f"What for: {SERVICES}.")],
    country: Annotated[str, typer.Option("--country", metavar="CC", help="ISO 3166, two letters.")],
    contact: Annotated[
        str, typer.Option("--contact", metavar="TEXT", help="Where notices go: a role, no private person.")
    ],
    channel: Annotated[
        str, typer.Option("--channel", metavar="manual|command:NAME", help="How a notice reaches it.")
    ] = "manual",
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="DAY", help="First day of its use; default today.", show_default=False
        ),
    ] = None,
    tenant: Annotated[
        list[str] | None,
        typer.Option(
            "--tenant",
            metavar="SLUG",
            help="It works for this one only; may be repeated.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Register a processor: from its first day on it is told when data of its tenants must go.

    Examples:
        luactl processor add host --name Host --service cloud --country DE --contact dpo@host.example
        luactl processor add pay --name Pay --service payment --country NL --contact dpo@pay.example
    """
    from luactl import processor
    from luactl.ledger import new_id

    first = optional_day(since, "--since")
    with session("processor add") as s:
        now = s.clock.now()
        new = processor.Processor(
            slug, name, service, country, contact, channel, first or now.date(), None,
            tuple(tenant) if tenant else None, 0, new_id(now),
        )  # fmt: skip
        if dry_run:
            show_plan(processor.add(s, new, dry_run=True), CHANGE)
        else:
            show(processor.add(s, new), CHANGE)


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Those no longer in use, too.")] = False,
) -> None:
    """List the processors in use; TENANTS is empty for one that works for all.

    Examples:
        luactl processor list --all
    """
    from luactl import processor

    with session("processor list") as s:
        today = s.clock.now().date()
        found = processor.list_(s)
    show([one for one in found if every or one.used_until is None or one.used_until >= today], COLUMNS)


@app.command("show")
def show_(slug: Slug) -> None:
    """Show one processor.

    Examples:
        luactl processor show post
    """
    from luactl import processor

    with session("processor show") as s:
        show(processor.find(s, slug))


@app.command("change")
def change(
    slug: Slug,
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="New name.")] = None,
    service: Annotated[str | None, typer.Option("--service", metavar="KIND", help=f"{SERVICES}.")] = None,
    country: Annotated[str | None, typer.Option("--country", metavar="CC", help="New country.")] = None,
    contact: Annotated[str | None, typer.Option("--contact", metavar="TEXT", help="New contact.")] = None,
    channel: Annotated[
        str | None, typer.Option("--channel", metavar="manual|command:NAME", help="New channel.")
    ] = None,
    tenant: Annotated[
        list[str] | None,
        typer.Option("--tenant", metavar="SLUG", help="It works for these only; may be repeated."),
    ] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="It works for all tenants.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Write what is said of a processor anew; what is not given stays.

    Examples:
        luactl processor change pay --channel command:pay
    """
    from dataclasses import replace

    from luactl import processor

    if tenant and all_tenants:
        raise UsageError("a processor works for all tenants or for some", hint="give one of the two")
    with session("processor change") as s:
        before = processor.find(s, slug)
        after = replace(
            before,
            name=before.name if name is None else name,
            service=before.service if service is None else service,
            country=before.country if country is None else country,
            contact=before.contact if contact is None else contact,
            channel=before.channel if channel is None else channel,
            tenants=tuple(tenant) if tenant else None if all_tenants else before.tenants,
        )
        if dry_run:
            show_plan(processor.change(s, before, after, dry_run=True), CHANGE)
        else:
            show(processor.change(s, before, after), CHANGE)


@app.command("end")
def end(
    slug: Slug,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="DAY", help="Last day of its use; default today.", show_default=False),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Say which day is the last of a processor's use; it is told nothing new after that.

    Examples:
        luactl processor end post --on 2026-12-31
    """
    from luactl import processor

    last = optional_day(on, "--on")
    with session("processor end") as s:
        before = processor.find(s, slug)
        last = last or s.clock.now().date()
        plan = processor.end(s, before, last, dry_run=True)
        notes = [f"{before.unconfirmed} notices to it are not confirmed"] if before.unconfirmed else []
        if dry_run:
            show_plan(plan, CHANGE, notes)
            return
        if plan.changed:
            confirm(f"End the use of {before.name} with {last}?", yes=yes, name=slug)
        show(processor.end(s, before, last), CHANGE, notes)
