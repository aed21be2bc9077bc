"""Logins of people and jobs: made, changed and ended through functions alone, and really logged in with."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Connection, Home, TestServer, new_login
from psycopg import sql
from support_staff import hire, sign
from support_whole import luactl

from luactl import staff
from luactl.access import login
from luactl.access.login import Adoption, Password, Wanted
from luactl.db import Session
from luactl.errors import Exit, LuactlError, NotFoundError, RefusedError, UsageError

SECRET = "Sommerröt-Feld-19"
Login = Callable[..., Session]


@pytest.fixture
def tag(server: TestServer) -> Iterator[str]:
    """An ending for names of logins; those that have it go with the test."""
    made = f"_{secrets.token_hex(4)}"
    yield made
    with closing(server.admin()) as conn:
        for (role,) in conn.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (f"%{made}",)
        ).fetchall():
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def wanted(name: str, person: str, *roles: str, password: Password | None = None, **more: Any) -> Wanted:
    facts = {"connection_limit": 5, "valid_until": None, **more}
    return Wanted(name, person, tuple(f"lua_{one}" for one in roles), password=password, **facts)


def enter(server: TestServer, database: str, name: str, password: str) -> psycopg.Connection[Any]:
    """Log in over the network as somebody who types a password."""
    dsn = server.dsn(database, name, Path("/nowhere"))
    return psycopg.connect(dsn, password=password, autocommit=True)


def facts(admin: Connection, name: str) -> tuple[Any, ...]:
    """Return what the catalog says: logs in, attributes, limit, password's verifier, group roles."""
    row = admin.execute(
        "SELECT rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,"
        " rolconnlimit, rolpassword, array(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g"
        " ON g.oid = m.roleid WHERE m.member = a.oid ORDER BY 1) FROM pg_authid a WHERE rolname = %s",
        (name,),
    ).fetchone()
    assert row is not None
    return row


def told(admin: Connection, action: str) -> list[dict[str, Any]]:
    """Return the ledger's entries of an action."""
    rows = admin.execute(
        "SELECT convert_from(body, 'UTF8') FROM ledger.entry WHERE action = %s ORDER BY at", (action,)
    )
    return [json.loads(row[0]) for row in rows]


def test_a_login_is_made_with_its_roles_and_really_gets_in(
    session: Session, admin: Connection, server: TestServer, database: str, tag: str
) -> None:
    person, name = hire(session, "anna.berger"), f"anna{tag}"
    plan = login.add(session, wanted(name, "anna.berger", "operator"), dry_run=True)
    assert (plan.after.login, plan.after.roles, plan.after.bound) == (name, ("lua_operator",), True)
    with pytest.raises(NotFoundError):
        login.find(session, name)
    login.add(session, wanted(name, "anna.berger", "operator", password=Password(SECRET)))
    can, more, limit, verifier, roles = facts(admin, name)
    assert (can, more, limit, roles) == (True, False, 5, ["lua_operator"])
    assert verifier.startswith("SCRAM-SHA-256$")
    with closing(enter(server, database, name, SECRET)) as conn:
        assert conn.execute("SELECT session_user::text").fetchone() == (name,)
        conn.execute("SELECT personal FROM crm.contact")
        if conn.info.server_version >= 160000:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute("SET ROLE lua_operator")
    with pytest.raises(psycopg.OperationalError):
        enter(server, database, name, "Sommerrot-Feld-19")
    [entry] = told(admin, "access.login.add")
    assert entry["object"] == person.object
    assert entry["detail"]["roles"] == ["lua_operator"]
    assert SECRET not in json.dumps(entry)
    with pytest.raises(RefusedError, match="login of anna"):
        login.add(session, wanted(name, "anna.berger", password=Password(SECRET)))
    with pytest.raises(LuactlError, match="there is a role"):
        login.add(session, wanted("postgres", "anna.berger", password=Password(SECRET)))


def test_a_certificate_login_has_no_password(session: Session, admin: Connection, tag: str) -> None:
    hire(session, "anna.berger")
    made = login.add(session, wanted(f"cert{tag}", "anna.berger", "auditor", by_certificate=True))
    assert made.after.method == "certificate"
    assert facts(admin, f"cert{tag}")[3] is None
    after = replace(made.after, method="password")
    with pytest.raises(UsageError, match="password or a certificate"):
        login.change(session, made.after, after, None)
    changed = login.change(session, made.after, after, Password(SECRET))
    assert changed.after.method == "password"
    assert facts(admin, f"cert{tag}")[3] is not None
    login.change(session, changed.after, replace(changed.after, method="certificate"), None)
    assert facts(admin, f"cert{tag}")[3] is None


