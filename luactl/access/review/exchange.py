"""Files for reviewers without a terminal: one's items out, as CSV or JSON, and the decisions back in.

A file is bound to the snapshot: what comes back must be the very items that went out, of the same review. It
is recorded in the name of the login that brings it, as any other decision.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from ...config import write_private
from ...db import Session
from ...errors import RefusedError, UsageError
from .deciding import show_mine, spans, write_down
from .record import Item, find, items

FIXED = ("review", "snapshot", "no", "login", "holds", "rights")
"""What must come back as it went out."""
TOLD = ("path", "leads_to", "last_seen", "suggestion", "why")
ANSWERS = ("decision", "reason", "to")
LARGEST = 32 << 20


@dataclass(frozen=True)
class Exported:
    """A file that was written."""

    review_id: UUID
    file: str
    items: int
    digest: str
    """SHA-256 of the snapshot that it is bound to, in hex."""


@dataclass(frozen=True)
class Imported:
    """Decisions of a file that were recorded together."""

    decision: str
    reason: str | None
    to: str | None
    items: str
    """Numbers, such as 1,4-9."""


def export(session: Session, review_id: UUID, file: Path, *, dry_run: bool = False) -> Exported:
    """Write the items of this login's person to a new file (mode 0600): CSV, or JSON by its ending.

    From then on they count as shown. Raises NotFoundError, UsageError, RefusedError for a file that is there.
    """
    review = find(session, review_id)
    if file.exists():
        raise RefusedError(f"{file} is there already", hint="name a file that does not exist yet")
    found = items(session, review_id, mine=True)
    if not found:
        raise RefusedError("nothing of this review is yours to decide", hint="`luactl access review list`")
    if not dry_run:
        rows = [_row(review.digest, one) for one in found]
        try:
            write_private(file, _text(rows, as_json=file.suffix == ".json"))
        except OSError as error:
            raise UsageError(
                f"{file} cannot be written: {error.strerror}", hint="name another place"
            ) from None
        show_mine(session, review_id)
    return Exported(review_id, str(file), len(found), review.digest)


def _row(digest: str, one: Item) -> dict[str, str]:
    return {
        "review": str(one.review_id), "snapshot": digest, "no": str(one.item_no), "login": one.login,
        "holds": one.object, "rights": ", ".join(one.rights), "path": one.path,
        "leads_to": "; ".join(one.leads_to), "last_seen": one.last_seen or "unknown",
        "suggestion": one.suggestion, "why": "; ".join(one.why), "decision": one.decision or "",
        "reason": one.reason or "", "to": one.target or "",
    }  # fmt: skip


def _text(rows: Sequence[Mapping[str, str]], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(list(rows), ensure_ascii=False, indent=1) + "\n"
    out = io.StringIO()
    writer = csv.DictWriter(out, [*FIXED, *TOLD, *ANSWERS])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def import_(session: Session, file: Path, *, dry_run: bool = False) -> tuple[Imported, ...]:
    """Record the decisions of a file; rows without one wait. The same file again changes nothing.

    Raises UsageError for a file that is none, RefusedError when it is of another snapshot, or its items are
    not those of this login's person, or were changed.
    """
    rows = _read(file)
    review_id = _bound(session, rows)
    groups: dict[tuple[str, str | None, str | None], list[int]] = {}
    for row in rows:
        if row["decision"]:
            key = (row["decision"], row["reason"] or None, row["to"] or None)
            groups.setdefault(key, []).append(int(row["no"]))
    for try_only in (True, False) if not dry_run else (True,):
        for (decision, reason, to), numbers in groups.items():
            write_down(session, review_id, numbers, decision, reason, to, dry_run=try_only)
    return tuple(Imported(*key, spans(sorted(numbers))) for key, numbers in groups.items())


def _bound(session: Session, rows: Sequence[Mapping[str, str]]) -> UUID:
    """Return the review that a file is of, if it is what went out. Raises UsageError, RefusedError."""
    named = {(row["review"], row["snapshot"]) for row in rows}
    if len(named) != 1:
        raise UsageError("the file is not of one review", hint="`luactl access review export` writes one")
    review, digest = named.pop()
    try:
        review_id = UUID(review)
    except ValueError:
        raise UsageError(
            "the file names no review", hint="`luactl access review export` writes one"
        ) from None
    hint = f"`luactl access review export {review_id} FILE` writes one anew"
    if find(session, review_id).digest != digest:
        raise RefusedError("the file is of another snapshot than the review", hint=hint)
    mine = [{name: value for name, value in _row(digest, one).items() if name in FIXED}
            for one in items(session, review_id, mine=True)]  # fmt: skip
    came = [{name: row[name] for name in FIXED} for row in rows]
    if sorted(came, key=lambda row: row["no"]) != sorted(mine, key=lambda row: row["no"]):
        raise RefusedError("the items of the file are not those that are yours to decide", hint=hint)
    return review_id


def _read(file: Path) -> list[dict[str, str]]:
    hint = "give the file that `luactl access review export` wrote, with decisions filled in"
    try:
        with file.open("rb") as opened:
            text = opened.read(LARGEST).decode("utf-8-sig")
        is_json = text.lstrip().startswith("[")
        found: list[Any] = json.loads(text) if is_json else list(csv.DictReader(io.StringIO(text)))
        rows = [{name: row[name].strip() for name in (*FIXED, *ANSWERS)} for row in found]
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint=hint) from None
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error):
        raise UsageError(f"{file} is no file of a review", hint=hint) from None
    if not rows or not all(row["no"].isascii() and row["no"].isdigit() for row in rows):
        raise UsageError(f"{file} has no items, or one without a number", hint=hint)
    return rows
