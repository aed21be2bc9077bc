"""The end of the story: what is old leaves the log."""

from __future__ import annotations

from datetime import UTC, datetime

from support_story import Case, Rule, World, covering, rows
from support_whole import luactl


def integrate(_w: World) -> None:
    """Bring every entry under a checkpoint that the anchors have."""
    assert luactl("ledger", "integrate").code == 0


PRUNED = {
    "ledger anchor add": (
        Case(
            lambda w: (f"file:{w.folder}/second-anchor",),
            (Rule("", "files", "ledger.anchor.add", ("intent", "done")),),
            again=5,
        ),
    ),
    "ledger anchor remove": (
        Case(
            lambda w: (f"file:{w.folder}/second-anchor",),
            (Rule("", "files", "ledger.anchor.remove", ("intent", "done")),),
            again=1,
        ),
    ),
    "ledger export-tiles": (Case(lambda w: (str(w.folder / f"tiles-{len(list(w.folder.iterdir()))}"),)),),
    "ledger prune": (
        Case(
            lambda w: ("--before", datetime.now(UTC).isoformat()),
            (Rule("ledger.minimum", "insert", "ledger.prune"),),
            covering(rows("ledger.entry", "ledger.leaf", how="delete")),
            prepare=integrate,
        ),
    ),
}
