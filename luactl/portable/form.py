"""What a line of an export must look like: the form of each file, read back strictly. Pure.

Raises ValueError with a reason that names fields, never what stood in them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

Read = Callable[[Any], Any]
Row = dict[str, Any]
LONGEST = 1 << 20
KINDS = frozenset({"note", "call", "email", "meeting", "visit", "message"})


def text(value: Any) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("is no text")
    return value


def uuid(value: Any) -> UUID:
    """Return an id, written in its one usual form."""
    found = UUID(text(value))
    if str(found) != value:
        raise ValueError("is no UUID in its usual form")
    return found


def moment(value: Any) -> datetime:
    """Return an instant, written in RFC 3339 with its offset."""
    found = datetime.fromisoformat(text(value))
    if found.tzinfo is None:
        raise ValueError("has no offset")
    return found


def day(value: Any) -> date:
    """Return a day, written as YYYY-MM-DD."""
    return date.fromisoformat(text(value))


def amount(value: Any) -> Decimal:
    """Return an exact decimal."""
    try:
        found = Decimal(text(value))
    except InvalidOperation:
        raise ValueError("is no decimal") from None
    if not found.is_finite():
        raise ValueError("is no number")
    return found


def number(value: Any) -> int:
    """Return a whole number from 1 on."""
    if type(value) is not int or value < 1:
        raise ValueError("is no number from 1 on")
    return value


def fields(value: Any) -> dict[str, Any]:
    """Return sealed fields: what canonical JSON of ASCII names can hold."""
    from ..key.classes import SealError
    from ..key.seal import encode

    if not isinstance(value, dict):
        raise ValueError("is no object")
    try:
        encode(value)
    except SealError as error:
        raise ValueError(error.what) from None
    return value


def one_of(allowed: frozenset[str]) -> Read:
    """Return what reads one of some words."""

    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"is none of {', '.join(sorted(allowed))}")
        return str(value)

    return read


def maybe(read: Read) -> Read:
    """Return what reads the same, or null as None."""
    return lambda value: None if value is None else read(value)


def lines(value: Any) -> list[Row]:
    """Return the lines of an invoice, each number once."""
    if not isinstance(value, list):
        raise ValueError("is no list")
    found = [row(LINE, one) for one in value]
    if len({one["line_no"] for one in found}) < len(found):
        raise ValueError("has a line number twice")
    return found


def texts(value: Any) -> list[str]:
    """Return a list of texts."""
    if not isinstance(value, list):
        raise ValueError("is no list")
    return [text(one) for one in value]


def network(value: Any) -> str:
    """Return a network as the database keeps it: a /24 or a /48."""
    from ipaddress import ip_network

    found = ip_network(text(value))
    if found.prefixlen != (24 if found.version == 4 else 48):
        raise ValueError("is no /24 and no /48")
    return str(found)


CONTACT: Mapping[str, Read] = {
    "contact_id": uuid,
    "subject_id": uuid,
    "created_at": moment,
    "updated_at": moment,
    "fields": fields,
}
INTERACTION: Mapping[str, Read] = {
    "interaction_id": uuid,
    "subject_id": uuid,
    "kind": one_of(KINDS),
    "occurred_at": moment,
    "created_at": moment,
    "fields": fields,
}
LINE: Mapping[str, Read] = {"line_no": number, "quantity": amount, "unit_price": amount, "fields": fields}
INVOICE: Mapping[str, Read] = {
    "invoice_id": uuid,
    "subject_id": uuid,
    "number": text,
    "issued_on": day,
    "currency": text,
    "total": amount,
    "retained_at": maybe(moment),
    "created_at": moment,
    "fields": fields,
    "lines": lines,
}
SESSION: Mapping[str, Read] = {
    "session_id": uuid,
    "subject_id": uuid,
    "since": moment,
    "seen_at": moment,
    "ended_at": moment,
    "network": maybe(network),
}
USER: Mapping[str, Read] = {
    "user_id": uuid,
    "subject_id": uuid,
    "state": one_of(frozenset({"active", "locked", "ended"})),
    "mfa": one_of(frozenset({"none", "totp", "webauthn"})),
    "created_at": moment,
    "ended_at": maybe(moment),
    "roles": texts,
    "fields": fields,
}
SUBJECT: Mapping[str, Read] = {
    "subject_id": uuid,
    "status": one_of(frozenset({"active", "erased"})),
    "created_at": moment,
    "erased_at": maybe(moment),
}
FORMS: Mapping[str, Mapping[str, Read]] = {
    "contacts.jsonl": CONTACT,
    "interactions.jsonl": INTERACTION,
    "invoices.jsonl": INVOICE,
    "subjects.jsonl": SUBJECT,
    "users.jsonl": USER,
    "sessions.jsonl": SESSION,
}
"""The form of a line, by file of data; an export may have one of secrets too."""


def row(form: Mapping[str, Read], value: Any) -> Row:
    """Return a row, its fields as they are used. Raises ValueError: a field is missing, unknown or wrong."""
    if not isinstance(value, dict):
        raise ValueError("is no object")
    for name in form.keys() ^ value.keys():
        raise ValueError(f"{name} is missing" if name in form else "it has a field that no export has")
    found = {}
    for name, read in form.items():
        try:
            found[name] = read(value[name])
        except (ValueError, TypeError, OverflowError) as error:
            own = (
                error.args[0]
                if type(error) is ValueError and str(error).startswith(("is ", "has "))
                else None
            )
            raise ValueError(f"{name} {own or 'is malformed'}") from None
    return found


def parse(form: Mapping[str, Read], line: bytes) -> Row:
    """Return the row of a line. Raises ValueError."""
    try:
        value = json.loads(line.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise ValueError("is no JSON in UTF-8") from None
    return row(form, value)
