"""`luactl ledger prune` and `luactl ledger export-tiles`: what leaves the log, and the log as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import output
from .context import session
from .diagnostics import confirm
from .options import DryRun, Yes

Before = Annotated[
    str, typer.Option("--before", metavar="TIME", help="RFC 3339, a date, or a span back such as -400d.")
]


def prune(before: Before, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Remove entries that are older than the published retention; all others stay provable.

    Nothing brings them back. Every anchor must have the newest checkpoint. (On the ledger host.)

    Examples:
        luactl ledger prune --before -400d --dry-run
        luactl ledger prune --before 2025-01-01 --yes
    """
    from luactl.ledger.prune import plan_prune
    from luactl.ledger.prune import prune as carry_out
    from luactl.log import parse_time

    with session("ledger prune") as s:
        plan = plan_prune(s, parse_time(before, s.clock.now()))
        if dry_run:
            output.show_plan(plan)
            return
        if not plan.nothing:
            confirm(f"Remove {plan.entries:,} entries for good?", yes=yes, name=s.profile.name)
        output.show(carry_out(s, plan), notes=["nothing to prune"] if plan.nothing else [])


def export_tiles(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that is not there yet.")],
    entries: Annotated[
        bool, typer.Option("--entries", help="The entries too: as confidential as the ledger itself.")
    ] = False,
) -> None:
    """Write the signed log as files that other programs read and check (C2SP tlog-tiles).

    Examples:
        luactl ledger export-tiles /mnt/web/log
    """
    from luactl.ledger.tiles import export_tiles as export

    with session("ledger export-tiles") as s:
        output.show(export(s, folder, entries=entries))
