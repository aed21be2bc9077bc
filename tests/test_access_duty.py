"""Separation of duties: what comes new is refused with the rule's name, what is there is found at night."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from conftest import Connection
from support_approval import WANT, approver, ask, key
from support_erasure import later

from luactl import approval
from luactl.access import duty
from luactl.approval import ApprovalNeededError
from luactl.connect import explain
from luactl.db import Session
from luactl.errors import Exit, NotFoundError, RefusedError, UsageError

Login = Callable[..., Session]


@dataclass(frozen=True)
class Register:
    """People of this test, written as the register of staff writes them."""

    admin: Connection

    def add(self, *logins: Session, handle: str | None = None) -> UUID:
        """Put somebody who is bound on the register, with these logins."""
        who = uuid4()
        self.admin.execute(
            "SELECT lua.put_person(%s, %s, 'Anna Berger', 'employee', NULL, '2026-01-01', '{}', now(), %s)",
            (who, handle or f"p-{who.hex[:8]}", uuid4()),
        )
        self.admin.execute(
            "SELECT lua.add_undertaking(%s, %s, 'gdpr-28-3-b', '2026-02', '2026-01-01', NULL, now(), %s)",
            (uuid4(), who, uuid4()),
        )
        for one in logins:
            self.admin.execute("SELECT lua.add_person_login(%s, %s, now(), %s)", (one.actor, who, uuid4()))
        return who


@pytest.fixture
def register(admin: Connection) -> Register:
    return Register(admin)


def may(session: Session, who: UUID, *more: str) -> bool:
    asked = session.conn.execute("SELECT lua.check_duties(%s, %s::text[])", (who, list(more))).fetchone()
    return asked is not None and bool(asked[0])


@contextmanager
def refused(rule: str) -> Iterator[None]:
    """What runs here is refused by that rule, and a person is told so."""
    with pytest.raises((psycopg.errors.InsufficientPrivilege, RefusedError)) as caught:
        yield
    told = explain(caught.value) if isinstance(caught.value, psycopg.Error) else caught.value
    assert f"duty rule {rule} forbids it" in told.what
    assert told.exit is Exit.REFUSED
    assert "access duty list" in (told.hint or "")


def found(session: Session, *, open_: bool = True) -> list[tuple[str, str | None, tuple[str, ...]]]:
    rows = duty.open_(duty.check(session)) if open_ else duty.check(session)
    return [(one.rule, one.person, one.logins) for one in rows]


def test_a_new_duty_is_refused_and_what_one_has_is_not(
    session: Session, login: Login, register: Register
) -> None:
    who = register.add(login("lua_auditor"))
    assert may(session, who, "lua_auditor")
    for writing in ("lua_admin", "lua_operator", "lua_responder", "lua_dpo", "lua_accounting"):
        with refused("auditor-writes"):
            may(session, who, writing)
    with refused("auditor-writes"):
        may(session, register.add(), "lua_auditor", "lua_dpo")


def test_all_logins_of_a_person_count_together(session: Session, login: Login, register: Register) -> None:
    one, other = login("lua_auditor"), login("lua_operator", "lua_dpo")
    who = register.add(one, other, handle="two.logins")
    assert ("auditor-writes", "two.logins", tuple(sorted((one.actor, other.actor)))) in found(session)
    assert may(session, who, "lua_operator")
    with refused("auditor-writes"):
        may(session, who, "lua_admin")


def test_a_membership_through_another_role_counts(
    session: Session, login: Login, register: Register, admin: Connection
) -> None:
    anna, team = login("lua_auditor"), f"team_{uuid4().hex[:8]}"
    admin.execute(f"CREATE ROLE {team} NOINHERIT; GRANT lua_operator TO {team}; GRANT {team} TO {anna.actor}")
    register.add(anna, handle="by.a.team")
    assert [who for rule, who, _logins in found(session) if rule == "auditor-writes"].count("by.a.team") == 1


def test_whoever_lets_others_in_holds_no_keys(session: Session, login: Login, register: Register) -> None:
    boss = login("lua_admin")
    who = register.add(boss, handle="the.boss")
    with refused("admin-holds-keys"):
        session.conn.execute(
            "SELECT lua.check_duties_of_logins(ARRAY[%s]::name[], '{keys}', now())", (boss.actor,)
        )
    boss.conn.execute(
        "SELECT vault.register_place(%s, 'holder', 'file:/keys', 'host.example', now())", (uuid4(),)
    )
    assert ("admin-holds-keys", "the.boss", (boss.actor,)) in found(session)
    keeper = login("lua_operator")
    keeper.conn.execute(
        "SELECT vault.register_place(%s, 'holder', 'file:/other', 'host.example', now())", (uuid4(),)
    )
    with refused("admin-holds-keys"):
        may(session, register.add(keeper), "lua_admin")
    assert may(session, who, "lua_admin")


def test_a_release_of_keys_to_an_administrator_is_refused(
    session: Session, login: Login, register: Register
) -> None:
    from luactl.key import release

    boss, helper = login("lua_admin"), login("lua_responder")
    register.add(boss)
    register.add(helper)
    new = release.NewRelease(1, helper.actor, bytes(32), timedelta(hours=1), "ticket 4711")
    assert release.plan(session, "smile", new).person == helper.actor
    with refused("admin-holds-keys"):
        release.plan(session, "smile", replace(new, person=boss.actor))


def test_who_does_it_gets_no_key_to_approve_it_with(
    session: Session, login: Login, register: Register, tmp_path: Path
) -> None:
    operator, officer = login("lua_operator"), login("lua_dpo")
    register.add(operator)
    who = register.add(officer, handle="the.officer")
    signer, _file = key(tmp_path, "operator")
    with refused("requests-and-approves"):
        approval.register(session, str(signer.verifier), "operator", [operator.actor])
    signer, _file = key(tmp_path, "officer")
    approval.register(session, str(signer.verifier), "officer", [officer.actor])
    with refused("requests-and-approves"):
        may(session, who, "lua_operator")


def test_nobody_answers_themselves_by_another_login(
    session: Session, login: Login, register: Register, tmp_path: Path, admin: Connection
) -> None:
    asking = login("lua_operator")
    answering = approver(session, login, tmp_path, "lua_dpo")
    request = ask(asking, WANT)
    register.add(asking, answering.session, handle="one.person")
    with pytest.raises(RefusedError, match="nobody answers their own request"):
        answering.grant(request)
    admin.execute("UPDATE lua.person_login SET ended_at = now() WHERE login = %s", (asking.actor,))
    answering.grant(request)
    asked = [one for one in duty.check(session) if one.person == "one.person" and "asked for" in one.has[0]]
    assert [(one.rule, set(one.logins)) for one in asked] == [
        ("requests-and-approves", {asking.actor, answering.session.actor})
    ]


def test_a_login_of_nobody_counts_by_itself(session: Session, login: Login) -> None:
    stray = login("lua_auditor", "lua_admin")
    assert ("auditor-writes", None, (stray.actor,)) in found(session)
    harmless = login("lua_auditor")
    assert (harmless.actor,) not in [logins for _rule, _who, logins in found(session)]


def test_a_waiver_needs_somebody_else_and_ends(
    session: Session, login: Login, register: Register, tmp_path: Path, admin: Connection
) -> None:
    anna = login("lua_auditor", "lua_responder")
    who = register.add(anna, handle="anna.berger")
    day = session.clock.now().date() + timedelta(days=30)
    asked = ("auditor-writes", "anna.berger", day, "holiday cover")
    assert duty.waive(session, *asked, dry_run=True).approval_id is None
    with pytest.raises(ApprovalNeededError) as waiting:
        duty.waive(session, *asked)
    approver(session, login, tmp_path, "lua_dpo").grant(waiting.value.approval_id)
    assert found(session).count(("auditor-writes", "anna.berger", (anna.actor,))) == 1
    with pytest.raises(ApprovalNeededError):  # approved for another day
        duty.waive(session, "auditor-writes", "anna.berger", day + timedelta(days=1), "holiday cover")
    with pytest.raises(ApprovalNeededError) as again:
        duty.waive(session, *asked)
    approver(session, login, tmp_path, "lua_dpo", name="bert").grant(again.value.approval_id)
    done = duty.waive(session, *asked)
    assert duty.waivers(session) == (done,)
    assert ("auditor-writes", "anna.berger", (anna.actor,)) not in found(session)
    (covered,) = [one for one in duty.check(session) if one.person == "anna.berger"]
    assert (covered.waiver, covered.until) == (done.waiver_id, day)
    assert may(session, who, "lua_operator")
    afterwards = later(session, 31 / 365.25)
    assert ("auditor-writes", "anna.berger", (anna.actor,)) in found(afterwards)
    assert (duty.waivers(afterwards), duty.waivers(afterwards, ended=True)) == ((), (done,))
    entry = admin.execute("SELECT convert_from(body, 'UTF8') FROM ledger.entry ORDER BY id DESC LIMIT 1")
    said = str(entry.fetchone())
    assert "access.duty-waive" in said
    assert str(who) in said
    assert "anna.berger" not in said


def test_nobody_waives_or_approves_for_themselves(
    session: Session, login: Login, register: Register, tmp_path: Path
) -> None:
    officer = approver(session, login, tmp_path, "lua_dpo")
    register.add(officer.session, handle="the.officer")
    day = session.clock.now().date() + timedelta(days=1)
    with pytest.raises(RefusedError, match="for themselves"):
        duty.waive(officer.session, "auditor-writes", "the.officer", day, "because")
    asked = ("auditor-writes", "the.officer", day, "because")
    with pytest.raises(ApprovalNeededError) as waiting:
        duty.waive(session, *asked)
    officer.grant(waiting.value.approval_id)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="approves a waiver for themselves"):
        duty.waive(session, *asked)
    assert duty.waivers(session, ended=True) == ()


def test_the_database_wants_the_very_waiver_that_was_approved(session: Session, register: Register) -> None:
    who = register.add(handle="carl")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no approval was taken"):
        session.conn.execute(
            "SELECT lua.waive_duty(%s, 'auditor-writes', %s, 'x', current_date, %s, now(), %s)",
            (uuid4(), who, uuid4(), uuid4()),
        )


def test_what_cannot_be_waived(session: Session, register: Register) -> None:
    register.add(handle="carl")
    today = session.clock.now().date()
    for rule, handle, day, error in (
        ("no-such-rule", "carl", today, NotFoundError),
        ("auditor-writes", "nobody", today, NotFoundError),
        ("auditor-writes", "carl", today - timedelta(days=1), UsageError),
        ("auditor-writes", "carl", date(2099, 1, 1), UsageError),
    ):
        with pytest.raises(error):
            duty.waive(session, rule, handle, day, "because", dry_run=True)


@pytest.mark.parametrize("role", ["lua_operator", "lua_responder", "lua_auditor"])
def test_who_may_look_may_not_waive(login: Login, register: Register, role: str) -> None:
    looking = login(role)
    assert {one.rule for one in duty.list_(looking)} >= {"auditor-writes", "admin-holds-keys"}
    duty.check(looking)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        looking.conn.execute(
            "SELECT lua.waive_duty(%s, 'auditor-writes', %s, 'x', current_date, %s, now(), %s)",
            (uuid4(), uuid4(), uuid4(), uuid4()),
        )


def test_who_grants_a_role_and_reviews_it_is_found(
    session: Session, login: Login, register: Register, admin: Connection
) -> None:
    boss = login("lua_responder")
    who = register.add(boss, handle="the.boss")
    review, other = uuid4(), register.add(handle="somebody")
    with admin.transaction():
        admin.execute("SET LOCAL session_replication_role = replica")  # the review itself is beside the point
        admin.execute(
            "INSERT INTO lua.review_item (review_id, item_no, login, person_id, kind, class, object_id,"
            " object, rights, reviewer, assigned_as, assigned_at, shown_at, decision_no)"
            " VALUES (%s, 1, 'x', %s, 'membership', 'role', 1, 'lua_responder', '{MEMBER}', %s,"
            " 'manager', now(), now(), 1)",
            (review, other, who),
        )
        admin.execute(
            "INSERT INTO lua.review_decision VALUES"
            " (%s, 1, 1, 'keep', NULL, NULL, %s, %s, now(), now(), 5, 1, '', %s, %s)",
            (review, who, boss.actor, bytes(32), uuid4()),
        )
    assert "reviews-and-administers" not in {rule for rule, _who, _logins in found(session)}
    admin.execute(f"GRANT lua_responder TO {boss.actor} WITH ADMIN OPTION")
    assert ("reviews-and-administers", "the.boss", (boss.actor,)) in found(session)