def test_nothing_is_granted_to_who_is_not_bound(session: Session, admin: Connection, tag: str) -> None:
    person, name = hire(session, "anna.berger", bound=False), f"anna{tag}"
    boss = hire(session, "ida.lang", bound=False)
    hire(session, "purge.job", kind="job", manager="ida.lang")
    for handle in ("anna.berger", "purge.job"):
        with pytest.raises(RefusedError, match="no undertaking") as refusal:
            login.add(session, wanted(name, handle, "operator"), dry_run=True)
        assert "staff" in str(refusal.value.hint)
        with pytest.raises(
            psycopg.errors.CheckViolation, match="no undertaking"
        ):  # whatever luactl asks first
            session.conn.execute(
                "SELECT lua.add_login(%s, (SELECT person_id FROM lua.person WHERE handle = %s),"
                " '{lua_operator}', 'certificate', NULL, 1, NULL, now(), gen_random_uuid())",
                (name, handle),
            )
    made = login.add(session, wanted(name, "anna.berger", password=Password(SECRET)))
    with pytest.raises(RefusedError, match="no undertaking"):
        login.change(session, made.after, replace(made.after, roles=("lua_operator",)), None)
    undertaking = sign(session, person)
    granted = login.change(session, made.after, replace(made.after, roles=("lua_operator",)), None)
    assert facts(admin, name)[4] == ["lua_operator"]
    staff.withdraw(session, undertaking.undertaking_id, "left")  # nothing more, but all may be taken
    with pytest.raises(RefusedError, match="no undertaking"):
        login.change(session, granted.after, replace(granted.after, roles=("lua_dpo", "lua_operator")), None)
    login.change(session, login.find(session, name), replace(login.find(session, name), roles=()), None)
    assert facts(admin, name)[4] == []
    sign(session, boss)
    assert login.add(session, wanted(f"job{tag}", "purge.job", "app"), dry_run=True).after.bound


def test_who_may_have_what(session: Session, tag: str) -> None:
    hire(session, "anna.berger")
    for roles, why in ((("app",), "for jobs"), (("ai", "operator"), "for jobs")):
        with pytest.raises(RefusedError, match=why):
            login.add(session, wanted(f"x{tag}", "anna.berger", *roles), dry_run=True)
    with pytest.raises(UsageError, match="no group role"):
        login.role_of("rolekeeper")
    for role in ("lua_owner", "lua_rolekeeper", "pg_read_all_data", "postgres"):
        with pytest.raises(UsageError, match="only group roles"):
            login.add(session, replace(wanted(f"x{tag}", "anna.berger"), roles=(role,)), dry_run=True)
    for name in ("lua_x", "pg_x", "Anna", "a b", "", "public", "9x", "a" * 64):
        with pytest.raises(LuactlError):
            login.add(session, wanted(name, "anna.berger"), dry_run=True)
    with pytest.raises(NotFoundError, match="nobody") as missing:
        login.add(session, wanted(f"x{tag}", "anna.bergr"), dry_run=True)
    assert "anna.berger" in str(missing.value.hint)
    with pytest.raises(UsageError, match="connections"):
        login.add(session, wanted(f"x{tag}", "anna.berger", connection_limit=-2), dry_run=True)
    with pytest.raises(UsageError, match="over already"):
        login.add(session, wanted(f"x{tag}", "anna.berger", valid_until=session.clock.now()), dry_run=True)


def test_nobody_changes_their_own_rights(
    session: Session, login_of: Callable[[str], Session], admin: Connection, server: TestServer, tag: str
) -> None:
    """Neither by the login they use, nor by another of theirs; a password of one's own may be renewed."""
    hire(session, "ida.lang")
    made = login.add(session, wanted(f"ida{tag}", "ida.lang", "admin", password=Password(SECRET)))
    ida = login_of(f"ida{tag}")
    for act in (
        lambda: login.add(ida, wanted(f"two{tag}", "ida.lang", "dpo"), dry_run=True),
        lambda: login.change(ida, made.after, replace(made.after, roles=()), None),
        lambda: login.change(ida, made.after, replace(made.after, connection_limit=50), None),
        lambda: login.end(ida, made.after),
    ):
        with pytest.raises(RefusedError, match="their own rights"):
            act()
    assert login.change(ida, made.after, made.after, Password("Winterröte-Wald-20")).changed
    with closing(enter(server, str(admin.info.dbname), f"ida{tag}", "Winterröte-Wald-20")):
        pass
    assert not login.change(ida, made.after, made.after, None).changed


