"""The report of a closed review: a signed folder that an auditor checks offline (`luactl verify`)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from ...certificate import Act, canonical, check_free
from ...certificate.evidence import issue
from ...certificate.markdown import CLOSING, cell, table
from ...clock import instant
from ...db import Session, queries, transaction
from ...errors import RefusedError
from .chain import DECISIONS, KIND, OUTCOME, SNAPSHOT, head_of
from .pace import Pace, paces
from .record import Item, Review, find, items, snapshot_of


@dataclass(frozen=True)
class Report:
    """What a report says."""

    review_id: UUID
    folder: str
    state: str
    """complete; `pending: why`: this host could not sign or prove it."""
    population: int
    """Logins that could log in."""
    left_out: int
    """Those of whose access nothing was looked at."""
    items: int
    outcomes: dict[str, int]
    """Items by what became of them."""
    granted_since: int
    """Grants in the scope that are younger than the snapshot."""
    reviewers: tuple[Pace, ...]


def report(session: Session, review_id: UUID, folder: Path, *, dry_run: bool = False) -> Report:
    """Write the report of a closed review, signed and proved where this host can, with its ledger entry.

    Raises NotFoundError, RefusedError while it is open and for a folder with something else in it.
    """
    from ...ledger import Entry, append

    found = find(session, review_id)
    if found.closed_at is None:
        raise RefusedError("the review is open yet", hint=f"`luactl access review close {review_id}`")
    check_free(folder, str(review_id))
    act, told = _act(session, found, folder)
    if dry_run:
        return told
    detail = {"certificate": sha256(act.facts).hexdigest()}
    with transaction(session):
        entry = Entry("access.review.report", object=f"{KIND}:{review_id}", detail=detail)
        entry_id = append(session, entry)
    pending = issue(session, act, entry_id, folder)
    return replace(told, state=f"pending: {pending}" if pending else "complete")


def _act(session: Session, found: Review, folder: Path) -> tuple[Act, Report]:
    said, snapshot = snapshot_of(session, found.review_id)
    every = items(session, found.review_id)
    with transaction(session) as conn:
        bodies = [bytes(body) for (body,) in queries("access_review").bodies(conn, review_id=found.review_id)]
        outcome = bytes(queries("access_review").outcome(conn, review_id=found.review_id))
        handles = {str(id_): handle for id_, handle in queries("access_review").handles(conn)}
    pace = paces(map(json.loads, bodies), handles)
    facts = _facts(found, said, snapshot, bodies, json.loads(outcome), every, pace)
    left_out = sum(one["left_out"] is not None for one in said["population"])
    told = Report(
        found.review_id, str(folder), "planned", len(said["population"]), left_out, len(every),
        facts["outcomes"], len(facts["since"]), pace,
    )  # fmt: skip
    files = {SNAPSHOT: snapshot, DECISIONS: b"\n".join([*bodies, b""]), OUTCOME: outcome}
    return Act(KIND, str(found.review_id), canonical(facts), _document(facts, every), files=files), told


def _facts(found: Review, said: dict[str, Any], snapshot: bytes, bodies: list[bytes], outcome: dict[str, Any],
           every: tuple[Item, ...], pace: tuple[Pace, ...]) -> dict[str, Any]:  # fmt: skip
    outcomes: dict[str, int] = {}
    for one in every:
        outcomes[str(one.outcome)] = outcomes.get(str(one.outcome), 0) + 1
    return {
        "v": 1, "kind": KIND, "id": str(found.review_id), "title": found.title,
        "opened_at": instant(found.opened_at), "opened_by": found.opened_by,
        "closed_at": found.closed_at and instant(found.closed_at), "closed_by": found.closed_by,
        "due_at": instant(found.due_at), "months": found.months,
        "server": said["server"], "database": said["database"], "lsn": said["lsn"],
        "snapshot": {
            "sha256": sha256(snapshot).hexdigest(), "at": said["at"], "queries": said["queries"]["sha256"],
        },
        "scope": said["scope"],
        "population": len(said["population"]),
        "left_out": [one["login"] for one in said["population"] if one["left_out"] is not None],
        "decisions": {"count": len(bodies), "head": head_of(snapshot, bodies)},
        "reviewers": [asdict(one) for one in pace],
        "outcomes": outcomes,
        "items": [
            {"item": one.item_no, "login": one.login, "object": one.object, "decision": one.decision,
             "by": one.decided_by, "outcome": one.outcome, "statement": one.statement}
            for one in every
        ],
        "since": outcome["since"], "still": outcome["still"],
    }  # fmt: skip


def _document(facts: dict[str, Any], every: tuple[Item, ...]) -> str:
    """Return the same for people."""
    lines = [f"# Review of access: {cell(facts['title'])}", ""]
    rows = [
        ("review", facts["id"]), ("opened", f"{facts['opened_at']} by {facts['opened_by']}"),
        ("closed", f"{facts['closed_at']} by {facts['closed_by']}"),
        ("server", f"{facts['server']}, database {facts['database']}"),
        ("snapshot", f"{facts['snapshot']['at']}, LSN {facts['lsn']}, SHA-256 {facts['snapshot']['sha256']}"),
        ("population", f"{facts['population']} logins, {len(facts['left_out'])} outside the scope"),
        ("items", ", ".join(f"{count} {name}" for name, count in sorted(facts["outcomes"].items()))),
    ]  # fmt: skip
    lines += table(("", ""), rows)
    lines += ["## How it was decided", ""]
    lines += table(
        ("reviewer", "decisions", "kept", "median seconds", "largest batch", "looks waved through"),
        [(one["reviewer"], one["decisions"], one["kept"], f"{one['median_ms'] / 1000:.1f}",
          one["largest_batch"], one["waved_through"] or "no") for one in facts["reviewers"]],
    )  # fmt: skip
    lines += ["## What became of it", ""]
    lines += table(
        ("item", "login", "holds", "decision", "reason", "by", "outcome"),
        [(one.item_no, one.login, one.path if one.kind == "membership" else one.object,
          one.decision or "none", one.reason or "", one.decided_by or "", one.outcome) for one in every],
    )  # fmt: skip
    failed = [(one.item_no, one.statement) for one in every if one.outcome == "failed"]
    if failed:
        lines += ["## Left for a superuser", "", *table(("item", "statement"), failed)]
    if facts["since"]:
        rows_ = [(one["login"], one["object"], one["rights"], one["path"]) for one in facts["since"]]
        lines += ["## Granted since the snapshot", "", *table(("login", "object", "rights", "path"), rows_)]
    if facts["still"]:
        lines += ["## Taken, and reached in another way", ""]
        lines += table(("item", "path"), [(one["item_no"], one["path"]) for one in facts["still"]])
    lines += ["## Outside the scope", "", cell(", ".join(facts["left_out"]) or "nobody"), "", CLOSING, ""]
    return "\n".join(lines)
