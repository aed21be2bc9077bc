"""The Chinook tables go in as they are, and come out as they were."""

from __future__ import annotations

import csv
from decimal import Decimal

from luactl import crm
from luactl.db import Session
from tests.support_crm import chinook, new_tenant

Row = dict[str, str]
COLUMNS = {
    "FirstName": "first_name",
    "LastName": "last_name",
    "Company": "company",
    "Address": "street",
    "City": "city",
    "State": "state",
    "Country": "country",
    "PostalCode": "postal_code",
    "Phone": "phone",
    "Fax": "fax",
    "Email": "email",
}


def rows_of(name: str) -> list[Row]:
    with (chinook() / name).open(encoding="utf-8", newline="") as stream:
        return [{name: cell.strip() for name, cell in row.items()} for row in csv.DictReader(stream)]


def test_all_of_chinook_goes_in_and_comes_out_intact(session: Session) -> None:
    tenant = new_tenant(session)
    report = crm.import_customers(session, tenant, chinook() / "customers.csv", crm.Options())
    assert (report.imported, report.rejected, report.unused_columns) == (59, 0, ("SupportRepId",))
    shown = {view.external_id: view for view in crm.list_customers(session, tenant, 0).rows}
    for row in rows_of("customers.csv"):
        view = shown[row["CustomerId"]]
        for column, field in COLUMNS.items():
            assert (getattr(view, field) or "") == row[column]
    assert shown["1"].name == "Luís Gonçalves"
    assert "ö" in str(shown["2"].last_name)

    invoices, lines = chinook() / "invoices.csv", chinook() / "invoice_lines.csv"
    options = crm.Options(currency="USD")
    report = crm.import_invoices(session, tenant, invoices, options, lines)
    assert (report.imported, report.lines, report.rejected, report.rejected_lines) == (412, 2240, 0, 0)
    listed = crm.list_invoices(session, tenant, 0, party=True).rows
    people = {view.subject_id: view for view in shown.values()}
    by_number = {view.number: view for view in listed}
    for row in rows_of("invoices.csv"):
        invoice = by_number[row["InvoiceId"]]
        assert invoice.total == Decimal(row["Total"])
        assert invoice.issued_on.isoformat() == row["InvoiceDate"][:10]
        assert invoice.currency == "USD"
        assert people[invoice.subject_id].external_id == row["CustomerId"]
        assert invoice.party is not None
        assert invoice.party["street"] == row["BillingAddress"]
        assert invoice.party["name"] == people[invoice.subject_id].name
    assert sum(invoice.lines for invoice in listed) == 2240


def test_a_second_run_changes_nothing(session: Session) -> None:
    tenant = new_tenant(session)
    customers, options = chinook() / "customers.csv", crm.Options(batch=20)
    first = crm.import_customers(session, tenant, customers, options)
    again = crm.import_customers(session, tenant, customers, options)
    assert (first.imported, first.transactions) == (59, 3)
    assert (again.imported, again.already_there, again.transactions) == (0, 59, 0)
    invoices, lines = chinook() / "invoices.csv", chinook() / "invoice_lines.csv"
    assert crm.import_invoices(session, tenant, invoices, options, lines).imported == 412
    again = crm.import_invoices(session, tenant, invoices, options, lines)
    assert (again.imported, again.already_there, again.lines, again.rejected_lines) == (0, 412, 0, 0)
