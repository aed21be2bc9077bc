"""Since when a table is sealed: known for those that were born so, told for others, and never assumed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from conftest import Connection

from luactl.db import Session
from luactl.residue import SealedSince, sealed_since

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_what_holds_sealed_columns_was_born_so(session: Session, admin: Connection) -> None:
    columns = (
        "SELECT DISTINCT attrelid::regclass::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE a.attname IN ('personal', 'special', 'accounting', 'sealed') AND c.relkind IN ('r', 'p')"
        " AND c.relnamespace::regnamespace::text IN ('crm', 'lua')"
    )
    sealed = [row[0] for row in admin.execute(columns).fetchall()]
    assert len(sealed) >= 6
    for table in sealed:
        known = sealed_since(session.conn, table)
        assert known is not None, table
        assert known.born_sealed
        assert known.since is not None
        assert known.claims(NOW)


def test_of_others_nothing_is_claimed(session: Session, admin: Connection) -> None:
    assert sealed_since(session.conn, "public.old") is None
    admin.execute(
        "INSERT INTO lua.sealed_since (table_name, born_sealed, since) VALUES ('public.old', false, now())"
    )
    known = sealed_since(session.conn, "public.old")
    assert known is not None
    assert not known.claims(NOW)


def test_a_past_is_gone_when_its_last_backup_is() -> None:
    def known(since: datetime | None, cleaned: datetime | None, until: datetime | None) -> SealedSince:
        return SealedSince("public.old", False, since, cleaned, until)

    later = NOW + timedelta(days=30)
    assert not known(NOW, None, None).claims(later)
    assert not known(NOW, NOW, None).claims(later)
    assert not known(NOW, NOW, later).claims(later - timedelta(seconds=1))
    assert not known(None, NOW, later).claims(later)
    assert known(NOW, NOW, later).claims(later)


def test_no_role_writes_there(session: Session) -> None:
    for attempt in ("DELETE FROM lua.sealed_since", "UPDATE lua.sealed_since SET since = NULL"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.conn.execute(attempt)
