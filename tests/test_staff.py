"""Staff: who is in the register, whose a login is, and what the database refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from subprocess import CompletedProcess
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from conftest import Connection, Home, TestServer, new_login
from support_staff import hire

from luactl import staff
from luactl.db import Session
from luactl.errors import LuactlError, NotFoundError, RefusedError, UsageError
from luactl.staff import NewPerson

PUT = "SELECT lua.put_person(%s, %s, 'X', %s, %s, '2026-01-01', '{}', now(), %s)"


def entries(admin: Connection) -> list[tuple[str, str, dict[str, Any]]]:
    found = admin.execute(
        "SELECT action, object, convert_from(body, 'UTF8')::jsonb -> 'detail' FROM ledger.entry"
        " WHERE action LIKE 'staff.%' ORDER BY at, id"
    )
    return [(action, about, detail) for action, about, detail in found.fetchall()]


def test_a_person_is_registered_changed_and_shown(session: Session, admin: Connection) -> None:
    boss = hire(session, "otto.lang")
    new = NewPerson("anna.berger", "Anna Berger", "employee", "otto.lang", ("support", "berlin"))
    plan = staff.add(session, new, dry_run=True)
    assert (plan.before, plan.changed, len(staff.list_(session))) == (None, True, 1)
    added = staff.add(session, new).after
    assert (added.manager, added.teams, added.bound) == ("otto.lang", ("berlin", "support"), False)
    assert added.started_on == session.clock.now().date()
    changed = staff.change(session, added, replace(added, name="Anna Brandt", teams=("berlin",)))
    assert (changed.changed, changed.after.name, changed.after.teams) == (True, "Anna Brandt", ("berlin",))
    assert not staff.change(session, changed.after, changed.after).changed
    assert staff.gather(session, boss).reports == ("anna.berger",)
    told = entries(admin)
    assert [(action, about) for action, about, _ in told if about == added.object] == [
        ("staff.add", f"person:{added.person_id}"),
        ("staff.change", f"person:{added.person_id}"),
    ]
    assert "nna" not in str(told), "the ledger names nobody"


@pytest.mark.parametrize(
    "wrong",
    [
        {"handle": "Anna"}, {"handle": "a..b"}, {"handle": ""}, {"handle": "a" * 64}, {"name": " "},
        {"name": "a\nb"}, {"kind": "robot"}, {"kind": "job"}, {"teams": ("No Team",)},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_not_registered(session: Session, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        staff.add(session, replace(NewPerson("anna", "Anna", "employee"), **wrong))
    assert staff.list_(session) == []


def test_nobody_is_their_own_manager(session: Session) -> None:
    top, middle, low = (hire(session, name) for name in ("top", "middle", "low"))
    middle = staff.change(session, middle, replace(middle, manager="top")).after
    staff.change(session, low, replace(low, manager="middle"))
    with pytest.raises(UsageError, match="their own manager"):
        staff.change(session, top, replace(top, manager="low"))
    nightly = hire(session, "nightly", kind="job", manager="low")
    with pytest.raises(UsageError, match="is a job"):
        staff.change(session, low, replace(low, manager="nightly"))
    with pytest.raises(NotFoundError, match="nobody here is called 'tip'") as caught:
        staff.change(session, low, replace(low, manager="tip"))
    assert "top" in str(caught.value.hint)
    for person, kind, manager in (
        (top, "employee", low.person_id),  # a circle of three
        (top, "employee", top.person_id),
        (top, "employee", nightly.person_id),  # managed by a job
        (low, "job", middle.person_id),  # a person becomes a job
        (nightly, "job", None),  # nobody answers for it
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            session.conn.execute(PUT, [person.person_id, person.handle, kind, manager, uuid4()])


def test_two_changes_at_once_close_no_circle(
    session: Session, server: TestServer, database: str, admin: Connection
) -> None:
    one, two = hire(session, "one"), hire(session, "two")
    went: list[str] = []

    def put(who: staff.Person, manager: staff.Person) -> None:
        with closing(server.admin(database)) as conn:
            try:
                conn.execute(PUT, [who.person_id, who.handle, "employee", manager.person_id, uuid4()])
                went.append("done")
            except psycopg.errors.CheckViolation:
                went.append("refused")

    threads = [threading.Thread(target=put, args=pair) for pair in ((one, two), (two, one))]
    with admin.transaction():  # both wait here, and go on together
        admin.execute("SELECT FROM lua.person ORDER BY person_id FOR UPDATE")
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(went) == ["done", "refused"]


def test_one_login_one_person_for_ever(session: Session, home: Home, server: TestServer) -> None:
    passfile = home.paths.passfile("test")
    login = new_login(server, passfile, ["lua_operator"])
    anna = hire(session, "anna", logins=(login,))
    assert anna.logins == (login,)
    asked = session.conn.execute("SELECT lua.person_of(%s)", [login]).fetchone()
    assert asked == (anna.person_id,)
    with pytest.raises(RefusedError, match="is or was anna's"):
        hire(session, "bert", logins=(login,))
    freed = staff.change(session, anna, replace(anna, logins=())).after
    assert freed.logins == ()
    assert [(one.login, one.ended_at is None, one.can_log_in) for one in staff.logins(session)] == [
        (login, False, True)
    ]
    assert session.conn.execute("SELECT lua.person_of(%s)", [login]).fetchone() == (None,)
    with pytest.raises(RefusedError, match="is or was anna's"):
        hire(session, "bert", logins=(login,))
    with pytest.raises(psycopg.errors.UniqueViolation):
        session.conn.execute(
            "SELECT lua.add_person_login(%s, %s, now(), %s)",
            [login, hire(session, "cleo").person_id, uuid4()],
        )
    for nobody in ("no_such_login", "lua_admin", "lua_t1099511627776"):
        with pytest.raises(NotFoundError, match="no login"):
            hire(session, "dora", logins=(nobody,))
    assert staff.me(session) is None


def test_only_an_administrator_writes_the_register(
    login: Callable[..., Session], session: Session, admin: Connection
) -> None:
    anna = hire(session, "anna")
    for role in ("lua_operator", "lua_responder", "lua_auditor", "lua_dpo", "lua_accounting"):
        other = login(role)
        assert [one.handle for one in staff.list_(other)] == ["anna"]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            staff.add(other, NewPerson("bert", "Bert", "employee"))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.conn.execute("UPDATE lua.person SET manager = NULL")
    admin.execute("SELECT lua.end_person(%s, now(), %s)", [anna.person_id, uuid4()])
    gone = staff.find(session, "anna")
    assert gone.ended_at is not None
    assert staff.list_(session) == []
    with pytest.raises(RefusedError, match="anna left on"):
        staff.change(session, gone, replace(gone, name="X"))
    with pytest.raises(LuactlError, match="already"):
        staff.add(session, NewPerson("anna", "Another", "employee"))


def test_who_has_reports_does_not_leave_before_them(session: Session) -> None:
    boss = hire(session, "boss")
    hire(session, "anna", manager="boss")
    with pytest.raises(psycopg.errors.CheckViolation, match="still managed"):
        session.conn.execute("SELECT lua.end_person(%s, now(), %s)", [boss.person_id, uuid4()])


def test_the_program_takes_a_name_from_standard_input(
    cli: Callable[..., CompletedProcess[str]],
) -> None:
    done = cli("staff", "add", "anna.berger", "--name", "-", "--since", "2026-01-02", stdin="Anna Berger\n")
    assert done.returncode == 0, done.stderr
    assert "Anna Berger" in done.stdout
    assert "granted nothing before they have signed" in done.stderr


def test_what_begins_to_bind(session: Session) -> None:
    anna = hire(session, "anna", bound=False, started_on=date(2020, 1, 1))
    assert (anna.bound, anna.started_on) == (False, date(2020, 1, 1))
