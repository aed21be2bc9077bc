"""People of a tenant, written row by row through the engine's own keys: what searches are tried on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from luactl import subject
from luactl.db import Session, transaction
from luactl.key import KeyClass, Place, RetentionClass, blind, open_tenant
from luactl.key.seal import seal
from luactl.ledger import Entry, append
from luactl.tenant import Tenant

SUBJECT = """INSERT INTO crm.subject (tenant_id, subject_id, entry_id, created_at, updated_at)
             VALUES (%s, %s, %s, %s, %s)"""
CONTACT = """INSERT INTO crm.contact (tenant_id, contact_id, subject_id, personal, index_version, email_index,
                                      phone_index, name_index, entry_id, created_at, updated_at)
             VALUES (%s, %s, %s, %s, %s, %s, %s::integer[], %s::integer[], %s, %s, %s)"""
DIGEST = "INSERT INTO crm.contact_key (tenant_id, digest, subject_id) VALUES (%s, %s, %s)"
INTERACTION = """INSERT INTO crm.interaction (tenant_id, interaction_id, subject_id, kind, occurred_at,
                                              retention_period, personal, entry_id, created_at)
                 VALUES (%s, %s, %s, 'note', %s, %s, '\\x01', %s, %s)"""
INVOICE = """INSERT INTO crm.invoice (tenant_id, invoice_id, subject_id, number, issued_on, currency, total,
                                      retention_period, accounting, entry_id, created_at)
             VALUES (%s, %s, %s, %s, %s, 'EUR', 10, %s, '\\x01', %s, %s)"""
LINE = """INSERT INTO crm.invoice_line (tenant_id, invoice_id, line_no, quantity, unit_price, accounting)
          VALUES (%s, %s, %s, 1, 5, '\\x01')"""


def add_people(
    session: Session, tenant: Tenant, people: Sequence[dict[str, str]], version: int
) -> list[UUID]:
    """Keep people with indexes of one width version; return their subject ids."""
    keys = open_tenant(session, tenant.tenant_id)
    keys.reserve(KeyClass.MAIN, len(people))
    period = keys.period(RetentionClass.CONTACT, 0)
    indexer = blind.Indexer(keys.index_key, version, tenant.country)
    ids, now, who = [uuid7() for _ in people], session.clock.now(), tenant.tenant_id
    with transaction(session, who) as conn, conn.cursor() as cursor:
        entry = append(session, Entry("crm.customer.import", who))
        subject_keys = keys.claim(ids, KeyClass.MAIN)
        cursor.executemany(SUBJECT, [(who, one, entry, now, now) for one in ids])
        for one, fields in zip(ids, people, strict=True):
            contact = uuid7()
            place = Place(who, one, "crm.contact", "personal", contact)
            sealed = seal(fields, place, subject_keys[one], period, KeyClass.MAIN)
            row: list[Any] = [
                who,
                contact,
                one,
                sealed,
                version,
                *subject.indexes(indexer, fields),
                entry,
                now,
                now,
            ]
            cursor.execute(CONTACT, row)
            if external := fields.get("external_id"):
                cursor.execute(DIGEST, (who, blind.external_digest(keys.unique_key, external), one))
    return ids


def add_history(
    session: Session, tenant: Tenant, subject_id: UUID, months: Sequence[int], years: Sequence[int]
) -> None:
    """Give a person an interaction a month and an invoice of two lines a year, their sealed values empty."""
    now, who = session.clock.now(), tenant.tenant_id
    with transaction(session, who) as conn:
        entry = append(session, Entry("crm.invoice.import", who))
        for month in months:
            at = date(month // 100, month % 100, 3)
            conn.execute(INTERACTION, (who, uuid7(), subject_id, at, month, entry, now))
        for year in years:
            invoice = uuid7()
            conn.execute(
                INVOICE, (who, invoice, subject_id, f"{year}-{invoice}", date(year, 5, 1), year, entry, now)
            )
            for line in (1, 2):
                conn.execute(LINE, (who, invoice, line))