@pytest.fixture
def login_of(server: TestServer, database: str, home: Home) -> Iterator[Callable[[str], Session]]:
    """`login_of(name)` opens a Session as a login whose password is SECRET."""
    from contextlib import ExitStack

    from luactl.clock import SystemClock
    from luactl.config import write_private
    from luactl.connect import dial

    with ExitStack() as stack:

        def open_as(name: str) -> Session:
            passfile = home.path / f"{name}.pgpass"
            write_private(passfile, f"*:*:*:{name}:{SECRET}\n")
            dsn = server.dsn(database, name, passfile)
            conn = stack.enter_context(closing(dial(dsn, passfile=passfile, profile="test", command="test")))
            return Session(conn, name, SystemClock(), home.profile, "test")

        yield open_as


def test_only_administrators_reach_the_functions(session: Session, login: Login) -> None:
    other = login("lua_operator", "lua_dpo", "lua_auditor")
    for call in (
        "add_login('x', NULL, '{}', 'certificate', NULL, 1, NULL, now(), NULL)",
        "change_login('x', '{}', 'password', NULL, 1, NULL, now(), NULL)",
        "end_login('x', now(), NULL)",
        "adopt_login('x', NULL, 'unknown', '{}', now(), NULL)",
        "end_sessions('x')",
        "set_login_roles('x', '{lua_admin}', now(), NULL)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.conn.execute(f"SELECT lua.{call}".encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):  # it is for the functions beside it
        session.conn.execute("SELECT lua.set_login_roles('x', '{lua_admin}', now(), NULL)")
    for text in ("secret", "md5d41d8cd98f00b204e9800998ecf8427e"):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="no SCRAM"):
            session.conn.execute(
                "SELECT lua.change_login('x', '{}', 'password', %s, 1, NULL, now(), NULL)", (text,)
            )


def test_an_ended_login_is_out_at_once_and_never_comes_back(
    session: Session, admin: Connection, server: TestServer, database: str, tag: str
) -> None:
    hire(session, "anna.berger")
    hire(session, "nele.kern")
    name = f"anna{tag}"
    made = login.add(session, wanted(name, "anna.berger", "operator", "dpo", password=Password(SECRET)))
    conn = enter(server, database, name, SECRET)
    assert login.end(session, made.after, dry_run=True).changed
    conn.execute("SELECT 1")
    done = login.end(session, made.after)
    assert (done.changed, done.sessions_ended, done.left) == (True, 1, ())
    with pytest.raises(psycopg.OperationalError):
        conn.execute("SELECT 1")
    conn.close()
    assert facts(admin, name)[:5] == (False, False, 5, None, [])
    assert not login.end(session, login.find(session, name)).changed
    assert len(told(admin, "access.login.end")) == 1
    with pytest.raises(RefusedError, match="never comes back"):
        login.change(session, login.find(session, name), made.after, None)
    admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    with pytest.raises(RefusedError, match="was a login of"):  # the ledger would name two people
        login.add(session, wanted(name, "nele.kern", password=Password(SECRET)))
    assert [one.login for one in login.list_(session)] == []
    assert [one.can_log_in for one in login.list_(session, every=True)] == [None]


def test_what_a_superuser_granted_is_told_with_the_statement_that_ends_it(
    session: Session, admin: Connection, tag: str
) -> None:
    hire(session, "anna.berger")
    name = f"anna{tag}"
    made = login.add(session, wanted(name, "anna.berger", "operator", password=Password(SECRET)))
    admin.execute(f"GRANT lua_operator, lua_dpo, pg_monitor TO {name}")
    after = login.change(session, made.after, replace(made.after, roles=()), None)
    old = admin.info.server_version < 160000
    assert after.left == (() if old else (f"REVOKE lua_operator FROM {name} GRANTED BY postgres",))
    ended = login.end(session, after.after)
    assert len(ended.left) == (2 if old else 3)
    for statement in ended.left:
        admin.execute(statement.encode())
    assert facts(admin, name)[4] == []
    assert login.end(session, ended.after).left == ()


