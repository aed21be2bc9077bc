"""Legal holds in a real database: what is held stays and opens, what is not goes, and who may say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support_erasure import counts, erase, person, practice, table
from support_hold import FILE, hold_periods, opens, parties, put, sealed, texts
from uuid_utils.compat import uuid7

from luactl import crm, erasure, hold, retention
from luactl.db import Session, transaction
from luactl.errors import BusyError, NotFoundError, RefusedError, UsageError
from luactl.key import RetentionClass, open_tenant, status, verify
from luactl.tenant import Tenant

PLACE = """SELECT lua.place_hold(%s, %s, 'tenant', NULL, NULL, NULL, NULL, NULL, NULL, 'r', 'g', now(), %s)"""
OLD, OTHER = "check-up", "called back"


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return practice(session)


def purge(session: Session, tenant: Tenant) -> retention.PurgeResult:
    return retention.purge(session, retention.plan(session, [tenant]))


def entries(admin: psycopg.Connection[Any], action: str) -> list[dict[str, Any]]:
    rows = admin.execute("SELECT body FROM ledger.entry WHERE action = %s ORDER BY id", (action,)).fetchall()
    return [json.loads(row[0]) for row in rows]


def test_what_is_held_stays_readable_and_what_is_not_dies_in_every_copy(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    """Both rows are of one month: one is held, so it moves; the other goes with the month's key."""
    placed = put(session, tenant, person(session, tenant, "1"))
    copies = sealed(admin, tenant)
    plan = retention.plan(session, [tenant])
    at = {(one.retention_class, one.period): one for one in plan.periods}
    month, year = at["interaction", 202003], at["invoice", 2016]
    assert (month.interactions, month.held, month.moving) == (1, 1, 1)
    assert (year.invoices, year.invoice_lines, year.held, year.moving) == (1, 1, 1, 1)
    assert plan.held == 2

    done = retention.purge(session, plan)
    assert (done.interactions, done.invoices, done.invoice_lines) == (1, 1, 1)
    assert (done.keys, done.moved, done.held) == (2, 2, 2)
    assert OLD in texts(session, tenant)
    assert OTHER not in texts(session, tenant)
    assert set(parties(session, tenant)) == {"A-1", "A-2", "A-4"}
    assert hold_periods(admin) == [
        (RetentionClass.HOLD, placed.number),
        (RetentionClass.DUTY_HOLD, placed.number),
    ]
    keys = open_tenant(session, tenant.tenant_id)
    assert keys.existing_period(RetentionClass.INTERACTION, 202003) is None
    now = sealed(admin, tenant)
    gone = copies.keys() - now.keys()
    moved = [row for row in now if now[row] != copies[row]]
    assert (len(gone), len(moved)) == (1, 1)
    assert not any(opens(session, tenant, row, copies[row]) for row in (*gone, *moved))
    assert all(opens(session, tenant, row, now[row]) for row in now)
    assert verify(session).findings == ()
    assert retention.plan(session, [tenant]).tenants == ()


