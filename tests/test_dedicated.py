"""Dedicated tenants: how they are made, who reaches them, and that nothing is left half done."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Connection, Home, TestServer, new_login
from support_erasure import BILL_LINES, BILLS, PEOPLE, VISITS
from support_staff import hire, sign, vouch

from luactl import doctor, tenant
from luactl.connect import open_session
from luactl.db import Session
from luactl.errors import BusyError, Exit, LuactlError, RefusedError, UsageError
from luactl.tenant import NewTenant, Tenant, create, dedicated

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
Login = Callable[..., Session]
CASTLE = NewTenant("castle", "Castle", "DE", "office@castle.example", "dedicated")
USERS = {"app_user", "user_role", "user_session", "user_token"}
TABLES = {"role", "subject", "contact", "contact_key", "interaction", "invoice", "invoice_line"} | USERS
ROLES = "SELECT rolname FROM pg_roles WHERE rolname IN ('lua_t' || %s, 'lua_t' || %s || '_staff') ORDER BY 1"


@pytest.fixture
def session(session: Session) -> Session:
    """An open Session of somebody bound, as whoever makes a dedicated tenant must be."""
    vouch(session)
    return session


def build(session: Session, new: NewTenant = CASTLE) -> Tenant:
    """Create a dedicated tenant and return it."""
    create(session, new)
    return tenant.find(session, new.slug)


def partitions(admin: Connection, tenant_id: int) -> set[str]:
    """Return which tables have a partition of a tenant's name."""
    found = admin.execute(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'r'"
    )
    ending = f"_t{tenant_id}"
    return {row[0].removesuffix(ending) for row in found if row[0].endswith(ending)}


def one(conn: Connection, query: str, *values: object) -> Any:
    """Return the one value of a query."""
    row = conn.execute(query.encode(), values or None).fetchone()
    assert row is not None
    return row[0]


def test_it_is_born_with_roles_partitions_and_one_member_of_staff(
    session: Session, admin: Connection
) -> None:
    made = create(session, CASTLE)
    own = made.tenant_id
    assert own is not None
    assert own >= 1 << 40
    assert made.login == f"lua_t{own}"
    assert partitions(admin, own) == TABLES
    assert [row[0] for row in admin.execute(ROLES, (own, own))] == [made.login, f"{made.login}_staff"]
    assert one(admin, "SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = %s", made.login)
    assert one(admin, f"SELECT count(*) FROM crm.role_t{own}") == len(tenant.ROLES)
    assert one(admin, "SELECT count(*) FROM crm.role_pooled") == 0
    shown = tenant.show(session, "castle")
    assert (shown.login, shown.staff, len(shown.partitions)) == (made.login, (session.actor,), len(TABLES))
    assert [size.estimated_bytes > 0 for size in shown.sizes if size.table == "crm.contact"] == [True]
    assert create(session, CASTLE, if_absent=True).outcome == "exists"
    with pytest.raises(LuactlError, match="isolation 'dedicated', not 'pooled'"):
        create(session, replace(CASTLE, isolation="pooled"), if_absent=True)


def test_a_dry_run_makes_nothing(session: Session, admin: Connection) -> None:
    before = one(admin, "SELECT count(*) FROM pg_roles")
    plan = create(session, CASTLE, dry_run=True)
    assert (plan.outcome, plan.isolation, plan.login) == ("planned", "dedicated", None)
    assert one(admin, "SELECT count(*) FROM pg_roles") == before
    with pytest.raises(UsageError, match="is no isolation"):
        create(session, replace(CASTLE, isolation="alone"), dry_run=True)


def test_the_pooled_partition_is_not_searched_for_its_rows(admin: Connection) -> None:
    said: list[str] = []
    admin.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    with admin.transaction(force_rollback=True):
        admin.execute("SET LOCAL client_min_messages = debug1")
        admin.execute("SELECT lua.make_tenant_partitions(1099511627776)")
    implied = (
        'updated partition constraint for default partition "{}_pooled" is implied by existing constraints'
    )
    assert {table for table in TABLES if implied.format(table) in said} == TABLES


def test_without_its_partition_it_has_no_place(admin: Connection) -> None:
    """A row of a dedicated tenant never lands among those of others."""
    own = 1 << 40
    admin.execute("INSERT INTO lua.tenant_directory VALUES (%s, 'castle', 9)", (own,))
    with pytest.raises(psycopg.errors.CheckViolation, match="pooled"):
        admin.execute("INSERT INTO crm.role VALUES (%s, 'reader', '{}')", (own,))


