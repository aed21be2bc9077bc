"""Drift to plant: what a superuser does behind luactl's back, and where it must show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conftest import Connection


@dataclass(frozen=True)
class Plant:
    """Statements of a superuser; `{anna}`, `{bert}`: logins of luactl's, `{helper}`: a role of nobody's."""

    statements: tuple[str, ...]
    shows: tuple[tuple[str, str], ...]
    """Whose, and how the object of the finding begins."""
    cleared: tuple[str, ...] = ()
    """What takes away what the test made, once it is nobody's any more."""


def plant(*statements: str, shows: Sequence[tuple[str, str]], cleared: Sequence[str] = ()) -> Plant:
    return Plant(statements, tuple(shows), tuple(cleared))


def as_(role: str, statement: str) -> str:
    """Let a role do something itself, so that it is the grantor."""
    return f"SET ROLE {role}; {statement}; RESET ROLE"


PLANTS = (
    plant("GRANT lua_dpo TO {anna}", shows=[("{anna}", "lua_dpo")]),
    plant("GRANT lua_admin TO {anna} WITH ADMIN OPTION", shows=[("{anna}", "lua_admin")]),
    plant("GRANT lua_operator TO {anna} WITH ADMIN OPTION", shows=[("{anna}", "lua_operator")]),
    plant("GRANT pg_read_all_data TO {bert}", shows=[("{bert}", "pg_read_all_data")]),
    plant(
        "GRANT lua_accounting TO {helper}",
        "GRANT {helper} TO {bert}",
        shows=[("{helper}", "lua_accounting"), ("{bert}", "{helper}")],
    ),
    plant(
        "GRANT lua_responder TO {anna} WITH ADMIN OPTION",
        as_("{anna}", "GRANT lua_responder TO {bert}"),
        shows=[("{anna}", "lua_responder"), ("{bert}", "lua_responder")],
    ),
    plant(
        "ALTER ROLE {helper} LOGIN",
        "GRANT CONNECT ON DATABASE {database} TO {helper}",
        shows=[("{helper}", "LOGIN"), ("{helper}", "DATABASE")],
    ),
    plant("GRANT SELECT ON crm.contact TO {anna}", shows=[("{anna}", "TABLE crm.contact")]),
    plant("GRANT UPDATE (name) ON lua.tenant TO {anna}", shows=[("{anna}", "TABLE lua.tenant")]),
    plant(
        "GRANT SELECT ON lua.tenant TO {anna} WITH GRANT OPTION",
        as_("{anna}", "GRANT SELECT ON lua.tenant TO {bert}"),
        shows=[("{anna}", "TABLE lua.tenant"), ("{bert}", "TABLE lua.tenant")],
    ),
    plant(
        "GRANT SELECT ON lua.person TO {anna} WITH GRANT OPTION",
        as_("{anna}", "GRANT SELECT (name) ON lua.person TO {helper}"),
        shows=[("{anna}", "TABLE lua.person"), ("{helper}", "TABLE lua.person")],
    ),
    plant(
        "GRANT SELECT ON lua.hold TO lua_dpo WITH GRANT OPTION",
        as_("lua_dpo", "GRANT SELECT ON lua.hold TO {bert}"),
        shows=[("lua_dpo", "TABLE lua.hold"), ("{bert}", "TABLE lua.hold")],
    ),
    plant(
        "GRANT USAGE ON SEQUENCE lua.pooled_tenant TO {helper}", shows=[("{helper}", "SEQUENCE lua.pooled")]
    ),
    plant("GRANT USAGE, CREATE ON SCHEMA vault TO {helper}", shows=[("{helper}", "SCHEMA vault")]),
    plant(
        "GRANT EXECUTE ON FUNCTION lua.person_of(name) TO {helper}",
        shows=[("{helper}", "ROUTINE lua.person_of")],
    ),
    plant(
        "GRANT EXECUTE ON FUNCTION lua.end_login(name, timestamptz, uuid) TO {helper}",
        shows=[("{helper}", "ROUTINE lua.end_login")],
    ),
    plant("GRANT SELECT ON lua.person TO PUBLIC", shows=[("PUBLIC", "TABLE lua.person")]),
    plant("GRANT SELECT (body) ON ledger.entry TO PUBLIC", shows=[("PUBLIC", "TABLE ledger.entry")]),
    plant("GRANT EXECUTE ON FUNCTION lua.keeps(name) TO PUBLIC", shows=[("PUBLIC", "ROUTINE lua.keeps")]),
    plant("GRANT USAGE ON SCHEMA public TO PUBLIC", shows=[("PUBLIC", "SCHEMA public")]),
    plant("GRANT TEMPORARY ON DATABASE {database} TO PUBLIC", shows=[("PUBLIC", "DATABASE")]),
    plant("GRANT SET ON PARAMETER work_mem TO {anna}", shows=[("{anna}", "PARAMETER work_mem")]),
    plant("GRANT SELECT ON pg_authid TO {anna}", shows=[("{anna}", "TABLE pg_catalog.pg_authid")]),
    plant(
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {anna}",
        shows=[("{anna}", "ROUTINE pg_catalog.pg_read_file")],
    ),
    plant(
        "ALTER DEFAULT PRIVILEGES FOR ROLE lua_owner IN SCHEMA crm GRANT SELECT ON TABLES TO {anna}",
        shows=[("{anna}", "default for tables in schema crm")],
    ),
    plant(
        "ALTER DEFAULT PRIVILEGES FOR ROLE lua_definer GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        shows=[("PUBLIC", "default for functions")],
    ),
    plant(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {anna} GRANT SELECT ON TABLES TO {bert}",
        shows=[("{bert}", "default for tables")],
    ),
    plant("ALTER ROLE {anna} CREATEDB", shows=[("{anna}", "CREATEDB")]),
    plant(
        "ALTER ROLE {bert} BYPASSRLS REPLICATION", shows=[("{bert}", "BYPASSRLS"), ("{bert}", "REPLICATION")]
    ),
    plant("ALTER ROLE {anna} CONNECTION LIMIT 77", shows=[("{anna}", "CONNECTION LIMIT")]),
    plant("ALTER ROLE {bert} VALID UNTIL '2031-01-01'", shows=[("{bert}", "VALID UNTIL")]),
    plant("GRANT pg_read_server_files TO lua_dpo", shows=[("lua_dpo", "pg_read_server_files")]),
    plant("GRANT lua_dpo TO lua_accounting", shows=[("lua_accounting", "lua_dpo")]),
    plant("ALTER ROLE lua_responder CREATEDB", shows=[("lua_responder", "CREATEDB")]),
    plant(
        "CREATE TABLE crm.copied AS SELECT 1 AS a",
        "ALTER TABLE crm.copied OWNER TO {anna}",
        "GRANT SELECT ON crm.copied TO {bert}",
        shows=[("{anna}", "TABLE crm.copied"), ("{bert}", "TABLE crm.copied")],
        cleared=["DROP TABLE crm.copied"],
    ),
    plant(
        "CREATE SCHEMA scratch AUTHORIZATION {anna}",
        "CREATE TYPE scratch.mood AS ENUM ('good')",
        "ALTER TYPE scratch.mood OWNER TO {anna}",
        shows=[("{anna}", "SCHEMA scratch"), ("{anna}", "TYPE scratch.mood")],
        cleared=["DROP SCHEMA scratch CASCADE"],
    ),
    plant(
        "CREATE FUNCTION crm.leak() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION crm.leak() OWNER TO {bert}",
        shows=[("{bert}", "ROUTINE crm.leak"), ("PUBLIC", "ROUTINE crm.leak")],
        cleared=["DROP FUNCTION crm.leak()"],
    ),
    plant("ALTER ROLE {anna} SET row_security = off", shows=[("{anna}", "row_security")]),
    plant(
        "ALTER ROLE {bert} IN DATABASE {database} SET search_path = public, lua",
        "ALTER ROLE {bert} SET statement_timeout = 0",
        shows=[("{bert}", "search_path"), ("{bert}", "statement_timeout")],
    ),
    plant("ALTER ROLE {anna} SET role = {bert}", shows=[("{anna}", "role")]),
    plant(
        "ALTER ROLE {bert} SET session_replication_role = replica",
        "ALTER ROLE {bert} IN DATABASE {database} SET log_statement = 'none'",
        shows=[("{bert}", "session_replication_role"), ("{bert}", "log_statement")],
    ),
    plant("ALTER ROLE {anna} SET lua.tenant_id = '1'", shows=[("{anna}", "lua.tenant_id")]),
    plant("ALTER ROLE lua_auditor SET search_path = lua", shows=[("lua_auditor", "search_path")]),
    plant("ALTER DATABASE {database} SET log_lock_waits = off", shows=[("PUBLIC", "log_lock_waits")]),
    plant("ALTER ROLE ALL SET log_duration = off", shows=[("PUBLIC", "log_duration")]),
    plant("ALTER ROLE ALL IN DATABASE {database} SET row_security = off", shows=[("PUBLIC", "row_security")]),
    plant("GRANT SELECT ON crm.contact TO lua_admin", shows=[("lua_admin", "TABLE crm.contact")]),
    plant(
        "GRANT SELECT (personal) ON crm.contact TO lua_auditor", shows=[("lua_auditor", "TABLE crm.contact")]
    ),
    plant("GRANT UPDATE ON crm.contact TO lua_app", shows=[("lua_app", "TABLE crm.contact")]),
    plant(
        "GRANT TRIGGER, TRUNCATE ON lua.hold TO lua_responder", shows=[("lua_responder", "TABLE lua.hold")]
    ),
    plant("REVOKE SELECT ON lua.tenant FROM lua_dpo", shows=[("lua_dpo", "TABLE lua.tenant")]),
    plant(
        "REVOKE UPDATE (personal) ON crm.contact FROM lua_operator",
        shows=[("lua_operator", "TABLE crm.contact")],
    ),
    plant(
        "GRANT EXECUTE ON FUNCTION lua.end_login(name, timestamptz, uuid) TO lua_auditor",
        "REVOKE EXECUTE ON FUNCTION lua.end_login(name, timestamptz, uuid) FROM lua_admin",
        shows=[("lua_auditor", "ROUTINE lua.end_login"), ("lua_admin", "ROUTINE lua.end_login")],
    ),
    plant(
        "REVOKE EXECUTE ON FUNCTION lua.is_bound(uuid, timestamptz) FROM lua_operator",
        shows=[("lua_operator", "ROUTINE lua.is_bound")],
    ),
    plant("GRANT CREATE ON SCHEMA lua TO lua_operator", shows=[("lua_operator", "SCHEMA lua")]),
    plant("REVOKE USAGE ON SCHEMA crm FROM lua_accounting", shows=[("lua_accounting", "SCHEMA crm")]),
    plant("GRANT ALL ON SEQUENCE vault.change TO lua_ai", shows=[("lua_ai", "SEQUENCE vault.change")]),
    plant(
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO lua_dpo",
        "GRANT SET ON PARAMETER log_statement TO lua_operator",
        shows=[("lua_dpo", "ROUTINE pg_catalog.pg_read_file"), ("lua_operator", "PARAMETER log_statement")],
    ),
    plant("GRANT SELECT ON lua.tenant TO lua_elevated", shows=[("lua_elevated", "TABLE lua.tenant")]),
    plant(
        "REVOKE CONNECT ON DATABASE {database} FROM lua_accounting", shows=[("lua_accounting", "DATABASE")]
    ),
    plant(
        "ALTER DEFAULT PRIVILEGES FOR ROLE lua_owner IN SCHEMA crm GRANT SELECT ON TABLES TO lua_dpo",
        shows=[("lua_dpo", "default for tables in schema crm")],
    ),
    plant("DROP POLICY tenant ON crm.contact", shows=[("PUBLIC", "POLICY tenant ON crm.contact")]),
    plant(
        "ALTER POLICY everything ON ledger.entry TO PUBLIC",
        shows=[("PUBLIC", "POLICY everything ON ledger.entry")],
    ),
    plant(
        "ALTER POLICY tenant ON lua.tenant USING (true)", shows=[("PUBLIC", "POLICY tenant ON lua.tenant")]
    ),
    plant(
        "ALTER POLICY own_name ON lua.purge WITH CHECK (true)",
        shows=[("PUBLIC", "POLICY own_name ON lua.purge")],
    ),
    plant(
        "DROP POLICY written_once ON lua.erasure",
        "CREATE POLICY written_once ON lua.erasure AS RESTRICTIVE FOR DELETE USING (state = 'intent')",
        shows=[("PUBLIC", "POLICY written_once ON lua.erasure")],
    ),
    plant("CREATE POLICY open ON crm.invoice USING (true)", shows=[("PUBLIC", "POLICY open ON crm.invoice")]),
    plant(
        "CREATE POLICY shut ON lua.instruction AS RESTRICTIVE USING (false)",
        shows=[("PUBLIC", "POLICY shut ON lua.instruction")],
    ),
    plant(
        "DROP POLICY elevated ON crm.subject_pooled",
        shows=[("PUBLIC", "POLICY elevated ON crm.subject_pooled")],
    ),
    plant(
        "ALTER TABLE crm.invoice DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE lua.hold NO FORCE ROW LEVEL SECURITY",
        shows=[("PUBLIC", "ROW SECURITY ON crm.invoice"), ("PUBLIC", "ROW SECURITY ON lua.hold")],
    ),
    plant(
        "ALTER TABLE lua.approval ENABLE ROW LEVEL SECURITY",
        shows=[("PUBLIC", "ROW SECURITY ON lua.approval")],
    ),
    plant("REVOKE lua_operator FROM {anna}{by_keeper}", shows=[("{anna}", "lua_operator")]),
)
"""In the order in which they can be planted: without her role anna no longer acts in our schemas."""


def run(admin: Connection, statements: Sequence[str], names: dict[str, str]) -> None:
    """Run statements of a superuser, each of whose parts may act as somebody else."""
    for statement in statements:
        try:
            for part in statement.format(**names).split("; "):
                admin.execute(part.encode())
        finally:
            admin.execute("RESET ROLE")
