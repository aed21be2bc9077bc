"""`luactl processor notice`: what processors are told, and what they confirm."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import Exit, UsageError

from .app import group
from .context import is_json, session
from .diagnostics import confirm as ask
from .diagnostics import progress
from .options import AnyTenant, DryRun, Yes, identifier
from .output import show, show_plan, show_text

if TYPE_CHECKING:
    from uuid import UUID

app = group("What processors are told, and what they confirm: list, show, letter, send, confirm.")

COLUMNS = (
    ("notice_id", "NOTICE"),
    ("processor", "PROCESSOR"),
    ("tenant", "TENANT"),
    ("cause", "CAUSE"),
    ("state", "STATE"),
    ("created_at", "SINCE"),
    ("sent_at", "SENT"),
    ("deleted_on", "DELETED ON"),
    ("attempts", "ATTEMPTS"),
    ("problem", "PROBLEM"),
)
SENT = (
    ("notice_id", "NOTICE"),
    ("processor", "PROCESSOR"),
    ("tenant", "TENANT"),
    ("outcome", "OUTCOME"),
    ("problem", "PROBLEM"),
)
Id = Annotated[str, typer.Argument(metavar="NOTICE", help="Id of the notice.")]


def _id(text: str) -> UUID:
    return identifier(text, "notice", "processor notice list")


@app.command("list")
def list_(
    tenant: AnyTenant = None,
    processor: Annotated[
        str | None,
        typer.Option("--processor", metavar="PROCESSOR", help="Only to this one.", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are confirmed, too.")] = False,
) -> None:
    """List the notices that no processor has confirmed yet, oldest first.

    Examples:
        luactl processor notice list --tenant smile
    """
    from luactl.processor import notices

    with session("processor notice list") as s:
        show(notices(s, tenant=tenant, processor=processor, every=every), COLUMNS)


@app.command("show")
def show_(notice: Id) -> None:
    """Show one notice: its cause, when and how it was sent, what was confirmed.

    Examples:
        luactl processor notice show ID
    """
    from luactl.processor import find_notice

    with session("processor notice show") as s:
        show(find_notice(s, _id(notice)))


@app.command("letter")
def letter(notice: Id) -> None:
    """Print a notice in words, to be sent by letter or mail; JSON: what a program is told.

    It names people by ids alone.

    Examples:
        luactl processor notice letter ID > notice.md
    """
    from luactl import processor

    with session("processor notice letter") as s:
        made = processor.compose(s, processor.find_notice(s, _id(notice)))
    if is_json():
        show(made.message())
    else:
        show_text("letter", made.text())


@app.command("send")
def send(
    notice: Annotated[
        str | None, typer.Argument(metavar="NOTICE", help="Id of one notice; without it all that wait.")
    ] = None,
    by_hand: Annotated[
        str | None,
        typer.Option(
            "--by-hand", metavar="REF", help="It was sent: by what letter or mail.", show_default=False
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also what was sent and is not confirmed: asks once more.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Tell processors: those with a program through it; of the others write down that somebody did.

    Run again, it sends what could not be sent; made for cron. Exit code 6 when something was not sent.

    Examples:
        luactl processor notice send --yes
        luactl processor notice send ID --by-hand 'letter of 2026-11-26'
    """
    from luactl import processor

    if by_hand is not None and (notice is None or again):
        raise UsageError("--by-hand is about one notice", hint="name it: `luactl processor notice list`")
    with session("processor notice send") as s:
        asked = None if notice is None else processor.find_notice(s, _id(notice))
        unconfirmed = processor.notices(s)
        waiting = [asked] if asked else processor.waiting(unconfirmed, again=again)
        by_others = processor.by_others(unconfirmed)
        notes = [f"{len(by_others)} notices wait for somebody who sends them"] if by_others else []
        if dry_run:
            show_plan(waiting, COLUMNS, notes)
            return
        if by_hand is not None:
            show(processor.sent_by_hand(s, waiting[0], by_hand))
            return
        if waiting:
            ask(f"Tell processors about {len(waiting)} deletions?", yes=yes)
        with progress("told", len(waiting)) as step:
            done = [processor.tell(s, one, step) for one in waiting]
    failed = any(one.problem for one in done)
    show(done, SENT, notes, outcome=Exit.FINDINGS if failed else Exit.DONE)


@app.command("confirm")
def confirm(
    notice: Id,
    reference: Annotated[
        str, typer.Option("--reference", metavar="REF", help="Where the processor's word is found.")
    ],
    deleted_on: Annotated[
        str, typer.Option("--deleted-on", metavar="DAY", help="Since when the data are gone, as it says.")
    ],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Write down that a processor has deleted.

    The certificate of a tenant's end says so when `luactl tenant terminate` writes it anew.

    Examples:
        luactl processor notice confirm ID --deleted-on 2026-12-03 --reference 'mail of 2026-12-04'
    """
    from luactl import processor

    try:
        day = date.fromisoformat(deleted_on)
    except ValueError:
        raise UsageError(f"{deleted_on[:40]!r} is no day", hint="such as 2027-12-31") from None
    with session("processor notice confirm") as s:
        found = processor.find_notice(s, _id(notice))
        if dry_run:
            show_plan(found, None, [f"deleted on {day}, as {reference!r} says"])
        else:
            show(processor.confirm(s, found, day, reference))
