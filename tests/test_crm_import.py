"""Imports against a real database: what goes in, what stays out, what is remembered."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from io import BytesIO
from typing import Any

import psycopg
import pytest

from luactl import crm
from luactl.connect import open_session
from luactl.db import Session, transaction
from luactl.errors import LuactlError, RefusedError, UsageError
from luactl.tenant import Tenant, suspend
from tests.support_crm import PEOPLE, new_tenant, table

Connection = psycopg.Connection[tuple[Any, ...]]
NOTHING = crm.Options()
INJECTION = "'); DROP TABLE crm.contact; --"


def entries(admin: Connection, action: str) -> list[dict[str, Any]]:
    rows = admin.execute("SELECT body FROM ledger.entry WHERE action = %s ORDER BY id", [action]).fetchall()
    return [json.loads(bytes(row[0])) for row in rows]


def count(admin: Connection, name: str) -> int:
    row = admin.execute(f"SELECT count(*) FROM {name}").fetchone()
    assert row is not None
    return int(row[0])


def put(session: Session, tenant: Tenant, text: str = PEOPLE, **options: Any) -> crm.Report:
    return crm.import_customers(session, tenant, table(text), crm.Options(**options))


def many(number: int) -> str:
    return "id,name\n" + "".join(f"{n},Person {n}\n" for n in range(number))


def test_customers_go_in_sealed_and_indexed(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    put(session, tenant, many(100))
    rows = admin.execute(
        "SELECT personal, index_version, cardinality(name_index) FROM crm.contact"
    ).fetchall()
    assert len(rows) == 100
    assert not any(b"Person" in bytes(personal) for personal, *_ in rows)
    assert {version for _, version, _ in rows} == {6}
    assert (count(admin, "crm.subject"), count(admin, "vault.slot"), count(admin, "crm.contact_key")) == (
        100,
    ) * 3


def test_each_transaction_leaves_one_entry_without_personal_data(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    report = put(session, tenant, many(25), batch=10)
    found = entries(admin, "crm.customer.import")
    assert report.transactions == len(found) == 3
    assert [entry["detail"] for entry in found] == [{"already_there": 0, "imported": n} for n in (10, 10, 5)]
    ids = {row[0] for row in admin.execute("SELECT DISTINCT entry_id::text FROM crm.contact").fetchall()}
    assert ids == {entry["id"] for entry in found}
    assert "Person" not in json.dumps(found)


def test_nothing_new_leaves_no_entry(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    put(session, tenant)
    report = put(session, tenant)
    assert (report.already_there, report.imported, report.transactions) == (3, 0, 0)
    assert len(entries(admin, "crm.customer.import")) == 1


def test_bad_lines_are_told_and_the_rest_goes_in(session: Session) -> None:
    text = "id,name,Geburtsdatum\n1,Ada,31.01.1990\n2,,\n3,Bo,soon\n,Cy,\n1,Di,\n4,Eve,1990-02-30\n5,Fay,\n"
    tenant = new_tenant(session)
    report = put(session, tenant, text)
    assert (report.rows, report.imported, report.rejected) == (7, 2, 5)
    assert [(one.line, one.reason.split(":")[0]) for one in report.rejects] == [
        (3, "it names nobody"),
        (4, "birth_date is no date"),
        (5, "external_id is empty"),
        (6, "external_id stands on an earlier line already"),
        (7, "birth_date is no date"),
    ]
    assert {view.birth_date for view in crm.list_customers(session, tenant, 0).rows} == {"1990-01-31", None}
    assert "soon" not in repr(report)


def test_all_or_nothing_writes_nothing_when_a_line_is_bad(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    with pytest.raises(crm.RejectedError) as caught:
        put(session, tenant, many(30) + "x\n", all_or_nothing=True, batch=10)
    assert caught.value.report.rejected == 1
    assert (count(admin, "crm.subject"), len(entries(admin, "crm.customer.import"))) == (0, 0)
    report = put(session, tenant, many(30), all_or_nothing=True, batch=10)
    assert (report.imported, report.transactions) == (30, 1)
    assert [entry["detail"]["imported"] for entry in entries(admin, "crm.customer.import")] == [30]


@pytest.mark.parametrize("all_or_nothing", [False, True])
def test_a_dry_run_counts_what_the_run_does(
    session: Session, admin: Connection, all_or_nothing: bool
) -> None:
    tenant = new_tenant(session)
    put(session, tenant, many(5))
    text = many(25) + ("" if all_or_nothing else "x\n3,Again\n")
    options = {"batch": 10, "all_or_nothing": all_or_nothing}
    planned = put(session, tenant, text, dry_run=True, **options)
    assert count(admin, "crm.subject") == 5
    done = put(session, tenant, text, **options)
    assert planned.dry_run
    assert {**vars(planned), "dry_run": False} == vars(done)
    assert (done.imported, done.already_there) == (20, 5)


def test_a_table_without_ids_goes_in_once(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    text = "name,email\nAda,ada@home.example\nAda,ada@home.example\n"
    assert put(session, tenant, text).imported == 2
    for dry_run in (True, False):
        with pytest.raises(LuactlError, match="imported before"):
            put(session, tenant, text, dry_run=dry_run)
    assert count(admin, "crm.contact") == 2
    assert put(session, tenant, text + "Bo,bo@home.example\n").imported == 3


def test_strings_stay_strings(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    report = put(session, tenant, f'id,name,notes\n"{INJECTION}","{INJECTION}","\\\\x00 %s %(a)s"\n')
    assert report.imported == 1
    [view] = crm.list_customers(session, tenant, 0, INJECTION).rows
    assert (view.external_id, view.name, view.notes) == (INJECTION, INJECTION, "\\\\x00 %s %(a)s")
    assert entries(admin, "read")[-1]["purpose"] == INJECTION


def test_lists_and_shows_are_recorded_before_anything_opens(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    put(session, tenant)
    listing = crm.list_customers(session, tenant, 2, "check")
    assert (len(listing.rows), listing.more) == (2, True)
    [entry] = entries(admin, "read")
    assert (entry["purpose"], entry["object"], entry["detail"]["count"]) == ("check", "table:crm.contact", 2)
    assert len(entry["detail"]["references"]) == 2
    assert not {str(view.subject_id) for view in listing.rows} & set(entry["detail"]["references"])
    [shown] = crm.show_customer(session, tenant, listing.rows[0].subject_id)
    assert shown == listing.rows[0]
    assert len(entries(admin, "read")) == 2


def test_no_record_no_plaintext(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    put(session, tenant)
    groups = "lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting"
    row = admin.execute("SELECT 'ledger.append'::regproc::oid::regprocedure::text").fetchone()
    assert row is not None
    admin.execute(f"REVOKE EXECUTE ON FUNCTION {row[0]} FROM {groups}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        crm.list_customers(session, tenant, 0)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        put(session, tenant, many(3))
    assert count(admin, "crm.contact") == 3


def test_erased_people_are_not_listed(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    put(session, tenant)
    gone = crm.list_customers(session, tenant, 1).rows[0].subject_id
    admin.execute(
        "UPDATE crm.subject SET status = 'erased', erased_at = now(), personal = NULL WHERE subject_id = %s",
        [gone],
    )
    assert gone not in {view.subject_id for view in crm.list_customers(session, tenant, 0).rows}
    with pytest.raises(LuactlError, match="has no customer"):
        crm.show_customer(session, tenant, gone)


def test_a_suspended_tenant_takes_nothing(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    put(session, tenant)
    suspend(session, tenant.slug, "unpaid")
    work: list[Callable[[BytesIO], crm.Report]] = [
        lambda data: crm.import_customers(session, tenant, data, NOTHING),
        lambda data: crm.import_interactions(session, tenant, data, NOTHING),
        lambda data: crm.import_invoices(session, tenant, data, NOTHING),
    ]
    for import_ in work:
        with pytest.raises(RefusedError, match="suspended"):
            import_(table(many(3)))
    assert count(admin, "crm.contact") == 3


@pytest.mark.parametrize("role", ["lua_auditor", "lua_responder", "lua_accounting", "lua_admin"])
def test_other_roles_cannot_import(
    login: Callable[..., Session], session: Session, admin: Connection, role: str
) -> None:
    tenant = new_tenant(session)
    with pytest.raises((psycopg.errors.InsufficientPrivilege, RefusedError)):
        put(login(role), tenant)
    assert count(admin, "crm.subject") == 0


def test_an_operator_alone_imports(login: Callable[..., Session], session: Session) -> None:
    tenant = new_tenant(session)
    operator = login("lua_operator")
    assert put(operator, tenant).imported == 3
    invoices = "No,CustomerId,Date,Total\nA1,1,2026-01-02,5\n"
    assert crm.import_invoices(operator, tenant, table(invoices), NOTHING).imported == 1
    calls = "CustomerId,Date,Text\n2,2026-01-02 10:00,Hello\n"
    assert crm.import_interactions(operator, tenant, table(calls), NOTHING).imported == 1


def test_one_tenant_never_sees_another(session: Session) -> None:
    one, other = new_tenant(session, "one"), new_tenant(session, "other")
    put(session, one)
    assert crm.list_customers(session, other, 0).rows == ()
    assert put(session, other).imported == 3
    invoice = "No,CustomerId,Date,Total\nA1,1,2026-01-02,5\n"
    assert crm.import_invoices(session, one, table(invoice), NOTHING).imported == 1
    assert crm.import_invoices(session, other, table(invoice), NOTHING).imported == 1
    assert [view.number for view in crm.list_invoices(session, one, 0).rows] == ["A1"]


def test_two_imports_at_once_put_everybody_in_once(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    reports: list[crm.Report] = []
    begin = threading.Barrier(2)

    def run() -> None:
        with open_session("test", command="test") as own:
            begin.wait(30)
            reports.append(put(own, tenant, many(300), batch=50))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert count(admin, "crm.contact") == count(admin, "crm.contact_key") == 300
    assert sum(report.imported for report in reports) == 300
    assert sum(report.already_there for report in reports) == 300
    assert sum(e["detail"]["imported"] for e in entries(admin, "crm.customer.import")) == 300


def test_a_long_table_is_read_in_another_process(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    report = put(session, tenant, many(6_000) + "bad\n7,Again\n", batch=2_500)
    assert (report.imported, report.rejected, report.rows, report.transactions) == (6_000, 2, 6_002, 3)
    assert [one.line for one in report.rejects] == [6_002, 6_003]
    assert count(admin, "crm.contact") == 6_000


def test_what_goes_wrong_in_the_other_process_is_told_here(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)

    here = os.getpid()

    class Broken(BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            if os.getpid() != here:
                raise OSError(5, "Input/output error")
            return super().read1(size)

    with pytest.raises(OSError, match="Input/output error"):
        crm.import_customers(session, tenant, Broken(many(6_000).encode()), crm.Options(batch=100))
    assert count(admin, "crm.contact") == 0


def test_a_header_that_fits_nothing(session: Session) -> None:
    tenant = new_tenant(session)
    with pytest.raises(UsageError, match="no column is recognised; there are: Foo, Bar"):
        put(session, tenant, "Foo,Bar\n1,2\n")
    with pytest.raises(UsageError, match="no column is recognised as customer"):
        crm.import_invoices(session, tenant, table("No,Date,Total\n1,2026-01-01,2\n"), NOTHING)
    assert put(session, tenant, "Foo,Bar\n1,2\n", columns={"external_id": "Foo", "name": "Bar"}).imported == 1


def test_sealed_values_stay_in_their_tenant_context(session: Session, admin: Connection) -> None:
    tenant = new_tenant(session)
    put(session, tenant)
    with transaction(session, 0) as conn:
        assert conn.execute("SELECT count(*) FROM crm.contact").fetchone() == (0,)
