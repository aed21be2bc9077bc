"""`luactl restore`: what a restored database needs before anybody works with it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from luactl.errors import Exit

from .app import group
from .context import is_json, session
from .diagnostics import confirm, progress
from .options import DryRun, Yes
from .output import show, show_plan

if TYPE_CHECKING:
    from luactl.erasure import Unfinished
    from luactl.restore import RestorePlan

app = group("After a restore: keys from the book, what was erased goes again, the log goes on.")

LINES = (("what", "WHAT"), ("does", "WHAT IS DONE"))


@dataclass(frozen=True)
class Line:
    """One line of a plan, for people."""

    what: str
    does: str


def _advice(one: Unfinished) -> str:
    return "see `luactl processor notice list`" if one.kind == "notice" else "run it again"


def _lines(plan: RestorePlan) -> list[Line]:
    found = []
    if plan.keys:
        keys = plan.keys
        found.append(
            Line(
                f"key tree at epoch {keys.epoch_from}, book {keys.book} at {keys.epoch_to}",
                f"{keys.nodes} nodes, {keys.counters} counters, {keys.tombstones} tombstones come from it",
            )
        )
    for action in plan.recovery.actions if plan.recovery else ():
        found.append(Line(f"{action.where}, epoch {action.epoch}", action.what))
    found += [
        Line(
            f"{one.missing:,} signed entries of {one.origin} are lost ({one.anchor} knows of {one.size:,})",
            "the log goes on under a new name, which tells it",
        )
        for one in plan.lost
    ]
    for again in plan.again or ():
        people = len(again.people) + len(again.revived) + len(again.special)
        found.append(
            Line(
                f"{people:,} erased people and {len(again.periods):,} purged periods at {again.tenant}",
                "go again",
            )
        )
    found += [Line(f"tenant {slug}, which had ended", "end it again") for slug in plan.ended or ()]
    found += [Line(f"{one.kind} {one.id} of {one.tenant}", _advice(one)) for one in plan.unfinished]
    return found


@app.command("check")
def check(dry_run: DryRun = False, yes: Yes = False) -> None:
    """Bring a restored database to what it may be today; does nothing where nothing was restored.

    Run it after every restore, point-in-time recovery or failover, on the key host that is also the
    ledger host. Exit code 6 says that something is still not as it must be.

    Examples:
        luactl restore check --dry-run
        luactl restore check --yes
    """
    from luactl import restore
    from luactl.config import find_paths

    with session("restore check") as s:
        plan = restore.plan(s)
        if dry_run:
            show_plan(plan if is_json() else _lines(plan), LINES, [] if _lines(plan) else ["nothing to do"])
            return
        if not plan.is_clean:
            confirm(
                "Make this database the one that is worked with from now on?", yes=yes, name=s.profile.name
            )
        with progress("tenants and people") as advance:
            done = restore.check(s, find_paths().certificates, advance)
    notes = list(done.findings)
    notes += [
        f"{one.tenant}: {one.people + one.revived:,} people and {one.periods:,} periods were erased again"
        for one in done.replayed
    ]
    if done.origin:
        notes.append(f"the log goes on as {done.origin}; give its verifier key to whoever checks checkpoints")
    notes += [
        f"{one.kind} {one.id} of {one.tenant} is unfinished: {_advice(one)}" for one in done.plan.unfinished
    ]
    outcome = Exit.DONE if done.ok else Exit.FINDINGS
    if is_json():
        show(done, None, notes, outcome=outcome)
    else:
        show(_lines(done.plan), LINES, notes, outcome=outcome)
