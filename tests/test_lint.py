"""The schema keeps its rules: asked of the catalog, and each question proven able to fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiosql
import psycopg
import pytest
from conftest import TEMPLATE, Connection, TestServer

HERE = Path(__file__).parent
RULES = aiosql.from_path(HERE / "lint.sql", "psycopg", mandatory_parameters=False)
NAMES = sorted(name for name in RULES.available_queries if not name.endswith("_cursor"))
# Tables with a tenant_id outside the one policy: the directory and the counter, which stand above the
# tenants, and ledger and log, whose policies go by who wrote and who may read all.
EXEMPT = (
    "lua.tenant_directory",
    "lua.token_directory",
    "vault.counter",
    "ledger.entry",
    "ledger.entry_other",
    "lua.log_line",
    "lua.log_line_other",
)

TABLE = "CREATE TABLE crm.x (tenant_id bigint NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant_id, id)"
SECURE = "ALTER TABLE crm.x ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
CONTEXT = "nullif(current_setting('lua.tenant_id', true), '')::bigint"
EXACT = (
    f"tenant_id = {CONTEXT} AND CASE WHEN {CONTEXT} < 1099511627776"
    " THEN current_user !~ '^lua_t[0-9]' AND (session_user !~ '^lua_[et][0-9]'"
    " OR (session_user ~ '^lua_e' AND current_user = session_user))"
    f" ELSE current_user = 'lua_t' || {CONTEXT}"
    f" OR pg_has_role(current_user, to_regrole('lua_t' || {CONTEXT} || '_staff'), 'MEMBER') END"
)
FUNCTION = "CREATE FUNCTION crm.x(p_tenant bigint) RETURNS bigint LANGUAGE sql"
PINNED = "SECURITY DEFINER SET search_path = ''"
BARE = "CREATE TABLE crm.x PARTITION OF crm.invoice FOR VALUES IN (1)"
BREACHES = [
    ("no_primary_key", "CREATE TABLE lua.x (id uuid)"),
    ("tenant_column", "CREATE TABLE crm.x (tenant_id integer PRIMARY KEY)"),
    ("tenant_column", "ALTER TABLE crm.contact ALTER tenant_id SET DEFAULT 1"),
    ("tenant_column", "CREATE TABLE crm.x (tenant_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)"),
    ("index_order", "CREATE INDEX ON crm.contact (subject_id)"),
    ("index_order", "CREATE INDEX ON crm.contact (lower(tenant_id::text), tenant_id)"),
    ("index_order", "ALTER TABLE crm.contact_pooled ADD UNIQUE (contact_id)"),
    ("index_order", "ALTER TABLE crm.contact_pooled ADD EXCLUDE USING btree (contact_id WITH =)"),
    ("foreign_keys", f"{TABLE}, other bigint REFERENCES lua.tenant)"),
    ("foreign_keys_into_tenants", "CREATE TABLE lua.x (id bigint PRIMARY KEY REFERENCES lua.tenant)"),
    ("key_actions", f"{TABLE}, FOREIGN KEY (tenant_id, id) REFERENCES crm.subject ON DELETE SET NULL)"),
    ("key_actions", f"{TABLE}, FOREIGN KEY (tenant_id, id) REFERENCES crm.subject ON UPDATE CASCADE)"),
    ("serials", f"{TABLE}, n serial)"),
    ("serials", f"{TABLE}, n integer GENERATED ALWAYS AS IDENTITY)"),
    ("row_security", f"{TABLE})"),
    ("row_security", "ALTER TABLE crm.contact NO FORCE ROW LEVEL SECURITY"),
    ("row_security", "ALTER TABLE ledger.entry DISABLE ROW LEVEL SECURITY"),
    ("the_one_policy", "DROP POLICY tenant ON crm.contact"),
    ("elevation_policies", "DROP POLICY elevated ON crm.contact"),
    ("elevation_policies", "ALTER POLICY elevation ON lua.log_note USING (true)"),
    ("elevation_policies", "ALTER POLICY elevated ON lua.hold USING (clock_timestamp() < to_timestamp(0))"),
    (
        "elevation_functions",
        f"CREATE FUNCTION lua.x() RETURNS bigint LANGUAGE sql {PINNED} AS 'SELECT count(*) FROM lua.hold';"
        " ALTER FUNCTION lua.x() OWNER TO lua_definer; GRANT EXECUTE ON FUNCTION lua.x() TO lua_auditor",
    ),
    ("the_one_policy", "CREATE POLICY x ON crm.contact USING (true)"),
    ("the_one_policy", "ALTER POLICY tenant ON crm.contact USING (true)"),
    ("the_one_policy", "ALTER POLICY tenant ON crm.contact TO lua_app"),
    ("the_one_policy", "ALTER POLICY tenant ON crm.contact WITH CHECK (true)"),
    (
        "policy_expressions",
        "CREATE POLICY x ON crm.contact AS RESTRICTIVE USING (EXISTS (SELECT FROM crm.role))",
    ),
    (
        "triggers",
        "CREATE TRIGGER x BEFORE UPDATE ON crm.contact EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ),
    ("triggers", "CREATE RULE x AS ON DELETE TO crm.contact DO INSTEAD NOTHING"),
    ("storage", "CREATE UNLOGGED TABLE crm.x (tenant_id bigint PRIMARY KEY)"),
    ("storage", "CREATE TABLE vault.x () INHERITS (vault.slot)"),
    ("storage", "CREATE TABLE lua.x (tenant_id bigint PRIMARY KEY) PARTITION BY LIST (tenant_id)"),
    ("storage", "CREATE TABLE crm.x (tenant_id bigint PRIMARY KEY)"),
    ("definer_functions", f"{FUNCTION} {PINNED} AS 'SELECT 1'"),
    ("definer_functions", "GRANT EXECUTE ON FUNCTION lua.admit_staff TO lua_operator"),
    ("definer_functions", "ALTER FUNCTION crm.invoices_of RESET search_path"),
    ("definer_functions", "ALTER FUNCTION crm.invoices_of SET search_path = crm"),
    ("tenant_argument", f"{FUNCTION} {PINNED} AS 'SELECT p_tenant'"),
    ("tenant_argument", f"{FUNCTION} {PINNED} AS 'SELECT p_tenant WHERE lua.require_tenant(p_tenant)'"),
    ("function_bodies", f"{FUNCTION} AS $$ SELECT set_config('lua.tenant_id', '1', true)::bigint $$"),
    ("function_bodies", "CREATE FUNCTION crm.x() RETURNS void LANGUAGE plpgsql AS 'BEGIN NOTIFY x; END'"),
    (
        "function_bodies",
        "CREATE FUNCTION crm.x() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'x'; END $$",
    ),
    ("owners", "ALTER TABLE crm.contact OWNER TO CURRENT_USER"),
    ("owners", f"{FUNCTION} AS 'SELECT 1'"),
    ("public_rights", "GRANT SELECT (tenant_id) ON crm.contact TO PUBLIC"),
    ("public_rights", "GRANT SELECT ON crm.contact TO PUBLIC"),
    ("public_rights", f"{FUNCTION} AS 'SELECT 1'"),
    ("public_rights", "GRANT USAGE ON SCHEMA public TO PUBLIC"),
    ("passed_on", "GRANT SELECT ON crm.contact TO lua_app WITH GRANT OPTION"),
    ("passed_on", "GRANT TRUNCATE ON crm.contact TO lua_admin"),
    ("partition_grants", "GRANT SELECT ON ledger.entry_other TO lua_app"),
    ("updates", "GRANT UPDATE ON crm.contact TO lua_operator"),
    ("updates", "GRANT UPDATE (tenant_id) ON crm.contact TO lua_operator"),
    ("updates", "GRANT UPDATE (outcome) ON ledger.entry TO lua_admin"),
    ("sequence_rights", "GRANT UPDATE ON SEQUENCE vault.change TO lua_app"),
    ("roles", "ALTER ROLE lua_owner LOGIN"),
    ("roles", "ALTER ROLE lua_app BYPASSRLS"),
    ("roles", "ALTER ROLE lua_admin CREATEROLE"),
    ("roles", "GRANT lua_definer TO lua_admin"),
    ("roles", "GRANT lua_admin TO lua_app"),
    ("roles", "ALTER ROLE lua_rolekeeper LOGIN"),
    ("roles", "ALTER ROLE lua_rolekeeper INHERIT"),
    ("roles", "CREATE ROLE x_stranger; GRANT lua_rolekeeper TO x_stranger"),
    ("roles", "GRANT pg_monitor TO lua_rolekeeper WITH ADMIN OPTION"),
    ("roles", "GRANT pg_monitor TO lua_definer"),
    ("tenant_roles", "CREATE ROLE lua_t1_staff LOGIN"),
    ("tenant_roles", "CREATE ROLE lua_t1 LOGIN"),
    ("tenant_roles", "CREATE ROLE lua_t1 LOGIN BYPASSRLS; GRANT lua_app TO lua_t1"),
    ("tenant_roles", "CREATE ROLE lua_t1_staff; GRANT lua_operator TO lua_t1_staff"),
    ("partition_twins", BARE),
    ("partition_twins", "ALTER TABLE crm.interaction_pooled DROP CONSTRAINT pooled"),
    ("partition_twins", f"{BARE}; SELECT lua.imitate('crm.invoice', 'crm.x')"),
    ("partition_twins", "DROP POLICY retained ON crm.invoice"),
    ("partition_twins", "ALTER TABLE crm.invoice_pooled SET (fillfactor = 70)"),
    (
        "partition_twins",
        "CREATE TABLE lua.x (t bigint, i uuid, FOREIGN KEY (t, i) REFERENCES crm.subject_pooled)",
    ),
    ("comments", "COMMENT ON TABLE crm.contact IS NULL"),
    ("views", "CREATE VIEW crm.x AS SELECT * FROM crm.contact"),
    ("views", "CREATE MATERIALIZED VIEW crm.x AS SELECT * FROM crm.contact"),
    ("index_statistics", "ALTER TABLE crm.contact ALTER email_index SET STATISTICS 100"),
]


@pytest.fixture
def catalog(server: TestServer) -> Iterator[Connection]:
    """A transaction that sees the lint's views, in the template itself: it never commits."""
    with closing(server.admin(TEMPLATE)) as conn, conn.transaction(force_rollback=True):
        conn.execute((HERE / "lint_setup.sql").read_text())
        conn.cursor().executemany("INSERT INTO lint_exempt VALUES (%s)", [(name,) for name in EXEMPT])
        yield conn


