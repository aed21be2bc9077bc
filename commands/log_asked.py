"""A question of the log, as several verbs take it: words, a saved one, options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.log import Query

Actor = Annotated[str | None, typer.Option("--actor", metavar="LOGIN", help="Only what this login did.")]
Action = Annotated[
    str | None,
    typer.Option("--action", metavar="ACTION", help="Only this action; `crm.*` for all that begin so."),
]
Subject = Annotated[
    UUID | None,
    typer.Option(
        "--subject", metavar="ID", help="Only what concerns this subject; needs --tenant and a key host."
    ),
]
Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="QUERY", help="Such as 'actor:anna action:read* since:-2h'; see below.", show_default=False
    ),
]
Name = Annotated[str | None, typer.Option("--saved", metavar="NAME", help="A saved query, beside QUERY.")]


def asked(
    s: Session,
    words: list[str] | None,
    name: str | None,
    tenant: str | None,
    actor: str | None,
    action: str | None,
    subject: UUID | None,
    purpose: str | None = None,
) -> Query:
    """Put a query together from what was typed, a saved one and options: all of it must hold.

    `purpose` is why a subject's reference is opened; without it the command is.
    """
    from luactl import log
    from luactl.errors import UsageError

    if subject is not None and tenant is None:
        raise UsageError("a subject belongs to a tenant", hint="add --tenant SLUG")
    reference = None
    if subject is not None and tenant is not None:
        reference = str(log.reference_of(s, log.find_tenant(s, tenant), subject, purpose or s.command))
    fields = (("tenant", tenant), ("actor", actor), ("action", action), ("subject", reference))
    saved = [log.saved(s, name).query] if name else []
    return log.question(s, [*saved, " ".join(words or ())], fields)
