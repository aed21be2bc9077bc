"""Entries: who did or saw what, as canonical bytes, written in the transaction of the change itself.

Owns the entry's fields and their canonical form (docs/reference/formats-ledger.md) and the two ways in:
`append` for changes, `record_read` for whatever opens sealed values.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID
from weakref import WeakKeyDictionary

from ..db import Session, queries, transaction
from ..errors import UsageError

if TYPE_CHECKING:
    import psycopg

VERSION = 1
LARGEST_BODY = 65_535
READ_BATCH = 1_000
MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Outcome = Literal["done", "intent", "failed", "refused"]

# What a connection is to the server never changes while it lives, so it is asked once.
_connections: WeakKeyDictionary[psycopg.Connection[Any], tuple[str, str | None]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Entry:
    """What the caller knows about one entry; actor, time, session and address are added by `append`."""

    action: str
    """`noun.verb`, lower case; `read` for what opened sealed values."""
    tenant_id: int = 0
    """0: no tenant."""
    object: str | None = None
    """What was acted on, as `kind:name`. Never a subject's id, name or address."""
    subject: UUID | None = None
    """Ledger reference of the one person concerned (see `references`), never the subject's id."""
    purpose: str | None = None
    """Why."""
    outcome: Outcome = "done"
    """`intent` stands before work that spans more than one transaction; an entry with the outcome follows."""
    detail: Mapping[str, Any] | None = None
    """JSON without personal data; what is personal goes through `sealed_detail`. No floats."""
    id: UUID | None = None
    """Only where the detail is bound to it: an id that `new_id` made."""


@dataclass(frozen=True)
class Stamp:
    """What `append` adds to every entry of a session."""

    actor: str
    on_behalf: str | None
    session: str
    address: str | None


def new_id(at: datetime) -> UUID:
    """Make a UUIDv7 for an instant, ordered to the microsecond (RFC 9562, 6.2, method 3)."""
    milliseconds, rest = divmod(at - _EPOCH, MILLISECOND)
    fraction = rest.microseconds * 4096 // 1000
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62))


def time_of(entry_id: UUID) -> datetime:
    """Return the instant that the id of an entry tells, to the millisecond."""
    return _EPOCH + (entry_id.int >> 80) * MILLISECOND


def time_text(at: datetime) -> str:
    """Write an instant as entries do: RFC 3339 in UTC with three decimals."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def canonical(entry: Entry, stamp: Stamp, entry_id: UUID) -> bytes:
    """Return the bytes that are stored and hashed (RFC 8785).

    Raises UsageError for what an entry cannot hold: floats, NUL, lone surrogates, more than 65,535 bytes.
    """
    import rfc8785

    document = {
        "v": VERSION,
        "id": str(entry_id),
        "at": time_text(time_of(entry_id)),
        "actor": stamp.actor,
        "on_behalf": stamp.on_behalf,
        "session": stamp.session,
        "address": stamp.address,
        "tenant": entry.tenant_id,
        "subject": None if entry.subject is None else str(entry.subject),
        "purpose": entry.purpose,
        "action": entry.action,
        "object": entry.object,
        "outcome": entry.outcome,
        "detail": None if entry.detail is None else dict(entry.detail),
    }
    _refuse_floats(document["detail"])
    try:
        body = rfc8785.dumps(document)  # type: ignore[arg-type]
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise UsageError(f"the ledger cannot hold this entry: {error}") from error
    if b"\\u0000" in body.replace(b"\\\\", b""):
        raise UsageError("the ledger cannot hold a NUL character")
    if len(body) > LARGEST_BODY:
        raise UsageError(
            f"an entry of {len(body):,} bytes is too large for the ledger", hint="split the work"
        )
    return body


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise UsageError("the ledger holds no floats", hint="write decimals as strings")
    if isinstance(value, Mapping):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)


def _stamp(session: Session) -> Stamp:
    known = _connections.get(session.conn)
    if known is None:
        known = _connections[session.conn] = tuple(queries("ledger").identify(session.conn))
    return Stamp(session.actor, session.on_behalf, *known)


def append(session: Session, entry: Entry) -> UUID:
    """Write one entry in the transaction that is open; returns its id.

    The entry appears with the change or not at all. Raises RuntimeError outside a transaction, UsageError for
    an entry that has no canonical form.
    """
    return append_all(session, [entry])[0]


def append_all(session: Session, entries: Iterable[Entry]) -> list[UUID]:
    """Write many entries in one statement of the transaction that is open; returns their ids in order."""
    from psycopg.pq import TransactionStatus

    if session.conn.info.transaction_status != TransactionStatus.INTRANS:
        raise RuntimeError("an entry belongs to the transaction of its change, and none is open")
    stamp = _stamp(session)
    listed = [_checked(entry) for entry in entries]
    ids = [entry.id or new_id(session.clock.now()) for entry in listed]
    if not listed:
        return ids
    queries("ledger").append(
        session.conn,
        actor=stamp.actor,
        ids=ids,
        ats=[time_of(id_) for id_ in ids],
        tenant_ids=[entry.tenant_id for entry in listed],
        subjects=[entry.subject for entry in listed],
        actions=[entry.action for entry in listed],
        objects=[entry.object for entry in listed],
        outcomes=[entry.outcome for entry in listed],
        bodies=[canonical(entry, stamp, id_) for entry, id_ in zip(listed, ids, strict=True)],
    )
    return ids


def _checked(entry: Entry) -> Entry:
    names_people = entry.detail is not None and "references" in entry.detail
    if names_people != (entry.action == "read"):
        raise UsageError("a read names its references in the detail, and no other entry does")
    return entry


def record_read(
    session: Session,
    tenant_id: int,
    references: Sequence[UUID],
    purpose: str,
    object: str,
    count: int | None = None,
) -> list[UUID]:
    """Commit that somebody is about to open sealed values; returns the entries' ids.

    `references` are the ledger references of those concerned, `object` what is opened (a table, a list),
    `count` how many values (as many as references, when None). Up to 1,000 references make one entry. Runs in
    a transaction of its own that is durable before this returns: no entry, no plaintext. Nothing to open
    leaves no entry. Raises RuntimeError inside a transaction.
    """
    total = len(references) if count is None else count
    batches = [references[i : i + READ_BATCH] for i in range(0, len(references), READ_BATCH)]
    if not batches and total:
        batches = [references]
    with transaction(session) as conn:
        conn.execute("SET LOCAL synchronous_commit = on")
        return append_all(
            session,
            [
                Entry(
                    action="read",
                    tenant_id=tenant_id,
                    object=object,
                    purpose=purpose,
                    detail={
                        "command": session.command,
                        "count": total,
                        "part": part,
                        "parts": len(batches),
                        "references": [str(reference) for reference in batch],
                    },
                )
                for part, batch in enumerate(batches, 1)
            ],
        )