def test_the_move_is_recorded_as_read_before_and_as_done(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    put(session, tenant, person(session, tenant, "1"))
    purge(session, tenant)
    reads = [one for one in entries(admin, "read") if one["purpose"].startswith("legal hold")]
    moves = entries(admin, "hold.move")
    assert [one["object"] for one in reads] == [one["object"] for one in moves]
    assert [one["object"] for one in moves] == ["table:crm.interaction", "table:crm.invoice"]
    assert reads[0]["id"] < moves[0]["id"]


def test_on_release_what_waited_goes_with_the_next_purge(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    placed = put(session, tenant, person(session, tenant, "1"))
    purge(session, tenant)
    copies = sealed(admin, tenant)
    plan = hold.release(session, tenant, [placed], "settled", dry_run=True)
    assert [(one.retention_class, one.period, one.rows, one.lines) for one in plan.freed] == [
        ("interaction", 202003, 1, 0),
        ("invoice", 2016, 1, 1),
    ]
    assert hold.find(session, placed.hold_id).released_at is None
    assert hold.release(session, tenant, [placed], "settled") == plan
    done = purge(session, tenant)
    assert (done.interactions, done.invoices, done.keys, done.held) == (1, 1, 2, 0)
    assert hold_periods(admin) == []
    gone = copies.keys() - sealed(admin, tenant).keys()
    assert len(gone) == 1
    assert not any(opens(session, tenant, row, copies[row]) for row in gone)
    assert retention.plan(session, [tenant]).tenants == ()


def test_the_second_hold_takes_over(session: Session, tenant: Tenant, admin: psycopg.Connection[Any]) -> None:
    first = put(session, tenant, person(session, tenant, "1"))
    second = put(session, tenant, query="interaction kind=visit until=2020-12-31")
    purge(session, tenant)
    assert (RetentionClass.HOLD, first.number) in hold_periods(admin)
    assert hold.release(session, tenant, [first], "settled").freed[0].retention_class == "invoice"
    done = purge(session, tenant)
    assert (done.interactions, done.invoices, done.moved) == (0, 1, 1)
    assert OLD in texts(session, tenant)
    assert hold_periods(admin) == [(RetentionClass.HOLD, second.number)]


def test_what_is_not_due_any_more_goes_back_under_its_own_period(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    placed = put(session, tenant)
    purge(session, tenant)
    retention.set_rule(session, tenant, "interaction", 240)
    hold.release(session, tenant, [placed], "settled")
    done = purge(session, tenant)
    assert (done.interactions, done.moved) == (0, 2)
    assert {OLD, OTHER} <= texts(session, tenant)
    assert hold_periods(admin) == []
    keys = open_tenant(session, tenant.tenant_id)
    assert keys.existing_period(RetentionClass.INTERACTION, 202003) is not None


def test_a_query_holds_what_comes_later_too(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    put(session, tenant, query="interaction kind=note from=2020-01-01 until=2020-12-31")
    visits = "CustomerId,Date,Type,Text\n2,2020-03-15T09:00:00Z,note,found in a drawer\n"
    assert crm.import_interactions(session, tenant, table(visits), crm.Options()).imported == 1
    assert purge(session, tenant).interactions == 2
    assert "found in a drawer" in texts(session, tenant)
    who = [person(session, tenant, one) for one in ("1", "2")]
    with transaction(session, tenant.tenant_id) as conn:
        assert set(hold.held(conn, tenant.tenant_id, who)) == {who[1]}


def test_days_of_a_query_are_in_utc_and_the_last_one_counts(session: Session, tenant: Tenant) -> None:
    who = person(session, tenant, "2")  # called on 2020-03-31T23:59:59Z
    for query, is_held in (
        ("interaction from=2020-03-31 until=2020-03-31", True),
        ("interaction from=2020-04-01 until=2020-04-30", False),
        ("interaction kind=visit", False),
        ("invoice year=2016", False),  # its invoices outlive the person anyway
    ):
        placed = put(session, tenant, query=query)
        with transaction(session, tenant.tenant_id) as conn:
            assert bool(hold.held(conn, tenant.tenant_id, [who])) is is_held, query
        hold.release(session, tenant, [placed], "test")


def test_a_query_on_invoices_keeps_them_past_their_duty(session: Session, tenant: Tenant) -> None:
    put(session, tenant, query="invoice year=2016")
    done = purge(session, tenant)
    assert (done.interactions, done.invoices, done.held) == (2, 0, 2)
    assert set(parties(session, tenant)) == {"A-1", "A-2", "A-3", "A-4"}


def test_a_hold_on_everything(session: Session, tenant: Tenant, admin: psycopg.Connection[Any]) -> None:
    before = counts(admin)
    put(session, tenant)
    done = purge(session, tenant)
    assert (done.interactions, done.invoices, done.held, done.moved) == (0, 0, 4, 4)
    after = counts(admin)
    assert all(after[name] == before[name] for name in before if name.startswith("crm."))
    assert len(texts(session, tenant)) == 4
    assert purge(session, tenant).moved == 0


def test_a_case_is_released_as_one(session: Session, tenant: Tenant) -> None:
    one = put(session, tenant, person(session, tenant, "1"), case="4 U 1/26")
    two = put(session, tenant, query="invoice year=2025", case="4 U 1/26")
    lone = put(session, tenant, person(session, tenant, "3"))
    with pytest.raises(RefusedError, match="case 4 U 1/26 are released together"):
        hold.release(session, tenant, [one], "settled")
    found = hold.of_case(session, tenant, "4 U 1/26")
    assert {each.hold_id for each in found} == {one.hold_id, two.hold_id}
    hold.release(session, tenant, found, "settled")
    assert [each.hold_id for each in hold.list_(session, tenant)] == [lone.hold_id]
    assert len(hold.list_(session, tenant, released=True)) == 3
    with pytest.raises(RefusedError, match="only 0 of 1 holds are in force"):
        hold.release(session, tenant, [one], "again")
    with pytest.raises(NotFoundError):
        hold.of_case(session, tenant, "4 U 1/26")


def test_the_same_hold_twice_is_one(session: Session, tenant: Tenant) -> None:
    who = person(session, tenant, "1")
    assert put(session, tenant, who) == put(session, tenant, who)
    assert put(session, tenant, who, case="C") != put(session, tenant, who)
    assert len(hold.list_(session, tenant)) == 2


def test_who_is_held_and_by_what_in_one_question(session: Session, tenant: Tenant) -> None:
    nele, bruno, zoe = (person(session, tenant, one) for one in ("1", "2", "3"))
    on_nele = put(session, tenant, nele)
    calls = put(session, tenant, query="interaction kind=call")
    with transaction(session, tenant.tenant_id) as conn:
        found = hold.held(conn, tenant.tenant_id, [nele, bruno, zoe])
    assert {who: {one.hold_id for one in by} for who, by in found.items()} == {
        nele: {on_nele.hold_id},
        bruno: {calls.hold_id},
    }
    assert found[bruno][0].covers == "interaction kind=call"


@pytest.mark.parametrize("role", ["lua_operator", "lua_admin", "lua_auditor", "lua_accounting", "lua_app"])
def test_who_erases_or_only_looks_neither_places_nor_releases(
    session: Session, tenant: Tenant, login: Callable[..., Session], role: str
) -> None:
    placed = put(session, tenant)
    other = login(role)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        put(other, tenant, case="another")
    with pytest.raises((psycopg.errors.InsufficientPrivilege, RefusedError)):
        hold.release(other, tenant, [placed], "settled")
    for attempt in ("UPDATE lua.hold SET released_at = now()", "DELETE FROM lua.hold"):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            transaction(other, tenant.tenant_id) as conn,
        ):
            conn.execute(attempt)
    assert [one.hold_id for one in hold.list_(session, tenant)] == [placed.hold_id]


@pytest.mark.parametrize("role", ["lua_dpo", "lua_responder"])
def test_who_places_is_who_logged_in(
    session: Session, tenant: Tenant, login: Callable[..., Session], role: str
) -> None:
    officer = login(role)
    placed = put(officer, tenant, person(session, tenant, "1"))
    assert (placed.placed_by, placed.reference) == (officer.actor, FILE)
    hold.release(officer, tenant, [placed], "settled")
    assert hold.find(officer, placed.hold_id).released_by == officer.actor


ATTACKS = (
    "DELETE FROM vault.slot",
    "DELETE FROM vault.period",
    "DELETE FROM crm.contact",
    "DELETE FROM crm.contact_key",
    "DELETE FROM crm.interaction",
    "UPDATE crm.interaction SET personal = ''",
    "SELECT vault.give_up_slots(%(tenant)s, ARRAY[%(who)s]::uuid[], ARRAY[1]::smallint[])",
    "SELECT vault.give_up_slots(%(tenant)s, ARRAY[%(who)s]::uuid[], ARRAY[3]::smallint[])",
    "SELECT * FROM vault.give_up_periods(%(tenant)s, ARRAY[(2 << 24) + 202003]::bigint[])",
    "SELECT * FROM vault.give_up_periods(%(tenant)s, ARRAY[(3 << 24) + 2016]::bigint[])",
    "SELECT * FROM vault.give_up_periods(%(tenant)s, ARRAY[1 << 24]::bigint[])",
    "SELECT crm.mark_erased(%(tenant)s, ARRAY[%(who)s]::uuid[], now())",
    "SELECT crm.erase_rows(%(tenant)s, ARRAY[%(who)s]::uuid[], now())",
    "SELECT crm.move_interactions(%(tenant)s, (SELECT array_agg(interaction_id) FROM crm.interaction),"
    " ARRAY[1], ARRAY['\\x00']::bytea[], now())",
    "SELECT crm.move_interactions(%(tenant)s, array_agg(interaction_id), array_agg(1), array_agg(personal),"
    " now()) FROM crm.interaction",
    "SELECT lua.release_holds(%(tenant)s, (SELECT array_agg(hold_id) FROM lua.hold), 'x', now(), %(who)s)",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_raw_sql_of_an_operator_does_not_reach_what_is_held(
    session: Session,
    tenant: Tenant,
    login: Callable[..., Session],
    admin: psycopg.Connection[Any],
    attack: str,
) -> None:
    who = person(session, tenant, "1")
    put(session, tenant, who)
    before, operator = counts(admin), login("lua_operator")
    with (
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation)),
        transaction(operator, tenant.tenant_id) as conn,
    ):
        conn.execute(attack, {"tenant": tenant.tenant_id, "who": who})
    assert counts(admin) == before


@pytest.mark.parametrize("attack", ATTACKS[6:13])
def test_the_same_goes_through_once_nothing_is_held(
    session: Session, tenant: Tenant, login: Callable[..., Session], attack: str
) -> None:
    """What stopped the attacks above was the hold and nothing else."""
    who = person(session, tenant, "1")
    with transaction(login("lua_operator"), tenant.tenant_id) as conn:
        assert conn.execute(attack, {"tenant": tenant.tenant_id, "who": who}).fetchall()


def test_raw_purges_pass_over_what_is_held(
    session: Session, tenant: Tenant, login: Callable[..., Session]
) -> None:
    put(session, tenant, person(session, tenant, "1"))
    with transaction(login("lua_operator"), tenant.tenant_id) as conn:
        gone = conn.execute(
            "SELECT crm.purge_interactions(%(t)s, 202003, 9, now()),"
            " crm.purge_invoices(%(t)s, 2016, 9, now())",
            {"t": tenant.tenant_id},
        ).fetchone()
        with pytest.raises(psycopg.errors.CheckViolation, match="does not let them go yet"):
            conn.execute("SELECT crm.purge_interactions(%s, 202609, 100, now())", (tenant.tenant_id,))
    assert gone == (1, ("1", "1"))


def test_an_old_snapshot_is_no_way_around_a_new_hold(
    session: Session, tenant: Tenant, login: Callable[..., Session]
) -> None:
    who, operator = person(session, tenant, "1"), login("lua_operator")
    with transaction(operator, tenant.tenant_id) as conn:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        conn.execute("SELECT count(*) FROM lua.hold")
        put(session, tenant, who)
        with pytest.raises(psycopg.Error, match="READ COMMITTED"):
            conn.execute("SELECT crm.mark_erased(%s, %s, now())", (tenant.tenant_id, [who]))


def test_a_hold_that_comes_while_a_purge_runs_stops_the_keys(
    session: Session, tenant: Tenant, login: Callable[..., Session]
) -> None:
    officer = login("lua_dpo")
    visits = "CustomerId,Date,Type,Text\n2,2020-03-15T09:00:00Z,note,found in a drawer\n"

    def place(step: str) -> None:
        if step == "root placed at holder 1":
            crm.import_interactions(session_2, tenant, table(visits), crm.Options())
            put(officer, tenant)

    session_2 = login("lua_operator")
    with pytest.raises(BusyError, match="a legal hold was placed"):
        purge(replace(session, step=place), tenant)
    assert "found in a drawer" in texts(session, tenant)
    assert purge(session, tenant).moved == 1
    assert "found in a drawer" in texts(session, tenant)


def test_a_hold_waits_for_what_is_being_erased(
    session: Session, tenant: Tenant, login: Callable[..., Session]
) -> None:
    officer, who = login("lua_dpo"), person(session, tenant, "1")
    with transaction(session, tenant.tenant_id) as conn:
        conn.execute("SELECT crm.mark_erased(%s, %s, now())", (tenant.tenant_id, [who]))
        with (
            pytest.raises(psycopg.errors.LockNotAvailable),
            transaction(officer, tenant.tenant_id, lock_timeout="50ms") as other,
        ):
            other.execute(PLACE, (tenant.tenant_id, uuid7(), uuid7()))


def test_the_dead_cannot_be_held_but_their_invoices_can(session: Session, tenant: Tenant) -> None:
    with pytest.raises(NotFoundError):
        put(session, tenant, uuid7())
    with pytest.raises(UsageError):
        hold.prepare("two\nlines")


def test_the_data_protection_officer_purges_with_holds(
    session: Session, tenant: Tenant, login: Callable[..., Session]
) -> None:
    put(session, tenant, person(session, tenant, "1"))
    assert purge(login("lua_dpo"), tenant).moved == 2
    assert OLD in texts(session, tenant)


def test_the_command_line(session: Session, tenant: Tenant, cli: Any) -> None:
    who = str(person(session, tenant, "1"))
    common = ("--tenant", "smile", "--reference", FILE, "-o", "json")
    assert cli("hold", "place", *common).returncode == 2
    assert cli("hold", "place", *common, "--everything", "--subject", who).returncode == 2
    dry = cli("hold", "place", *common, "--subject", who, "--dry-run")
    assert (dry.returncode, json.loads(dry.stdout)["data"]["scope"]) == (0, "subject")
    assert hold.list_(session, tenant) == ()
    placed = json.loads(cli("hold", "place", *common, "--subject", who, "--case", "C").stdout)["data"]
    assert (placed["subject_id"], placed["case"], placed["ground"]) == (who, "C", hold.GROUND)
    listed = json.loads(cli("hold", "list", "--tenant", "smile", "-o", "json").stdout)["data"]
    assert [one["hold_id"] for one in listed] == [placed["hold_id"]]
    shown = json.loads(cli("hold", "show", placed["hold_id"], "-o", "json").stdout)["data"]
    assert shown == placed
    purged = cli("retention", "purge", "--tenant", "smile", "--yes")
    assert "2 due rows stay: legal holds keep them" in purged.stderr
    release = ("hold", "release", "--tenant", "smile", "--case", "C", "--reason", "settled")
    assert cli(*release).returncode == 2
    released = cli(*release, "--yes", "-o", "json")
    assert (released.returncode, len(json.loads(released.stdout)["data"]["freed"])) == (0, 2)
    assert "2 rows are due and go with the next" in released.stderr
    assert cli("hold", "release", placed["hold_id"], "--reason", "again", "--yes").returncode == 5
    assert cli("hold", "show", who).returncode == 1


def test_nobody_erases_a_person_who_is_held(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any], tmp_path: Path
) -> None:
    who = person(session, tenant, "1")
    placed, before = put(session, tenant, who), counts(admin)
    with pytest.raises(RefusedError, match=f"subject {who} is held: legal claims"):
        erase(session, tenant, who, tmp_path)
    assert counts(admin) == before
    assert status(session).state == "settled"
    hold.release(session, tenant, [placed], "settled")
    assert erase(session, tenant, who, tmp_path).outcome == "erased"


def test_with_except_held_the_others_go_and_who_is_held_waits(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any], tmp_path: Path
) -> None:
    nele, bruno, zoe = (person(session, tenant, one) for one in ("1", "2", "3"))
    placed = put(session, tenant, nele)
    plan = erasure.plan(session, tenant, [nele, bruno, zoe], "ticket 1")
    assert (plan.people, [(one.subject_id, one.hold_id) for one in plan.held]) == (
        2,
        [(nele, placed.hold_id)],
    )
    with pytest.raises(RefusedError, match=f"subject {nele} is held") as refusal:
        erasure.run(session, plan, tmp_path)
    assert "--except-held" in str(refusal.value.hint)
    done = erasure.run(session, plan, tmp_path, except_held=True)
    assert (done.people, done.outcome) == (2, "erased")
    assert erasure.verify(session, done.erasure_id).ok
    states = dict(admin.execute("SELECT subject_id, state FROM lua.erasure_subject").fetchall())
    assert states == {nele: "held", bruno: "erased", zoe: "erased"}
    assert OLD in texts(session, tenant)


