"""`luactl key`: where the key tree stands, turning its epoch, finishing what a crash left, checking it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luactl.errors import Exit

from . import key_place, key_release
from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Yes
from .output import show, show_plan

app = group("The key tree: state, rotation, recovery, holders, books, releases to persons.")
app.add_typer(key_place.holders, name="holder")
app.add_typer(key_place.books, name="book")
app.add_typer(key_place.places, name="place")
app.add_typer(key_release.releases, name="release")
app.add_typer(key_release.persons, name="person")

STATUS = (
    ("state", "STATE"),
    ("epoch", "EPOCH"),
    ("nodes", "NODES"),
    ("holders", "HOLDERS"),
    ("books", "BOOKS"),
)
RECOVERY = (("state", "STATE"), ("epoch", "EPOCH"), ("actions", "ACTIONS"), ("answers", "ANSWERS"))
VERIFICATION = (("epoch", "EPOCH"), ("nodes", "NODES"), ("claims", "CLAIMS"), ("findings", "FINDINGS"))
ROTATION = (
    ("epoch", "EPOCH BEFORE"),
    ("nodes", "NODES"),
    ("everything", "WHOLE TREE"),
    ("expired", "EXPIRED RELEASES"),
    ("holders", "HOLDERS"),
    ("books", "BOOKS"),
    ("unfinished", "FINISHES AN EARLIER CHANGE"),
)
PORTABLE = (
    ("file", "FILE"),
    ("tree_id", "TREE"),
    ("epoch", "EPOCH"),
    ("change", "CHANGE"),
    ("nodes", "NODES"),
)
IMPORT = (*PORTABLE, ("database_epoch", "DATABASE AT"), ("books", "BOOKS"))


@app.command("status")
def status_() -> None:
    """Show at which epoch the database, the key holders and the key books stand.

    Examples:
        luactl key status
    """
    from luactl import key

    with session("key status") as opened:
        found, age = key.status(opened), key.root_age(opened)
        old = [f"today's root is in use since {age.since:%Y-%m-%d %H:%M}", *age.told(opened.clock.now())]
    settled = found.state is key.State.SETTLED and not found.left_out
    outcome = Exit.DONE if settled else Exit.FINDINGS
    hints = {
        key.State.UNFINISHED: ["a change of the tree was not finished: `luactl key recover`"],
        key.State.BEHIND: [
            "the database is older than its keys: a restore, or a failover that lost a commit"
        ],
        key.State.BROKEN: ["a holder or a key book is missing, foreign or damaged"],
    }
    show(found, STATUS, [*hints.get(found.state, []), *key.complaints(found), *old], outcome=outcome)


@app.command("rotate")
def rotate_(
    expired: Annotated[
        bool, typer.Option("--expired", help="Only what was released to persons whose time is up.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Turn the epoch without dropping anything: new root, new keys for every node, for the day after a theft.

    Every row stays readable. Whoever had root and nodes reads what they copied, and nobody who comes later.

    Examples:
        luactl key rotate --dry-run
        luactl key rotate --yes
        luactl key rotate --expired --yes
    """
    from luactl.key import rotate

    with session("key rotate") as opened:
        plan = rotate.plan_rotation(opened, everything=not expired)
        if dry_run:
            show_plan(plan, ROTATION)
            return
        if expired and not plan.expired and not plan.unfinished:
            show(plan, ROTATION, ["no release has expired: nothing to do"])
            return
        confirm("Turn the epoch, with new keys for every node?", yes=yes, name=opened.profile.name)
        done = rotate.rotate(opened, plan)
    show(done, (*ROTATION, ("change", "CHANGE")))


@app.command("export")
def export_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; never written over.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Write the whole sealed tree into one portable file. It opens nothing without the root.

    Examples:
        luactl key export /mnt/usb/keys.luabook
    """
    from luactl.key import export

    with session("key export") as opened:
        if dry_run:
            show_plan(export.plan_export(opened, file), PORTABLE)
            return
        done = export.export(opened, file)
    show(
        done, PORTABLE, ["keep it out of the backups of the data; it goes out of date with the next erasure"]
    )


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `luactl key export` wrote.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Write an exported tree into key books that are lost or older, after opening every node of it.

    It never goes back: a file older than the database or a book is refused. The database is left as it is.

    Examples:
        luactl key import /mnt/usb/keys.luabook --dry-run
        luactl key import /mnt/usb/keys.luabook --yes
    """
    from luactl.key import export

    with session("key import") as opened:
        plan = export.plan_import(opened, file)
        if dry_run:
            show_plan(plan, IMPORT)
            return
        if plan.books:
            confirm(f"Write {', '.join(plan.books)} from {file}?", yes=yes, name=opened.profile.name)
            plan = export.import_(opened, plan)
    notes = [] if plan.books else ["every book is as new as the file: nothing to do"]
    if plan.epoch > plan.database_epoch:
        notes.append(
            "the database is older than its key book: it was restored, and must not be written to yet"
        )
    show(plan, IMPORT, notes)


@app.command("recover")
def recover_(dry_run: DryRun = False, yes: Yes = False) -> None:
    """Finish or undo a change of the key tree that was cut short: old roots are destroyed for good.

    Examples:
        luactl key recover --dry-run
    """
    from luactl import key

    with session("key recover") as opened:
        found = key.recover(opened, dry_run=True)
        if dry_run:
            show_plan(found, RECOVERY)
            return
        if found.actions:
            question = f"{len(found.actions)} things to do; roots are destroyed for good. Go on?"
            confirm(question, yes=yes, name=opened.profile.name)
            found = key.recover(opened)
    show(found, RECOVERY, [] if found.actions else ["nothing to recover"])


@app.command("verify")
def verify_() -> None:
    """Open every node and every claimed key of the tree, and compare holders and key books with it.

    Examples:
        luactl key verify
    """
    from luactl import key

    with session("key verify") as opened:
        found = key.verify(opened)
    notes = [f"{finding.where}: {finding.what}" for finding in found.findings]
    if found.cut:
        notes.append(f"{found.cut} more findings are not shown")
    show(found, VERIFICATION, notes, outcome=Exit.FINDINGS if found.findings else Exit.DONE)