def test_a_life_on_the_command_line(cli: Cli, session: Session, admin: Connection, tmp_path: Path) -> None:
    def run(*args: str, stdin: str | None = None, code: int = 0) -> Any:
        done = cli(*args, "-o", "json", stdin=stdin)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)["data"]

    files = {"people": PEOPLE, "visits": VISITS, "bills": BILLS, "lines": BILL_LINES}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    T = ("--tenant", "castle")
    own = run("tenant", "create", "castle", "--name", "Castle", "--country", "DE", "--contact", "x",
              "--isolation", "dedicated")["tenant_id"]  # fmt: skip
    run("crm", "customer", "import", str(tmp_path / "people"), *T)
    run("crm", "interaction", "import", str(tmp_path / "visits"), *T)
    run("crm", "invoice", "import", str(tmp_path / "bills"), *T, "--lines", str(tmp_path / "lines"))
    counts = {t: one(admin, f"SELECT count(*) FROM crm.{t}_t{own}") for t in TABLES - {"role"} - USERS}
    assert min(counts.values()) > 0
    assert sum(one(admin, f"SELECT count(*) FROM crm.{t}_pooled") for t in TABLES) == 0
    (person,) = run("subject", "find", *T, "--external-id", "-", stdin="1\n")
    what = ("--subject", person["subject_id"], "--instruction", "letter of 1 March")
    done = run("erasure", "run", *T, *what, "--certificate", str(tmp_path / "seal"), "--yes")
    assert one(admin, f"SELECT count(*) FROM crm.contact_t{own}") == counts["contact"] - 1
    run("erasure", "verify", done["erasure_id"])
    assert cli("verify", done["certificate"]).returncode == 0
    assert run("subject", "find", *T, "--external-id", "-", stdin="1\n") == []
    purged = run("retention", "purge", *T, "--yes")
    left = one(admin, f"SELECT count(*) FROM crm.interaction_t{own}")
    assert purged["interactions"] > 0
    assert left < counts["interaction"]
    run("retention", "purge", "--all", "--yes")
    assert cli("doctor").returncode == 0


def test_its_own_login_sees_its_rows_and_no_others(
    session: Session, admin: Connection, home: Home, server: TestServer, database: str, cli: Cli
) -> None:
    a, b = build(session), build(session, replace(CASTLE, slug="tower"))
    pool = create(session, NewTenant("pool", "Pool", "DE", "x")).tenant_id
    passfile = home.path / "crm.pgpass"
    tenant.renew_login(session, "castle", passfile)
    dsn = server.dsn(database, f"lua_t{a.tenant_id}", passfile)
    with closing(psycopg.connect(dsn, autocommit=True)) as conn:

        def count(context: object, table: str) -> int:
            with conn.transaction(force_rollback=True):
                conn.execute(f"SET LOCAL lua.tenant_id = {context}")
                return int(one(conn, f"SELECT count(*) FROM {table}"))

        for table in ("crm.role", "lua.tenant"):
            assert count(a.tenant_id, table) > 0
            assert [count(other, table) for other in (b.tenant_id, pool)] == [0, 0]
        for role in ("lua_app", f"lua_t{a.tenant_id}"):  # up to 15 it may become the CRM's role: no use
            try:
                conn.execute(f"SET ROLE {role}")
            except psycopg.errors.InsufficientPrivilege:
                assert conn.info.server_version >= 160000
            assert [count(other, "crm.role") for other in (b.tenant_id, pool)] == [0, 0]
            conn.execute("RESET ROLE")
        for table in (f"role_t{a.tenant_id}", f"role_t{b.tenant_id}", "role_pooled"):
            for verb in ("SELECT * FROM", "TRUNCATE", "DELETE FROM", "COPY"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(f"{verb} crm.{table}{' TO STDOUT' if verb == 'COPY' else ''}".encode())
        for call in ("vault.key_no({})", "vault.hold_periods({}, '{{}}')"):
            conn.execute(f"SELECT {call.format(a.tenant_id)}")
            for other in (b.tenant_id, pool):
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is not for"):
                    conn.execute(f"SELECT {call.format(other)}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT lua.admit_staff(%s, session_user::text)", (b.tenant_id,))


def test_staff_keep_their_own_rights_and_reach_what_they_are_admitted_to(
    session: Session, admin: Connection, login: Login
) -> None:
    castle, operator = build(session), login("lua_operator")
    with pytest.raises(RefusedError, match="not among its staff") as refusal:
        tenant.find(operator, "castle")
    assert "tenant admit" in str(refusal.value.hint)
    vouch(session, operator.actor)
    assert tenant.admit(session, "castle", operator.actor, dry_run=True).changed
    with pytest.raises(RefusedError):
        tenant.show(operator, "castle")
    assert tenant.admit(session, "castle", operator.actor).changed
    assert not tenant.admit(session, "castle", operator.actor).changed
    assert operator.actor in tenant.show(session, "castle").staff
    assert tenant.find(operator, "castle") == castle
    key_no = f"SELECT vault.key_no({castle.tenant_id})".encode()
    operator.conn.execute(key_no)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):  # an operator's rights, and no more
        operator.conn.execute("SELECT accounting FROM crm.invoice")
    assert tenant.dismiss(session, "castle", operator.actor).changed
    assert not tenant.dismiss(session, "castle", operator.actor).changed
    with pytest.raises(RefusedError):
        tenant.find(operator, "castle")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is not for"):
        operator.conn.execute(key_no)
    told = admin.execute(
        "SELECT action FROM ledger.entry WHERE action ~ 'tenant.(admit|dismiss)' ORDER BY at"
    )
    assert [row[0] for row in told] == ["tenant.admit", "tenant.dismiss"]


