"""`luactl log export`, `log seal` and `log raw`: evidence out of the log, and lines as they were written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from luactl.errors import Exit

from .context import is_json, session
from .diagnostics import confirm, progress
from .log_asked import Action, Actor, Name, Subject, Words, asked
from .options import AnyTenant, DryRun, Purpose, Since, Until, Yes
from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.log.evidence import Lockbox, Order

COLLECTED = (
    ("lockbox_id", "LOCKBOX"), ("case", "CASE"), ("lockbox", "FOLDER"), ("query", "QUERY"),
    ("entries", "ENTRIES"), ("lines", "LINES"), ("raw", "AS WRITTEN"), ("custody", "CUSTODY"),
)  # fmt: skip
SHARES = (("source", "SOURCE"), ("lines", "LINES"), ("first_at", "FROM"), ("last_at", "TO"))
SEALED = (("lockbox_id", "LOCKBOX"), ("lockbox", "FOLDER"), ("index", "INDEX"), ("size", "SIZE"))
AS_WRITTEN = (("at", "TIME"), ("source", "SOURCE"), ("file", "FILE"), ("place", "PLACE"), ("text", "LINE"))
MOST_GAPS = 10
"""Told one by one."""
Case = Annotated[
    str,
    typer.Option("--case", metavar="ID", help="The incident's number, such as INC-2026-017; names nobody."),
]
To = Annotated[Path, typer.Option("--to", metavar="PATH", help="A folder that does not exist yet.")]
All = Annotated[
    bool, typer.Option("--all", help="From the first line on, where the question says no beginning.")
]
Folder = Annotated[Path, typer.Argument(metavar="LOCKBOX", help="The folder that `log export` made.")]
Ids = Annotated[
    list[UUID], typer.Argument(metavar="ID", help="Lines, by their ids as `log search` shows them.")
]


def export(
    case: Case, to: To, purpose: Purpose, words: Words = None, saved: Name = None, tenant: AnyTenant = None,
    actor: Actor = None, action: Action = None, subject: Subject = None, since: Since = None,
    until: Until = None, everything: All = False, dry_run: DryRun = False, yes: Yes = False,
) -> None:  # fmt: skip
    """Collect evidence into a lockbox: a signed folder with what a question finds, raw and normalised.

    The bytes of lines are in it as they were written, with all that is personal in them; their reading is
    recorded first. What cannot be opened here, and every gap, is said. `luactl verify` checks it offline.
    Needs lua_responder, lua_auditor or lua_dpo.

    Examples:
        luactl log export --case INC-7 --to ./INC-7 --purpose 'breach' 'actor:anna since:-2d' --dry-run
        luactl log export --case INC-7 --to ./INC-7 --purpose 'breach' 'actor:anna since:-2d' --yes
        luactl log export --case INC-8 --to ./INC-8 --purpose 'court order' --all --tenant smile --yes
    """
    from luactl import log
    from luactl.log import evidence

    options = {"--saved": saved, "--tenant": tenant, "--actor": actor, "--action": action,
               "--subject": "…" if subject else None, "--since": since, "--until": until}  # fmt: skip
    typed = " ".join([*(words or ()), *(f"{name} {value}" for name, value in options.items() if value)])
    with session("log export") as s:
        query = asked(s, words, saved, tenant, actor, action, subject, purpose)
        now = s.clock.now()
        query = replace(
            query,
            since=query.since if since is None else log.parse_time(since, now),
            until=query.until if until is None else log.parse_time(until, now),
        )
        order = evidence.order(s, case, purpose, typed, query, everything=everything)
        _collect(s, order, to, dry_run, yes)


def _collect(s: Session, order: Order, to: Path, dry_run: bool, yes: bool) -> None:
    from luactl import certificate
    from luactl.log import evidence

    if not dry_run:
        certificate.tidy(to)  # also where a killed run had come to its end
    plan = evidence.collect(s, order, to, dry_run=True)
    if dry_run:
        shares = [{**vars(one), "source": one.source or "(the ledger)"} for one in plan.shares]
        show_plan(plan if is_json() else shares, SHARES, _remarks(plan))
        return
    total = plan.entries + plan.lines
    confirm(
        f"Write {plan.entries:,} entries and {plan.lines:,} lines ({plan.raw:,} in clear) to {to}?", yes=yes
    )
    with progress("lines", total) as advance:
        done = evidence.collect(s, order, to, progress=advance)
    show(done, COLLECTED, _remarks(done))


def _remarks(box: Lockbox) -> list[str]:
    """Say what is not in it, and what to do next."""
    from luactl.log import told

    said = [
        f"{one.source}: the bytes of {one.lines:,} lines are not there: {one.reason}" for one in box.missing
    ]
    said += told(box.gaps[:MOST_GAPS])
    if len(box.gaps) > MOST_GAPS:
        said.append(f"and {len(box.gaps) - MOST_GAPS:,} gaps more")
    if box.gaps:
        said.append("within a gap, that nothing was found says nothing")
    if box.unproved:
        said.append(
            f"{box.unproved:,} entries have no proof: `luactl ledger status` and `ledger verify` say why"
        )
    if box.pending:
        said.append(
            f"not signed or not proved yet: {box.pending}; `luactl log seal` does it on the ledger host"
        )
    if box.custody:
        said.append(f"write down, elsewhere, the head of its custody log: {box.custody}")
    return said


def seal(lockbox: Folder, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Sign and prove a lockbox that was collected where no signing key is; on the ledger host.

    It must be what the ledger has on record. What was collected does not change. Needs lua_dpo or lua_admin.

    Examples:
        luactl log seal ./INC-7 --dry-run
        luactl log seal ./INC-7 --yes
    """
    from luactl.log import evidence

    with session("log seal") as s:
        done = evidence.seal(s, lockbox, dry_run=dry_run)
    (show_plan if dry_run else show)(done, SEALED)


def raw(ids: Ids, purpose: Purpose) -> None:
    """Show lines as they were written, with all that is personal in them; that is recorded first.

    On a key host; needs lua_responder, lua_auditor or lua_dpo. `-o json` has the bytes besides, in hex.

    Examples:
        luactl log raw 019ca940-9e00-7000-8000-000000000000 --purpose 'INC-7: what was typed'
    """
    from luactl.log import evidence

    with session("log raw") as s:
        found = evidence.raw(s, ids, purpose)
    missing = [f"{one.id}: {one.missing}" for one in found if one.missing]
    show(found, AS_WRITTEN, missing, outcome=Exit.FINDINGS if missing else Exit.DONE)
