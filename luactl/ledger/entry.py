"""Entries: who did or saw what, as canonical bytes, written in the transaction of the change itself.

Owns the entry's fields and their canonical form (docs/reference/formats-ledger.md), which the database writes
out of the fields, and the two ways in: `append` for changes, `record_read` for whatever opens sealed values.
"""

from __future__ import annotations

import json
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
LONG_DETAIL = 10_000
"""Characters of a detail from which on the length of the whole entry is worked out beforehand."""
SAFE_INTEGER = (1 << 53) - 1
READ_BATCH = 1_000
MILLISECOND = timedelta(milliseconds=1)
MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Outcome = Literal["done", "intent", "failed", "refused"]

_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode

# What a connection is to the server never changes while it lives, so it is asked once.
_connections: WeakKeyDictionary[psycopg.Connection[Any], str] = WeakKeyDictionary()


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
    """What the database adds to every entry of a session."""

    actor: str
    on_behalf: str | None
    session: str
    address: str | None


def new_id(at: datetime) -> UUID:
    """Make a UUIDv7 for an instant, ordered to the microsecond (RFC 9562, 6.2, method 3)."""
    milliseconds, rest = divmod((at - _EPOCH) // MICROSECOND, 1_000)
    fraction = rest * 4096 // 1_000
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62))


def time_of(entry_id: UUID) -> datetime:
    """Return the instant that the id of an entry tells, to the millisecond."""
    return _EPOCH + (entry_id.int >> 80) * MILLISECOND


def time_text(at: datetime) -> str:
    """Write an instant as entries do: RFC 3339 in UTC with three decimals."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def canonical(entry: Entry, stamp: Stamp, entry_id: UUID) -> bytes:
    """Return the bytes that the database stores and hashes for an entry (RFC 8785).

    Raises UsageError for what an entry cannot hold: floats, NUL, lone surrogates, more than 65,535 bytes.
    """
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
    return _dumps(document).encode()


def _dumps(document: Mapping[str, Any]) -> str:
    """Return the canonical form of RFC 8785. Raises UsageError for what an entry cannot hold."""
    try:
        if _is_plain(document):
            text = _encode(document)
        else:
            import rfc8785

            text = rfc8785.dumps(document).decode()
        length = len(text.encode())
    except (
        ValueError,
        TypeError,
    ) as error:  # the package's own errors are ValueErrors, as those of UTF-8 are
        raise UsageError(f"the ledger cannot hold this entry: {error}") from error
    if "\\u0000" in text and "\\u0000" in text.replace("\\\\", ""):
        raise UsageError("the ledger cannot hold a NUL character")
    if length > LARGEST_BODY:
        raise UsageError(f"an entry of {length:,} bytes is too large for the ledger", hint="split the work")
    return text


def _is_plain(value: Any) -> bool:
    """Tell whether the standard library writes this as RFC 8785 does. Raises UsageError for a float."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return bool(-SAFE_INTEGER <= value <= SAFE_INTEGER)
    if kind is dict:
        for key, one in value.items():  # every entry comes by here: a loop takes a third of what `all` does
            if type(key) is not str or not key.isascii() or not (type(one) is str or _is_plain(one)):
                return False
        return True
    if isinstance(value, float):
        raise UsageError("the ledger holds no floats", hint="write decimals as strings")
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))
    return False


def _said(entry: Entry, session: Session) -> str | None:
    """Return the detail as the database takes it. Raises UsageError for what has no canonical form."""
    texts = (entry.action, entry.object, entry.purpose, entry.outcome, session.on_behalf)
    said = "".join([text for text in texts if text is not None])
    if "\0" in said or not said.isascii():
        _dumps({"text": said})
    if entry.detail is None:
        return None
    detail = _dumps(dict(entry.detail))
    if len(detail) > LONG_DETAIL:
        longest = Stamp(session.actor, session.on_behalf, _name(session), "f" * 39)
        canonical(entry, longest, UUID(int=0))
    return detail


def _name(session: Session) -> str:
    known = _connections.get(session.conn)
    if known is None:
        from ..pack import teach

        teach(session.conn)
        known = _connections[session.conn] = str(queries("ledger").identify(session.conn))
    return known


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
    listed = [_checked(entry) for entry in entries]
    ids = [entry.id or new_id(session.clock.now()) for entry in listed]
    if not listed:
        return ids
    from ..pack import Bigints, Texts, Uuids

    name, details = _name(session), [_said(entry, session) for entry in listed]
    queries("ledger").append(
        session.conn,
        ids=Uuids.of(ids),
        tenant_ids=Bigints.of([entry.tenant_id for entry in listed]),
        subjects=Uuids.of([entry.subject for entry in listed]),
        actions=Texts.of([entry.action for entry in listed]),
        objects=Texts.of([entry.object for entry in listed]),
        outcomes=Texts.of([entry.outcome for entry in listed]),
        purposes=Texts.of([entry.purpose for entry in listed]),
        details=Texts.of(details),
        on_behalf=session.on_behalf,
        session=name,
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
    with transaction(session, durable=True):
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