def test_who_is_not_bound_is_let_in_nowhere(
    session: Session, admin: Connection, login: Login, cli: Cli, tmp_path: Path
) -> None:
    """As for group roles: whoever is nobody, or has signed nothing that binds today, gets no tenant."""
    castle, stranger, boss = build(session), login("lua_operator"), login("lua_admin")

    def refused() -> str:
        done = cli("tenant", "admit", "castle", stranger.actor)
        assert done.returncode == Exit.REFUSED, done.stdout
        assert "hint: " in done.stderr
        return done.stderr

    assert f"access adopt {stranger.actor}" in refused()
    someone = hire(session, "mia.lorenz", bound=False, logins=(stranger.actor,))
    assert "luactl staff show mia.lorenz" in refused()
    sign(session, someone, signed_on=date(2020, 1, 1), expires_on=date(2020, 12, 31))
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no undertaking"):
        session.conn.execute(
            "SELECT lua.admit_staff(%s, %s, '2020-06-01')", (castle.tenant_id, stranger.actor)
        )
    sign(session, someone)
    assert tenant.admit(session, "castle", stranger.actor).changed
    admin.execute("UPDATE lua.undertaking SET withdrawn_at = now()")
    assert not tenant.admit(session, "castle", stranger.actor).changed, "nothing new is given"
    assert tenant.dismiss(session, "castle", stranger.actor).changed, "taking asks for none"
    tower = replace(CASTLE, slug="tower")
    for who, why in ((session, "no undertaking"), (boss, "belongs to nobody")):
        for dry_run in (True, False):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=why):
                create(who, tower, dry_run=dry_run)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no undertaking"):
        tenant.renew_login(session, "castle", tmp_path / "pass")
    assert [one.slug for one in tenant.list_(session)] == ["castle"]
    assert create(boss, replace(tower, isolation="pooled")).outcome == "created"


def test_who_is_no_staff_is_not_admitted(
    session: Session, admin: Connection, login: Login, server: TestServer, tmp_path: Path
) -> None:
    castle = build(session)
    app, groups = login("lua_app").actor, new_login(server, tmp_path / "pass", [])
    admin.execute(f"ALTER ROLE {groups} BYPASSRLS")
    for name, why in (
        (app, "of the CRM"),
        (f"lua_t{castle.tenant_id}", "of the CRM"),
        ("lua_app", "no login"),
        ("postgres", "does not bind"),
        (groups, "does not bind"),
        ("no-such", "no login"),
    ):
        with pytest.raises(RefusedError, match=why):
            tenant.admit(session, "castle", name)
    create(session, NewTenant("pool", "Pool", "DE", "x"))
    for act in (tenant.admit, tenant.dismiss):
        with pytest.raises(RefusedError, match="is pooled"):
            act(session, "pool", session.actor)
    admin.execute(f"GRANT lua_t{castle.tenant_id}_staff TO lua_dpo")
    with pytest.raises(RefusedError, match="through another role"):
        tenant.dismiss(session, "castle", session.actor)
    admin.execute(f"REVOKE lua_t{castle.tenant_id}_staff FROM lua_dpo")


