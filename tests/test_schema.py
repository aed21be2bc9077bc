"""Migrations: named, ordered, resumable, locked; never on a database of another time."""

from __future__ import annotations

from conftest import Connection


def test_the_template_is_migrated(admin: Connection) -> None:
    row = admin.execute("SELECT count(*), min(version), max(version) FROM lua.migration").fetchone()
    assert row is not None
    assert row[0] == row[2] >= 7