def test_a_hold_that_comes_while_people_are_erased_stops_it(
    session: Session,
    tenant: Tenant,
    login: Callable[..., Session],
    admin: psycopg.Connection[Any],
    tmp_path: Path,
) -> None:
    officer, who, before = login("lua_dpo"), person(session, tenant, "1"), counts(admin)

    def place(step: str) -> None:
        if step == "root placed at holder 1":
            put(officer, tenant, who)

    with pytest.raises(BusyError, match="a legal hold came in"):
        erase(session, tenant, who, tmp_path, step=place)
    after = counts(admin)
    assert {name: after[name] for name in before if name != "ledger.entry"} == {
        name: before[name] for name in before if name != "ledger.entry"
    }
    assert status(session).state == "settled"


def test_rows_move_batch_by_batch_until_none_is_left(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    """Batches of one row: each finds what the one before left, under the hold with the lowest number."""
    first = put(session, tenant, person(session, tenant, "1"))
    put(session, tenant)
    heard: list[int] = []
    now = session.clock.now()
    moved = hold.move(session, tenant.tenant_id, now, heard.append, batch_rows=1)
    assert moved == hold.Moved(interactions=2, invoices=2)
    assert heard == [1, 1, 1, 1]
    rows = admin.execute(
        "SELECT subject_id, held_under FROM crm.interaction WHERE held_under IS NOT NULL"
        " UNION ALL SELECT subject_id, held_under FROM crm.invoice WHERE held_under IS NOT NULL"
    ).fetchall()
    who = person(session, tenant, "1")
    assert sorted(number == first.number for _, number in rows) == [False, False, True, True]
    assert all((subject == who) == (number == first.number) for subject, number in rows)
    assert hold.move(session, tenant.tenant_id, now) == hold.Moved(0, 0)


def test_no_row_is_read_for_holds_that_are_not_there(
    session: Session, tenant: Tenant, admin: psycopg.Connection[Any]
) -> None:
    """Every batch of an erasure asks who is held, three times: it must not cost a look at all they did."""

    def read() -> int:
        with admin.transaction():
            admin.execute(
                "SELECT FROM crm.subject s, lua.holds_on(%s, ARRAY[s.subject_id]) WHERE s.tenant_id = %s",
                (tenant.tenant_id, tenant.tenant_id),
            )
            found = admin.execute(
                "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
                " WHERE schemaname = 'crm' AND relname = 'interaction_pooled'"
            ).fetchone()
        assert found is not None
        return int(found[0])

    put(session, tenant, person(session, tenant, "1"))
    put(session, tenant, query="invoice year=2016")
    assert read() == 0
    put(session, tenant, query="interaction kind=note")
    assert read() > 0