@pytest.mark.parametrize("roles", [("lua_operator", "lua_dpo", "lua_auditor"), ("lua_app",)])
def test_roles_change_through_administrators_alone(
    session: Session, login: Login, roles: tuple[str, ...]
) -> None:
    own = build(session).tenant_id
    other = login(*roles)
    for call in (
        f"admit_staff({own}, session_user::text)",
        f"dismiss_staff({own}, 'x')",
        f"make_tenant_roles({own})",
        f"make_tenant_partitions({own})",
        f"set_tenant_verifier({own}, 'x')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.conn.execute(f"SELECT lua.{call}".encode())


def test_the_functions_refuse_what_is_no_dedicated_tenants(session: Session, admin: Connection) -> None:
    own = build(session).tenant_id
    for call in ("make_tenant_roles(7)", "make_tenant_partitions(7)", "make_tenant_roles(NULL)",
                 "set_tenant_verifier(7, 'x')", f"set_tenant_verifier({own}, 'secret')",
                 f"set_tenant_verifier({own}, 'md5d41d8cd98f00b204e9800998ecf8427e')",
                 f"set_tenant_verifier({own + 1}, 'x')"):  # fmt: skip
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            session.conn.execute(f"SELECT lua.{call}".encode())
    stranger = own + 1
    admin.execute(f"CREATE ROLE lua_t{stranger} LOGIN")
    try:
        with pytest.raises(psycopg.errors.DuplicateObject, match="on this server already"):
            session.conn.execute("SELECT lua.make_tenant_roles(%s)", (stranger,))
        assert one(session.conn, "SELECT lua.next_dedicated()") > stranger, "its number is passed over"
    finally:
        admin.execute(f"DROP ROLE lua_t{stranger}")


def test_a_password_goes_into_a_file_and_nowhere_else(
    session: Session, admin: Connection, home: Home, server: TestServer, database: str, cli: Cli
) -> None:
    own = f"lua_t{build(session).tenant_id}"
    file = home.path / "crm.pgpass"
    file.write_text("db:5432:crm:somebody:theirs\n")
    assert cli("tenant", "login", "castle", "--passfile", str(file), "--dry-run").returncode == 0
    assert cli("tenant", "login", "castle", "--passfile", str(file)).returncode != 0, "needs --yes"
    assert file.read_text() == "db:5432:crm:somebody:theirs\n"
    passwords = []
    for _time in range(2):
        done = cli("tenant", "login", "castle", "--passfile", str(file), "--yes")
        assert done.returncode == 0, done.stderr
        first, line = file.read_text().splitlines()
        assert first == "db:5432:crm:somebody:theirs"
        assert file.stat().st_mode & 0o777 == 0o600
        passwords.append(line.removeprefix(f"*:*:*:{own}:"))
        assert passwords[-1] not in done.stdout + done.stderr
        with closing(psycopg.connect(server.dsn(database, own, file))) as conn:
            assert conn.info.user == own
    assert len(set(passwords)) == 2
    old = home.path / "old"
    old.write_text(f"*:*:*:{own}:{passwords[0]}\n")
    old.chmod(0o600)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.dsn(database, own, old))
    bodies = admin.execute(
        "SELECT convert_from(body, 'UTF8') FROM ledger.entry WHERE action = 'tenant.login'"
    )
    assert not [1 for (body,) in bodies if any(one in body for one in passwords)]
    with pytest.raises(UsageError, match="no folder"):
        tenant.renew_login(session, "castle", home.path / "none" / "file")


def test_a_file_that_cannot_be_written_leaves_the_password(session: Session, home: Home, server: TestServer,
                                                          database: str) -> None:  # fmt: skip
    own = f"lua_t{build(session).tenant_id}"
    file = home.path / "crm.pgpass"
    tenant.renew_login(session, "castle", file)
    with pytest.raises(LuactlError, match="cannot write"):
        tenant.renew_login(session, "castle", Path("/proc/self/crm.pgpass"))
    with closing(psycopg.connect(server.dsn(database, own, file))):
        pass


KILLED = """
import os, signal, sys
from dataclasses import replace
from luactl.connect import open_session
from luactl.tenant import NewTenant, create
def strike(name):
    if name == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
with open_session("test", command="tenant create") as session:
    new = NewTenant("castle", "Castle", "DE", "office@castle.example", "dedicated")
    create(replace(session, step=strike), new)
"""


@pytest.mark.parametrize("step", ["roles made", "partitions made", "about to commit", "committed"])
def test_killed_anywhere_there_is_all_of_it_or_nothing(
    home: Home, session: Session, admin: Connection, step: str
) -> None:
    counts = (
        "SELECT count(*) FROM pg_roles WHERE rolname ~ '^lua_t[0-9]'",
        "SELECT count(*) FROM pg_class WHERE relname ~ '_t[0-9]{13}$'",
        "SELECT count(*) FROM lua.tenant",
        "SELECT count(*) FROM ledger.entry WHERE action = 'tenant.create'",
    )
    before = [one(admin, query) for query in counts]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, step], env=home.environ, check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'luactl tenant create'"
    while not one(admin, gone):
        admin.execute("SELECT pg_sleep(0.05)")
    grown = [one(admin, query) - was for query, was in zip(counts, before, strict=True)]
    assert grown == ([2, len(TABLES), 1, 1] if step == "committed" else [0, 0, 0, 0])
    assert create(session, CASTLE, if_absent=True).outcome == ("exists" if step == "committed" else "created")
    assert tenant.faults(session) == []


