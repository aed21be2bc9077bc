"""`luactl subject`: people whose data a tenant keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from luactl.errors import UsageError

from .app import group
from .context import session
from .diagnostics import confirm, progress
from .options import (
    DryRun,
    Email,
    ExternalId,
    Name,
    Phone,
    Purpose,
    Since,
    TenantSlug,
    Until,
    Yes,
    identifier,
    one_of,
    secret,
)
from .output import show as show_result
from .output import show_plan

if TYPE_CHECKING:
    from luactl.subject import Kind

HELP = "People whose data a tenant keeps: find one, show where their data lie."
app = group(HELP)

Subject = Annotated[str, typer.Argument(metavar="ID", help="The subject's id.")]
TIMELINE = (
    ("at", "TIME"), ("actor", "ACTOR"), ("on_behalf", "FOR"), ("action", "ACTION"), ("outcome", "OUTCOME"),
    ("purpose", "PURPOSE"), ("address", "ADDRESS"), ("id", "ID"),
)  # fmt: skip
FOUND = (
    ("subject_id", "SUBJECT"),
    ("status", "STATUS"),
    ("name", "NAME"),
    ("email", "E-MAIL"),
    ("contact_id", "CONTACT"),
    ("user_id", "USER"),
)


RECTIFICATION = (
    ("subject_id", "SUBJECT"),
    ("contact_id", "CONTACT"),
    ("user_id", "USER"),
    ("fields", "FIELDS"),
    ("instruction", "INSTRUCTION"),
    ("rekeyed", "SEALED ANEW"),
)


@app.command("find")
def find(
    tenant: TenantSlug,
    email: Email = None,
    phone: Phone = None,
    name: Name = None,
    external_id: ExternalId = None,
    purpose: Purpose = "find a person",
) -> None:
    """Find a person by one identity. The search is recorded, and so is everybody whom it shows.

    Users of the CRM are found as contacts are, by name and e-mail address.

    Give the identity as `-` so that it stays out of process lists and histories.

    Examples:
        luactl subject find --tenant smile --email -
        luactl subject find --tenant smile --external-id 4711 --purpose 'ticket 12' -o json
    """
    from luactl import subject
    from luactl.tenant import find as find_tenant

    kind, value = one_of(email=email, phone=phone, name=name, external_id=external_id)
    with session("subject find") as s:
        found = subject.find(s, find_tenant(s, tenant), cast("Kind", kind), value, purpose=purpose)
    show_result(found, FOUND)


@app.command("show")
def show(subject: Subject, tenant: TenantSlug) -> None:
    """Show where a person's data lie: tables, counts, key classes, periods. Opens nothing.

    Examples:
        luactl subject show 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55 --tenant smile
    """
    from luactl.subject import show as show_subject
    from luactl.tenant import find as find_tenant

    who = identifier(subject)
    with session("subject show") as s:
        show_result(show_subject(s, find_tenant(s, tenant), who))


@app.command("timeline")
def timeline(
    subject: Subject, tenant: TenantSlug, purpose: Purpose, since: Since = None, until: Until = None
) -> None:
    """Show everything that anyone did to a person, oldest first; the look itself is recorded.

    Erasure cuts the way from a person to their entries: then nothing leads there any more.

    Examples:
        luactl subject timeline 01990000-0000-7000-8000-000000000001 --tenant smile --purpose "request R-7"
        luactl subject timeline ID --tenant smile --purpose "case 12" --since -30d -o csv
    """
    from luactl import log

    with session("subject timeline") as s:
        now = s.clock.now()
        begin, end = (None if text is None else log.parse_time(text, now) for text in (since, until))
        found = log.timeline(s, tenant, identifier(subject), purpose, begin, end)
    show_result(found.lines, TIMELINE, log.told(found.gaps))


@app.command("rectify")
def rectify(
    who: Annotated[str, typer.Argument(metavar="ID", help="The subject's id.")],
    tenant: TenantSlug,
    instruction: Annotated[
        str,
        typer.Option(
            "--instruction", metavar="REF", help="Where the tenant's order is found; no personal data."
        ),
    ],
    field: Annotated[
        list[str],
        typer.Option(
            "--field", metavar="NAME", help="A field to set; its value is read or asked, in this order."
        ),
    ] = [],  # noqa: B006
    removed: Annotated[
        list[str], typer.Option("--remove", metavar="NAME", help="A field to take away.")
    ] = [],  # noqa: B006
    contact: Annotated[
        str | None, typer.Option("--contact", metavar="ID", help="Which contact, where there are several.")
    ] = None,
    user: Annotated[
        bool, typer.Option("--user", help="The user of the CRM that they are, where they are a contact too.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Correct a contact's, or a user's, fields (Art. 16): the old values can be read in no backup either.

    New values come from standard input, one a line, or are asked for: they belong in no command line. All
    of the person's rows are sealed under a new key, and the old one is destroyed. A user of the CRM has the
    fields login, name and email.

    Examples:
        luactl subject rectify 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55 --tenant x --field email --instruction T
    """
    from luactl import subject
    from luactl.tenant import active

    chosen, names = identifier(who), (*field, *removed)
    if len(set(names)) != len(names):
        raise UsageError("a field is named twice", hint="set it or remove it, once")
    with session("subject rectify") as s:
        there = active(s, tenant)
        which = identifier(contact, "contact", "crm customer list") if contact else None
        plan = subject.plan_rectification(s, there, chosen, names, instruction, which, user=user)
        if dry_run:
            show_plan(plan, RECTIFICATION)
            return
        values: dict[str, str | None] = {name: secret("-", name.replace("_", " ")) for name in field}
        rows = sum(plan.rekeyed.rows.values())
        row = f"contact {plan.contact_id}" if plan.user_id is None else f"user {plan.user_id}"
        confirm(f"Correct {', '.join(names)} of {row}, and seal {rows} rows anew?", yes=yes)
        done = subject.rectify(s, there, plan, values | dict.fromkeys(removed))
    show_result(done, RECTIFICATION)


@app.command("reindex")
def reindex(tenant: TenantSlug, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Fit the width of a tenant's blind indexes to its present size; may be interrupted and repeated.

    Contacts and users of the CRM are indexed apart: each by how many of them there are.

    Examples:
        luactl subject reindex --tenant smile --dry-run
    """
    from luactl import subject
    from luactl.tenant import active

    with session("subject reindex") as s:
        there = active(s, tenant)
        plan = subject.plan_reindex(s, there)
        if dry_run:
            show_plan(plan)
            return
        with progress("contacts and users", plan.outdated + plan.users.outdated) as advance:
            done = subject.reindex(s, there, plan, advance)
    show_result(done)
