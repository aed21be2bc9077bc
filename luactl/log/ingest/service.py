"""JSON lines of services (the CRM's own log) and the export format of journald."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from .record import Record
from .stamp import stamp

LONGEST_FIELD = 16 << 20
_NAMES = {
    "actor": ("actor", "user.name", "user"),
    "on_behalf": ("on_behalf", "behalf", "user.effective.name"),
    "tenant": ("tenant", "organization.id"),
    "action": ("action", "event.action"),
    "object": ("object", "url.path"),
    "purpose": ("purpose",),
    "outcome": ("outcome", "event.outcome"),
    "address": ("address", "source.ip", "client"),
    "session": ("session", "session.id"),
    "application": ("application", "service.name", "service"),
    "message": ("message", "msg"),
    "severity": ("severity", "level", "log.level"),
    "at": ("at", "@timestamp", "timestamp", "time", "ts"),
}
_OUTCOMES = {
    "done": "done", "success": "done", "ok": "done", "failed": "failed", "failure": "failed",
    "error": "failed", "refused": "refused", "denied": "refused",
}  # fmt: skip
_ACTION = re.compile(r"[a-z][a-z-]*(\.[a-z][a-z-]*)*")
_PRIORITIES = ("PANIC", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
_SSH = (
    (re.compile(r"Accepted \S+ for (?P<actor>\S+) from (?P<address>\S+)"), "login", "done"),
    (
        re.compile(r"Failed \S+ for (?:invalid user )?(?P<actor>\S+) from (?P<address>\S+)"),
        "login.failed",
        "refused",
    ),
    (re.compile(r"Invalid user (?P<actor>\S+) from (?P<address>\S+)"), "login.failed", "refused"),
)


def read_jsonl(text: str, zone: str) -> Record:
    """Read a line of a service: our names or those of ECS. Raises ValueError for what has no time."""
    said = json.loads(text)
    if not isinstance(said, dict):
        raise ValueError("not a JSON object")
    found = {name: _first(said, names) for name, names in _NAMES.items()}
    at = _time(found.pop("at"), zone)
    severity, message = found.pop("severity"), found.pop("message")
    outcome, action = found.pop("outcome"), found.pop("action")
    subject = _first(said, ("subject",))
    is_action = action is not None and _ACTION.fullmatch(action)
    return Record(
        at=at, message=message or "", severity=(severity or "INFO").upper(),
        action=action if is_action else "line", outcome=_OUTCOMES.get((outcome or "done").lower(), "failed"),
        subject=_uuid(subject), actor=found["actor"], on_behalf=found["on_behalf"], tenant=found["tenant"],
        object=found["object"], purpose=found["purpose"], address=found["address"], session=found["session"],
        application=found["application"],
    )  # fmt: skip


def _first(said: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of these names that has a value; a dot also leads into an object."""
    for name in names:
        value: Any = said.get(name)
        if value is None and "." in name:
            outer, _dot, inner = name.partition(".")
            nested = said.get(outer)
            value = _first(nested, (inner,)) if isinstance(nested, dict) else None
        if value not in (None, "") and not isinstance(value, (dict, list)):
            return str(value)
    return None


def _time(text: str | None, zone: str) -> datetime:
    """RFC 3339, or seconds (or milliseconds) since 1970."""
    if text is None:
        raise ValueError("no time")
    try:
        number = float(text)
        return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("not a time") from error
    except ValueError:
        return stamp(text, zone)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def split_journal(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of each entry: fields until an empty line; one with a length may hold anything."""
    begin = at = 0
    while (end := data.find(b"\n", at)) >= 0:
        line, at = data[at:end], end + 1
        if line and b"=" not in line:
            length = int.from_bytes(data[at : at + 8], "little")
            if length > LONGEST_FIELD or len(data) < at + 8 + length + 1:
                return
            at += 8 + length + 1
        elif not line:
            yield begin, at
            begin = at


def read_journal(data: bytes) -> Record:
    """Read an entry of `journalctl -o export`. Raises ValueError without a time."""
    fields = dict(_fields(data))
    try:
        at = datetime.fromtimestamp(int(fields["__REALTIME_TIMESTAMP"]) / 1_000_000, UTC)
    except (KeyError, OverflowError, OSError) as error:
        raise ValueError("an entry without a time") from error
    message = fields.get("MESSAGE", "")
    priority = fields.get("PRIORITY", "6")
    program = fields.get("SYSLOG_IDENTIFIER") or fields.get("_COMM")
    action, outcome, who = _ssh(message) if program == "sshd" else ("line", None, {})
    return Record(
        at=at, message=message, severity=_PRIORITIES[int(priority) & 7] if priority.isdigit() else "INFO",
        actor=who.get("actor") or fields.get("_UID"), address=who.get("address"), application=program,
        session=fields.get("_AUDIT_SESSION"), action=action, outcome=outcome or "done",
        object=fields.get("_SYSTEMD_UNIT"),
    )  # fmt: skip


def _fields(data: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        line = data[at:end]
        at = end + 1
        if end < 0 or not line:
            return
        name, sign, value = line.partition(b"=")
        if not sign:
            length = int.from_bytes(data[at : at + 8], "little")
            value = data[at + 8 : at + 8 + length]
            at += 8 + length + 1
        yield name.decode("utf-8", "replace"), value.decode("utf-8", "replace")


def _ssh(message: str) -> tuple[str, str | None, dict[str, str]]:
    for pattern, action, outcome in _SSH:
        if match := pattern.match(message):
            return action, outcome, match.groupdict()
    return "line", None, {}
