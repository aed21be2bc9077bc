"""One tenant tries everything on another: nothing comes back, and nothing changes.

Every table with a tenant_id is filled for two pooled tenants and a dedicated one; a login of the CRM, and
others of staff, then stand in the context of the first.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import rfc8785
from conftest import Connection, TestServer, new_login, set_password
from psycopg import sql
from psycopg.types.json import Jsonb
from support_staff import on_record
from uuid_utils.compat import uuid7

from luactl.connect import admit
from luactl.errors import RefusedError
from luactl.ledger.entry import Entry, Stamp, canonical

ROWS = (Path(__file__).parent / "isolation_rows.sql").read_text()
A, B, DEDICATED = 7, 8, 1 << 40
TENANT_TABLES = (
    "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
    " AND c.relnamespace::regnamespace::text IN ('lua', 'crm', 'ledger', 'vault') ORDER BY 1"
)
# Readable across tenants by design: see docs/reference/roles.md, Rows.
SHARED = {"lua.tenant_directory", "lua.token_directory", "vault.counter", "ledger.entry", "lua.log_line"}
LOGINS = [
    ("lua_app",),
    ("lua_operator", "lua_accounting"),
    ("lua_admin", "lua_dpo", "lua_auditor", "lua_responder"),
]
Denied = psycopg.errors.InsufficientPrivilege

ENTRY = (
    "INSERT INTO ledger.entry (id, at, actor, tenant_id, action, outcome, body)"
    " VALUES (%(id)s, %(at)s, %(actor)s, %(tenant)s, %(action)s, %(outcome)s, %(body)s)"
)


def entry(actor: str, tenant: int = 0, /, **said: str) -> dict[str, Any]:
    """Return the columns of a ledger entry whose body says the same, but for what `said` makes it say."""
    made = uuid7()
    at = datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
    row = {"id": str(made), "actor": actor, "tenant": tenant, "action": "tenant.create", "outcome": "done"}
    body = canonical(Entry("tenant.create", tenant), Stamp(actor, None, "1.1", None), made)
    return {**row, "at": at, "body": rfc8785.dumps({**json.loads(body), **said})}


def fill(admin: Connection, tenant: int) -> None:
    """Put rows of one tenant into every table, as the superuser."""
    for statement in ROWS.split(";\n"):
        admin.execute(statement, {"tenant": tenant})
    admin.execute(ENTRY, entry("somebody", tenant))


def state(admin: Connection, tables: list[str], tenant: int) -> dict[str, list[str]]:
    """Return every row of one tenant in every table, as the superuser sees it."""
    return {
        table: [
            row[0]
            for row in admin.execute(f"SELECT t::text FROM {table} t WHERE tenant_id = {tenant} ORDER BY 1")
        ]
        for table in tables
    }


@pytest.fixture
def dedicated(admin: Connection) -> Iterator[int]:
    """A dedicated tenant's id; its roles live on the server, so each test has its own."""
    made = DEDICATED + secrets.randbelow(1 << 30)
    on_record(admin)
    admin.execute("SELECT lua.make_tenant_roles(%s), lua.make_tenant_partitions(%s)", (made, made))
    yield made
    admin.execute(f"DROP ROLE lua_t{made}, lua_t{made}_staff")


@pytest.fixture
def tables(admin: Connection, dedicated: int) -> Iterator[list[str]]:
    """All tables with a tenant_id, filled for three tenants; afterwards all but A are untouched."""
    found = [row[0] for row in admin.execute(TENANT_TABLES)]
    for tenant in (A, B, dedicated):
        fill(admin, tenant)
    before = [state(admin, found, tenant) for tenant in (B, dedicated)]
    assert [
        name for tenant in before for name, rows in tenant.items() if not rows and name != "lua.sentinel"
    ] == []
    yield found
    assert [state(admin, found, tenant) for tenant in (B, dedicated)] == before


