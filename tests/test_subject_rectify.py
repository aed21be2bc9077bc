"""Rectification: rows sealed anew under a newer key, and the old value opens nowhere any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from subprocess import CompletedProcess
from typing import Any
from uuid import UUID

import psycopg
import pytest
from conftest import TEMPLATE, TestServer
from support_subject import add_people
from uuid_utils.compat import uuid7

from luactl import hold, key, request, subject, tenant
from luactl.db import Session, transaction
from luactl.errors import NotFoundError, RefusedError, UsageError
from luactl.key import KeyClass, RetentionClass, SealError, SubjectKey, TenantDrop
from luactl.key.seal import header, seal, unseal
from luactl.ledger import Entry, append, references
from luactl.subject.sealed import TABLES, USER, tables_of
from luactl.tenant import NewTenant, Tenant

Cli = Callable[..., CompletedProcess[str]]
OLD = {
    "name": "Aylin Yilmaz",
    "email": "old@example.org",
    "phone": "+491711234567",
    "note": "x",
    "external_id": "K-1",
}


@pytest.fixture
def shop(session: Session) -> Tenant:
    tenant.create(session, NewTenant("shop", "Shop", "DE", "someone"))
    return tenant.find(session, "shop")


@pytest.fixture
def aylin(session: Session, shop: Tenant, admin: psycopg.Connection[Any]) -> UUID:
    """A person with a row in each sealed table, another beside her."""
    ids = add_people(session, shop, [OLD, {**OLD, "email": "other@example.org", "external_id": "K-2"}], 0)
    who, one = shop.tenant_id, ids[0]
    keys = key.open_tenant(session, who)
    references(session, keys, who, ids)
    keys.reserve(KeyClass.ACCOUNTING, 1)
    month, year = keys.period(RetentionClass.INTERACTION, 202607), keys.period(RetentionClass.INVOICE, 2025)
    contact = keys.period(RetentionClass.CONTACT, 0)
    with transaction(session, who) as conn:
        entry, now = append(session, Entry("crm.invoice.import", who)), session.clock.now()
        main = keys.subjects([one], KeyClass.MAIN)[one]
        duty = keys.claim([one], KeyClass.ACCOUNTING)[one]
        talk, invoice = uuid7(), uuid7()
        bill, line = TABLES[-2:]
        conn.execute(
            "INSERT INTO crm.interaction (tenant_id, interaction_id, subject_id, kind, occurred_at,"
            " retention_period, personal, entry_id, created_at)"
            " VALUES (%s, %s, %s, 'note', %s, 202607, %s, %s, %s)",
            (
                who,
                talk,
                one,
                "2026-07-03",
                seal({"text": "called"}, TABLES[2].place(who, one, str(talk)), main, month, KeyClass.MAIN),
                entry,
                now,
            ),
        )
        conn.execute(
            "INSERT INTO crm.invoice (tenant_id, invoice_id, subject_id, number, issued_on, currency, total,"
            " retention_period, accounting, entry_id, created_at)"
            " VALUES (%s, %s, %s, 'R-1', '2025-05-01', 'EUR', 10, 2025, %s, %s, %s)",
            (
                who,
                invoice,
                one,
                seal({"party": "Aylin"}, bill.place(who, one, str(invoice)), duty, year, KeyClass.ACCOUNTING),
                entry,
                now,
            ),
        )
        place = line.place(who, one, f"{invoice}/1")
        conn.execute(
            "INSERT INTO crm.invoice_line (tenant_id, invoice_id, line_no, quantity, unit_price, accounting)"
            " VALUES (%s, %s, 1, 1, 10, %s)",
            (who, invoice, seal({"text": "visit"}, place, duty, year, KeyClass.ACCOUNTING)),
        )
    user = uuid7()
    blob = seal({"login": "aylin"}, USER.place(who, one, str(user)), main, contact, KeyClass.MAIN)
    admin.execute(
        "INSERT INTO crm.app_user (tenant_id, user_id, subject_id, state, personal, login_digest,"
        " index_version, name_index, entry_id, created_at, updated_at)"
        " VALUES (%s, %s, %s, 'active', %s, %s, 0, '{}', %s, %s, %s)",
        (who, user, one, blob, bytes(32), entry, now, now),
    )
    asked = request.add(session, shop, request.prepare(session, "rectification", "T-1"))
    assert isinstance(asked, request.Request)
    request.identify(session, asked, one, "identity card", note="wants another name")
    return one


def sealed_rows(session: Session, shop: Tenant, one: UUID) -> dict[tuple[str, str], bytes]:
    """Every sealed value about a person: what somebody who copies the database has."""
    from luactl.subject.sealed import read

    with transaction(session, shop.tenant_id):
        return {
            (table.table, row_id): bytes(blob)
            for table in TABLES
            for row_id, blob in read(session, table, shop.tenant_id, one)
        }


def opens(
    session: Session, shop: Tenant, one: UUID, copied: dict[tuple[str, str], bytes]
) -> dict[tuple[str, str], Any]:
    """Open such values with today's keys, whatever version they ask for; what does not open is left out."""
    keys, found = key.open_tenant(session, shop.tenant_id), {}
    of = {table.table: table for table in TABLES}
    with transaction(session, shop.tenant_id):
        for (name, row_id), blob in copied.items():
            table = of[name]
            _class, version, period_id = header(blob)
            newest = keys.subjects([one], table.key_class)[one]
            period = keys.existing_period(*key.split_period(period_id))
            assert period is not None
            try:
                found[name, row_id] = unseal(
                    blob, table.place(shop.tenant_id, one, row_id), SubjectKey(version, newest.key), period
                )
            except SealError:
                continue
    return found


