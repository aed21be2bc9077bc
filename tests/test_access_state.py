"""Access as it should be: what a superuser does behind luactl's back is found, and undone, or told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from conftest import Connection, TestServer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import sql
from support_drift import PLANTS, Plant, run
from support_staff import hire, sign, vouch
from support_whole import luactl

from luactl import staff
from luactl.access import login
from luactl.access.login import Wanted
from luactl.access.state import Finding, State, drift, load_state, reconcile
from luactl.connect import open_session
from luactl.db import Session
from luactl.errors import Exit, UsageError
from luactl.shipped import GROUPS, OWNERS
from luactl.tenant import NewTenant, create

ONE_EACH = settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
Login = Callable[..., Session]


@dataclass
class House:
    """Two logins that luactl made, a role of nobody's, an administrator and a superuser."""

    session: Session
    admin: Connection
    names: dict[str, str]
    before: frozenset[tuple[str, str]] = frozenset()

    def found(self, state: State | None = None) -> list[Finding]:
        """Return what is not as it should be, without what other tests left on the server."""
        return [
            one for one in drift(self.session, state or load_state())
            if one.login in self.ours and (one.login, one.object) not in self.before
        ]  # fmt: skip

    @property
    def ours(self) -> set[str]:
        return {*self.names.values(), *GROUPS, "PUBLIC", "lua_elevated"}

    def reconcile(self, state: State | None = None) -> list[str]:
        """Undo what luactl may, of ours alone; return the statements that are left for a superuser."""
        done = reconcile(self.session, state or load_state(), self.ours)
        return [one.finding.undo for one in done.left if one.finding.by == "superuser"]


@pytest.fixture
def house(session: Session, admin: Connection, database: str, server: TestServer) -> Iterator[House]:
    tag = database.removeprefix("t_")
    names = {one: f"{one}_{tag}" for one in ("anna", "bert", "helper")} | {"database": database}
    old = admin.info.server_version < 160000
    names["by_keeper"] = "" if old else " GRANTED BY lua_rolekeeper"
    for handle, role in (("anna", "lua_operator"), ("bert", "lua_auditor")):
        hire(session, handle)
        login.add(session, Wanted(names[handle], handle, (role,), 5, None, None, by_certificate=True))
    admin.execute(f"CREATE ROLE {names['helper']}")
    made = House(session, admin, names)
    made.before = frozenset((one.login, one.object) for one in drift(session, load_state()))
    yield made
    with closing(server.admin(database)) as conn:
        conn.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(names["helper"])))
        conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(names["helper"])))


def planted(house: House, plants: list[Plant]) -> None:
    """Plant, find each, reconcile, run what is left to a superuser, and find nothing."""
    try:
        for one in sorted(plants, key=PLANTS.index):
            run(house.admin, one.statements, house.names)
        found = house.found()
        for whose, begins in (shown for one in plants for shown in one.shows):
            who, what = whose.format(**house.names), begins.format(**house.names)
            assert [1 for one in found if one.login == who and one.object.startswith(what)], (who, what)
        for _round in range(4):
            for statement in house.reconcile():
                for part in statement.split("; "):
                    try:
                        house.admin.execute(part.encode())
                    except (psycopg.errors.UndefinedObject, psycopg.errors.InvalidGrantOperation):
                        continue  # what was granted on went with what it hung on
            if not house.found():
                break
        assert [(one.kind, one.login, one.object, one.undo) for one in house.found()] == []
    finally:
        for one in plants:
            run(house.admin, one.cleared, house.names)


def test_a_house_in_order_has_no_drift(house: House) -> None:
    assert house.found() == []
    ours = {*GROUPS, *OWNERS, "PUBLIC", "lua_elevated"}  # other tests leave logins of their own
    assert [one for one in drift(house.session, load_state()) if one.login in ours] == []


@ONE_EACH
@example(plants=list(PLANTS))
@given(plants=st.lists(st.sampled_from(PLANTS), min_size=1, max_size=8, unique=True))
def test_all_that_is_planted_is_found_and_undone(house: House, plants: list[Plant]) -> None:
    planted(house, plants)


@pytest.mark.long
@MANY
@given(plants=st.lists(st.sampled_from(PLANTS), min_size=1, max_size=12, unique=True))
def test_many_plants_are_found_and_undone(house: House, plants: list[Plant]) -> None:
    planted(house, plants)


def kinds(house: House, name: str, state: State | None = None) -> list[tuple[str, str, str]]:
    """Return kind, object and who undoes it of what is wrong with a login."""
    return [(one.kind, one.object, one.by) for one in house.found(state) if one.login == house.names[name]]


def roles(house: House, name: str) -> set[str]:
    rows = house.admin.execute(
        "SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid"
        " WHERE m.member = %s::regrole",
        (house.names[name],),
    )
    return {row[0] for row in rows}


