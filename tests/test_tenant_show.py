"""`tenant show`: what a tenant has, how large and old it is, and what is left to be done."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
from support_erasure import KILLED, erase, later, new_tenant, person, practice, run_killed, table

from luactl import crm, tenant
from luactl.db import Session

Admin = psycopg.Connection[Any]


def rows(session: Session, slug: str = "smile") -> dict[str, int]:
    return {size.table: size.rows for size in tenant.show(session, slug).sizes}


def test_rows_are_those_that_are_there(session: Session, admin: Admin) -> None:
    practice(session)
    practice(session, "other")
    for name, count in rows(session).items():
        found = admin.execute(f"SELECT count(*) FROM {name} WHERE tenant_id = %s", [
            tenant.find(session, "smile").tenant_id
        ]).fetchone()  # fmt: skip
        assert found == (count,), name
        assert count > 0


def test_keys_that_were_dropped_are_counted(session: Session, tmp_path: Path) -> None:
    smile = practice(session)
    before = tenant.show(session, "smile")
    assert (before.subject_keys, before.duty_keys, before.dropped_keys) == (3, 2, 0)
    erase(session, smile, person(session, smile), tmp_path)
    after = tenant.show(session, "smile")
    assert (after.subject_keys, after.duty_keys, after.dropped_keys) == (2, 2, 1)
    assert (after.subjects, after.erased, after.invoices) == (2, 1, 4)  # a duty keeps two out of sight
    assert rows(session)["crm.invoice_line"] == 4
    assert tenant.show(later(session, 3), "smile").age_days in (1095, 1096)
    assert after.age_days == 0


def test_unfinished_work_is_told_until_it_is_finished(session: Session, tmp_path: Path) -> None:
    smile = practice(session)
    who = person(session, smile)
    assert tenant.show(session, "smile").unfinished == ()
    assert run_killed("epoch committed", "erase", "smile", str(who), str(tmp_path)) == KILLED
    [work] = tenant.show(session, "smile").unfinished
    assert work.kind == "erasure"
    assert work.since - tenant.find(session, "smile").created_at < timedelta(minutes=10)
    done = erase(session, smile, who, tmp_path)
    assert done.erasure_id == work.id
    assert tenant.show(session, "smile").unfinished == ()


def test_the_newest_activity_is_what_the_login_may_read(
    session: Session, login: Callable[..., Session]
) -> None:
    new_tenant(session, "smile")
    newest = tenant.show(session, "smile").newest
    assert newest is not None
    assert (newest.action, newest.actor) == ("tenant.create", session.actor)
    tenant.suspend(session, "smile", "unpaid")
    for role, action in (("lua_auditor", "tenant.suspend"), ("lua_operator", None)):
        seen = tenant.show(login(role), "smile").newest
        assert (seen and seen.action) == action


@pytest.mark.parametrize("counted", [True, False])
def test_sizes_are_near_the_truth_once_rows_are_counted(
    session: Session, admin: Admin, counted: bool
) -> None:
    """Two tenants, one nine times the other: their estimates add up to what the table takes, if counted."""
    many = "id,name\n" + "".join(f"{n},Person {n}\n" for n in range(900))
    for slug, text in (("big", many), ("small", "id,name\n" + "".join(f"{n},P\n" for n in range(100)))):
        crm.import_customers(session, new_tenant(session, slug), table(text), crm.Options())
    if counted:
        admin.execute("ANALYZE crm.contact")
    total = admin.execute("SELECT pg_total_relation_size('crm.contact_pooled')").fetchone()
    assert total is not None
    big, small = (
        next(size.estimated_bytes for size in tenant.show(session, slug).sizes if size.table == "crm.contact")
        for slug in ("big", "small")
    )
    if counted:
        assert (big, small) == (
            pytest.approx(total[0] * 0.9, rel=0.05),
            pytest.approx(total[0] / 10, rel=0.05),
        )
    else:
        assert big <= total[0]  # nobody can tell the rows apart yet: at most all of it
        assert small <= total[0]
    shown = tenant.show(session, "big")
    assert shown.estimated_bytes == sum(size.estimated_bytes for size in shown.sizes)


def test_a_new_tenant_takes_nothing_but_its_keys(session: Session) -> None:
    new_tenant(session, "smile")
    assert set(rows(session).values()) == {0}
    assert tenant.show(session, "smile").estimated_bytes == 0


def test_on_the_command_line(session: Session, cli: Callable[..., CompletedProcess[str]]) -> None:
    practice(session)
    shown = cli("tenant", "show", "smile")
    assert shown.returncode == 0, shown.stderr
    assert "sizes are estimates" in shown.stderr
    lines = dict(line.split("\t") for line in shown.stdout.splitlines())
    assert (lines["age days"], lines["dropped keys"], lines["unfinished"]) == ("0", "0", "")
    assert lines["newest action"] == "crm.invoice.import"
    data = json.loads(cli("tenant", "show", "smile", "-o", "json").stdout)["data"]
    assert {k: data["sizes"][1][k] for k in ("table", "rows")} == {"table": "crm.contact", "rows": 3}
    assert data["unfinished"] == []
