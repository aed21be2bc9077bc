"""`luactl request`: requests of data subjects, and the clock that each of them starts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import UsageError

from .app import group
from .context import session
from .diagnostics import confirm
from .options import AnyTenant, DryRun, TenantSlug, Yes, identifier, secret
from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.request import Request

app = group("Requests of data subjects (Art. 15–22 GDPR): what is asked, and by when it must be answered.")

LINES = (
    ("tenant", "TENANT"),
    ("right", "RIGHT"),
    ("state", "STATE"),
    ("received_at", "RECEIVED"),
    ("due_on", "DUE"),
    ("days_left", "DAYS"),
    ("overdue", "OVERDUE"),
    ("identified", "KNOWN"),
    ("held", "HELD"),
    ("reference", "REFERENCE"),
    ("request_id", "REQUEST"),
)
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the request.")]
WHEN = "2026-11-20, a time with its offset, or -3d; now without it."


def _option(flag: str, metavar: str, text: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(flag, metavar=metavar, help=text, show_default=False)
    return found


def _time(s: Session, text: str | None) -> datetime | None:
    from luactl.log import parse_time

    return None if text is None else parse_time(text, s.clock.now())


def _found(s: Session, request_id: str) -> Request:
    from luactl import request

    return request.find(s, identifier(request_id, "request", "request list"))


def _clock(found: Request) -> list[str]:
    """Say how the last day comes about, and what keeps the request from being carried out."""
    from luactl.request import calendar_note
    from luactl.request.term import day_of

    if found.closed_at is not None:
        return ["it was answered late" if found.overdue else "it was closed in time"]
    notes = [calendar_note(day_of(found.received_at), found.months)]
    if found.subject_id is None:
        notes.append(f"nobody knows yet whose it is: `luactl request identify {found.request_id}`")
    if found.held:
        holds = ", ".join(str(one) for one in found.held)
        notes.append(f"it waits: a legal hold keeps the person's data ({holds})")
    return notes


@app.command("add")
def add(
    tenant: TenantSlug,
    right: Annotated[
        str,
        _option("--right", "RIGHT", "access, rectification, erasure, restriction, portability, objection."),
    ],
    reference: Annotated[str, _option("--reference", "REF", "Where it is found; no personal data.")],
    channel: Annotated[
        str, typer.Option("--channel", metavar="WAY", help="letter, email, phone, form, visit or other.")
    ] = "letter",
    received: Annotated[str | None, _option("--received", "TIME", f"When it came in: {WHEN}")] = None,
    handed_on: Annotated[
        str | None, _option("--handed-on", "TIME", "It reached Lua CRM; the tenant was told then.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Record a request. Its clock runs from the day on which it came in, wherever it came in.

    Examples:
        luactl request add --tenant smile --right erasure --reference T-12 --received 2026-11-20
        luactl request add --tenant smile --right access --reference M-7 --channel email --handed-on -1h
    """
    from luactl import request
    from luactl.request.term import day_of
    from luactl.tenant import find

    with session("request add") as s:
        new = request.prepare(
            s,
            right,
            reference,
            channel=channel,
            received_at=_time(s, received),
            handed_on_at=_time(s, handed_on),
        )
        done = request.add(s, find(s, tenant), new, dry_run=dry_run)
    notes = [request.calendar_note(day_of(new.received_at))]
    if dry_run:
        show_plan(done, None, notes)
    else:
        show(done, None, notes)


@app.command("list")
def list_(
    tenant: AnyTenant = None,
    closed: Annotated[
        bool, typer.Option("--closed", help="Those that are closed too; of one tenant.")
    ] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those that are late, or were.")] = False,
) -> None:
    """List open requests, the one that is due first before the others: overdue ones head the list.

    Examples:
        luactl request list
        luactl request list --tenant smile --closed
    """
    from luactl import request
    from luactl.tenant import find

    if closed and tenant is None:
        raise UsageError("--closed goes with --tenant", hint="name the tenant whose closed ones are meant")
    with session("request list") as s:
        found = request.open_(s) if tenant is None else request.list_(s, find(s, tenant), closed=closed)
    show([one for one in found if one.overdue or not overdue], LINES)


@app.command("show")
def show_(
    request_id: Id,
    purpose: Annotated[
        str | None, _option("--purpose", "TEXT", "Open its note as well; the ledger keeps why.")
    ] = None,
) -> None:
    """Show one request: its clock, whose it is, what became of it, and what it waits for.

    Examples:
        luactl request show ID
        luactl request show ID --purpose 'answering it'
    """
    from luactl import request

    with session("request show") as s:
        found = _found(s, request_id)
        if purpose is not None:
            found = request.opened(s, found, purpose)
    show(found, None, _clock(found))


@app.command("identify")
def identify(
    request_id: Id,
    subject: Annotated[str, _option("--subject", "ID", "Who; `luactl subject find` tells it.")],
    how: Annotated[str, _option("--how", "TEXT", "How it was made sure; no personal data.")],
    at: Annotated[str | None, _option("--at", "TIME", f"When: {WHEN}")] = None,
    note: Annotated[
        str | None,
        _option("--note", "TEXT|-", "Sealed with the person; `-` reads it from standard input or asks."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Say whose request it is, and how that was made sure (Art. 12(6)). Again, as long as it is open.

    Examples:
        luactl request identify ID --subject ID --how 'wrote from the address on record'
        luactl request identify ID --subject ID --how 'identity card at the desk' --note -
    """
    from luactl import request

    if note is not None and not dry_run:
        note = secret(note, "note")
    with session("request identify") as s:
        done = request.identify(
            s,
            _found(s, request_id),
            identifier(subject),
            how,
            at=_time(s, at),
            note=note,
            dry_run=dry_run,
        )
    _tell(done, dry_run)


@app.command("extend")
def extend(
    request_id: Id,
    reason: Annotated[
        str, _option("--reason", "TEXT", "Complexity or number of requests; no personal data.")
    ],
    told: Annotated[str | None, _option("--told", "TIME", f"When the person was told: {WHEN}")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Extend the clock by two further months, once; the person is told why within the first (Art. 12(3)).

    Examples:
        luactl request extend ID --reason 'files of eleven years' --told 2026-12-01
    """
    from luactl import request

    with session("request extend") as s:
        done = request.extend(s, _found(s, request_id), reason, told_at=_time(s, told), dry_run=dry_run)
    _tell(done, dry_run)


@app.command("close")
def close(
    request_id: Id,
    outcome: Annotated[str, _option("--outcome", "WORD", "answered, refused or withdrawn.")],
    reason: Annotated[
        str, _option("--reason", "TEXT", "Where the answer is, or the ground; no personal data.")
    ],
    at: Annotated[str | None, _option("--at", "TIME", f"When: {WHEN}")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Close a request for good. One for erasure is closed by `luactl erasure run --request` itself.

    Examples:
        luactl request close ID --outcome answered --reason 'letter of 2026-12-10'
        luactl request close ID --outcome refused --reason 'Art. 17(3)(b): invoices, 8 years'
    """
    from luactl import request

    with session("request close") as s:
        found, when = _found(s, request_id), _time(s, at)
        planned = request.close(s, found, outcome, reason, at=when, dry_run=True)
        if not dry_run:
            confirm(f"Close the request for {found.right} as {outcome}, for good?", yes=yes)
            planned = request.close(s, found, outcome, reason, at=when)
    _tell(planned, dry_run)


def _tell(found: Request, dry_run: bool) -> None:
    """Show a request after a change, or as the change would leave it."""
    if dry_run:
        show_plan(found, None, _clock(found))
    else:
        show(found, None, _clock(found))