def test_several_at_once(home: Home, session: Session) -> None:
    def make(number: int) -> int | None:
        with open_session("test", command="tenant create") as mine:
            return create(mine, replace(CASTLE, slug=f"castle-{number}")).tenant_id

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(make, range(8)))
    assert len(set(made)) == 8
    assert tenant.faults(session) == []


def test_it_waits_shortly_and_gives_up_whole(
    session: Session, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedicated, "PATIENCE", 0.5)
    with admin.transaction():
        admin.execute("SELECT count(*) FROM crm.contact")
        with pytest.raises(BusyError, match="must be still"):
            create(session, CASTLE)
    assert tenant.list_(session) == []
    assert create(session, CASTLE).outcome == "created"


def test_work_over_all_tenants_says_whom_it_left_out(
    session: Session, home: Home, cli: Cli, server: TestServer, database: str
) -> None:
    create(session, NewTenant("pool", "Pool", "DE", "x"))
    build(session)
    assert tenant.dismiss(session, "castle", session.actor).changed
    done = cli("retention", "purge", "--all", "--yes")
    assert done.returncode == Exit.REFUSED
    assert "nothing done: castle" in done.stderr
    assert "tenant admit" in done.stderr
    assert cli("doctor").returncode == 0
    assert "castle" in cli("tenant", "list").stdout
    for command in (
        ("tenant", "show", "castle"),
        ("tenant", "suspend", "castle", "--reason", "x", "--yes"),
        ("retention", "list", "--tenant", "castle"),
        ("erasure", "list", "--tenant", "castle"),
        ("crm", "customer", "list", "--tenant", "castle"),
    ):
        refused = cli(*command)
        assert refused.returncode == Exit.REFUSED, (command, refused.stderr)
        assert "tenant admit" in refused.stderr
    proof = json.loads(cli("promise", "prove", "5.4", "10.1", "-o", "json").stdout)["data"]
    states = {found["id"]: found["state"] for found in proof["promises"]}
    assert states["10.1"] == "not observable"
    assert states["5.4"] != "broken"


@pytest.mark.parametrize(
    ("breach", "told"),
    [
        ("DROP ROLE lua_t{own}_staff", "lua_t{own}_staff is missing"),
        ("DROP TABLE crm.contact_t{own}", "no partition of crm.contact"),
        ("ALTER TABLE crm.role_t{own} DETACH", None),
        ("DROP POLICY tenant ON crm.role_t{own}", "row security of crm.role_t{own}"),
        ("GRANT SELECT ON crm.role_t{own} TO lua_dpo", "lua_dpo has rights on crm.role_t{own}"),
        ("ALTER ROLE lua_t{own} CREATEDB", "lua_t{own} is not as it was made"),
    ],
)
def test_the_doctor_finds_what_is_lost_and_says_what_mends_it(
    session: Session, home: Home, admin: Connection, breach: str, told: str | None
) -> None:
    own = build(session).tenant_id
    if told is None:
        breach, told = f"ALTER TABLE crm.role DETACH PARTITION crm.role_t{own}", "no partition of crm.role"
    admin.execute(breach.format(own=own).encode())
    found = [check for check in doctor.examine("test", home.environ).checks if check.check == "isolation"]
    assert [check for check in found if told.format(own=own) in check.what], found
    mend = next(check.hint for check in found if told.format(own=own) in check.what)
    if mend.startswith("SELECT lua.make") and "DETACH" not in breach:
        session.conn.execute(mend.encode())
        assert tenant.faults(session) == []


def test_from_a_file(session: Session, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tenants.csv").write_text(
        "slug,name,country,contact,isolation\nup,Up,DE,x,Dedicated\nno,No,DE,x,alone\nin,In,DE,x,\n"
    )
    done = cli("tenant", "import", str(tmp_path / "tenants.csv"))
    assert done.returncode == Exit.FINDINGS
    assert "isolation is none" in done.stdout + done.stderr
    assert {one.slug: one.isolation for one in tenant.list_(session)} == {"up": "dedicated", "in": "pooled"}
    assert json.loads(cli("tenant", "list", "-o", "json").stdout)["data"][1]["isolation"] == "dedicated"
