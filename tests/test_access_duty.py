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
from luactl.ledger import record_read

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


def test_whoever_could_open_is_seen_however_they_come_to_it(
    session: Session, login: Login, register: Register, admin: Connection
) -> None:
    """By a book on the host of a holder; by what they opened without keys released to them."""
    places = "SELECT vault.register_place(%s, %s, 'file:/keys', %s, now())"
    mate, keeper = login("lua_admin"), login("lua_operator")
    register.add(mate, handle="the.mate")
    mate.conn.execute(places, (uuid4(), "book", "key.example"))
    assert ("admin-holds-keys", "the.mate", (mate.actor,)) not in found(session), "a book opens nothing"
    keeper.conn.execute(places, (uuid4(), "holder", "key.example"))
    assert ("admin-holds-keys", "the.mate", (mate.actor,)) in found(session)
    reader = login("lua_operator", "lua_dpo")
    who = register.add(reader)
    record_read(reader, 7, [], "ticket", "table:crm.contact", 1)
    with refused("admin-holds-keys"):
        may(session, who, "lua_admin")
    (ways,) = admin.execute("SELECT lua.key_ways(ARRAY[%s]::name[], now())", (reader.actor,)).fetchone() or ()
    assert [one.partition(" on ")[0] for one in ways] == [f"{reader.actor} opened without a release"]
    admin.execute(
        "INSERT INTO vault.release VALUES (7, gen_random_uuid(), %s, '{tenant}', sha256('x'), 'x', 'x',"
        " now() - interval '2 days', now() + interval '1 day', now(), 'x', 2, 'revoked')",
        (reader.actor,),
    )
    assert may(session, who, "lua_admin"), "those keys had been released, and are taken back"
    admin.execute("UPDATE vault.release SET tenant_id = 8")
    admin.execute(f"GRANT lua_admin TO {reader.actor}")
    told = [one.besides for one in duty.check(session) if one.logins == (reader.actor,)]
    assert len(told) == 1
    assert told[0][0].startswith(f"keys: {reader.actor} opened without a release on ")


def test_a_rule_of_ones_own_is_asked_as_those_that_are_delivered(
    session: Session, login: Login, register: Register, admin: Connection
) -> None:
    clerk, officer = login("lua_accounting"), login("lua_dpo")
    who = register.add(clerk)
    both = register.add(login("lua_accounting", "lua_operator"), handle="does.both")
    rule = ("books-apart", ["lua_accounting"], ["lua_operator", "keys"], "who bills does not import")
    plan = duty.add(officer, *rule, dry_run=True)
    assert [one.person for one in plan.broken_by if one.person] == ["does.both"]
    assert may(session, who, "lua_operator"), "a plan keeps nothing apart"
    assert duty.add(officer, *rule) == plan
    assert (plan.rule.one, plan.rule.other) == (("lua_accounting",), ("keys", "lua_operator"))
    for fresh in ("lua_operator", "keys"):
        with refused("books-apart"):
            may(session, who, fresh)
    assert may(session, both, "lua_operator"), "what one has is the nightly check's to find"
    assert "does.both" in [person for name, person, _logins in found(session) if name == "books-apart"]
    with pytest.raises(RefusedError, match="there is or was a duty rule books-apart"):
        duty.add(officer, *rule)
    assert duty.end(officer, "books-apart", "two teams", dry_run=True).broken_by == plan.broken_by
    assert duty.find(officer, "books-apart").added_by == officer.actor
    duty.end(officer, "books-apart", "two teams")
    assert may(session, who, "lua_operator")
    assert "books-apart" not in [name for name, _person, _logins in found(session)]
    with pytest.raises(NotFoundError):
        duty.end(officer, "books-apart", "again")
    with pytest.raises(RefusedError, match="there is or was"):
        duty.add(officer, *rule)
    told = admin.execute(
        "SELECT action, actor FROM ledger.entry WHERE object = 'duty:books-apart' ORDER BY at"
    )
    assert told.fetchall() == [("access.duty-add", officer.actor), ("access.duty-end", officer.actor)]


def test_rules_that_are_delivered_stay_and_officers_alone_add(session: Session, login: Login) -> None:
    with pytest.raises(RefusedError, match="is delivered with luactl and stays"):
        duty.end(session, "auditor-writes", "no")
    row = session.conn.execute("SELECT lua.end_duty_rule('auditor-writes', now(), %s)", (uuid4(),)).fetchone()
    assert row == (False,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        duty.add(login("lua_admin"), "mine", ["lua_dpo"], ["keys"], "why")
    for name, one, other in (
        ("Not One", ["lua_dpo"], ["keys"]),
        ("x", ["lua_owner"], ["keys"]),
        ("x", ["keys"], ["keys"]),
        ("x", [], ["keys"]),
    ):
        with pytest.raises(UsageError):
            duty.add(session, name, one, other, "why")
    with pytest.raises(psycopg.errors.CheckViolation):
        session.conn.execute(
            "SELECT lua.add_duty_rule('x', '{lua_dpo}', '{reviewer}', 'why', now(), %s)", (uuid4(),)
        )


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