def test_the_list_of_sealed_columns_is_complete(server: TestServer) -> None:
    with server.admin(TEMPLATE) as conn:
        found = conn.execute(
            "SELECT format('%s.%s', c.relnamespace::regnamespace, c.relname), a.attname"
            " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE (c.relnamespace = 'crm'::regnamespace OR a.attname = 'personal')"
            " AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND a.atttypid = 'bytea'::regtype AND NOT a.attisdropped"
            " AND a.attname NOT IN ('digest', 'hash', 'login_digest')"
        ).fetchall()
    assert {(table.table, table.column) for table in TABLES} == set(found)


@pytest.mark.parametrize("key_class", [KeyClass.MAIN, KeyClass.ACCOUNTING])
def test_every_row_of_the_class_gets_the_newer_key_and_old_copies_die(
    session: Session, shop: Tenant, aylin: UUID, key_class: KeyClass
) -> None:
    copied = sealed_rows(session, shop, aylin)
    assert {name for name, _row in copied} == {table.table for table in TABLES}
    before = opens(session, shop, aylin, copied)
    assert set(before) == set(copied)
    done = subject.rekey(session, shop, aylin, key_class, purpose="T-1")
    concerned = {table.table for table in tables_of(key_class)}
    assert (done.version_from, done.version_to, done.epoch) == (1, 2, 2)
    assert done.rows == dict.fromkeys(concerned, 1)
    now = sealed_rows(session, shop, aylin)
    assert opens(session, shop, aylin, now) == before, "a living value was lost"
    still = opens(session, shop, aylin, copied)
    assert {name for name, _row in still} == {table.table for table in TABLES} - concerned
    assert key.verify(session).findings == ()
    again = subject.rekey(session, shop, aylin, key_class, purpose="T-1")
    assert (again.version_to, again.epoch) == (3, 3)
    assert opens(session, shop, aylin, now).keys() == still.keys()


def test_the_ledger_reference_stays_the_same(session: Session, shop: Tenant, aylin: UUID) -> None:
    before = references(session, key.open_tenant(session, shop.tenant_id), shop.tenant_id, [aylin])
    subject.rekey(session, shop, aylin, purpose="T-1")
    assert references(session, key.open_tenant(session, shop.tenant_id), shop.tenant_id, [aylin]) == before


def correct(session: Session, shop: Tenant, one: UUID, **values: str | None) -> subject.Rectification:
    plan = subject.plan_rectification(session, shop, one, tuple(values), "T-12")
    return subject.rectify(session, shop, plan, values)


