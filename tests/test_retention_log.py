"""Retention of the log: a month that is due goes as a whole, its key with it, whatever cuts it short."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
from conftest import Connection
from test_log_ingest import NOW, line, opened, source  # noqa: F401

from luactl import key, log, retention
from luactl.clock import FixedClock
from luactl.db import Session, transaction
from luactl.errors import BusyError, LuactlError, RefusedError, UsageError
from luactl.log.ingest.house import HOUSE, house
from luactl.log.ingest.reading import bring
from luactl.log.ingest.source import Source
from luactl.log.search import rows
from luactl.retention import log as purging

OLD = datetime(2025, 1, 31, 23, 59, 59, tzinfo=UTC)
KEPT = datetime(2025, 3, 1, tzinfo=UTC)
"""Its month ends with March 2025: twelve months later it is due on 1 April 2026."""
ENTRIES = "SELECT outcome FROM ledger.entry WHERE action = 'retention.purge' ORDER BY outcome"


@pytest.fixture
def early(session: Session) -> Session:
    """The session in March 2026."""
    return replace(session, clock=FixedClock(NOW))


@pytest.fixture
def lines(early: Session, source: Source, tmp_path: Path) -> Source:  # noqa: F811
    """Two lines that are due, and two that are not."""
    made = [line(n, at=at.isoformat()) for n, at in enumerate((OLD, OLD, KEPT, NOW))]
    (tmp_path / "crm.log").write_bytes(b"".join(made))
    bring(early, source)
    return source


def left(session: Session) -> list[datetime]:
    return [one.at for one in rows(session, log.parse("kind:line", NOW), None)]


def keyed(session: Session) -> set[int]:
    with transaction(session, HOUSE) as conn:
        return purging._keyed(conn)


def test_a_due_month_goes_with_its_key_and_no_other(early: Session, lines: Source, admin: Connection) -> None:
    sealed = admin.execute("SELECT place, until, sealed FROM lua.log_block ORDER BY place LIMIT 1").fetchone()
    plan = retention.plan_log(early)
    assert [(one.month, one.lines, one.held, one.key) for one in plan.months] == [(202501, 2, 0, True)]
    done = retention.purge_log(early, plan)
    assert (done.months, done.lines, done.keys, done.finished) == (1, 2, 1, 0)
    assert left(early) == [NOW, KEPT]
    assert keyed(early) == {202503, 202603}
    assert admin.execute("SELECT to_regclass('lua.log_block_202501')").fetchone() == (None,)
    assert sealed is not None
    keys = house(early)
    assert keys is not None
    assert keys.existing_period(key.RetentionClass.LOG, 202501) is None
    assert [row[0] for row in admin.execute(ENTRIES)] == ["done", "done", "intent"]
    again = retention.purge_log(early, retention.plan_log(early))
    assert (again.months, again.keys, again.epoch) == (0, 0, None)
    assert admin.execute(ENTRIES).rowcount == 3


@pytest.mark.parametrize("cut", range(12))
def test_cut_short_at_any_step_it_is_finished_by_the_next(
    early: Session, lines: Source, admin: Connection, cut: int
) -> None:
    steps = iter(range(1000))

    def fall(name: str) -> None:
        if next(steps) == cut * 2:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt, LuactlError):
        retention.purge_log(replace(early, step=fall), retention.plan_log(early))
    retention.purge_log(early, retention.plan_log(early))
    assert left(early) == [NOW, KEPT]
    assert keyed(early) == {202503, 202603}
    assert admin.execute("SELECT count(*) FROM lua.log_purge WHERE state = 'intent'").fetchone() == (0,)
    assert key.verify(early).findings == ()


def test_lines_that_come_late_keep_the_key(early: Session, lines: Source, tmp_path: Path) -> None:
    plan = retention.plan_log(early)

    def late(name: str) -> None:
        if name == "month dropped":
            (tmp_path / "crm.log.late").write_bytes(line(9, at=OLD.isoformat()))
            bring(early, lines)

    with pytest.raises(BusyError, match="202501"):
        retention.purge_log(replace(early, step=late), plan)
    assert left(early) == [NOW, KEPT, OLD]
    assert 202501 in keyed(early)
    assert retention.purge_log(early, retention.plan_log(early)).lines == 1


def test_a_hold_keeps_the_month_and_the_rule_another(
    early: Session, lines: Source, admin: Connection
) -> None:
    from support_secret import smile

    tenant = smile(early)
    plan = retention.plan_log(early)
    admin.execute("UPDATE lua.log_line SET tenant_id = %s WHERE at = %s", (tenant.tenant_id, OLD))
    admin.execute(
        "INSERT INTO lua.hold (tenant_id, hold_id, hold_no, scope, reference, ground, placed_by, placed_at,"
        " entry_id) VALUES (%s, gen_random_uuid(), 1, 'tenant', 'T', 'G', 'x', now(), gen_random_uuid())",
        (tenant.tenant_id,),
    )
    with pytest.raises(RefusedError, match="legal holds keep 2 lines"):
        retention.purge_log(early, plan)
    held = retention.plan_log(early)
    assert [(one.month, one.held) for one in held.months] == [(202501, 2)]
    assert retention.purge_log(early, held).held == 1
    admin.execute("UPDATE lua.log_line SET tenant_id = 0")
    plan = retention.plan_log(early)
    retention.set_log_rule(early, 24)
    with pytest.raises(RefusedError, match="not due"):
        retention.purge_log(early, plan)
    assert len(left(early)) == 4
    assert 202501 in keyed(early)


def test_the_rule(early: Session, admin: Connection) -> None:
    assert retention.set_log_rule(early, 6, dry_run=True).after.months == 6
    assert retention.log_rule(early).months == 12
    retention.set_log_rule(early, 6)
    retention.set_log_rule(early, 6)
    assert retention.log_rule(early).months == 6
    assert admin.execute("SELECT FROM ledger.entry WHERE action = 'retention.set'").rowcount == 1
    for months in (0, 1201):
        with pytest.raises(UsageError):
            retention.set_log_rule(early, months)
    with pytest.raises(psycopg.errors.CheckViolation), transaction(early) as conn:
        conn.execute("SELECT lua.drop_log_month(202603, %s)", (NOW,))


def test_the_commands(early: Session, lines: Source, cli: Callable[..., CompletedProcess[str]]) -> None:
    def said(*args: str) -> Any:
        done = cli("retention", *args, "-o", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert said("list", "--log")["data"][0]["months"] == 12
    assert said("set", "--log", "--months", "24")["data"]["after"]["months"] == 24
    assert cli("retention", "purge", "--log", "--all").returncode == 2
    assert cli("retention", "set", "--months", "3").returncode == 2
    assert cli("retention", "set", "--log", "--class", "invoice", "--months", "3").returncode == 2
    assert cli("retention", "set", "--log", "--months", "1").returncode == 2  # --yes
    assert said("set", "--log", "--months", "1", "--yes")["data"]["after"]["months"] == 1
    planned = said("purge", "--log", "--dry-run")["data"]
    assert [one["month"] for one in planned if one["lines"]] == [202501, 202503, 202603]
    assert said("purge", "--log", "--yes")["data"]["lines"] == 4
    assert left(replace(early, clock=FixedClock(NOW + timedelta(days=300)))) == []