@pytest.fixture
def enter(server: TestServer, database: str, tmp_path: Path) -> Callable[..., Any]:
    """`with enter("lua_app") as conn:` logs in as somebody with just these roles."""

    @contextmanager
    def open_as(*roles: str, name: str | None = None) -> Iterator[Connection]:
        passfile = tmp_path / "passfile"
        login = set_password(server, passfile, name) if name else new_login(server, passfile, roles)
        dsn = server.dsn(database, login, passfile)
        with closing(psycopg.connect(dsn, autocommit=True)) as conn:
            yield conn

    return open_as


@contextmanager
def context(conn: Connection, tenant: object) -> Iterator[None]:
    """A transaction in the context of a tenant, undone at the end."""
    with conn.transaction(force_rollback=True):
        conn.execute(sql.SQL("SET LOCAL lua.tenant_id = {}").format(sql.Literal(tenant)))
        yield


def tried(conn: Connection, statement: str, tenant: object = A) -> list[Any] | None:
    """Run a statement in a context and undo it: rows, or [row count]; None when a right is missing."""
    try:
        with context(conn, tenant):
            cursor = conn.execute(statement)
            return cursor.fetchall() if cursor.description else [cursor.rowcount]
    except Denied:
        return None


def test_every_table_is_filled_and_the_own_rows_do_show(tables: list[str], enter: Callable[..., Any]) -> None:
    """Else finding nothing of others would prove nothing."""
    with enter("lua_app", "lua_operator", "lua_accounting") as conn:
        own = {t: tried(conn, f"SELECT count(*) FROM {t} WHERE tenant_id = {A}") for t in tables}
    hidden = {"lua.sentinel", "lua.token_directory", "vault.counter", "ledger.entry", "lua.log_line"}
    assert {t for t, n in own.items() if n != [(1,)]} == hidden


@pytest.mark.parametrize("roles", LOGINS)
def test_nothing_of_another_comes_back(
    tables: list[str], enter: Callable[..., Any], roles: tuple[str, ...], dedicated: int
) -> None:
    with enter(*roles) as conn:
        for table in (t for t in tables if t not in SHARED):
            foreign = f"tenant_id IN ({B}, {dedicated})"
            for attempt in (
                f"SELECT tenant_id FROM {table} WHERE {foreign}",
                f"SELECT tenant_id FROM {table} WHERE tenant_id <> {A}",
                f"SELECT 1 FROM {table} HAVING count(*) FILTER (WHERE {foreign}) > 0",
                f"SELECT 1 WHERE EXISTS (SELECT FROM {table} WHERE {foreign})",
                f"SELECT 1 FROM {table} x JOIN {table} y ON x.tenant_id <> y.tenant_id",
                f"SELECT 1 FROM (VALUES ({B}), ({dedicated})) v(b) JOIN {table} t ON t.tenant_id = v.b",
                f"SELECT 1 FROM {table} TABLESAMPLE SYSTEM (100) WHERE {foreign}",
                f"SELECT 1 FROM {table} WHERE {foreign} FOR SHARE",
                # Were another's row looked at before the policy, this would divide by zero.
                f"SELECT 1 FROM {table} WHERE 1 / (tenant_id - {B}) > 1",
                f"SELECT 1 FROM {table} WHERE 1 / (tenant_id - {dedicated}) > 1",
                f"WITH w AS MATERIALIZED (SELECT tenant_id FROM {table}) SELECT 1 FROM w WHERE {foreign}",
            ):
                assert not tried(conn, attempt), attempt


@pytest.mark.parametrize("roles", LOGINS)
def test_nothing_of_another_changes(
    tables: list[str], enter: Callable[..., Any], admin: Connection, roles: tuple[str, ...]
) -> None:
    """Committed, not rolled back: the fixture compares what is there afterwards."""
    columns = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND atttypid > 0"
    with enter(*roles) as conn:
        for table in tables:
            attempts = [
                f"UPDATE {table} SET {column} = {column} WHERE tenant_id = {B}"
                for (column,) in admin.execute(columns, (table,))
            ]
            for attempt in (
                *attempts,
                f"DELETE FROM {table} WHERE tenant_id = {B}",
                f"TRUNCATE {table} CASCADE",
            ):
                try:
                    with conn.transaction():
                        conn.execute(f"SET LOCAL lua.tenant_id = {A}")
                        assert conn.execute(attempt).rowcount == 0, attempt
                except Denied:
                    continue
            with pytest.raises(Denied), context(conn, A):
                conn.execute(f"UPDATE {table} SET tenant_id = {B}")


