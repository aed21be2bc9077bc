"""A user of the CRM is a person whose data a tenant keeps: found, corrected and followed as any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import uuid4

import psycopg
import pytest
from conftest import Connection
from support_crm import new_tenant
from support_user import BRUNO, NELE, TABLES, WHO, admitted, everything, made, owned_token, said

from luactl import erasure, subject
from luactl.access import user
from luactl.client import Client
from luactl.crm.opening import Sealed, record_and_open
from luactl.db import Session, transaction
from luactl.errors import NotFoundError, RefusedError, UsageError
from luactl.key import SealError
from luactl.log import timeline
from luactl.subject.sealed import USER
from luactl.subject.sealed import read as read_sealed
from luactl.tenant import Tenant
from luactl.verify import verify_folder


@pytest.fixture
def smile(session: Session) -> Tenant:
    return new_tenant(session)


@pytest.fixture
def crm(login: Callable[..., Session]) -> Client:
    return Client(login("lua_app"))


def test_a_user_is_found_as_any_person_is(
    session: Session, crm: Client, smile: Tenant, admin: Connection
) -> None:
    nele = crm.add_user(smile.tenant_id, NELE, ["agent"], **WHO)
    mail = crm.add_user(smile.tenant_id, {"login": "Ada@Praxis.example"}, [], **WHO)
    (contact,) = crm.create(smile.tenant_id, [{"name": "Nele Berg", "email": NELE["email"]}], **WHO)
    for width in (0, 9):
        admin.execute("UPDATE crm.app_user SET index_version = %s", [width])
        if width:
            plan = subject.plan_reindex(session, smile)
            subject.reindex(session, smile, replace(plan, users=replace(plan.users, version=5)))
        for kind, value, expected in (
            ("email", "NELE@praxis.example", [nele.user_id, contact.contact_id]),
            ("name", "angstrom", [nele.user_id]),
            ("name", "nele", [nele.user_id, contact.contact_id]),
            ("email", "ada@praxis.example", [mail.user_id]),
            ("name", "ada", []),
            ("phone", "+491711234567", []),
            ("external_id", "Nele.Angstrom", []),
        ):
            found = subject.find(session, smile, cast("subject.Kind", kind), value, purpose="she asked")
            assert [one.user_id or one.contact_id for one in found] == expected, (width, value)
    (one,) = subject.find(session, smile, "name", "angstrom", purpose="she asked")
    assert (one.subject_id, one.status, one.contact_id) == (nele.subject_id, "active", None)
    assert (one.name, one.email) == (NELE["name"], NELE["email"])
    read = [entry for entry in said(admin, "read") if entry["purpose"] == "she asked"][-1]
    assert (read["object"], len(read["detail"]["references"])) == ("table:crm.app_user", 1)
    assert said(admin, "subject.find")[-1]["detail"]["candidates"] >= 1
    ours = crm.find(smile.tenant_id, "name", "nele", **WHO)
    assert [one.contact_id for one in ours] == [contact.contact_id], "staff are nobody's customers"
    erased = everything(admin)
    assert not [value for value in NELE.values() if value in erased]


def test_what_was_done_to_a_user_is_on_their_time_line(session: Session, crm: Client, smile: Tenant) -> None:
    nele, other = crm.add_user(smile.tenant_id, NELE, ["agent"], **WHO), made(crm, smile, fields=BRUNO)
    for who in (nele.user_id, other):
        crm.start_session(smile.tenant_id, who)
    user.revoke(session, smile, user.find(session, smile, nele.user_id), ["all"], "left")
    found = timeline(session, smile.slug, nele.subject_id, "request R-7", None, None)
    assert [line.action for line in found.lines] == [
        "crm.user.create", "crm.session.start", "access.user-revoke", "read",
    ]  # fmt: skip


def test_a_user_is_corrected_and_the_old_value_opens_in_no_old_copy(
    session: Session, crm: Client, smile: Tenant, admin: Connection
) -> None:
    nele = crm.add_user(smile.tenant_id, NELE, ["agent"], **WHO)
    made(crm, smile, fields=BRUNO)
    token = crm.start_session(smile.tenant_id, nele.user_id)
    with transaction(session, smile.tenant_id):
        ((_row, copied),) = read_sealed(session, USER, smile.tenant_id, nele.subject_id)
    plan = subject.plan_rectification(session, smile, nele.subject_id, ("email", "login"), "T-12")
    assert (plan.user_id, plan.contact_id) == (nele.user_id, None)
    done = subject.rectify(session, smile, plan, {"email": None, "login": "nele@new.example"})
    assert (done.rekeyed.version_to, done.rekeyed.rows["crm.app_user"]) == (2, 1)
    (opened,) = user.list_(session, smile, purpose="x", sought=("email", "nele@new.example"))
    assert (opened.login, opened.name, opened.email) == ("nele@new.example", NELE["name"], None)
    assert crm.user_of(smile.tenant_id, "nele@new.example") == nele.user_id
    assert crm.user_of(smile.tenant_id, NELE["login"]) is None
    assert crm.seen(smile.tenant_id, token) == nele.user_id, "who was signed in stays so"
    assert subject.find(session, smile, "email", NELE["email"], purpose="x") == []
    old = [Sealed(nele.subject_id, nele.user_id, copied)]
    with pytest.raises(SealError):
        record_and_open(session, smile.tenant_id, USER, old, "an old copy")
    assert [entry["outcome"] for entry in said(admin, "subject.rectify")] == ["intent", "done"]
    before = admin.execute("SELECT to_jsonb(t) FROM crm.app_user t ORDER BY user_id").fetchall()
    for fields, values, error in (
        (("login",), {"login": "BRUNO"}, RefusedError),
        (("login",), {"login": None}, UsageError),
        (("name",), {"name": "x" * 201}, UsageError),
    ):
        again = subject.plan_rectification(session, smile, nele.subject_id, fields, "T-13")
        with pytest.raises(error):
            subject.rectify(session, smile, again, values)
    assert admin.execute("SELECT to_jsonb(t) FROM crm.app_user t ORDER BY user_id").fetchall() == before
    with pytest.raises(UsageError, match="has no phone"):
        subject.plan_rectification(session, smile, nele.subject_id, ("phone",), "T-13")
    with pytest.raises(NotFoundError, match="has no contact"):
        subject.plan_rectification(session, smile, nele.subject_id, ("email",), "T-13", uuid4())


def test_an_erasure_says_what_went_of_a_user_and_finds_it_again(
    session: Session, crm: Client, smile: Tenant, admin: Connection, tmp_path: Path
) -> None:
    nele, bruno = crm.add_user(smile.tenant_id, NELE, ["agent"], **WHO), made(crm, smile, fields=BRUNO)
    crm.start_session(smile.tenant_id, nele.user_id)
    api = owned_token(session, smile, nele.user_id)
    for name in TABLES:
        admin.execute(f"CREATE TABLE public.{name[4:]} AS TABLE {name}".encode())

    def restore() -> None:
        for name in TABLES:
            admin.execute(f"INSERT INTO {name} TABLE public.{name[4:]} ON CONFLICT DO NOTHING".encode())

    plan = erasure.plan(session, smile, nele.subject_id, "ticket 4711")
    done = erasure.run(session, plan, tmp_path)
    rows = {"crm.contact": 0, "crm.contact_key": 0, "crm.interaction": 0, **dict.fromkeys(TABLES, 1)}
    assert {one.table: one.rows for one in plan.going} == rows
    assert done.going == tuple(sorted(plan.going, key=lambda one: one.table))
    stated = json.loads((Path(done.certificate) / "certificate.json").read_text())
    assert {one["table"]: (one["rows_before"], one["rows_after"]) for one in stated["erased"]} == {
        name: (count, 0) for name, count in rows.items()
    }
    places = {one["place"]: one["method"] for one in stated["places"]}
    assert places["table crm.app_user"] == "cryptographic erase of target data"
    assert (places["table crm.user_session"], places["old copies of logins"]) == ("deleted", "deleted")
    assert "networks of sessions" in stated["remaining_exposure"][-1]
    assert verify_folder(Path(done.certificate)).ok
    assert erasure.verify(session, done.erasure_id).ok

    mark = "SELECT crm.mark_erased(%s, %s, now())"
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="a user still"):
        admin.execute(mark, (smile.tenant_id, [user.find(session, smile, bruno).subject_id]))

    restore()
    checked = erasure.verify(session, done.erasure_id)
    broken = {one.check: one.what for one in checked.checks if one.state == "broken"}
    assert "1 rows in crm.app_user" in broken["its rows are gone"]
    assert "digest of a login" in broken["no blind index or digest is left"]
    [found] = erasure.returned(session, [smile])
    assert (found.people, found.revived) == ((), (nele.subject_id,))
    erasure.replay(session, found, tmp_path / "again")
    assert erasure.verify(session, done.erasure_id).ok
    assert erasure.returned(session, [smile]) == ()

    admin.execute("UPDATE crm.subject SET status = 'active', erased_at = NULL")
    admin.execute("TRUNCATE lua.request, lua.erasure_subject, lua.erasure_batch, lua.erasure")
    restore()
    admin.execute("UPDATE lua.secret SET revoked_at = NULL")
    assert admitted(crm, api)
    [found] = erasure.returned(session, [smile])
    assert (found.people, found.revived) == ((nele.subject_id,), ())
    erasure.replay(session, found, tmp_path / "more")
    [record] = erasure.list_(session, smile)
    assert erasure.verify(session, record.erasure_id).ok
    assert not admitted(crm, api)
    assert [one.user_id for one in user.list_(session, smile, ended=True)] == [bruno]
