"""`luactl log custody …`: who had a lockbox in hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import output
from .app import group
from .context import session
from .options import DryRun, Yes

HELP = "Who had a lockbox in hand."
app = group(HELP)

COLUMNS = (
    ("number", "NO"), ("at", "TIME"), ("action", "ACTION"), ("by", "BY"), ("to", "TO"), ("note", "NOTE"),
    ("login", "LOGIN"), ("sha256", "SHA-256"),
)  # fmt: skip
Folder = Annotated[Path, typer.Argument(metavar="LOCKBOX", help="The folder that `log export` made.")]
Action = Annotated[
    str,
    typer.Option(
        "--action",
        metavar="ACTION",
        help="received, copied, handed-over, stored, opened, returned or destroyed.",
    ),
]
By = Annotated[str, typer.Option("--by", metavar="WHO", help="Who did it.")]
To = Annotated[str | None, typer.Option("--to", metavar="WHO", help="Who, or where, it went to.")]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="How, why, in what state.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Without a database: the ledger does not hear of it.")
]


@app.command("list")
def list_(lockbox: Folder) -> None:
    """Show who had a lockbox in hand, oldest first. Needs no database.

    Examples:
        luactl log custody list ./INC-7
    """
    from luactl.log import evidence

    output.show(evidence.read_steps(lockbox), COLUMNS)


@app.command("add")
def add(
    lockbox: Folder, action: Action, by: By, to: To = None, note: Note = None, offline: Offline = False,
    dry_run: DryRun = False, yes: Yes = False,
) -> None:  # fmt: skip
    """Write down what happened to a lockbox. The ledger keeps the entry's digest, the lockbox who and where.

    Examples:
        luactl log custody add ./INC-7 --action stored --by 'Ida Falk' --to 'safe 2' --note 'USB stick 41'
        luactl log custody add ./INC-7 --action handed-over --by 'Ida Falk' --to 'police' --offline
    """
    from luactl.clock import SystemClock
    from luactl.log import evidence

    step = evidence.Step(action, by, to, note)
    if offline:
        taken = evidence.add_step(lockbox, step, SystemClock().now(), dry_run=dry_run)
    else:
        with session("log custody add") as s:
            taken = evidence.record_step(s, lockbox, step, dry_run=dry_run)
    notes = [] if dry_run else [f"write down, elsewhere, the head of its custody log: {taken.sha256}"]
    (output.show_plan if dry_run else output.show)(taken, COLUMNS, notes)
