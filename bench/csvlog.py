"""A csvlog as a busy server writes it: logins, statements with literals, a few errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

BEGIN = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
SESSION = 50
"""Lines of a session."""
LOG = "LOG,00000"


def write(path: Path, number: int) -> None:
    """Write so many records, in the order of their times."""
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(_line(n) for n in range(number))


def _line(n: int) -> str:
    at, session, count = BEGIN + timedelta(milliseconds=7 * n), n // SESSION, n % SESSION + 1
    tag, code, message, detail, statement = _said(n, count)
    fields = (
        f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03} UTC", f"actor{session % 20}", "crm",
        1000 + session,
        f"10.0.{session % 250}.7:{40000 + session % 20000}", f"69a2c3d4.{session:x}", count, tag,
        "2026-03-01 08:00:00 UTC", f"{session % 99}/{n}", 0, code, message, detail, "", "", "", "", statement,
        "", "", "app", "client backend", "", n % 977,
    )  # fmt: skip
    return ",".join(map(str, fields)) + "\n"


def _said(n: int, count: int) -> tuple[str, str, str, str, str]:
    """Return tag, severity with code, message, detail and statement, quoted where they must be."""
    if count == 1:
        return "", LOG, f'"connection received: host=10.0.{n % 250}.7 port={40000 + n % 20000}"', "", ""
    if count == 2:
        return "authentication", LOG, '"connection authorized: user=anna database=crm"', "", ""
    if count == SESSION:
        return "idle", LOG, '"disconnection: session time: 0:00:07.123 user=anna database=crm"', "", ""
    if count == SESSION // 2:
        message = '"duplicate key value violates unique constraint ""contact_pkey"""'
        detail = f'"Key (email)=(mia{n}@example.com) already exists."'
        statement = f"\"INSERT INTO crm.contact VALUES ({n}, 'x')\""  # noqa: S608 (what a log says)
        return "INSERT", "ERROR,23505", message, detail, statement
    statement = f"SELECT name FROM crm.contact WHERE tenant_id = {n % 50} AND email = 'p{n}@example.com'"  # noqa: S608
    return "SELECT", LOG, f'"statement: {statement}"', "", ""
