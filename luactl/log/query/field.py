"""The fields of a query: what they are called, and what they may hold."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from ...errors import UsageError


@dataclass(frozen=True)
class Known:
    """A field of lua.activity that a query may name."""

    column: str
    choices: tuple[str, ...] = ()
    """What it can hold, if that is a short list."""


FIELDS = {
    "actor": Known("actor"),
    "behalf": Known("on_behalf"),
    "tenant": Known("tenant_id"),
    "subject": Known("subject"),
    "action": Known("action"),
    "object": Known("object"),
    "purpose": Known("purpose"),
    "outcome": Known("outcome", ("done", "intent", "failed", "refused")),
    "address": Known("address"),
    "session": Known("session"),
    "application": Known("application"),
    "severity": Known("severity"),
    "code": Known("code"),
    "source": Known("source_id"),
    "kind": Known("kind", ("ledger", "line")),
    "id": Known("id"),
    "text": Known("text"),
}
TIMES = ("since", "until")
DETAIL = "detail."
"""Begins the name of a field of an entry's detail in clear, in rules: detail.login."""
PARTS = {
    "minute": "minute", "hour": "hour", "day": "day", "week": "week", "month": "month", "year": "year",
    "weekday": "isodow",
}  # fmt: skip
"""Parts of a time, and what Postgres calls them; weekday: Monday is 1."""
SUBJECTS = "subjects"
"""How many people an entry is about, as a number."""


def known(name: str) -> Known:
    """Return a field by its name. Raises UsageError, with the name that was likely meant."""
    if name in FIELDS:
        return FIELDS[name]
    close = get_close_matches(name, [*FIELDS, *TIMES], 1)
    meant = f"did you mean {close[0]}:? " if close else ""
    raise UsageError(
        f"there is no field {name[:40]!r}",
        hint=f"{meant}fields: {', '.join([*FIELDS, *TIMES])}; put text with a colon in quotes",
    )
