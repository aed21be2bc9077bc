"""Rules and purges in a real database: what is due goes, nothing else, killed half way or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from support_erasure import KILLED, counts, later, new_tenant, person, practice, run_killed, table

from luactl import crm, retention
from luactl.db import Session
from luactl.errors import BusyError, NotFoundError, RefusedError
from luactl.key import RetentionClass, open_tenant, status
from luactl.tenant import Tenant, list_, suspend


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return practice(session)


def entries(admin: psycopg.Connection[Any]) -> list[dict[str, Any]]:
    rows = admin.execute(
        "SELECT body FROM ledger.entry WHERE action LIKE 'retention.%' ORDER BY id"
    ).fetchall()
    return [json.loads(row[0]) for row in rows]


def due(plan: retention.PurgePlan) -> list[tuple[str, int, int, int, int, bool]]:
    return [
        (one.retention_class, one.period, one.interactions, one.invoices, one.invoice_lines, one.key)
        for one in plan.periods
    ]


def test_what_is_due_goes_and_nothing_else(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    before = counts(admin)
    plan = retention.plan(session, [tenant])
    assert due(plan) == [("interaction", 202003, 2, 0, 0, True), ("invoice", 2016, 0, 2, 2, True)]
    assert counts(admin) == before
    done = retention.purge(session, plan)
    after = counts(admin)
    assert (done.interactions, done.invoices, done.invoice_lines, done.keys) == (2, 2, 2, 2)
    assert (done.tenants, done.epoch, done.finished) == (1, 2, 0)
    assert before["crm.interaction"] - after["crm.interaction"] == 2
    assert before["crm.invoice"] - after["crm.invoice"] == 2
    assert before["crm.invoice_line"] - after["crm.invoice_line"] == 2
    assert before["vault.period"] - after["vault.period"] == 2
    assert after["vault.tombstone"] == before["vault.tombstone"] + 2
    assert after["crm.contact"] == before["crm.contact"]
    keys = open_tenant(session, tenant.tenant_id)
    assert keys.existing_period(RetentionClass.INTERACTION, 202003) is None
    assert keys.existing_period(RetentionClass.INTERACTION, 202610) is not None
    left = crm.list_interactions(session, tenant, 0).rows
    assert sorted(view.text for view in left if view.text) == [
        "asked for a quiet room",
        "moved the appointment",
    ]


def test_each_batch_and_the_keys_leave_their_entries(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    done = retention.purge(session, retention.plan(session, [tenant]))
    found = entries(admin)
    assert [one["outcome"] for one in found] == ["done", "intent", "done"]
    assert {one["object"] for one in found} == {f"purge:{done.purge_id}"}
    assert found[0]["detail"]["periods"] == [
        {"class": "interaction", "period": 202003, "interactions": 2, "invoices": 0, "invoice_lines": 0},
        {"class": "invoice", "period": 2016, "interactions": 0, "invoices": 2, "invoice_lines": 2},
    ]
    row = admin.execute("SELECT state, epoch, requested_by FROM lua.purge").fetchone()
    assert row == ("done", 2, session.actor)


def test_nothing_due_changes_nothing(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    retention.purge(session, retention.plan(session, [tenant]))
    before = counts(admin)
    plan = retention.plan(session, [tenant])
    assert plan.tenants == ()
    done = retention.purge(session, plan)
    assert (done.tenants, done.keys, done.epoch) == (0, 0, None)
    assert counts(admin) == before
    assert status(session).epoch == 2


def test_small_batches_end_the_same(session: Session, tenant: Tenant, admin: psycopg.Connection[Any]) -> None:
    steps: list[str] = []
    done = retention.purge(
        replace(session, step=steps.append), retention.plan(session, [tenant]), batch_rows=1
    )
    assert steps.count("batch deleted") == 4
    assert (done.interactions, done.invoices, done.invoice_lines) == (2, 2, 2)
    assert retention.plan(session, [tenant]).tenants == ()


def test_all_covers_suspended_tenants_and_drops_in_one_epoch(session: Session, tenant: Tenant) -> None:
    other = practice(session, "grin")
    new_tenant(session, "fresh")
    suspend(session, "grin", "invoice unpaid")
    plan = retention.plan(session, list_(session))
    assert [(one.slug, one.status, len(one.periods)) for one in plan.tenants] == [
        ("smile", "active", 2), ("grin", "suspended", 2),
    ]  # fmt: skip
    assert plan.looked_at == 3
    done = retention.purge(session, plan)
    assert (done.tenants, done.keys, done.epoch) == (2, 4, 2)
    assert retention.plan(session, [tenant, other]).tenants == ()


@pytest.mark.parametrize(("step", "committed"), [("batch deleted", False), ("epoch committed", True)])
def test_cut_short_the_next_purge_takes_what_is_left(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any], step: str, committed: bool
) -> None:
    """Before the keys are gone, and after; tests/crash has every step."""
    before = counts(admin)
    assert run_killed(step, "purge") == KILLED
    plan = retention.plan(session, [tenant])
    assert [one.unfinished != () for one in plan.tenants] == [committed]
    assert due(plan) == (
        [] if committed else [("interaction", 202003, 0, 0, 0, True), ("invoice", 2016, 0, 0, 0, True)]
    )
    done = retention.purge(session, plan)
    assert done.finished == committed
    after = counts(admin)
    assert before["crm.interaction"] - after["crm.interaction"] == 2
    assert before["vault.period"] - after["vault.period"] == 2
    assert status(session).state == "settled"
    assert retention.plan(session, [tenant]).tenants == ()
    assert admin.execute("SELECT DISTINCT state FROM lua.purge").fetchall() == [("done",)]


def test_a_shorter_rule_lets_the_next_purge_take_more(session: Session, tenant: Tenant) -> None:
    assert len(retention.plan(session, [tenant]).periods) == 2
    change = retention.set_rule(session, tenant, "interaction", 1)
    assert (change.before.months, change.after.months) == (36, 1)
    assert [one.period for one in retention.plan(session, [tenant]).periods] == [202003, 202609, 2016]


def test_the_legal_minimum_is_held_and_quoted(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    before = counts(admin)
    with pytest.raises(RefusedError, match=r"95 months is less than the 96 .* s\. 147\(3\) AO"):
        retention.set_rule(session, tenant, "invoice", 95)
    assert counts(admin) == before
    assert retention.set_rule(session, tenant, "invoice", 120).after.months == 120
    assert [one.months for one in retention.rules(session, tenant)] == [None, 36, 120]


def test_classes_without_a_clock_or_a_rule(session: Session, tenant: Tenant) -> None:
    with pytest.raises(RefusedError, match="nothing records it"):
        retention.set_rule(session, tenant, "contact", 12)
    with pytest.raises(NotFoundError, match="no rule for"):
        retention.set_rule(session, tenant, "photo", 12)


def test_a_dry_run_of_a_rule_changes_nothing(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    before, rules = counts(admin), retention.rules(session, tenant)
    assert retention.set_rule(session, tenant, "interaction", 12, dry_run=True).after.months == 12
    with pytest.raises(RefusedError):
        retention.set_rule(session, tenant, "invoice", 12, dry_run=True)
    assert retention.rules(session, tenant) == rules
    assert counts(admin) == before


@pytest.mark.parametrize("role", ["lua_auditor", "lua_accounting", "lua_admin", "lua_responder"])
def test_others_cannot_purge(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection[Any], role: str
) -> None:
    plan, before = retention.plan(session, [tenant]), counts(admin)
    with pytest.raises((psycopg.errors.InsufficientPrivilege, RefusedError)):
        retention.purge(login(role), plan)
    assert counts(admin) == before


def test_an_operator_cannot_change_rules(
    session: Session, tenant: Tenant, login: Callable[..., Session]
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        retention.set_rule(login("lua_operator"), tenant, "interaction", 12)
    assert retention.set_rule(login("lua_dpo"), tenant, "interaction", 12).after.months == 12


def test_the_database_itself_keeps_invoices_until_their_duty_ends(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection[Any]
) -> None:
    operator = login("lua_operator")
    admin.execute("UPDATE lua.deployment SET throwaway = false")

    def take(year: int, at: str) -> None:
        statement = "SELECT crm.purge_invoices(%s, %s, 100, %s::timestamptz)"
        operator.conn.execute(statement, (tenant.tenant_id, year, at))

    with pytest.raises(psycopg.errors.CheckViolation, match="are kept: the rule does not let them go yet"):
        take(2025, "2026-11-01")
    with pytest.raises(psycopg.errors.CheckViolation, match="future of the server"):
        take(2025, "2040-01-01")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        operator.conn.execute("DELETE FROM crm.invoice")


def test_a_moved_clock_takes_invoices_only_where_all_is_throw_away(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    moved = later(session, 8)
    admin.execute("UPDATE lua.deployment SET throwaway = false")
    with pytest.raises(RefusedError, match="future of the server"):
        retention.purge(moved, retention.plan(moved, [tenant]))
    assert counts(admin)["crm.invoice"] == 4
    admin.execute("UPDATE lua.deployment SET throwaway = true")
    retention.purge(moved, retention.plan(moved, [tenant]))
    assert counts(admin)["crm.invoice"] == 0
    assert admin.execute("SELECT count(*) FROM vault.period WHERE period_id <> 1 << 24").fetchone() == (0,)


def test_the_last_second_before_and_the_first_after(session: Session, tenant: Tenant) -> None:
    from datetime import UTC, datetime

    from luactl.clock import FixedClock

    edge = datetime(2029, 10, 1, tzinfo=UTC)  # September 2026 and 36 months from its end
    early = replace(session, clock=FixedClock(edge - timedelta(microseconds=1)))
    on_time = replace(session, clock=FixedClock(edge))
    assert 202609 not in [one.period for one in retention.plan(early, [tenant]).periods]
    assert 202609 in [one.period for one in retention.plan(on_time, [tenant]).periods]


def test_rows_that_come_in_while_it_runs_stop_the_keys(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection[Any]
) -> None:
    writer, written = login("lua_operator"), []
    visits = "CustomerId,Date,Type,Text\n2,2020-03-15T09:00:00Z,note,found in a drawer\n"

    def write(step: str) -> None:
        if step == "root placed at holder 1":
            written.append(crm.import_interactions(writer, tenant, table(visits), crm.Options()).imported)

    with pytest.raises(BusyError, match="1 rows came into due periods"):
        retention.purge(replace(session, step=write), retention.plan(session, [tenant]))
    assert written == [1]
    assert status(session).state == "settled"
    assert due(retention.plan(session, [tenant]))[0] == ("interaction", 202003, 1, 0, 0, True)
    assert retention.purge(session, retention.plan(session, [tenant])).interactions == 1
    assert counts(admin)["crm.interaction"] == 2


def test_a_rule_that_was_lengthened_since_the_plan_is_heeded(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    plan, before = retention.plan(session, [tenant]), counts(admin)
    retention.set_rule(session, tenant, "interaction", 240)
    with pytest.raises(BusyError, match="202003 is kept now"):
        retention.purge(session, plan)
    assert counts(admin)["crm.interaction"] == before["crm.interaction"]
    assert retention.purge(session, retention.plan(session, [tenant])).keys == 1


def test_two_purges_at_once(session: Session, tenant: Tenant, login: Callable[..., Session]) -> None:
    second, tried = login("lua_operator"), []

    def race(step: str) -> None:
        if step == "batch deleted":
            with pytest.raises(BusyError, match="another purge"):
                retention.purge(second, retention.plan(second, [tenant]))
            tried.append(step)

    plan = retention.plan(session, [tenant])
    stale = retention.plan(second, [tenant])
    assert retention.purge(replace(session, step=race), plan).keys == 2
    assert tried
    after = retention.purge(second, stale)
    assert (after.interactions, after.invoices, after.keys, after.epoch) == (0, 0, 0, None)


def test_a_period_in_which_nothing_was_ever_written_goes_too(session: Session, tenant: Tenant) -> None:
    open_tenant(session, tenant.tenant_id).period(RetentionClass.INTERACTION, 201001)
    assert due(retention.plan(session, [tenant]))[0] == ("interaction", 201001, 0, 0, 0, True)
    assert retention.purge(session, retention.plan(session, [tenant])).keys == 3
    assert open_tenant(session, tenant.tenant_id).existing_period(RetentionClass.INTERACTION, 201001) is None


def test_a_purged_month_can_be_written_into_again(session: Session, tenant: Tenant) -> None:
    retention.purge(session, retention.plan(session, [tenant]))
    visits = "CustomerId,Date,Type,Text\n2,2020-03-15T09:00:00Z,note,found in a drawer\n"
    assert crm.import_interactions(session, tenant, table(visits), crm.Options()).imported == 1
    assert retention.purge(session, retention.plan(session, [tenant])).interactions == 1


def test_the_command_line(session: Session, tenant: Tenant, admin: psycopg.Connection[Any], cli: Any) -> None:
    who, before = person(session, tenant), counts(admin)
    dry = cli("retention", "purge", "--all", "--dry-run", "-o", "json")
    assert (dry.returncode, counts(admin)) == (0, before)
    planned = json.loads(dry.stdout)
    assert sum(one["interactions"] for one in planned["data"]) == 2
    assert cli("retention", "purge", "--all").returncode == 2
    assert cli("retention", "purge").returncode == 2
    assert cli("retention", "purge", "--all", "--tenant", "smile").returncode == 2
    assert counts(admin) == before
    done = cli("retention", "purge", "--all", "--yes", "-o", "json")
    ran = json.loads(done.stdout)["data"]
    assert ran["interactions"] == sum(one["interactions"] for one in planned["data"])
    assert ran["invoices"] == sum(one["invoices"] for one in planned["data"])
    assert ran["keys"] == sum(one["key"] for one in planned["data"])
    again = cli("retention", "purge", "--tenant", "smile")
    assert (again.returncode, "nothing is due" in again.stderr) == (0, True)
    refused = cli("retention", "set", "--tenant", "smile", "--class", "invoice", "--months", "12", "--yes")
    assert refused.returncode == 5
    assert "s. 147(3) AO" in refused.stderr
    assert "no subject" not in refused.stderr
    listed = json.loads(cli("retention", "list", "--tenant", "smile", "-o", "json").stdout)["data"]
    assert [one["months"] for one in listed] == [None, 36, 96]
    assert str(who) not in done.stdout