@pytest.mark.parametrize("roles", LOGINS)
def test_a_row_for_another_is_refused_alike_whether_it_exists_or_not(
    tables: list[str], enter: Callable[..., Any], admin: Connection, roles: tuple[str, ...], dedicated: int
) -> None:
    """Unique and foreign keys would tell what exists, were they asked before the policy."""
    with enter(*roles) as conn:
        for table in (t for t in tables if t not in SHARED):
            for tenant in (B, dedicated, B + 1000, dedicated + 1):
                source = B if tenant == B else A
                found = admin.execute(f"SELECT * FROM {table} WHERE tenant_id = {source}")
                row = found.fetchone() or (0, "sentinel")
                names = [column.name for column in found.description or ()]
                values = sql.SQL(", ").join(
                    sql.Literal(tenant if name == "tenant_id" else Jsonb(v) if isinstance(v, dict) else v)
                    for name, v in zip(names, row, strict=True)
                )
                insert = sql.SQL("INSERT INTO {} VALUES ({})").format(sql.SQL(table), values)
                for tail in ("", " ON CONFLICT DO NOTHING"):
                    with (
                        pytest.raises(Denied, match=r"row-level security|permission denied"),
                        context(conn, A),
                    ):
                        conn.execute(insert + sql.SQL(tail))


def test_a_foreign_key_cannot_point_at_another(tables: list[str], enter: Callable[..., Any]) -> None:
    insert = (
        f"INSERT INTO crm.contact_key SELECT {A}, sha256('probe'), md5('{B}')::uuid",
        f"INSERT INTO crm.invoice_line VALUES ({A}, md5('{B}')::uuid, 1, 1, 1, 'x', NULL)",
    )
    with enter("lua_app") as conn:
        for attempt in insert:
            with pytest.raises(psycopg.errors.ForeignKeyViolation), context(conn, A):
                conn.execute(attempt)


def test_copy_gives_the_own_rows_and_takes_none(tables: list[str], enter: Callable[..., Any]) -> None:
    with enter("lua_app") as conn, conn.cursor() as cursor:
        for table in ("crm.subject", "crm.contact", "crm.interaction", "crm.invoice", "vault.slot"):
            with context(conn, A), cursor.copy(f"COPY (SELECT tenant_id FROM {table}) TO STDOUT") as copy:
                assert [row[0] for row in copy.rows()] == [str(A)]
            # Row security makes it a SELECT FROM ONLY, and a partitioned table has no rows of its own.
            with context(conn, A), cursor.copy(f"COPY {table} (tenant_id) TO STDOUT") as copy:
                assert [row[0] for row in copy.rows()] == ([] if table.startswith("crm.") else [str(A)])
        with (
            pytest.raises(psycopg.errors.FeatureNotSupported),
            context(conn, A),
            cursor.copy("COPY crm.subject FROM STDIN") as copy,
        ):
            copy.write_row([B])


@pytest.mark.parametrize("value", ["", None])
def test_without_a_context_nothing_shows(
    tables: list[str], enter: Callable[..., Any], value: str | None
) -> None:
    with enter("lua_app", "lua_operator") as conn:
        for table in (t for t in tables if t not in SHARED):
            if value is None:
                assert conn.execute(f"SELECT tenant_id FROM {table}").fetchall() == []
            else:
                assert tried(conn, f"SELECT tenant_id FROM {table}", value) == []


