"""`luactl instruction`: what the controllers told Lua CRM to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from luactl.errors import UsageError

from .app import group
from .context import session
from .options import DryRun, TenantSlug, Yes
from .output import show, show_plan

HELP = "What tenants instructed Lua CRM to do: record it, list it."
app = group(HELP)

COLUMNS = (
    ("reference", "REFERENCE"),
    ("purpose", "PURPOSE"),
    ("given_by", "GIVEN BY"),
    ("valid_from", "FROM"),
    ("valid_until", "UNTIL"),
)


def _instant(text: str | None) -> datetime | None:
    """Read a date or time (UTC unless it says otherwise). Raises UsageError."""
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text[:40]!r} is no date", hint="such as 2027-12-31 or 2027-12-31T12:00Z"
        ) from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


@app.command("add")
def add(
    tenant: TenantSlug,
    reference: Annotated[str, typer.Option("--reference", metavar="REF", help="What the tenant calls it.")],
    purpose: Annotated[str, typer.Option("--purpose", metavar="TEXT", help="What is to be done.")],
    given_by: Annotated[str, typer.Option("--given-by", metavar="WHO", help="Who gave it.")],
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="When it ends; UTC.", show_default=False)
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Record an instruction of a tenant, in force from now on.

    Examples:
        luactl instruction add --tenant smile --reference DPA-2 --purpose support --given-by office
    """
    from luactl import instruction
    from luactl.tenant import find

    end = _instant(until)
    with session("instruction add") as s:
        new = instruction.prepare(s, reference, purpose, given_by, end)
        added = instruction.add(s, find(s, tenant), new, dry_run=dry_run)
    if dry_run:
        show_plan(added)
    else:
        show(added)


@app.command("list")
def list_(tenant: TenantSlug) -> None:
    """List the instructions of a tenant, oldest first.

    Examples:
        luactl instruction list --tenant smile
    """
    from luactl import instruction
    from luactl.tenant import find

    with session("instruction list") as s:
        show(instruction.list_(s, find(s, tenant)), COLUMNS)
