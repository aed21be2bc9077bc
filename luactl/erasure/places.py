"""Every place where an erased person's data were or may be, and what was done there. Pure.

Words follow NIST SP 800-88 Rev. 2.

Cryptographic erase is as strong as what became of its key, so its level is the weakest of the root's
holders, and it takes effect when the last of them has destroyed the old root. It counts only for what never
lay there in clear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

NO_LEVEL = "no level claimed"
CE = "cryptographic erase of target data"
NONE = "none"
DELETED = "deleted"
LEFT = ("retired", "missing")
"""What became of an old root of which nobody knows that it is gone."""
STATES = {"destroyed": "effective", "scheduled": "scheduled"}
SEALED = "what is personal there is ciphertext, and its key hung below the root that was destroyed"

UNTIL = "until they are overwritten, or the backup ends; no date is known here"


@dataclass(frozen=True)
class Place:
    """One place, and what a certificate says of it."""

    place: str
    what: str
    """What lies or lay there."""
    method: str
    """cryptographic erase of target data, clear, purge (as a holder states), deleted, or none."""
    level: str
    """Clear or Purge, in words, or that no level is claimed."""
    why: str
    state: str
    """effective, scheduled, or remains."""
    scheduled_at: str | None
    """When it was ordered; None for what remains."""
    effective_at: str | None
    """From when on nothing can be read there; None for what remains without an end that we know."""


@dataclass(frozen=True)
class Facts:
    """What the list of places is made from."""

    tables: Mapping[str, bool]
    """Tables that rows went from, and whether nothing readable ever lay there or its past is gone."""
    holders: Sequence[Mapping[str, Any]]
    """As the certificate lists them: holder, old_root, level, scheduled_at, effective_at."""
    books: Sequence[str]
    standbys: int
    """Standbys and other receivers of the log that were connected."""
    retained: Sequence[Mapping[str, Any]]
    """What a duty keeps."""
    completed_at: str
    whole: bool
    """Whether it was the person, and not one class of their data."""


def places(facts: Facts) -> list[dict[str, Any]]:
    """Return every place as the certificate lists it."""
    rows = [*_tables(facts), *_copies(facts), *_keys(facts)]
    if facts.whole:
        rows += [*_beside(facts), *_of_users(facts), *_retained(facts)]
    return [asdict(one) for one in rows]


def _end(facts: Facts) -> str:
    """Return when the last holder has destroyed the old root."""
    ends = [str(one["effective_at"]) for one in facts.holders if one["effective_at"]]
    return max(ends, default=facts.completed_at)


def _level(facts: Facts) -> str:
    levels = {str(one["level"]) for one in facts.holders}
    if not levels or NO_LEVEL in levels:
        return NO_LEVEL
    return min(levels, key=lambda level: (not level.startswith("Clear"), level))


def _erased(facts: Facts, place: str, what: str, why: str = SEALED) -> Place:
    end = _end(facts)
    state = "effective" if end <= facts.completed_at else "scheduled"
    return Place(place, what, CE, _level(facts), why, state, facts.completed_at, end)


def _tables(facts: Facts) -> list[Place]:
    found = []
    for table, sealed in sorted(facts.tables.items()):
        if sealed:
            found.append(_erased(facts, f"table {table}", "sealed columns, dead rows and TOAST included"))
        else:
            why = "readable data lay there once, and it is not shown that all copies of them are gone"
            found.append(
                Place(f"table {table}", "rows", DELETED, NO_LEVEL, why, "remains", facts.completed_at, None)
            )
    return found


def _copies(facts: Facts) -> list[Place]:
    connected = (
        f"{facts.standbys} connected at that time" if facts.standbys else "none connected at that time"
    )
    return [
        _erased(facts, "write-ahead log", "full page images and changes, archived segments included"),
        _erased(facts, "standbys and log receivers", f"the same rows; {connected}"),
        _erased(facts, "backups", "base backups, snapshots and dumps of any age"),
        _erased(
            facts, "key tree in the database", "every older version of its nodes",
            "each chain of older versions ends at the root that was destroyed",
        ),
    ]  # fmt: skip


def _keys(facts: Facts) -> list[Place]:
    books = [
        _erased(
            facts, f"key book {book}", "sealed nodes of the newest state",
            "the dropped slots are empty there; older bytes hang below the root that was destroyed",
        )
        for book in facts.books
    ]  # fmt: skip
    holders = [
        Place(
            f"key holder {one['holder']}",
            "root secret of the epoch before",
            NONE if one["level"] == NO_LEVEL else one["level"].partition(" ")[0].lower(),
            one["level"],
            "the key itself, in the place that keeps it",
            STATES.get(one["old_root"], "remains"),
            one["scheduled_at"],
            one["effective_at"],
        )
        for one in facts.holders
    ]
    return [*books, *holders]


def _beside(facts: Facts) -> list[Place]:
    """Return what stands beside sealed columns: deleted, and in old copies still there."""
    return [
        Place(
            "old copies of the rows", "in clear: random ids, times, kinds of interactions", DELETED, NO_LEVEL,
            f"deleted in the database; dead rows, log and backups keep them {UNTIL}", "remains",
            facts.completed_at, None,
        ),
        Place(
            "old copies of blind indexes", "a few bits of keyed hashes of e-mail, phone and name", DELETED,
            NO_LEVEL, "each value fits several people", "remains", facts.completed_at, None,
        ),
        Place(
            "old copies of external ids", "keyed hashes in full width", DELETED, NO_LEVEL,
            "who knows an id and holds today's root secret can tell that it was there", "remains",
            facts.completed_at, None,
        ),
        _erased(
            facts, "ledger", "the way from its entries to the person",
            "the reference was sealed under the person's key; entries name nobody",
        ),
        Place(
            "record of the erasure", "the pseudonym: a random id", NONE, NO_LEVEL,
            "shows that it was done, and keeps anybody from being written anew under that id", "remains",
            None, None,
        ),
        Place(
            "server log, statement statistics", "nothing", NONE, NO_LEVEL,
            "no readable data are ever sent to the server", "effective", None, None,
        ),
    ]  # fmt: skip


def _of_users(facts: Facts) -> list[Place]:
    """Return what stands beside sealed columns of a user of the CRM, if one went."""
    if "crm.app_user" not in facts.tables:
        return []
    return [
        Place(
            "old copies of users", "in clear: state, second factor, roles, times and networks of sessions",
            DELETED, NO_LEVEL, f"deleted in the database; dead rows, log and backups keep them {UNTIL}",
            "remains", facts.completed_at, None,
        ),
        Place(
            "old copies of logins", "keyed hashes in full width", DELETED, NO_LEVEL,
            "who knows a login and holds today's root secret can tell that it was there", "remains",
            facts.completed_at, None,
        ),
    ]  # fmt: skip


def _retained(facts: Facts) -> list[Place]:
    found = []
    for one in facts.retained:
        what, why = f"{one['rows']} rows, {one['lines']} lines", f"readable by {one['readable_by']} alone"
        place, until = f"table {one['table']}, {one['period']}", one["until"]
        found.append(Place(place, what, NONE, NO_LEVEL, f"{one['ground']}; {why}", "remains", None, until))
    return found
