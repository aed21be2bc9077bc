"""Pruning: what is older than the published retention goes from the log, and the rest stays provable.

Everything below a *minimum index* goes: entries, and the leaf hashes of tiles that lie wholly below it. The
roots of full subtrees stay, so no checkpoint changes (C2SP tlog-tiles). The minimum is a note that the log's
own key signs, and an entry tells of it in the same transaction: `verify` wants both: nobody raises it unseen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ..db import Session, queries, transaction
from ..errors import RefusedError, UsageError
from ..exclusive import hold
from .entry import Entry, append
from .note import NoteError, Signer, Verifier, open_note
from .origin import own_signer
from .report import Report
from .status import status
from .tree import minimum

if TYPE_CHECKING:
    from ..approval import Granted

ACTION = "ledger.prune"
_TEXT = re.compile(r"([^\n]+)\nminimum ([1-9][0-9]{0,17})\n")


@dataclass(frozen=True)
class PrunePlan:
    """What goes, and what stays."""

    before: datetime
    minimum: int
    """Entries below this index go."""
    was: int
    """The minimum index up to now."""
    entries: int
    """How many entries go."""
    size: int
    """Entries under the newest checkpoint; all their proofs from `minimum` on stay."""

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to prune."""
        return self.minimum <= self.was


def plan_prune(session: Session, before: datetime) -> PrunePlan:
    """Find what can go: all that stands before the first entry of that time or later.

    An entry that was written earlier and committed late stays until that one goes. Raises UsageError for a
    time to come, RefusedError off the ledger host and unless every anchor has the newest checkpoint.
    """
    if before > session.clock.now():
        raise UsageError("only what is past can be pruned", hint="give --before a time in the past")
    own_signer(session)
    found = status(session)
    behind = [one.anchor for one in found.anchors if one.problem or not one.current]
    if behind or not found.anchors:
        raise RefusedError(
            f"anchor {behind[0]} does not have the newest checkpoint" if behind else "there is no anchor",
            hint="checkpoints held elsewhere vouch for what is pruned: `luactl ledger integrate` first",
        )
    was, _note = minimum(session.conn)
    first = queries("ledger").first_since(session.conn, before=before)
    reached = min(found.size if first is None else int(first), max(found.size - 1, 0))
    entries = queries("ledger").prunable(session.conn, minimum=reached)
    return PrunePlan(before, reached, was, entries, found.size)


def prune(session: Session, plan: PrunePlan) -> PrunePlan:
    """Carry a plan out, in one transaction with the entry that tells it. Nothing to prune changes nothing.

    Raises what `plan_prune` raises, ApprovalNeededError where a rule demands an approval of this very
    minimum, BusyError while somebody integrates.
    """
    from ..approval import use
    from .integrate import LEDGER_LOCK, busy

    signer = own_signer(session)
    if plan.nothing:
        return plan
    granted = _demand(session, signer, plan)
    note = signer.sign(_text(signer, plan.minimum))
    with hold(session.conn, LEDGER_LOCK, busy()), transaction(session, durable=True) as conn:
        if granted:
            use(session, granted)
        at = session.clock.now()
        queries("ledger").prune(conn, minimum=plan.minimum, note=note, at=at)
        detail = {"before": plan.before.isoformat(), "entries": plan.entries, "minimum": plan.minimum}
        append(session, Entry(ACTION, object="ledger:entries", detail=detail))
    return plan


def _demand(session: Session, signer: Signer, plan: PrunePlan) -> Granted | None:
    from ..approval import Want, demand

    exact = {"origin": signer.name, "minimum": str(plan.minimum)}
    summary = f"Prune the log below index {plan.minimum:,}: {plan.entries:,} entries go for good"
    want = Want(ACTION, f"{ACTION} {signer.name}", summary, exact, {"ledger.entry": plan.entries})
    return demand(session, want)


def _text(signer: Signer, index: int) -> str:
    return f"{signer.name}\nminimum {index}\n"


def checked_minimum(session: Session, report: Report, keys: Sequence[Verifier]) -> int:
    """Return the minimum index if it is signed and told by an entry of the log; 0 and a finding otherwise."""
    index, note = minimum(session.conn)
    if not index:
        return 0
    try:
        opened = open_note(note, keys)
    except NoteError as error:
        report.add(f"the minimum index {index:,}: {error.what}")
        return 0
    match = _TEXT.fullmatch(opened.text)
    if match is None or match[1] not in opened.signers or int(match[2]) != index:
        report.add(f"the minimum index {index:,} says something else than was signed")
        return 0
    if index not in _told(session):
        report.add(f"no entry of the log tells that entries below {index:,} were pruned")
    return index


def _told(session: Session) -> set[int]:
    found = set()
    for (body,) in list(queries("ledger").pruned(session.conn)):
        try:
            found.add(int(json.loads(bytes(body))["detail"]["minimum"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found
