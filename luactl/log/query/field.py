"""The fields of a query: what they are called, and what they may hold."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from ...errors import UsageError


@dataclass(frozen=True)
class Known:
    """A field of lua.activity that a query may name."""

    column: str
    help: str
    choices: tuple[str, ...] = ()
    """What it can hold, if that is a short list."""


FIELDS = {
    "actor": Known("actor", "login that did it"),
    "behalf": Known("on_behalf", "whom the CRM says it acted for"),
    "tenant": Known("tenant_id", "slug or number of a tenant; `none`"),
    "subject": Known("subject", "ledger reference of a person: about them, or a read that opened their data"),
    "action": Known("action", "such as read, erasure.run, login.failed, statement.ddl"),
    "object": Known("object", "what was acted on"),
    "purpose": Known("purpose", "why"),
    "outcome": Known("outcome", "how it ended", ("done", "intent", "failed", "refused")),
    "address": Known("address", "where from: an address, 10.0.*, or a network such as 10.0.0.0/8"),
    "session": Known("session", "as in the server's log (%c)"),
    "application": Known("application", "application_name"),
    "severity": Known("severity", "of a line: LOG, WARNING, ERROR, FATAL, PANIC"),
    "code": Known("code", "SQLSTATE of a line"),
    "source": Known("source_id", "where a line came from, by name"),
    "kind": Known("kind", "which store", ("ledger", "line")),
    "id": Known("id", "id of an entry or a line"),
    "text": Known("text", "a word or phrase, as without a field"),
}
TIMES = ("since", "until")


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