def test_a_corrected_value_is_found_and_the_old_one_is_not(
    session: Session, shop: Tenant, aylin: UUID, admin: psycopg.Connection[Any]
) -> None:
    copied = sealed_rows(session, shop, aylin)
    correct(session, shop, aylin, email="new@example.org", phone=None)

    def look(value: str) -> list[UUID]:
        return [one.subject_id for one in subject.find(session, shop, "email", value, purpose="T-12")]

    assert look("new@example.org") == [aylin]
    assert look("old@example.org") == []
    assert subject.find(session, shop, "phone", OLD["phone"], purpose="T-12")[0].subject_id != aylin
    assert [one.subject_id for one in subject.find(session, shop, "external_id", "K-1", purpose="T-12")] == [
        aylin
    ]
    now = opens(session, shop, aylin, sealed_rows(session, shop, aylin))
    (fields,) = [value for (name, _row), value in now.items() if name == "crm.contact"]
    assert fields == {"name": OLD["name"], "email": "new@example.org", "note": "x", "external_id": "K-1"}
    assert not [name for name, _row in opens(session, shop, aylin, copied) if name == "crm.contact"]


def test_the_ledger_tells_which_fields_and_no_value(
    session: Session, shop: Tenant, aylin: UUID, admin: psycopg.Connection[Any]
) -> None:
    correct(session, shop, aylin, email="new@example.org")
    bodies = [bytes(row[0]) for row in admin.execute("SELECT body FROM ledger.entry ORDER BY id")]
    text = b"\n".join(bodies).decode()
    assert not any(secret in text for secret in ("new@example.org", "old@example.org", "Aylin", str(aylin)))
    entries = [one for one in map(json.loads, bodies) if one["action"] == "subject.rectify"]
    assert [(one["outcome"], one["detail"]["fields"]) for one in entries] == [
        ("intent", ["email"]),
        ("done", ["email"]),
    ]
    reads = [one for one in map(json.loads, bodies) if one["action"] == "read" and one["purpose"] == "T-12"]
    assert len(reads) == 1, "who opens leaves a record first"