def broken(conn: Connection, rule: str) -> list[str]:
    """Return what breaks a rule."""
    query: Any = getattr(RULES, rule)
    return [row[0] for row in query(conn)]


def test_the_schema_keeps_every_rule(catalog: Connection) -> None:
    assert {rule: found for rule in NAMES if (found := broken(catalog, rule))} == {}


@pytest.mark.parametrize(("rule", "breach"), BREACHES)
def test_a_breach_is_found(catalog: Connection, rule: str, breach: str) -> None:
    before = broken(catalog, rule)
    catalog.execute(breach)
    assert set(broken(catalog, rule)) > set(before)


def test_every_rule_is_proven_able_to_fail() -> None:
    assert {rule for rule, _ in BREACHES} == set(NAMES)


def test_exempt_tables_are_what_they_say(catalog: Connection) -> None:
    """Each exempt table exists and has a tenant_id: a stale name in the list would hide a new table."""
    found = catalog.execute(
        "SELECT attrelid::regclass::text FROM pg_attribute"
        " WHERE attname = 'tenant_id' AND attrelid = ANY (%s::regclass[])",
        (list(EXEMPT),),
    )
    assert {row[0] for row in found} == set(EXEMPT)


def test_a_table_with_the_exact_policy_is_left_in_peace(catalog: Connection) -> None:
    catalog.execute(f"{TABLE})")
    catalog.execute(SECURE)
    catalog.execute(f"CREATE POLICY tenant ON crm.x USING ({EXACT})")
    assert broken(catalog, "row_security") == broken(catalog, "the_one_policy") == []


@pytest.mark.parametrize(
    "breach",
    [
        "ALTER ROLE lua_rolekeeper LOGIN",
        "ALTER ROLE lua_rolekeeper BYPASSRLS",
        "CREATE ROLE x_stranger; GRANT lua_rolekeeper TO x_stranger",
    ],
)
def test_a_second_database_refuses_a_role_keeper_that_is_more(catalog: Connection, breach: str) -> None:
    text = (HERE.parent / "sql" / "migrations" / "0018_dedicated.sql").read_text()
    catalog.execute(text[: text.index("$roles$;") + 8])
    catalog.execute(breach)
    with pytest.raises(psycopg.errors.RaiseException, match="lua_rolekeeper"):
        catalog.execute(text[: text.index("$roles$;") + 8])


def test_a_second_migration_refuses_an_owner_that_can_log_in(catalog: Connection) -> None:
    text = (HERE.parent / "sql" / "migrations" / "0001_roles.sql").read_text()
    for breach in ("ALTER ROLE lua_definer LOGIN", "GRANT lua_owner TO lua_app"):
        with catalog.transaction(force_rollback=True):
            catalog.execute(breach)
            with pytest.raises(psycopg.errors.RaiseException, match="lua_"):
                catalog.execute(text)