@pytest.mark.parametrize("garbage", ["x", f"{A} OR true", f"{A},{B}", "9" * 30, "NaN", "0x8", "' OR '1'='1"])
def test_a_context_that_is_no_number_is_an_error(
    tables: list[str], enter: Callable[..., Any], garbage: str
) -> None:
    with enter("lua_app") as conn, context(conn, garbage):
        if garbage == "0x8" and conn.info.server_version >= 160000:  # a bigint there
            assert conn.execute("SELECT tenant_id FROM crm.contact").fetchall() == [(8,)]
            return
        with pytest.raises(psycopg.errors.DataError):
            conn.execute("SELECT tenant_id FROM crm.contact")


def test_the_context_ends_with_its_transaction(tables: list[str], enter: Callable[..., Any]) -> None:
    with enter("lua_app") as conn:
        with conn.transaction():
            conn.execute(f"SET LOCAL lua.tenant_id = {A}")
            conn.execute("PREPARE p AS SELECT tenant_id FROM crm.contact")
            conn.execute("DECLARE c CURSOR WITH HOLD FOR SELECT tenant_id FROM crm.contact")
            assert conn.execute("EXECUTE p").fetchall() == [(A,)]
        assert conn.execute("EXECUTE p").fetchall() == []
        conn.execute("SET plan_cache_mode = force_generic_plan")
        for tenant in (A, B, A):
            with context(conn, tenant):
                assert conn.execute("EXECUTE p").fetchall() == [(tenant,)]
        with context(conn, B):
            assert conn.execute("FETCH ALL FROM c").fetchall() == [(A,)], "what was read under A stays A's"


def test_an_open_cursor_shows_nothing_after_the_context_is_gone(
    tables: list[str], enter: Callable[..., Any]
) -> None:
    with enter("lua_app") as conn, context(conn, A):
        conn.execute("DECLARE c CURSOR FOR SELECT tenant_id FROM crm.contact")
        conn.execute("SET LOCAL lua.tenant_id = ''")
        assert set(conn.execute("FETCH ALL FROM c").fetchall()) <= {(A,)}


def test_statistics_and_sequences_tell_nothing(
    tables: list[str], enter: Callable[..., Any], admin: Connection
) -> None:
    admin.execute("ANALYZE")
    with enter("lua_app") as conn:
        shown = conn.execute("SELECT schemaname || '.' || tablename FROM pg_stats").fetchall()
        assert {row[0] for row in shown} & set(tables) == set(), "common values of all tenants"
        for attempt in ("SELECT last_value FROM lua.pooled_tenant", "SELECT nextval('lua.pooled_tenant')"):
            with pytest.raises(Denied):
                conn.execute(attempt)
        with pytest.raises(Denied):
            conn.execute("SELECT * FROM pg_statistic")


DEFINER = (
    "SELECT p.pronamespace::regnamespace || '.' || p.proname, p.proretset,"
    " array(SELECT t::regtype::text FROM unnest(p.proargtypes) AS t)"
    " FROM pg_proc p WHERE p.prosecdef AND 'p_tenant' = ANY (p.proargnames)"
)
EVERYBODY = (
    "lua_app",
    "lua_operator",
    "lua_admin",
    "lua_dpo",
    "lua_accounting",
    "lua_auditor",
    "lua_responder",
)

# Not NULL: what can match nothing anyway need not be refused.
SAMPLES = {
    "uuid": "gen_random_uuid()",
    "text": "'x'",
    "smallint": "1::smallint",
    "integer": "2009",
    "bigint": "1",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "bytea": "sha256('x')",
    "jsonb": "'{}'::jsonb",
}


def sample(kind: str) -> str:
    """Return a value of a type, or a list of one."""
    one, many, _ = kind.partition("[]")
    return f"ARRAY[{SAMPLES[one]}]::{kind}" if many else SAMPLES[kind]


def calls(admin: Connection, tenant: int) -> list[str]:
    """Return one call of every definer function that takes a tenant."""
    found = admin.execute(DEFINER).fetchall()
    assert len(found) >= 6
    return [
        f"SELECT * FROM {name}({', '.join([str(tenant), *map(sample, types[1:])])})"
        for name, _, types in found
    ]