def test_who_is_not_bound_keeps_nothing(house: House) -> None:
    """Neither what luactl handed them before, nor what a superuser grants them now."""
    anna = staff.find(house.session, "anna")
    [undertaking] = [one for one in staff.undertakings(house.session) if one.person == "anna"]
    staff.withdraw(house.session, undertaking.undertaking_id, "left the project")
    assert kinds(house, "anna") == [("not bound", "lua_operator", "luactl")]
    house.admin.execute(f"GRANT lua_dpo TO {house.names['anna']}")
    old = house.admin.info.server_version < 160000
    assert ("not bound", "lua_dpo", "luactl" if old else "superuser") in kinds(house, "anna")
    for statement in house.reconcile():
        house.admin.execute(statement.encode())
    assert (kinds(house, "anna"), roles(house, "anna")) == ([], set())
    sign(house.session, anna)
    assert kinds(house, "anna") == [], "what was taken is no longer on record"


def test_a_login_that_ended_stays_out(house: House) -> None:
    name = house.names["anna"]
    login.end(house.session, login.find(house.session, name))
    house.admin.execute(f"ALTER ROLE {name} LOGIN")
    house.admin.execute(f"GRANT lua_operator TO {name}")
    assert {kind for kind, _object, _by in kinds(house, "anna")} == {"ended"}
    for statement in house.reconcile():
        house.admin.execute(statement.encode())
    assert (kinds(house, "anna"), roles(house, "anna")) == ([], set())
    can = house.admin.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    assert can == (False,)


def test_a_login_of_somebody_that_is_not_on_record_is_told(house: House) -> None:
    name = house.names["helper"]
    house.admin.execute(f"ALTER ROLE {name} LOGIN")
    house.admin.execute(f"GRANT lua_dpo TO {name}")
    nele = hire(house.session, "nele")
    staff.change(house.session, nele, replace(nele, logins=(name,)))
    found = [one for one in house.found() if one.login == name and one.kind == "unrecorded"]
    assert [one.undo for one in found] == [f"luactl access adopt {name} --person nele"]
    login.adopt(house.session, [login.Adoption(name, "nele")])
    assert "unrecorded" not in {kind for kind, _object, _by in kinds(house, "helper")}


def test_a_plan_is_what_runs_and_each_change_is_on_record(house: House) -> None:
    run(
        house.admin,
        ["GRANT SELECT ON lua.person TO {anna}", "ALTER ROLE {anna} CONNECTION LIMIT 9"],
        house.names,
    )
    before = house.found()
    plan = reconcile(house.session, load_state(), house.ours, dry_run=True)
    assert house.found() == before
    done = reconcile(house.session, load_state(), house.ours)
    assert [one.finding for one in plan.done] == [one.finding for one in done.done] != []
    assert ({one.outcome for one in plan.done}, {one.outcome for one in done.done}) == ({"planned"}, {"done"})
    rows = house.admin.execute(
        "SELECT convert_from(body, 'UTF8') FROM ledger.entry WHERE action = 'access.reconcile' ORDER BY at"
    ).fetchall()
    told = [json.loads(row[0]) for row in rows]
    assert sorted(one["detail"]["statement"] for one in told) == sorted(one.finding.undo for one in done.done)
    person = staff.find(house.session, "anna")
    assert {one["object"] for one in told} == {person.object}
    assert reconcile(house.session, load_state(), house.ours).done == ()


def test_cut_short_it_goes_on(house: House) -> None:
    run(house.admin, ["GRANT SELECT ON lua.person, lua.hold, lua.tenant TO {anna}"], house.names)
    seen: list[str] = []

    def strike(step: str) -> None:
        seen.append(step)
        if seen.count("committed") == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconcile(replace(house.session, step=strike), load_state(), house.ours)
    assert 0 < len(house.found()) < 3
    reconcile(house.session, load_state(), house.ours)
    assert house.found() == []


def test_nobody_undoes_their_own(session: Session, house: House) -> None:
    login.adopt(session, [login.Adoption(session.actor, staff.find(session, "anna").handle)])
    house.admin.execute(f"GRANT SELECT ON lua.person TO {session.actor}")
    own = [one for one in drift(session, load_state(), [session.actor]) if one.kind == "direct grant"]
    assert {one.by for one in own} == {"administrator"}
    assert reconcile(session, load_state(), [session.actor]).done == ()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="their own rights"):
        session.conn.execute(
            "SELECT lua.undo_membership('lua_dpo', session_user::name, false, now(), gen_random_uuid())"
        )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="their own rights"):
        session.conn.execute("SELECT lua.reset_setting(session_user::name, false, 'work_mem')")
    assert session.conn.execute("SELECT lua.revoke_stray_of_owner(%s)", (own[0].undo,)).fetchone() == (0,)


