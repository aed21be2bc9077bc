"""The Chinook people: one of them is erased, and the 58 others are as they were."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from support_erasure import erase, later, new_tenant

from luactl import crm, erasure, retention
from luactl.db import Session
from luactl.verify import verify_folder


def chinook() -> Path:
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LUACTL_SHARED_DATA", default)) / "chinook"
    if not folder.is_dir():
        pytest.skip(f"no Chinook tables in {folder}; LUACTL_SHARED_DATA names the folder above")
    return folder


def test_one_goes_and_58_stay(
    session: Session, login: Callable[..., Session], admin: psycopg.Connection, tmp_path: Path
) -> None:
    tables, options, tenant = chinook(), crm.Options(), new_tenant(session, "records")
    crm.import_customers(session, tenant, tables / "customers.csv", options)
    crm.import_invoices(session, tenant, tables / "invoices.csv", options, tables / "invoice_lines.csv")
    people = {view.email: view for view in crm.list_customers(session, tenant, 0).rows}
    who = people["luisg@embraer.com.br"]
    done = erase(session, tenant, who.subject_id, tmp_path)
    assert sum(one.rows for one in done.staying) == 7
    assert verify_folder(Path(done.certificate)).ok
    left = {view.email: view for view in crm.list_customers(session, tenant, 0).rows}
    assert left == {email: view for email, view in people.items() if view != who}
    assert len(left) == 58

    bookkeeping = login("lua_accounting")
    invoices = crm.list_invoices(bookkeeping, tenant, 0, who.subject_id, party=True).rows
    assert {one.party["name"] for one in invoices if one.party} == {"Luís Gonçalves"}
    assert len(invoices) == 7
    assert len(crm.list_invoices(login("lua_operator"), tenant, 0).rows) == 412 - 7

    moved = later(session, 12)
    gone = retention.purge(moved, retention.plan(moved, [tenant]))
    assert (gone.invoices, gone.invoice_lines) == (412, 2240)
    assert admin.execute("SELECT count(*) FROM crm.invoice").fetchone() == (0,)
    assert erasure.verify(session, done.erasure_id).ok
    assert len(crm.list_customers(session, tenant, 0).rows) == 58
