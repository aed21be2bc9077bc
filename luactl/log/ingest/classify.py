"""What a line of a Postgres server is about: its action, outcome and object, from what it says. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from . import mask
from .postgres import row
from .record import Record

_STATEMENT = re.compile(
    r"(?P<head>(?:duration: [\d.]+ ms  )?(?:statement|(?:execute|parse|bind|fastpath[^:]*)(?: [^:]*)?): )"
    r"(?P<sql>.*)",
    re.DOTALL,
)
_COMMENTS = re.compile(r"\A(?:\s|--[^\n]*\n|/\*.*?\*/|\()+", re.DOTALL)
_KINDS = {
    "statement.read": "SELECT TABLE VALUES SHOW FETCH WITH",
    "statement.write": "INSERT UPDATE DELETE MERGE TRUNCATE",
    "statement.role": "GRANT REVOKE REASSIGN",
    "statement.ddl": "CREATE ALTER DROP COMMENT REINDEX CLUSTER REFRESH IMPORT SECURITY",
}
_ACTIONS = {word: action for action, words in _KINDS.items() for word in words.split()}
_AUDIT = {
    "READ": "statement.read", "WRITE": "statement.write", "DDL": "statement.ddl", "ROLE": "statement.role",
}  # fmt: skip
_EVENTS = (
    (re.compile(r"(?:replication )?connection authorized"), "login"),
    (re.compile(r"disconnection: "), "logout"),
    (re.compile(r"database system is ready|starting PostgreSQL"), "server.start"),
    (
        re.compile(r"received .* shutdown request|database system is shut down|terminating any other active"),
        "server.stop",
    ),
    (re.compile(r"received SIGHUP"), "server.reload"),
    (re.compile(r'parameter "[^"]*" (?:changed to|removed from|cannot be changed)'), "server.setting"),
)
# Where log_line_prefix has no %e, the sentence says it.
_NO_ENTRY = re.compile(
    r"(?:\w+ )?authentication failed|no pg_hba\.conf entry|pg_hba\.conf rejects"
    r'|role "[^"]*" (?:does not exist|is not permitted)|database "[^"]*" does not exist'
    r"|sorry, too many clients|remaining connection slots|too many connections for"
)
_NO_RIGHT = re.compile(
    r"permission denied|must be (?:owner|superuser|member)|new row violates row-level security"
)
REFUSALS = ("28", "42501")
FAILURES = ("ERROR", "FATAL", "PANIC")


class Kind(NamedTuple):
    """What a line is about, and what of it may be read by everybody who reads the log."""

    action: str
    outcome: str
    object: str | None
    message: str
    """With what a person typed masked."""


def kind_of_sql(sql: str) -> str:
    """Return the action of a statement by its first word; `WITH … INSERT` counts as writing."""
    text = _COMMENTS.sub("", sql)
    word = re.match(r"[A-Za-z]*", text)
    first = word[0].upper() if word else ""
    if first == "WITH" and re.search(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b", text, re.IGNORECASE):
        return "statement.write"
    if first in ("CREATE", "ALTER", "DROP") and re.match(r"\w+\s+(?:ROLE|USER|GROUP)\b", text, re.IGNORECASE):
        return "statement.role"
    if first == "COPY":
        return (
            "statement.write"
            if re.search(r"\bFROM\b", mask.statement(text), re.IGNORECASE)
            else "statement.read"
        )
    return _ACTIONS.get(first, "statement.misc")


def classify(record: Record) -> Kind:
    """Say what a record is about. What its source says itself goes first."""
    outcome = record.outcome or _outcome(record)
    if record.action is not None:
        return Kind(record.action, outcome, record.object, _whole(record, mask.prose(record.message)))
    if record.message.startswith("AUDIT: "):
        return _audited(record)
    if match := _STATEMENT.fullmatch(record.message):
        said = match["head"] + mask.statement(match["sql"])
        return Kind(kind_of_sql(match["sql"]), outcome, record.object, _whole(record, said))
    return Kind(_event(record), outcome, record.object, _whole(record, mask.prose(record.message)))


def _outcome(record: Record) -> str:
    if record.severity not in FAILURES:
        return "done"
    if record.code is not None:
        return "refused" if record.code.startswith(REFUSALS) else "failed"
    refused = (
        _NO_ENTRY.match(record.message) if record.severity == "FATAL" else _NO_RIGHT.match(record.message)
    )
    return "refused" if refused else "failed"


def _event(record: Record) -> str:
    if record.severity in FAILURES:
        return "login.failed" if record.severity == "FATAL" and _is_login(record) else "error"
    return next((action for pattern, action in _EVENTS if pattern.match(record.message)), "line")


def _is_login(record: Record) -> bool:
    if record.code is not None:
        return record.code[:2] in ("28", "3D", "53")
    return _NO_ENTRY.match(record.message) is not None


def _whole(record: Record, said: str) -> str:
    """One text of message, detail, hint, context and statement, masked."""
    more = (
        ("DETAIL", record.detail, mask.detail), ("HINT", record.hint, mask.prose),
        ("CONTEXT", record.context, mask.prose), ("STATEMENT", record.statement, mask.statement),
    )  # fmt: skip
    return "\n".join([said, *(f"{name}: {masked(text)}" for name, text, masked in more if text)])


def _audited(record: Record) -> Kind:
    """A line of pgaudit: AUDIT: kind,statement,substatement,class,command,type,name,statement,parameters."""
    said = record.message.removeprefix("AUDIT: ")
    fields = row(re.sub(r"[\r\n]", " ", said), strict=False)
    fields += [""] * (9 - len(fields))
    kind, number, part, class_, command, type_, name, sql = fields[:8]
    action = _AUDIT.get(class_, "statement.misc")
    said = f"AUDIT: {kind},{number},{part},{class_},{command},{type_},{name},{mask.statement(sql)}"
    return Kind(action, _outcome(record), f"{type_.lower()}:{name}" if name else None, _whole(record, said))
