"""`luactl subject`: people whose data a tenant keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from .app import group
from .context import session
from .diagnostics import progress
from .options import DryRun, Email, ExternalId, Name, Phone, Purpose, TenantSlug, Yes, identifier, one_of
from .output import show as show_result
from .output import show_plan

if TYPE_CHECKING:
    from luactl.subject import Kind

HELP = "People whose data a tenant keeps: find one, show where their data lie."
app = group(HELP)

FOUND = (
    ("subject_id", "SUBJECT"),
    ("status", "STATUS"),
    ("name", "NAME"),
    ("email", "E-MAIL"),
    ("contact_id", "CONTACT"),
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
def show(
    subject: Annotated[str, typer.Argument(metavar="ID", help="The subject's id.")], tenant: TenantSlug
) -> None:
    """Show where a person's data lie: tables, counts, key classes, periods. Opens nothing.

    Examples:
        luactl subject show 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55 --tenant smile
    """
    from luactl.subject import show as show_subject
    from luactl.tenant import find as find_tenant

    who = identifier(subject)
    with session("subject show") as s:
        show_result(show_subject(s, find_tenant(s, tenant), who))


@app.command("reindex")
def reindex(tenant: TenantSlug, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Fit the width of a tenant's blind indexes to its present size; may be interrupted and repeated.

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
        with progress("contacts", plan.outdated) as advance:
            done = subject.reindex(s, there, plan, advance)
    show_result(done)
