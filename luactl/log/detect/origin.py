"""Where a rule's events stand: what `logsource` may say, which rows it means, what must be brought in.

A rule that asks a log which nobody brings in cannot find anything: `coverage` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..query import Every, Field, Node, Some, Text, Value
from .match import Problem

POSTGRES = ("csvlog", "jsonlog", "stderr")
SERVERS = (*POSTGRES, "jsonl", "journald")
TROUBLE = "trouble"


@dataclass(frozen=True)
class Service:
    """One log."""

    about: str
    kind: str
    """ledger, line, or trouble: what is wrong with the logs themselves."""
    reads: tuple[str, ...] = ()
    """Formats of the sources whose lines these are; none for what luactl keeps itself."""
    needs: tuple[str, ...] = ()
    """One source at least must be of one of these formats, and every one of them must be whole."""
    audited: bool = False
    """Whether the lines are those of pgaudit."""


SERVICES = {
    "ledger": Service("entries of the ledger: what luactl and the CRM say they did", "ledger"),
    "postgres": Service("lines of Postgres", "line", POSTGRES, POSTGRES),
    "audit": Service("lines of pgaudit", "line", POSTGRES, POSTGRES, audited=True),
    "application": Service("lines of the CRM and other services (JSON)", "line", ("jsonl",), ("jsonl",)),
    "journal": Service("lines of journald", "line", ("journald",), ("journald",)),
    "authentication": Service("lines of all servers about who comes in", "line", SERVERS, POSTGRES),
    TROUBLE: Service("what is wrong with ledger and sources: log.gap, ledger.late, ledger.missing", TROUBLE),
}
_WRITTEN = {
    ("luacrm", "ledger", None): "ledger",
    ("luacrm", "application", None): "application",
    ("luacrm", TROUBLE, None): TROUBLE,
    ("luacrm", "postgres", None): "postgres",
    ("postgresql", None, None): "postgres",
    ("postgresql", "audit", None): "audit",
    ("linux", "journald", None): "journal",
    (None, None, "authentication"): "authentication",
}
KEYS = ("product", "service", "category", "definition")


def service_of(said: Any, problem: Problem) -> str:
    """Return the name of the log that a `logsource` means. Raises what `problem` makes."""
    if not isinstance(said, dict) or set(said) - set(KEYS):
        raise problem("logsource takes product, service, category and definition", _known())
    which = tuple(said.get(key) for key in KEYS[:3])
    found = next((name for written, name in _WRITTEN.items() if written == which), None)
    if found is None:
        what = ", ".join(f"{key}: {said[key]}" for key in KEYS[:3] if key in said)
        raise problem(f"nothing is known of the log source {what[:80]!r}", _known())
    return found


def rows_of(service: Service, sources: dict[str, str]) -> Node:
    """Return the condition of a log's rows; `sources` are formats by name of source."""
    if service.kind != "line":
        return Field("kind", (Value((service.kind,)),))
    names = [name for name, format_ in sources.items() if format_ in service.reads]
    here: Node = Field("source", tuple(Value((name,)) for name in names)) if names else Some(())
    nodes = [Field("kind", (Value(("line",)),)), here]
    return Every((*nodes, Text("AUDIT"), _AUDITED) if service.audited else tuple(nodes))


_AUDITED = Field("message", (Value(("AUDIT: ", "")),))


def _known() -> str:
    said = (
        ", ".join(f"{name}: {value}" for name, value in zip(KEYS, which, strict=False) if value)
        for which in _WRITTEN
    )
    return "known: " + "; ".join(said)
