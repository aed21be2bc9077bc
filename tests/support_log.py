"""Lines of a server for tests: written by the superuser, as if they had been brought in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from conftest import Connection
from support_tui import NOW

SOURCE = "00000000-0000-4000-8000-000000000001"
NEW_SOURCE = """
INSERT INTO lua.log_source (source_id, name, format, path, host, created_at, created_by)
VALUES (%s, 'crm', 'jsonl', '/crm', 'crm', now(), 'x') ON CONFLICT DO NOTHING
"""
LINE = """
INSERT INTO lua.log_line (id, at, source_id, file_no, place, actor, tenant_id, action, object, purpose,
                          outcome, address, severity, message, ingested_at)
SELECT (lpad(to_hex(%(ms)s::bigint), 12, '0') || '70008' || lpad(to_hex(%(n)s::integer), 15, '0'))::uuid,
       to_timestamp(%(ms)s::bigint / 1000.0), %(source)s, 1, %(n)s, %(actor)s, %(tenant_id)s, %(action)s,
       %(object)s, %(purpose)s, %(outcome)s, %(address)s, 'LOG', %(message)s, %(brought_at)s
"""
USUAL = {
    "actor": None, "tenant_id": 0, "action": "line", "object": None, "purpose": None, "outcome": "done",
    "address": None, "message": "",
}  # fmt: skip


def write_lines(
    admin: Connection,
    lines: Sequence[dict[str, Any]],
    begin: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    apart: int = 1,
) -> None:
    """Write lines, so many milliseconds apart."""
    first = round(begin.timestamp() * 1000)
    admin.execute(NEW_SOURCE, (SOURCE,))
    with admin.cursor() as cursor:
        cursor.executemany(
            LINE,
            [
                {**USUAL, **one, "n": n, "ms": first + n * apart, "source": SOURCE, "brought_at": NOW}
                for n, one in enumerate(lines)
            ],
        )