def test_definer_functions_refuse_a_tenant_that_is_not_the_callers(
    tables: list[str], enter: Callable[..., Any], admin: Connection, dedicated: int
) -> None:
    with enter(*EVERYBODY) as conn:
        for call in (*calls(admin, dedicated), *calls(admin, -1)):
            with pytest.raises(Denied, match=r"is not for|for function|only lua_admin"), context(conn, A):
                conn.execute(call)
    with enter(name=f"lua_t{dedicated}") as conn:
        for name in EVERYBODY:
            admin.execute(f"GRANT {name} TO lua_t{dedicated}")
        for call in (*calls(admin, A), *calls(admin, dedicated + 1)):
            with (
                pytest.raises(Denied, match=r"is not for|for function|only lua_admin"),
                context(conn, dedicated),
            ):
                conn.execute(call)


def test_a_dedicated_tenant_shows_to_its_own_login_alone(
    tables: list[str], enter: Callable[..., Any], dedicated: int
) -> None:
    with enter("lua_app", "lua_operator") as conn:
        for table in (t for t in tables if t not in SHARED):
            assert not tried(conn, f"SELECT tenant_id FROM {table}", dedicated), table
    with enter(name=f"lua_t{dedicated}") as conn:
        assert tried(conn, "SELECT tenant_id FROM crm.contact", dedicated) == [(dedicated,)]
        assert tried(conn, "SELECT tenant_id FROM crm.contact", A) == []
        assert tried(conn, "SELECT tenant_id FROM crm.contact", dedicated + 1) == []


def test_numbers_are_claimed_only_where_one_may(
    tables: list[str], enter: Callable[..., Any], admin: Connection
) -> None:
    with enter("lua_app") as conn:
        with pytest.raises(Denied, match="only lua_admin numbers tenants"):
            conn.execute("SELECT vault.claim(0, 0::smallint, 1)")
        for space, count in ((0, 1), (1, 1 << 25), (1, 0), (1, None), (9, 1)):
            with pytest.raises(psycopg.DatabaseError):
                conn.execute("SELECT vault.claim(%s, %s::smallint, %s)", (A, space, count))
        with pytest.raises(Denied, match="permission denied for table node"):
            conn.execute("INSERT INTO vault.node (path, version, blob, change) VALUES ('x', 1, 'x', 1 << 60)")
    with enter("lua_admin") as conn:
        assert conn.execute("SELECT vault.claim(0, 0::smallint, 2)").fetchone() == (0,)
        assert conn.execute("SELECT vault.claim(0, 0::smallint, 1)").fetchone() == (2,)


def test_invoices_outlive_every_caller_that_states_a_time_to_come(
    tables: list[str], enter: Callable[..., Any], admin: Connection
) -> None:
    purge = "SELECT * FROM crm.purge_invoices(%s, %s, 10, %s::timestamptz)"
    admin.execute("UPDATE lua.deployment SET throwaway = false")
    admin.execute(
        "UPDATE crm.invoice SET retention_period = extract(year FROM now()) WHERE tenant_id = %s", (A,)
    )
    year = admin.execute("SELECT extract(year FROM now())::integer").fetchone()[0]  # type: ignore[index]
    with enter("lua_operator") as conn:
        for stated in ("infinity", f"{year + 50}-01-01", None):
            with pytest.raises(psycopg.errors.CheckViolation, match="future of the server's clock"):
                conn.execute(purge, (A, year, stated))
        with pytest.raises(psycopg.errors.CheckViolation, match="are kept"):
            conn.execute(purge, (A, year, f"{year}-01-01"))
        admin.execute("UPDATE lua.deployment SET throwaway = true")
        assert conn.execute(purge, (A, year, f"{year + 11}-01-01")).fetchone() == (1, 1)


