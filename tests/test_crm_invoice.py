"""Invoices and interactions: what must fit together, and who may open what."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from luactl import crm, erasure
from luactl.db import Session
from luactl.errors import UsageError
from luactl.tenant import Tenant
from tests.support_crm import PEOPLE, new_tenant, table

Connection = psycopg.Connection[tuple[Any, ...]]
INVOICES = """Rechnungsnummer;Kundennummer;Rechnungsdatum;Gesamtbetrag
R1;1;02.01.2025;1.230,50
R2;2;03.01.2026;10,00
"""
LINES = """Rechnungsnummer;Menge;Einzelpreis;Bezeichnung
R1;3;410,00;Krone
R1;1;0,50;Porto
R2;2,5;4,00;Beratung
"""


@pytest.fixture
def tenant(session: Session) -> Tenant:
    made = new_tenant(session)
    crm.import_customers(session, made, table(PEOPLE), crm.Options())
    return made


def bill(
    session: Session, tenant: Tenant, invoices: str, lines: str | None = None, **options: Any
) -> crm.Report:
    second = None if lines is None else table(lines)
    return crm.import_invoices(session, tenant, table(invoices), crm.Options(**options), second)


def reasons(report: crm.Report) -> list[tuple[int, str]]:
    return [(one.line, one.reason) for one in report.rejects]


def test_invoices_with_lines_in_german(session: Session, admin: Connection, tenant: Tenant) -> None:
    report = bill(session, tenant, INVOICES, LINES)
    assert (report.imported, report.lines, report.rejected, report.rejects) == (2, 3, 0, ())
    two, one = crm.list_invoices(session, tenant, 0, party=True).rows
    assert (one.number, one.total, one.lines, one.issued_on.isoformat()) == (
        "R1",
        Decimal("1230.50"),
        2,
        "2025-01-02",
    )
    assert one.party == {"name": "Nele Ångström", "company": "Zahnpraxis Süd", "city": "Köln"}
    assert two.party == {"name": "Bruno Oliveira", "city": "São Paulo"}
    rows = admin.execute("SELECT quantity, unit_price FROM crm.invoice_line ORDER BY 1").fetchall()
    assert rows == [(Decimal(1), Decimal("0.5")), (Decimal("2.5"), Decimal(4)), (Decimal(3), Decimal(410))]
    periods = admin.execute("SELECT DISTINCT retention_period FROM crm.invoice ORDER BY 1").fetchall()
    assert periods == [(2025,), (2026,)]
    classes = admin.execute("SELECT key_class, count(*) FROM vault.slot GROUP BY 1 ORDER BY 1").fetchall()
    assert classes == [(1, 3), (3, 2)]


def test_the_contact_is_opened_for_the_party_only_on_record(
    session: Session, admin: Connection, tenant: Tenant
) -> None:
    bill(session, tenant, INVOICES)
    rows = admin.execute("SELECT body FROM ledger.entry WHERE action = 'read'").fetchall()
    [entry] = [json.loads(bytes(row[0])) for row in rows]
    assert (entry["purpose"], entry["detail"]["count"]) == ("billing party of imported invoices", 2)
    given = "No,Customer,Date,Total,Billing Name,City\nX,1,2026-01-01,1,Zahnkasse,Bonn\n"
    assert bill(session, tenant, given).imported == 1
    assert len(admin.execute("SELECT FROM ledger.entry WHERE action = 'read'").fetchall()) == 1
    found = {view.number: view.party for view in crm.list_invoices(session, tenant, 0, party=True).rows}
    assert found["X"] == {"name": "Zahnkasse", "city": "Bonn"}


def test_what_does_not_fit_together_is_told(session: Session, tenant: Tenant) -> None:
    invoices = (
        "No,CustomerId,Date,Total\n1,1,2026-01-01,5\n2,9,2026-01-01,5\n3,1,soon,5\n4,1,2026-01-01,6\n"
        "1,2,2026-01-01,5\n,1,2026-01-01,5\n7,1,2026-01-01,x\n8,1,2026-01-01,5\n9,,2026-01-01,5\n10,1,2026-01-01,5\n"
    )
    lines = (
        "InvoiceId,Price,Qty,Text\n1,5,1,a\n2,5,1,b\n4,5,1,c\n8,x,1,d\n77,1,1,e\n"
        ",1,1,f\n9,5,1,g\n3,5,1,h\n7,1,1,i\n"
    )
    report = bill(session, tenant, invoices, lines)
    assert (report.rows, report.imported, report.rejected, report.rejected_lines) == (10, 1, 9, 3)
    assert sorted(reasons(report)) == sorted(
        [
            (3, "no customer has this external id"),
            (4, "issued_on is no date: write 2026-01-31 or 31.01.2026"),
            (5, "total is not what its lines come to"),
            (6, "number stands on an earlier line already"),
            (7, "number is empty"),
            (8, "total is no amount: write 1234.50 or 1234,50"),
            (9, "one of its lines is bad"),
            (10, "customer is empty"),
            (11, "it has no lines, but a total"),
            (5, "unit_price is no amount: write 1234.50 or 1234,50"),
            (6, "no invoice has this number"),
            (7, "number is empty"),
        ]
    )


@pytest.mark.parametrize(
    ("total", "tax", "fits"),
    [("11.90", "1.90", True), ("10", "1.90", True), ("11.90", "1.80", False), ("10.00", "", True)],
)
def test_tax_may_come_on_top_of_the_lines(
    session: Session, tenant: Tenant, total: str, tax: str, fits: bool
) -> None:
    invoices = f"No,CustomerId,Date,Total,VAT\n1,1,2026-01-01,{total},{tax}\n"
    assert bill(session, tenant, invoices, "InvoiceId,Price\n1,10\n").imported == fits


def test_rounding_by_line_or_at_the_end(session: Session, tenant: Tenant) -> None:
    lines = "InvoiceId,Price,Qty\n1,0.335,1\n1,0.335,1\n2,0.335,1\n2,0.335,1\n"
    invoices = "No,CustomerId,Date,Total\n1,1,2026-01-01,0.68\n2,1,2026-01-01,0.67\n"
    assert bill(session, tenant, invoices, lines).imported == 2


def test_dry_run_and_all_or_nothing(session: Session, admin: Connection, tenant: Tenant) -> None:
    planned = bill(session, tenant, INVOICES, LINES, dry_run=True)
    assert admin.execute("SELECT count(*) FROM crm.invoice").fetchone() == (0,)
    with pytest.raises(crm.RejectedError):
        bill(session, tenant, INVOICES, LINES + "R9;1;1;x\n", all_or_nothing=True)
    with pytest.raises(crm.RejectedError):
        bill(session, tenant, INVOICES + "R3;77;01.01.2026;1\n", all_or_nothing=True)
    assert admin.execute("SELECT count(*) FROM crm.invoice").fetchone() == (0,)
    assert admin.execute(
        "SELECT count(*) FROM ledger.entry WHERE action = 'crm.invoice.import'"
    ).fetchone() == (0,)
    done = bill(session, tenant, INVOICES, LINES)
    assert {**vars(planned), "dry_run": False} == vars(done)
    assert admin.execute(
        "SELECT count(*) FROM ledger.entry WHERE action = 'crm.invoice.import'"
    ).fetchone() == (1,)


def test_a_number_that_only_bookkeeping_sees_is_taken(
    session: Session, admin: Connection, tenant: Tenant, login: Callable[..., Session]
) -> None:
    bill(session, tenant, INVOICES)
    admin.execute("UPDATE crm.invoice SET retained_at = now() WHERE number = 'R1'")
    operator, books = login("lua_operator"), login("lua_accounting")
    report = bill(operator, tenant, INVOICES)
    assert (report.already_there, report.rejected) == (2, 0)
    assert [view.number for view in crm.list_invoices(operator, tenant, 0).rows] == ["R2"]
    assert [view.number for view in crm.list_invoices(books, tenant, 0, party=True).rows] == ["R2", "R1"]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        crm.list_invoices(operator, tenant, 0, party=True)


def test_currencies(session: Session, tenant: Tenant) -> None:
    with pytest.raises(UsageError, match="no such currency"):
        bill(session, tenant, INVOICES, currency="euro")
    text = "No,CustomerId,Date,Total,Currency\n1,1,2026-01-01,1,chf\n2,1,2026-01-01,1,\n3,1,2026-01-01,1,€\n"
    report = bill(session, tenant, text, currency="USD")
    assert reasons(report) == [(4, "currency is none: write EUR")]
    assert {view.number: view.currency for view in crm.list_invoices(session, tenant, 0).rows} == {
        "1": "CHF",
        "2": "USD",
    }


CALLS = """Kunde,Art,Datum,Betreff,Notiz
1,Anruf,02.01.2026 09:30,Termin,Rückruf gewünscht
2,,2025-12-31T23:30:00-02:00,,Mail geschickt
1,Fax,02.01.2026,a,b
9,Anruf,02.01.2026,a,b
1,Anruf,bald,a,b
,Anruf,02.01.2026,a,b
1,Anruf,02.01.2026,,
1,Anruf,02.01.1960,a,b
1,Anruf,02.01.2026 09:30,Termin,Rückruf gewünscht
"""


def test_interactions(session: Session, admin: Connection, tenant: Tenant) -> None:
    planned = crm.import_interactions(session, tenant, table(CALLS), crm.Options(dry_run=True))
    report = crm.import_interactions(session, tenant, table(CALLS), crm.Options())
    assert {**vars(planned), "dry_run": False} == vars(report)
    assert (report.rows, report.imported, report.already_there, report.rejected) == (9, 2, 1, 6)
    assert [line for line, _ in reasons(report)] == [4, 5, 6, 7, 8, 9]
    assert "Rückruf" not in repr(report)
    one, two = sorted(crm.list_interactions(session, tenant, 0).rows, key=lambda view: view.kind)
    assert (one.kind, one.subject, one.text) == ("call", "Termin", "Rückruf gewünscht")
    assert (two.kind, two.occurred_at.isoformat()) == ("note", "2026-01-01T01:30:00+00:00")
    periods = admin.execute("SELECT DISTINCT retention_period FROM crm.interaction").fetchall()
    assert periods == [(202601,)]
    again = crm.import_interactions(session, tenant, table(CALLS), crm.Options())
    assert (again.imported, again.already_there, again.transactions) == (0, 3, 0)
    assert admin.execute(
        "SELECT count(*) FROM ledger.entry WHERE action = 'crm.interaction.import'"
    ).fetchone() == (1,)
    mine = crm.list_interactions(session, tenant, 0, one.subject_id).rows
    assert mine == (one,)


def test_an_interactions_id_tells_nothing_once_the_persons_key_is_gone(
    session: Session, admin: Connection, tenant: Tenant, tmp_path: Path
) -> None:
    """Whoever holds an old backup and today's root may guess what was said: the id must not confirm it."""
    said = "Kunde,Art,Datum,Betreff,Notiz\n1,Anruf,2026-01-02T09:30:00Z,,HIV\n"
    crm.import_interactions(session, tenant, table(said), crm.Options())
    before, who = admin.execute("SELECT interaction_id, subject_id FROM crm.interaction").fetchall()[0]
    erasure.run(session, erasure.plan(session, tenant, who, "ticket 1"), tmp_path)
    crm.import_customers(session, tenant, table("Kundennummer,Name\n1,Somebody Else\n"), crm.Options())
    assert crm.import_interactions(session, tenant, table(said), crm.Options()).imported == 1
    (after,) = admin.execute("SELECT interaction_id FROM crm.interaction").fetchall()[0]
    assert before.int >> 80 == after.int >> 80
    assert before != after


def test_interactions_all_or_nothing(session: Session, admin: Connection, tenant: Tenant) -> None:
    with pytest.raises(crm.RejectedError):
        crm.import_interactions(session, tenant, table(CALLS), crm.Options(all_or_nothing=True, batch=1))
    assert admin.execute("SELECT count(*) FROM crm.interaction").fetchone() == (0,)