@pytest.mark.parametrize(
    ("fields", "instruction", "what"),
    [
        ((), "T-1", "no field is named"),
        (("Email",), "T-1", "no name of a field"),
        (("external_id",), "T-1", "external id"),
        (("email",), " ", "instruction"),
    ],
)
def test_what_cannot_be_corrected(
    session: Session, shop: Tenant, aylin: UUID, fields: tuple[str, ...], instruction: str, what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        subject.plan_rectification(session, shop, aylin, fields, instruction)


def test_a_contact_is_never_emptied(session: Session, shop: Tenant, aylin: UUID) -> None:
    before = sealed_rows(session, shop, aylin)
    plan = subject.plan_rectification(session, shop, aylin, ("email",), "T-12")
    names = ("email", "external_id", "name", "note", "phone")
    with pytest.raises(RefusedError, match="without any field"):
        subject.rectify(session, shop, replace(plan, fields=names), dict.fromkeys(names))
    assert sealed_rows(session, shop, aylin) == before
    assert key.status(session).state is key.State.SETTLED


def test_an_erased_person_is_not_corrected(
    session: Session, shop: Tenant, aylin: UUID, admin: psycopg.Connection[Any]
) -> None:
    admin.execute(
        "UPDATE crm.subject SET status = 'erased', personal = NULL, erased_at = now() WHERE subject_id = %s",
        [aylin],
    )
    with pytest.raises(RefusedError, match="erased"):
        subject.plan_rectification(session, shop, aylin, ("email",), "T-1")


def test_several_contacts_are_told_apart(session: Session, shop: Tenant, aylin: UUID) -> None:
    (other,) = add_people(session, shop, [{"name": "Second"}], 0)
    with transaction(session, shop.tenant_id) as conn:
        conn.execute(
            "INSERT INTO crm.contact SELECT tenant_id, %s, %s, personal, index_version, email_index,"
            " phone_index, name_index, entry_id, created_at, updated_at FROM crm.contact"
            " WHERE tenant_id = %s AND subject_id = %s",
            (uuid7(), aylin, shop.tenant_id, other),
        )
    with pytest.raises(UsageError, match="has 2 contacts"):
        subject.plan_rectification(session, shop, aylin, ("email",), "T-1")
    with pytest.raises(NotFoundError, match="has no contact"):
        subject.plan_rectification(session, shop, aylin, ("email",), "T-1", uuid7())


def test_duty_rows_are_for_bookkeeping_alone(
    login: Callable[..., Session], session: Session, shop: Tenant, aylin: UUID
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        subject.rekey(login("lua_operator"), shop, aylin, KeyClass.ACCOUNTING, purpose="T-1")
    both = login("lua_operator", "lua_accounting")
    assert subject.rekey(both, shop, aylin, KeyClass.ACCOUNTING, purpose="T-1").version_to == 2


def test_after_a_correction_an_erasure_takes_every_version(
    session: Session, shop: Tenant, aylin: UUID
) -> None:
    correct(session, shop, aylin, email="new@example.org")
    copied = sealed_rows(session, shop, aylin)
    key.drop(session, [TenantDrop(shop.tenant_id, [(aylin, KeyClass.MAIN)])], lambda _epoch: None)
    keys = key.open_tenant(session, shop.tenant_id)
    with transaction(session, shop.tenant_id):
        assert keys.subjects([aylin], KeyClass.MAIN) == {}
    assert copied
    assert key.verify(session).findings == ()


def test_on_the_command_line(cli: Cli, session: Session, shop: Tenant, aylin: UUID) -> None:
    ask = ("subject", "rectify", str(aylin), "--tenant", "shop", "--instruction", "T-12")
    planned = cli(*ask, "--field", "email", "--remove", "phone", "--dry-run", "-o", "json")
    assert planned.returncode == 0, planned.stderr
    plan = json.loads(planned.stdout)["data"]
    tables = ("crm.subject", "crm.contact", "crm.interaction", "lua.request", "crm.app_user")
    assert plan["rekeyed"]["rows"] == dict.fromkeys(tables, 1)
    assert cli(*ask, "--field", "email", stdin="new@example.org\n").returncode == 2
    assert cli(*ask, "--field", "email", "--yes", stdin="").returncode == 2
    done = cli(
        *ask, "--field", "email", "--remove", "phone", "--yes", "-o", "json", stdin="new@example.org\n"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"]["rekeyed"]["version_to"] == 2
    assert "new@example.org" not in done.stdout + done.stderr
    found = cli(
        "subject", "find", "--tenant", "shop", "--email", "-", "-o", "json", stdin="new@example.org\n"
    )
    assert [one["subject_id"] for one in json.loads(found.stdout)["data"]] == [str(aylin)]


def test_what_is_held_stays_as_it_is(session: Session, shop: Tenant, aylin: UUID) -> None:
    before = sealed_rows(session, shop, aylin)
    new = hold.NewHold(uuid7(), "subject", aylin, None, None, "file 7", "claims")
    hold.place(session, shop, new)
    with pytest.raises(RefusedError, match=f"is held: {new.hold_id}"):
        subject.plan_rectification(session, shop, aylin, ("email",), "T-1")
    for drop in (
        TenantDrop(shop.tenant_id, versions=[(aylin, KeyClass.MAIN, 1)]),
        TenantDrop(shop.tenant_id, whole=True),
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            key.drop(session, [drop], lambda _epoch: None)
    assert opens(session, shop, aylin, before).keys() == before.keys()
    assert key.status(session).state is key.State.SETTLED


def test_the_database_takes_nothing_but_the_next_version(session: Session, shop: Tenant, aylin: UUID) -> None:
    from luactl.subject.sealed import read, write

    talks = TABLES[2]
    with transaction(session, shop.tenant_id):
        ((row_id, blob),) = read(session, talks, shop.tenant_id, aylin)
    other = [
        blob[:1] + b"\x02" + blob[2:],  # class
        blob[:6] + b"\x00" + blob[7:],  # period
        blob,  # the same version
        blob[:2] + b"\x00\x00\x00\x03" + blob[6:],  # one too many
    ]
    for wrong in other:
        with transaction(session, shop.tenant_id):
            assert write(session, talks, shop.tenant_id, [(row_id, wrong)]) == 0
