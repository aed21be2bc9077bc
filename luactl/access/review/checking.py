"""Checking a review on record: the chain, the ledger, and whether the catalog still says what was decided."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from ...db import Session, queries, transaction
from .record import find, snapshot_of


@dataclass(frozen=True)
class Check:
    """One thing that was checked."""

    check: str
    state: str
    """holds or broken."""
    what: str


def verify(session: Session, review_id: UUID) -> tuple[Check, ...]:
    """Recompute everything that a review claims. Raises NotFoundError."""
    find(session, review_id)
    said, data = snapshot_of(session, review_id)
    with transaction(session, snapshot=True) as conn:
        noun = queries("access_review")
        opened, digest, head, count = noun.chained(conn, review_id=review_id)
        decisions = list(noun.decisions(conn, review_id=review_id))
        stored = list(noun.stored(conn, review_id=review_id))
        back = list(noun.back_again(conn, review_id=review_id))
        recorded = set(noun.recorded(conn, review_id=review_id, digest=sha256(data).hexdigest()))
    return (
        _check(
            "snapshot", _snapshot(said, data, bytes(digest), stored), f"SHA-256 {sha256(data).hexdigest()}"
        ),
        _check("decisions", _chain(data, decisions, bytes(head), count), f"{count:,} in one chain"),
        _check("ledger", _ledger(recorded, opened, decisions), "each opening and decision has its entry"),
        _check("catalog", _back(back), "what was revoked is still gone"),
    )


def _check(name: str, wrong: Iterator[str], right: str) -> Check:
    found = list(wrong)
    more = f" (and {len(found) - 1:,} more)" if len(found) > 1 else ""
    return Check(name, "broken" if found else "holds", f"{found[0]}{more}" if found else right)


def _snapshot(said: dict[str, Any], data: bytes, digest: bytes, stored: list[Any]) -> Iterator[str]:
    if sha256(data).digest() != digest:
        yield "it is not what its digest says"
    frozen = [
        (one["no"], one["login"], one["person"], one["kind"], one["object"], one["rights"])
        for one in said["items"]
    ]
    if frozen != [(no, login, person and str(person), kind, object_, rights)
                  for no, login, person, kind, object_, rights in stored]:  # fmt: skip
        yield "the items on record are not those of the snapshot"


def _chain(data: bytes, decisions: list[Any], head: bytes, count: int) -> Iterator[str]:
    before = sha256(data).digest()
    for number, item, decision, person, by, ms, batch, body, digest, _entry in decisions:
        before = sha256(before + bytes(body)).digest()
        said = json.loads(bytes(body))
        if before != bytes(digest):
            yield f"decision {number} does not follow from the one before"
        stated = [said[name] for name in ("no", "item", "decision", "person", "by", "ms", "batch")]
        if stated != [number, item, decision, str(person), by, ms, batch]:
            yield f"decision {number} is on record otherwise than it was hashed"
    if before != head or count != len(decisions):
        yield "the last decision is not the head of the chain"


def _ledger(recorded: set[Any], opened: UUID, decisions: list[Any]) -> Iterator[str]:
    if (opened, "access.review.open") not in recorded:
        yield "the ledger does not have this snapshot"
    for number, *_rest, entry in decisions:
        if (entry, "access.review.decide") not in recorded:
            yield f"the ledger does not have decision {number}"


def again_held(session: Session, review_id: UUID) -> tuple[str, ...]:
    """Return, a line each, what a closed review took from somebody and the catalog says that they have."""
    with transaction(session) as conn:
        back = list(queries("access_review").back_again(conn, review_id=review_id))
    return tuple(_back(back))


def _back(back: list[Any]) -> Iterator[str]:
    for item, login, object_ in back:
        yield f"item {item}: {login} has {object_}"