def test_only_invoices_of_the_erased_are_hidden(
    tables: list[str], enter: Callable[..., Any], admin: Connection
) -> None:
    hide = f"SELECT crm.retain_invoices({A}, ARRAY[md5('{A}')::uuid], now())"
    with enter("lua_operator") as conn, enter("lua_app") as app, enter("lua_accounting") as books:
        with pytest.raises(psycopg.errors.CheckViolation):
            conn.execute(hide)
        admin.execute(
            "UPDATE crm.subject SET status = 'erased', personal = NULL, erased_at = now()"
            " WHERE tenant_id = %s",
            (A,),
        )
        assert conn.execute(hide).fetchone() == (1,)
        for table in ("crm.invoice", "crm.invoice_line"):
            assert tried(app, f"SELECT 1 FROM {table}") == tried(conn, f"SELECT 1 FROM {table}") == []
            assert tried(books, f"SELECT 1 FROM {table}") == [(1,)]


def test_who_is_erased_stays_erased(tables: list[str], enter: Callable[..., Any], admin: Connection) -> None:
    """Somebody brought back could be written about again, and no second erasure would find them."""
    mark = f"SELECT crm.mark_erased({A}, ARRAY[md5('{A}')::uuid], now())"
    with enter("lua_admin", "lua_operator", "lua_dpo", "lua_accounting", "lua_app") as conn:
        conn.execute(f"SELECT crm.erase_rows({A}, ARRAY[md5('{A}')::uuid], now())")
        assert [conn.execute(mark).fetchone() for _time in range(2)] == [(1,), (0,)]
        for change in ("status = 'active', erased_at = NULL", "status = 'active'", "erased_at = now()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), context(conn, A):
                conn.execute(f"UPDATE crm.subject SET {change}")
        with pytest.raises(psycopg.errors.CheckViolation), context(conn, A):
            conn.execute("UPDATE crm.subject SET personal = 'again'")
    states = admin.execute("SELECT status, personal FROM crm.subject WHERE tenant_id = %s", (A,)).fetchall()
    assert states == [("erased", None)]


def test_nobody_writes_in_anothers_name(
    tables: list[str], enter: Callable[..., Any], admin: Connection
) -> None:
    erasure = (
        "INSERT INTO lua.erasure SELECT {0}, gen_random_uuid(), gen_random_uuid(), 'm', {1}, 'intent', 2,"
        " '{{}}', NULL, now()"
    )
    with enter("lua_operator") as conn:
        me = conn.info.user
        with pytest.raises(Denied):  # only by ledger.append, which takes no actor
            conn.execute(ENTRY, entry(me))
        for field in ("id", "actor", "tenant", "subject", "action", "object", "outcome"):
            with pytest.raises(psycopg.errors.CheckViolation):
                admin.execute(ENTRY, entry(me, **{field: "another"}))
        assert tried(conn, erasure.format(A, "session_user")) == [1]
        assert tried(conn, erasure.format(A, "'somebody'")) is None
        outcome = "state = 'done', result = '{}', completed_at = now()"
        finish = f"UPDATE lua.purge SET {outcome} WHERE tenant_id = {A}"
        with context(conn, A):
            assert conn.execute(finish).rowcount == 1
            assert conn.execute(finish).rowcount == 0, "what is done stays as it is"


def test_nobody_says_of_an_entry_that_it_waits(tables: list[str], enter: Callable[..., Any]) -> None:
    with enter("lua_operator") as conn:
        for change in (
            "INSERT INTO ledger.pending SELECT id, at, sha256(body) FROM ledger.entry",
            "DELETE FROM ledger.pending",
        ):
            with pytest.raises(Denied):
                conn.execute(change)


@pytest.mark.parametrize("attribute", ["SUPERUSER", "BYPASSRLS", ""])
def test_luactl_refuses_a_login_that_row_security_does_not_bind(
    server: TestServer, database: str, tmp_path: Path, admin: Connection, attribute: str
) -> None:
    passfile = tmp_path / "passfile"
    person = new_login(server, passfile, ("lua_operator",))
    if attribute:
        admin.execute(f"ALTER ROLE {person} {attribute}")
    with closing(psycopg.connect(server.dsn(database, person, passfile), autocommit=True)) as conn:
        if not attribute:
            assert admit(conn) == person
            return
        with pytest.raises(RefusedError, match="row level security does not bind"):
            admit(conn)
    admin.execute(f"ALTER ROLE {person} NO{attribute}")
