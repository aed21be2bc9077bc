"""`luactl key`: where the key tree stands, finishing what a crash left, and checking all of it."""

from __future__ import annotations

from luactl.errors import Exit

from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Yes
from .output import show, show_plan

app = group("The key tree: its state, recovery and verification.")

STATUS = (
    ("state", "STATE"),
    ("epoch", "EPOCH"),
    ("nodes", "NODES"),
    ("holders", "HOLDERS"),
    ("books", "BOOKS"),
)
RECOVERY = (("state", "STATE"), ("epoch", "EPOCH"), ("actions", "ACTIONS"), ("answers", "ANSWERS"))
VERIFICATION = (("epoch", "EPOCH"), ("nodes", "NODES"), ("claims", "CLAIMS"), ("findings", "FINDINGS"))


@app.command("status")
def status_() -> None:
    """Show at which epoch the database, the key holders and the key books stand.

    Examples:
        luactl key status
    """
    from luactl import key

    with session("key status") as opened:
        found = key.status(opened)
    outcome = Exit.DONE if found.state is key.State.SETTLED else Exit.FINDINGS
    hints = {
        key.State.UNFINISHED: ["a change of the tree was not finished: `luactl key recover`"],
        key.State.BEHIND: [
            "the database is older than its keys: a restore, or a failover that lost a commit"
        ],
        key.State.BROKEN: ["a holder or a key book is missing, foreign or damaged"],
    }
    show(found, STATUS, hints.get(found.state, []), outcome=outcome)


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
