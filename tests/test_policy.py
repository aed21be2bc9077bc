"""Policies: versions that cannot be changed, and acknowledgements by one's own login or on evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from uuid import uuid4

import psycopg
import pytest
from conftest import Connection
from support_staff import hire, publish

from luactl import policy, staff
from luactl.db import Session
from luactl.errors import NotFoundError, RefusedError, UsageError

ACKNOWLEDGE = "SELECT lua.acknowledge_policy(%s, %s, %s, %s, now(), %s)"


def versions(session: Session) -> list[tuple[int, str]]:
    return [(one.version, one.state) for one in policy.list_(session, every=True)]


def test_versions_follow_each_other_and_stay_as_they_were(session: Session, admin: Connection) -> None:
    text = policy.prepare("laptops", "Laptops", b"Lock it.\n")
    assert policy.add(session, text, dry_run=True).version == 1
    assert versions(session) == []
    draft = policy.add(session, text)
    assert (draft.state, draft.digest) == ("draft", hashlib.sha256(b"Lock it.\n").hexdigest())
    assert policy.add(session, text) == draft, "the same text is the same version"
    plan = policy.publish(session, draft, dry_run=True)
    assert plan.acknowledge_by == (session.clock.now() + timedelta(days=14)).date()
    published = policy.publish(session, draft)
    assert policy.publish(session, published) == published
    second = policy.add(session, policy.prepare("laptops", "Laptops", b"Lock it twice.\n"))
    assert versions(session) == [(1, "in force"), (2, "draft")]
    policy.publish(session, second, date(2999, 1, 1))
    assert versions(session) == [(1, "superseded"), (2, "in force")]
    assert policy.text(session, policy.find(session, "laptops", 1)).body == "Lock it.\n"
    with pytest.raises(RefusedError, match="superseded"):
        policy.publish(session, policy.find(session, "laptops", 1))
    retired = policy.retire(session, policy.find(session, "laptops"))
    assert policy.retire(session, retired) == retired
    assert versions(session) == [(1, "retired"), (2, "retired")]
    told = admin.execute(
        "SELECT action, object FROM ledger.entry WHERE action LIKE 'policy.%' ORDER BY at, id"
    )
    assert [(action, about) for action, about in told] == [
        ("policy.add", "policy:laptops:1"), ("policy.publish", "policy:laptops:1"),
        ("policy.add", "policy:laptops:2"), ("policy.publish", "policy:laptops:2"),
        ("policy.retire", "policy:laptops"),
    ]  # fmt: skip
    with pytest.raises(psycopg.errors.CheckViolation):
        admin.execute("UPDATE lua.policy SET body = 'anything' WHERE version = 1")


@pytest.mark.parametrize(
    ("name", "title", "text"),
    [
        ("No Name", "x", b"x"), ("", "x", b"x"), ("x" * 64, "x", b"x"), ("x", " ", b"x"), ("x", "x", b" \n"),
        ("x", "x", b"\xff"), ("x", "x", b"a\0b"), ("x", "x", b"x" * 1_048_577),
    ],
)  # fmt: skip
def test_what_nobody_can_read_is_no_policy(name: str, title: str, text: bytes) -> None:
    with pytest.raises(UsageError):
        policy.prepare(name, title, text)


def test_everybody_acknowledges_by_a_login_of_their_own(login: Callable[..., Session]) -> None:
    office, own = login("lua_dpo", "lua_admin"), login("lua_accounting")
    anna = hire(office, "anna", logins=(own.actor,))
    bert = hire(office, "bert", started_on=date(2999, 1, 1))
    hire(office, "nightly", kind="job", manager="anna")
    publish(office, "laptops", date(2998, 1, 1))
    assert [(one.person, one.due) for one in policy.open_(own)] == [
        ("anna", date(2998, 1, 1)),
        ("bert", date(2999, 1, 1)),
    ]
    one = policy.find(own, "laptops")
    with pytest.raises(RefusedError, match="is no login of anna"):
        policy.acknowledge(office, one, anna)
    assert policy.acknowledge(own, one, anna, dry_run=True).evidence is None
    assert policy.acknowledgements(own, one) == []
    made = policy.acknowledge(own, one, staff.me(own) or bert)
    assert (made.person, made.recorded_by, made.evidence) == ("anna", own.actor, None)
    assert policy.acknowledge(own, one, anna) == replace(
        made, acknowledged_at=policy.acknowledgements(own, one)[0].acknowledged_at
    )
    paper = policy.acknowledge(office, one, bert, "form of today")
    assert (paper.evidence, paper.recorded_by) == ("form of today", office.actor)
    assert policy.open_(own) == []
    policy.publish(office, policy.add(office, policy.prepare("laptops", "Laptops", b"New.")))
    assert [each.person for each in policy.open_(own, policy="laptops")] == ["anna", "bert"], "a new version"
    assert policy.find(own, "laptops", 1).acknowledged == 2


def test_the_database_takes_nobodys_word_for_somebody_else(
    login: Callable[..., Session], admin: Connection
) -> None:
    office, own = login("lua_admin"), login("lua_operator")
    anna, bert = hire(office, "anna", logins=(own.actor,)), hire(office, "bert")
    nightly = hire(office, "nightly", kind="job", manager="anna")
    publish(office, "laptops", date(2998, 1, 1))
    for who, person, evidence in (
        (own, bert, None),
        (own, bert, "paper"),
        (own, anna, "paper"),
        (office, anna, None),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            who.conn.execute(ACKNOWLEDGE, ["laptops", 1, person.person_id, evidence, uuid4()])
    for person, version in ((nightly, 1), (bert, 2)):
        with pytest.raises(psycopg.errors.CheckViolation):
            office.conn.execute(ACKNOWLEDGE, ["laptops", version, person.person_id, "paper", uuid4()])
    one = policy.find(office, "laptops")
    with pytest.raises(RefusedError, match="is a job"):
        policy.acknowledge(office, one, nightly, "paper")
    with pytest.raises(RefusedError, match="not in force"):
        policy.acknowledge(office, replace(one, state="draft"), bert, "paper")
    for role in ("lua_operator", "lua_auditor"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            policy.add(login(role), policy.prepare("x", "x", b"x"))
    with pytest.raises(NotFoundError):
        policy.find(office, "laptops", 7)
    with pytest.raises(UsageError, match="any more"):
        policy.publish(office, policy.add(office, policy.prepare("x", "x", b"x")), date(2020, 1, 1))
    assert admin.execute("SELECT count(*) FROM lua.policy_acknowledgement").fetchone() == (0,)


def test_the_program_reads_a_text_and_shows_it(
    cli: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    text = tmp_path / "clean-desk.md"
    text.write_text("# Desks\n\nLeave nothing.\n")
    assert cli("policy", "add", "desks", str(text), "--title", "Clean desks").returncode == 0
    shown = cli("policy", "show", "desks", "--text")
    assert (shown.returncode, shown.stdout) == (0, text.read_text())