def test_only_what_is_found_is_run_and_only_for_administrators(session: Session, login: Login) -> None:
    for statement in ("DROP SCHEMA crm CASCADE", "REVOKE SELECT ON TABLE lua.tenant FROM lua_app", ""):
        for owner in ("owner", "definer", "rolekeeper"):
            answer = session.conn.execute(f"SELECT lua.revoke_stray_of_{owner}(%s)".encode(), (statement,))
            assert answer.fetchone() == (0,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is not for this"):
        session.conn.execute(
            "SELECT lua.undo_membership('lua_admin', 'lua_rolekeeper', false, now(), gen_random_uuid())"
        )
    auditor = login("lua_auditor")
    assert isinstance(drift(auditor, load_state()), list)
    for call in ("revoke_stray_of_owner('x')", "restore_login('x', now())", "reset_setting('x', true, 'x')",
                 "restore_policy('x', '')", "restore_right_of_owner('x', 'x', 'x')",
                 "undo_membership('lua_dpo', 'x', false, now(), gen_random_uuid())"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            auditor.conn.execute(f"SELECT lua.{call}".encode())


def test_what_the_house_states(house: House, tmp_path: Path) -> None:
    """A person has just what is stated: one role comes, one goes, and the limit too."""
    file = tmp_path / "access.toml"
    file.write_text('[person.anna]\nroles = ["lua_dpo"]\nconnection_limit = 3\n')
    state = load_state(file)
    assert kinds(house, "anna", state) == [
        ("missing", "lua_dpo", "luactl"),
        ("not allowed", "lua_operator", "luactl"),
        ("limit", "CONNECTION LIMIT", "luactl"),
    ]
    house.reconcile(state)
    assert (kinds(house, "anna", state), roles(house, "anna")) == ([], {"lua_dpo"})
    known = login.find(house.session, house.names["anna"])
    assert (known.roles, known.connection_limit) == (("lua_dpo",), 3)


def test_exceptions_have_names(house: House, tmp_path: Path) -> None:
    name = house.names["helper"]
    planted = (
        "ALTER ROLE {helper} LOGIN CREATEDB",
        "GRANT CONNECT ON DATABASE {database} TO {helper}",
        "GRANT pg_monitor TO {helper}",
        "GRANT SELECT ON lua.migration TO {helper}",
    )
    run(house.admin, planted, house.names)
    assert len(kinds(house, "helper")) == 5
    file = tmp_path / "access.toml"
    file.write_text(
        f'[login.{name}]\nnobodys = true\nattributes = ["CREATEDB"]\nmember_of = ["pg_monitor"]\n'
        f'[[grant]]\ngrantee = "{name}"\nobject = "TABLE lua.migration"\n'
        f'[[grant]]\ngrantee = "{name}"\nobject = "DATABASE {house.names["database"]}"\n'
    )
    assert kinds(house, "helper", load_state(file)) == []


def test_a_dedicated_tenants_tables_are_held_to_the_same(house: House) -> None:
    vouch(house.session)
    own = create(house.session, NewTenant("castle", "Castle", "DE", "office@castle.example", "dedicated"))
    table = f"crm.contact_t{own.tenant_id}"
    house.admin.execute(f"ALTER POLICY tenant ON {table} USING (true)".encode())
    found = [one for one in house.found() if one.kind in ("policy", "right")]
    assert [(one.object, one.by) for one in found] == [(f"POLICY tenant ON {table}", "luactl")]
    house.reconcile()
    assert [one for one in house.found() if one.kind in ("policy", "right")] == []


def test_what_would_show_more_rows_is_named_and_not_done(house: House) -> None:
    """A restrictive policy that is not ours, row security where there was none: somebody may need them."""
    run(
        house.admin,
        ("CREATE POLICY shut ON lua.instruction AS RESTRICTIVE USING (false)",
         "ALTER TABLE lua.approval ENABLE ROW LEVEL SECURITY"),
        house.names,
    )  # fmt: skip
    found = {one.object: one for one in house.found()}
    assert {one.by for one in found.values()} == {"superuser"}
    assert found["POLICY shut ON lua.instruction"].undo == 'DROP POLICY "shut" ON lua.instruction'
    for table, policy in (("lua.instruction", "shut"), ("lua.approval", "")):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="more rows would show"):
            house.session.conn.execute("SELECT lua.restore_policy(%s, %s)", (table, policy))


def test_the_database_puts_back_what_is_shipped_and_nothing_else(house: House) -> None:
    """Whatever an administrator tells the functions: a right comes out as the migrations have it."""
    conn = house.session.conn
    for told in (("crm.contact", "SELECT", "lua_admin"), ("crm.contact", "DELETE", "lua_operator"),
                 ("vault", "CREATE", "lua_app")):  # fmt: skip
        assert conn.execute("SELECT lua.restore_right_of_owner(%s, %s, %s)", told).fetchone() == (True,)
    for told in (("crm.contact", "SELECT", house.names["anna"]), ("crm.contact", "ALL; X", "lua_admin"),
                 ("crm.x", "SELECT", "lua_app"), ("lua.person_of(name)", "EXECUTE", "lua_ai")):  # fmt: skip
        assert conn.execute("SELECT lua.restore_right_of_owner(%s, %s, %s)", told).fetchone() == (False,)
    for table, policy in (("pg_class", ""), ("crm.contact", "nothing"), ("lua.approval; DROP TABLE x", "")):
        answer = conn.execute("SELECT lua.restore_policy(%s, %s)", (table, policy)).fetchone()
        assert answer == (False,), table
    assert house.found() == []


def test_settings_given_for_good(house: House, tmp_path: Path) -> None:
    """What weakens nothing may stand; what the house says may stand as it says it; the rest is taken back."""
    run(
        house.admin,
        ("ALTER ROLE {anna} SET work_mem = '64MB'", "ALTER ROLE {anna} SET DateStyle = 'German'",
         "ALTER ROLE {anna} SET statement_timeout = '30s'", "ALTER ROLE {anna} SET app.secret = 'hush'"),
        house.names,
    )  # fmt: skip
    assert kinds(house, "anna") == [
        ("setting", "app.secret", "superuser"),
        ("setting", "statement_timeout", "luactl"),
    ]
    assert "hush" not in repr(house.found())
    name = house.names["anna"]
    file = tmp_path / "access.toml"
    said = f'[[setting]]\nname = "statement_timeout"\nvalue = "{{}}"\nlogin = "{name}"\n'
    said += '[[setting]]\nname = "App.secret"\n'
    file.write_text(said.format("30s"))
    assert kinds(house, "anna", load_state(file)) == []
    file.write_text(said.format("10s"))
    assert kinds(house, "anna", load_state(file)) == [("setting", "statement_timeout", "luactl")]
    house.reconcile(load_state(file))
    kept = house.admin.execute(
        "SELECT setconfig FROM pg_db_role_setting WHERE setrole = %s::regrole", (name,)
    ).fetchone()
    assert kept == (["work_mem=64MB", "DateStyle=German", "app.secret=hush"],)


def test_whoever_has_row_security_off_for_good_still_works_and_tells(house: House) -> None:
    """Postgres then refuses every statement to which a policy applies; luactl says on as it comes in."""
    for where in ("ROLE ALL IN DATABASE {database}", "DATABASE {database}"):
        run(house.admin, [f"ALTER {where} SET row_security = off"], house.names)
        with open_session("test", command="test") as late:
            assert [one.object for one in drift(late, load_state(), ["PUBLIC"])] == ["row_security"]
        run(house.admin, [f"ALTER {where} RESET row_security"], house.names)


@pytest.mark.parametrize(
    "text",
    ["x = 1", "kind = 1", "[kind.boss]\nroles = []", "[kind.job]\n", '[kind.job]\nroles = ["lua_owner"]',
     "[team.a]\nroles = []\nlimit = 3", "[team.a]\nroles = []\nconnection_limit = true",
     '[login.a]\nattributes = ["ROOT"]', "[login.a]\nnobodys = 1", '[group.lua_owner]\nmember_of = []',
     '[[grant]]\ngrantee = "a"', '[[setting]]\nvalue = "1"', '[[setting]]\nname = "a"\nvalue = 1',
     '[[setting]]\nname = "a"\nrole = "b"', "[person.a]\nroles = [1]", "= 1"],
)  # fmt: skip
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "access.toml"
    file.write_text(text)
    with pytest.raises(UsageError):
        load_state(file)


def test_on_the_command_line(house: House, tmp_path: Path) -> None:
    name = house.names["anna"]
    only = ("--login", name)
    assert luactl("access", "drift", *only).code == Exit.DONE
    house.admin.execute(f"ALTER ROLE {name} CREATEDB CONNECTION LIMIT 9")
    found = luactl("access", "drift", *only, "-o", "json")
    assert (found.code, {one["kind"] for one in found.data}) == (Exit.FINDINGS, {"attribute", "limit"})
    assert luactl("access", "reconcile", *only).code == Exit.USAGE, "needs --yes"
    plan = luactl("access", "reconcile", *only, "--dry-run")
    assert (plan.code, "dry run" in plan.err) == (Exit.FINDINGS, True)
    done = luactl("access", "reconcile", *only, "--yes")
    assert done.code == Exit.FINDINGS
    assert f'ALTER ROLE "{name}" NOCREATEDB;' in done.err
    house.admin.execute(f"ALTER ROLE {name} NOCREATEDB")
    assert luactl("access", "reconcile", *only, "--yes").code == Exit.DONE
    assert luactl("access", "drift", "--state", str(tmp_path / "none")).code == Exit.USAGE
