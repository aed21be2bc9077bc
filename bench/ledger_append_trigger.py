"""Appending to the ledger, against a trigger that copies each row as jsonb, as supa_audit does.

The trigger is written from that project's description: after each row it looks up the table's primary key,
derives a stable record id from it (UUIDv5), and inserts the row as jsonb into a history with indexes on
record id, table and time. It hangs on the table by hand of `ledger_append`, with the same bytes and indexes.
Two clients, 100 a transaction with one statement.

By CPU the plain INSERT alone takes 0.45 to 0.53 of INSERT and trigger, and ours 0.95 to 1.05 of the INSERT: a
third of the trigger's time would be less than three quarters of a bare INSERT's. Without an index of words on
either side the ratio is 0.42, without ours alone 0.36.
"""

from __future__ import annotations

from .ledger_append import ENTRIES, TURNS, ours, theirs
from .ledger_world import BARE, conninfo_of, rates, world
from .measure import Measure, Size

LIMIT = 1 / 3
AUDIT = r"""
CREATE SCHEMA audit;
CREATE TABLE audit.record_version (
    id bigserial PRIMARY KEY, record_id uuid, old_record_id uuid, op text NOT NULL,
    ts timestamptz NOT NULL DEFAULT now(), table_oid oid NOT NULL, table_schema name NOT NULL,
    table_name name NOT NULL, record jsonb, old_record jsonb);
CREATE INDEX ON audit.record_version (record_id) WHERE record_id IS NOT NULL;
CREATE INDEX ON audit.record_version (old_record_id) WHERE old_record_id IS NOT NULL;
CREATE INDEX ON audit.record_version USING brin (ts);
CREATE INDEX ON audit.record_version (table_oid);

CREATE FUNCTION audit.primary_key_columns(entity oid) RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT coalesce(array_agg(a.attname::text ORDER BY a.attname), '{}')
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = entity AND i.indisprimary
$$;

CREATE FUNCTION audit.to_record_id(entity oid, pkey text[], record jsonb) RETURNS uuid
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN record IS NULL OR pkey = '{}' THEN NULL ELSE
        (SELECT encode(overlay(overlay(substr(sha256(convert_to(
             (jsonb_build_array(to_jsonb(entity)) || jsonb_agg(record ->> k.name))::text, 'UTF8')), 1, 16)
             PLACING '\x50'::bytea FROM 7 FOR 1) PLACING '\x80'::bytea FROM 9 FOR 1), 'hex')::uuid
         FROM unnest(pkey) AS k(name)) END
$$;

CREATE FUNCTION audit.insert_update_delete_trigger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    pkey text[] = audit.primary_key_columns(tg_relid);
    record jsonb = to_jsonb(new);
    record_id uuid = audit.to_record_id(tg_relid, pkey, record);
    old_record jsonb = to_jsonb(old);
    old_record_id uuid = audit.to_record_id(tg_relid, pkey, old_record);
BEGIN
    INSERT INTO audit.record_version
        (record_id, old_record_id, op, table_oid, table_schema, table_name, record, old_record)
    VALUES (record_id, old_record_id, tg_op, tg_relid, tg_table_schema, tg_table_name, record, old_record);
    RETURN coalesce(new, old);
END $$;

CREATE TRIGGER audit_i_u_d AFTER INSERT OR UPDATE OR DELETE ON bare.entry
    FOR EACH ROW EXECUTE FUNCTION audit.insert_update_delete_trigger();
"""


def measure(size: Size) -> Measure:
    """Append and insert in turns."""
    number = ENTRIES[size]
    with world() as (own, conn):
        conn.execute(BARE + AUDIT)
        ours_took, theirs_took = rates(ours, theirs, conninfo_of(own), number, TURNS[size])
    return Measure("ledger_append_trigger", ours_took, theirs_took, LIMIT, number)
