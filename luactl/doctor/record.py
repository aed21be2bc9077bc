"""Checks of the ledger, its anchors, and of work that was begun and not finished."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ..erasure.record import unfinished as unfinished_work
from ..ledger import status
from .finding import Finding, Look

MOST_LAG = timedelta(days=1)
FINISHED_BY = {
    "erasure": "erasure run --resume --tenant {}",
    "purge": "retention purge --tenant {}",
    "termination": "tenant terminate {}",
    "notice": "processor notice list --tenant {}",
    "log purge": "retention purge --log",
}
"""What finishes work of each kind that was cut short, or shows whom to remind."""


def ledger(look: Look) -> Iterator[Finding]:
    """Yield entries that have waited too long for a checkpoint: until then they can be changed unseen."""
    found = status(look.opened)
    if found.lag_seconds > MOST_LAG.total_seconds():
        hours = found.lag_seconds / 3600
        where = "here" if found.signs_here else "on the ledger's host, which has the signing key"
        yield Finding(
            f"{found.pending:,} ledger entries wait for a checkpoint, the oldest for {hours:,.0f} h",
            f"run `luactl ledger integrate` {where}, and every hour from cron",
        )


def anchors(look: Look) -> Iterator[Finding]:
    """Yield anchors that are missing, cannot be read, or do not have the newest checkpoint."""
    found = status(look.opened)
    if found.signs_here and not found.anchors:
        yield Finding(
            "no anchor knows the ledger's checkpoints", 'name one in the profile: anchors = ["file:…"]'
        )
    for one in found.anchors:
        if one.problem:
            yield Finding(
                f"anchor {one.anchor}: {one.problem}", "`luactl ledger verify` says what is at stake"
            )
        elif not one.current:
            yield Finding(f"anchor {one.anchor} lacks the newest checkpoint", "run `luactl ledger integrate`")


def unfinished(look: Look) -> Iterator[Finding]:
    """Yield erasures, purges and ends of tenants that were cut short, and notices that nobody confirmed."""
    for one in unfinished_work(look.opened):
        what, since = f"{one.kind} {one.id} of tenant {one.tenant}", f"{one.since:%Y-%m-%d %H:%M} UTC"
        command = f"`luactl {FINISHED_BY[one.kind].format(one.tenant)}`"
        if one.kind == "notice":
            yield Finding(
                f"{what} has not been confirmed since {since}", f"{command} says who must be told or reminded"
            )
        else:
            yield Finding(f"{what} was cut short at {since}", f"run {command}: it finishes what was begun")