def test_logins_that_are_there_are_adopted(
    session: Session, admin: Connection, server: TestServer, tmp_path: Path, tag: str
) -> None:
    hire(session, "anna.berger")
    hire(session, "nele.kern", bound=False)
    first = new_login(server, tmp_path / "pass", ["lua_operator"], f"first{tag}")
    strong = new_login(server, tmp_path / "pass", ["lua_dpo"], f"strong{tag}")
    admin.execute(f"ALTER ROLE {strong} CREATEDB CONNECTION LIMIT 7")
    listed = {one.login: one for one in login.strangers(session)}
    assert listed[first].roles == ("lua_operator",)
    assert listed[strong].attributes == ("CREATEDB",)
    file = tmp_path / "logins.csv"
    file.write_text(f"login,person,method,attributes\n{first},anna.berger,password,\n{strong},nele.kern,,\n")
    with pytest.raises(RefusedError, match=f"{strong} has CREATEDB"):
        login.adopt(session, login.parse_adoptions(file))
    assert first in {one.login for one in login.strangers(session)}, "all of them or none"
    toml = tmp_path / "logins.toml"
    toml.write_text(
        f'[[login]]\nlogin = "{first}"\nperson = "anna.berger"\nmethod = "password"\n'
        f'[[login]]\nlogin = "{strong}"\nperson = "nele.kern"\nattributes = ["CREATEDB"]\n'
    )
    assert len(login.adopt(session, login.parse_adoptions(toml), dry_run=True)) == 2
    one, two = login.adopt(session, login.parse_adoptions(toml))
    assert (one.roles, one.changed, two.roles) == (("lua_operator",), True, ("lua_dpo",))
    assert not {first, strong} & {one.login for one in login.strangers(session)}
    known = login.find(session, strong)
    assert (known.attributes, known.connection_limit, known.bound) == (("CREATEDB",), 7, False)
    assert [one.changed for one in login.adopt(session, login.parse_adoptions(toml))] == [False, False]
    assert len(told(admin, "access.adopt")) == 2
    with pytest.raises(RefusedError, match="of somebody else"):
        login.adopt(session, [Adoption(first, "nele.kern")])
    for name in ("lua_app", "no-such", "pg_monitor"):
        with pytest.raises(RefusedError, match="no login"):
            login.adopt(session, [Adoption(name, "anna.berger")])
    if admin.info.server_version >= 160000:
        with pytest.raises(RefusedError, match="not made by luactl") as refusal:
            login.change(session, known, replace(known, connection_limit=1), None)
        admin.execute(str(refusal.value.hint).partition(": ")[2].encode())
    login.change(session, known, replace(known, connection_limit=1), None)
    assert facts(admin, strong)[2] == 1


def test_the_first_administrator_adopts_themself_and_nobody_after(
    session: Session, login: Login, tag: str
) -> None:
    from luactl.access.login import adopt

    hire(session, "ida.lang")
    hire(session, "nele.kern")
    assert adopt(session, [Adoption(session.actor, "ida.lang")])[0].changed
    second = login("lua_admin", name=f"nele{tag}")
    with pytest.raises(RefusedError, match="another administrator"):
        adopt(second, [Adoption(second.actor, "nele.kern")])
    assert adopt(session, [Adoption(second.actor, "nele.kern")])[0].changed


@pytest.mark.parametrize(
    "text",
    ["login,person\n", "login\nanna\n", "login,person\n,x\n", "login,person,pay\na,b,c\n",
     "login,person\na,b\na,c\n", "login,person,method\na,b,magic\n", "login,person,attributes\na,b,ROOT\n"],
)  # fmt: skip
def test_a_table_that_does_not_say_whose_they_are_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "logins.csv"
    file.write_text(text)
    with pytest.raises(UsageError):
        login.parse_adoptions(file)


def test_guessable_passwords_are_refused() -> None:
    for text in ("short", "anna-anna-anna-1", "aaaaaaaaaaaaaaaa", "eleven char", "twelve\tcharacters"):
        with pytest.raises(UsageError):
            login.checked_password(text, "anna")
    assert SECRET not in repr(login.checked_password(SECRET, "anna"))


def test_on_the_command_line(
    session: Session, server: TestServer, database: str, admin: Connection, tag: str, tmp_path: Path
) -> None:
    hire(session, "anna.berger")
    name, file = f"anna{tag}", tmp_path / "anna.pgpass"
    what = ("access", "login", "add", name, "--person", "anna.berger", "--role", "operator")
    assert luactl(*what, "--dry-run").code == Exit.DONE
    assert luactl(*what, stdin=b"short\n").code == Exit.USAGE
    done = luactl(*what, stdin=f"{SECRET}\n".encode())
    assert (done.code, SECRET in done.out + done.err) == (Exit.DONE, False)
    with closing(enter(server, database, name, SECRET)):
        pass
    assert luactl("access", "login", "change", name, "--passfile", str(file)).code == Exit.USAGE, (
        "needs --yes"
    )
    assert luactl("access", "login", "change", name, "--passfile", str(file), "--yes").code == Exit.DONE
    with closing(psycopg.connect(server.dsn(database, name, file))) as conn:
        assert conn.info.user == name
    assert luactl("access", "login", "end", name).code == Exit.USAGE
    admin.execute(f"GRANT pg_monitor TO {name}")
    ended = luactl("access", "login", "end", name, "--yes")
    assert (ended.code, f"REVOKE pg_monitor FROM {name}" in ended.err) == (Exit.FINDINGS, True)
    assert luactl("access", "adopt", name).code == Exit.USAGE
    assert luactl("access", "adopt").code == Exit.FINDINGS  # the login of this very home is nobody's
