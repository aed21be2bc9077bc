"""One category goes and the people stay: its rows open in no old copy, the rest opens as before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from support_erasure import KILLED, counts, erase, person, practice, run_killed
from test_erasure_many import crowd

from luactl import crm, erasure, hold, subject
from luactl.db import Session, transaction
from luactl.errors import RefusedError, UsageError
from luactl.key import KeyClass, open_tenant, status
from luactl.key.classes import PeriodKey, Place, RetentionClass, SealError, SubjectKey
from luactl.key.seal import unseal
from luactl.tenant import Tenant
from luactl.verify import verify_folder

PHONE = "contact.personal.phone"


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return practice(session)


def run(session: Session, tenant: Tenant, who: Any, scope: str, base: Path) -> erasure.ErasureResult:
    return erasure.run(session, erasure.plan(session, tenant, who, "order 9", scope=scope), base)


def copies(admin: psycopg.Connection, table: str, who: UUID) -> list[tuple[UUID, bytes]]:
    """Return row ids and sealed values as an old backup has them."""
    column = "contact_id" if table == "crm.contact" else "interaction_id"
    asked = f"SELECT {column}, personal FROM {table} WHERE subject_id = %s"
    return list(admin.execute(asked.encode(), (who,)).fetchall())


def key_of(session: Session, tenant: Tenant, who: UUID) -> SubjectKey:
    return open_tenant(session, tenant.tenant_id).subjects([who], KeyClass.MAIN)[who]


def contact_period(session: Session, tenant: Tenant) -> PeriodKey:
    found = open_tenant(session, tenant.tenant_id).existing_period(RetentionClass.CONTACT, 0)
    assert found is not None
    return found


def test_interactions_go_and_the_people_stay(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    people = [person(session, tenant, number) for number in ("1", "2")]
    before, old = counts(admin), copies(admin, "crm.contact", people[0])
    plan = erasure.plan(session, tenant, people, "order 9", scope="interaction")
    assert [(one.table, one.rows) for one in plan.going] == [("crm.interaction", 4)]
    assert plan.keys == ("main",)
    done = erasure.run(session, plan, tmp_path)
    after = counts(admin)
    assert (done.people, done.going, done.epoch_to - done.epoch) == (2, plan.going, 1)
    assert after["crm.interaction"] == before["crm.interaction"] - 4
    for name in ("crm.subject", "crm.contact", "crm.contact_key", "crm.invoice", "vault.slot"):
        assert after[name] == before[name], name
    names = {one.external_id: one.email for one in crm.list_customers(session, tenant, 0).rows}
    assert names["1"] == "nele@praxis.example"
    place = Place(tenant.tenant_id, people[0], "crm.contact", "personal", old[0][0])
    with pytest.raises(SealError):
        unseal(old[0][1], place, key_of(session, tenant, people[0]), contact_period(session, tenant))
    verified = erasure.verify(session, done.erasure_id)
    assert (verified.ok, verified.people) == (True, 2)
    assert verify_folder(Path(done.certificate)).ok
    facts = json.loads((Path(done.certificate) / "certificate.json").read_bytes())
    assert (facts["scope"], facts["key_counts"], facts["retained"]) == ("interaction", {"main": 2}, [])


def test_the_dropped_key_opens_nothing_though_somebody_kept_it_as_a_claim(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    who = person(session, tenant)
    claim = admin.execute(
        "SELECT * FROM vault.slot WHERE subject_id = %s AND key_class = 1", (who,)
    ).fetchone()
    done = run(session, tenant, who, "interaction", tmp_path)
    admin.execute("INSERT INTO vault.slot VALUES (%s, %s, %s, %s, %s)", claim)
    found = {one.check: one.state for one in erasure.verify(session, done.erasure_id).checks}
    assert found["no key is claimed"] == "broken"
    assert found["the keys do not open from the database"] == "holds"


def test_a_field_goes_and_nobody_finds_the_person_by_it(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    who = person(session, tenant)
    number = "+49 30 901820"
    assert [one.subject_id for one in subject.find(session, tenant, "phone", number, purpose="test")] == [who]
    done = run(session, tenant, who, PHONE, tmp_path)
    assert done.going == ()
    assert subject.find(session, tenant, "phone", number, purpose="test") == []
    found = subject.find(session, tenant, "email", "nele@praxis.example", purpose="test")
    assert [one.subject_id for one in found] == [who]
    assert len([one for one in crm.list_interactions(session, tenant, 0).rows if one.subject_id == who]) == 2
    index = admin.execute("SELECT phone_index FROM crm.contact WHERE subject_id = %s", (who,)).fetchone()
    assert index == ([],)
    assert erasure.verify(session, done.erasure_id).ok


def test_the_person_can_go_afterwards(session: Session, tenant: Tenant, tmp_path: Path) -> None:
    who = person(session, tenant)
    first = run(session, tenant, who, PHONE, tmp_path)
    second = run(session, tenant, who, "interaction", tmp_path)
    whole = erase(session, tenant, who, tmp_path)
    assert whole.outcome == "erased"
    for done in (first, second, whole):
        assert erasure.verify(session, done.erasure_id).ok
    assert erasure.returned(session, [tenant]) == ()


def test_a_new_key_version_is_no_return(session: Session, tenant: Tenant, tmp_path: Path) -> None:
    run(session, tenant, person(session, tenant), "interaction", tmp_path)
    assert erasure.returned(session, [tenant]) == ()


@pytest.mark.parametrize("step", ["epoch committed#2", "rows changed#2", "root destroyed at holder 1#1"])
def test_cut_short_it_is_resumed_and_each_goes_once(
    session: Session, admin: psycopg.Connection, step: str, tmp_path: Path
) -> None:
    tenant = crowd(session)
    before = counts(admin)
    assert run_killed(step, "erase-category", "smile", str(tmp_path), "interaction") == KILLED
    [begun] = erasure.begun(session, tenant)
    done = erasure.resume(session, tenant.slug, begun, tmp_path)
    assert (done.outcome, done.people) == ("finished", 7)
    assert counts(admin)["crm.interaction"] == 0
    assert counts(admin)["crm.contact"] == before["crm.contact"]
    assert erasure.verify(session, done.erasure_id).ok
    assert status(session).state == "settled"
    assert len(crm.list_customers(session, tenant, 0).rows) == 7


def test_who_is_held_is_left_out(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    one, two = person(session, tenant, "1"), person(session, tenant, "2")
    hold.place(session, tenant, hold.prepare("case 7", subject_id=one))
    plan = erasure.plan(session, tenant, [one, two], "order 9", scope="interaction")
    with pytest.raises(RefusedError):
        erasure.run(session, plan, tmp_path)
    done = erasure.run(session, plan, tmp_path, except_held=True)
    assert done.people == 1
    left = admin.execute("SELECT DISTINCT subject_id FROM crm.interaction").fetchall()
    assert left == [(one,)]
    login_denied = "SELECT crm.erase_interactions(%s, ARRAY[%s::uuid])"
    with pytest.raises(psycopg.errors.CheckViolation), transaction(session, tenant.tenant_id) as conn:
        conn.execute(login_denied, (tenant.tenant_id, one))


@pytest.mark.parametrize(
    ("category", "why"),
    [
        ("contact", "who the person is"),
        ("contact.personal.external_id", "an import finds"),
        ("contact.personal.", "who the person is"),
        ("contact.personal.a b", "who the person is"),
        ("invoice", "kept by law"),
        ("invoice.accounting.name", "kept by law"),
        ("interaction.note", "as a whole"),
        ("salary", "no such category"),
        ("", "no such category"),
    ],
)
def test_what_cannot_go_alone_is_refused_with_a_reason(
    session: Session, tenant: Tenant, category: str, why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        erasure.plan(session, tenant, person(session, tenant), "order 9", scope=category)


@pytest.mark.parametrize("role", ["lua_auditor", "lua_accounting", "lua_admin", "lua_responder", "lua_app"])
def test_others_cannot(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection, role: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    who, before = person(session, tenant), counts(admin)
    with pytest.raises((psycopg.errors.InsufficientPrivilege, RefusedError)):
        run(login(role), tenant, who, "interaction", tmp_path)
    after = counts(admin)
    assert {name: after[name] for name in after if name.startswith("crm.")} == {
        name: before[name] for name in before if name.startswith("crm.")
    }
    assert after["lua.erasure"] == 0


def test_on_the_command_line(session: Session, tenant: Tenant, cli: Callable[..., Any]) -> None:
    ask = ("--tenant", "smile", "--all", "--instruction", "order 9")
    assert cli("erasure", "plan", *ask, "--category", "invoice").returncode == 2
    assert cli("erasure", "plan", *ask, "--category", "interaction", "--class", "special").returncode == 2
    ran = cli("erasure", "run", *ask, "--category", PHONE, "--yes", "-o", "json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["data"]["people"] == 3
