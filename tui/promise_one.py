"""One promise: what keeps it, how one would break it, and what trying that came to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from .facts import Facts
from .proving import Prove, Proving, Stop
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.promise import Clause, Proof, Standing, Verdict


class OnePromise(Proving):
    """One promise, with the evidence of a proof made from this terminal UI.

    The ledger keeps states alone, so an earlier proof has no evidence here: `p` proves anew.
    """

    ACTIONS = (Prove, Stop)
    OPENS = False

    def __init__(self, standing: Standing, verdict: Verdict | None) -> None:
        super().__init__()
        self.standing, self.verdict = standing, verdict

    def heading(self) -> str:
        """Return which promise it is."""
        return f"{self.standing.id} {self.progress or self.standing.promise}"

    def command_line(self) -> str:
        """Return the command that proves it."""
        return f"promise prove {self.standing.id}"

    def body(self) -> ComposeResult:
        """Lay out facts and evidence."""
        yield Facts()
        yield Table(Column("EVIDENCE", 12), Column(""), empty="no evidence here: p proves now")

    def load(self) -> None:
        """Show what is known; nothing is asked for that."""
        from luactl.promise import load

        self.query_one(Facts).tell(_facts(load().clause(self.standing.id), self.standing, self.verdict))
        if self.verdict is not None:
            self.show_rows(_rows(self.verdict))
        else:
            self.table.fill([])

    def chosen(self) -> Sequence[str]:
        """Return this one."""
        return [self.standing.id]

    def proven(self, proof: Proof) -> None:
        """Show what came of it."""
        from dataclasses import replace

        (self.verdict,) = proof.promises
        self.standing = replace(
            self.standing, state=self.verdict.state, at=proof.at, proven_by=self.console.actor,
            entry_id=proof.entry_id, waiver=self.verdict.waiver,
        )  # fmt: skip
        self.load()
        self.console.ask_clocks()


def _facts(clause: Clause, one: Standing, verdict: Verdict | None) -> list[tuple[str, str]]:
    proven = f", {one.at:%Y-%m-%d %H:%M} by {one.proven_by}" if one.at and one.state else ""
    facts = [("state", f"{one.state or 'never proven'}{proven}")]
    if verdict is not None:
        facts.append(("why", verdict.why))
    if one.waiver is not None:
        facts.append(("waived", str(one.waiver)))
    facts += [
        ("kept by", clause.means),
        ("attempt", clause.attempt),
        ("probe", clause.probe or "nothing looks yet"),
    ]
    return facts + ([("leaves out", clause.beyond)] if clause.beyond else [])


def _rows(verdict: Verdict) -> list[Row]:
    lines = [("broken", text, "bad") for text in verdict.broken]
    lines += [("not seen", text, "warn") for text in verdict.unseen]
    lines.append(("attempts", f"{verdict.attempts:,}", ""))
    lines += [
        (
            name.replace("_", " "),
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
            "",
        )
        for name, value in verdict.evidence.items()
    ]
    return [Row(number, (name, text), style, copy=text) for number, (name, text, style) in enumerate(lines)]
