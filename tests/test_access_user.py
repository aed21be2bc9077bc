"""The CRM's users: kept sealed, signed in and out, taken from at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from conftest import Connection
from support_crm import new_tenant
from support_erasure import erase, later
from support_hold import put as place_hold
from support_staff import vouch
from support_user import BRUNO, NELE, TABLES, WHO, admitted, everything, made, owned_token, said

from luactl import promise, secret, subject
from luactl.access import user
from luactl.client import Client
from luactl.db import Session
from luactl.errors import LuactlError, NotFoundError, RefusedError, UsageError
from luactl.promise.proving import look
from luactl.tenant import Tenant, create, find


@pytest.fixture
def smile(session: Session) -> Tenant:
    return new_tenant(session)


@pytest.fixture
def crm(login: Callable[..., Session]) -> Client:
    return Client(login("lua_app"))


def test_a_user_is_sealed_found_again_and_named_nowhere(
    session: Session, crm: Client, smile: Tenant, admin: Connection
) -> None:
    one, _other = made(crm, smile, "owner", "agent"), made(crm, smile, fields=BRUNO)
    (first, second) = user.list_(session, smile)
    assert (first.user_id, first.roles, first.state, first.mfa) == (one, ("agent", "owner"), "active", "none")
    assert (first.login, first.name, first.email) == (None, None, None)
    opened = user.list_(session, smile, purpose="ticket 81")
    assert [(who.login, who.name, who.email) for who in opened] == [
        (NELE["login"], NELE["name"], NELE["email"]), ("bruno", "Bruno Oliveira", None),
    ]  # fmt: skip
    assert [
        who.user_id for who in user.list_(session, smile, purpose="x", sought=("email", NELE["email"]))
    ] == [one]
    assert [who.user_id for who in user.list_(session, smile, purpose="x", sought=("name", "oliveira"))] == [
        second.user_id
    ]
    with pytest.raises(UsageError, match="a purpose is needed"):
        user.list_(session, smile, sought=("name", "oliveira"))
    assert crm.user_of(smile.tenant_id, " nele.ANGSTROM ") == one
    assert user.of_login(session, smile, "nele.angstrom").user_id == one
    with pytest.raises(NotFoundError):
        user.of_login(session, smile, "nobody")
    text = everything(admin)
    assert not [value for value in (*NELE.values(), *BRUNO.values()) if value in text]
    said = admin.execute(
        "SELECT convert_from(body, 'UTF8')::jsonb ->> 'action' FROM ledger.entry"
        " WHERE convert_from(body, 'UTF8') LIKE '%crm.app_user%' ORDER BY at, id"
    ).fetchall()
    assert [row[0] for row in said].count("read") == 3
    assert [row[0] for row in said].count("crm.user.create") == 2


def test_many_users_are_found_by_their_indexes(
    session: Session, crm: Client, smile: Tenant, admin: Connection
) -> None:
    for n in range(20):
        made(crm, smile, fields={"login": f"u{n}", "email": f"u{n}@praxis.example"})
    assert {row[0] for row in admin.execute("SELECT index_version FROM crm.app_user")} == {0, 4}
    for n in (0, 19):
        (found,) = user.list_(session, smile, purpose="x", sought=("email", f"u{n}@praxis.example"))
        assert found.login == f"u{n}"
    plan = subject.plan_reindex(session, smile)
    assert (plan.rows, plan.outdated) == (0, 0)
    assert (plan.users.version, plan.users.rows, plan.users.outdated, plan.users.done) == (4, 20, 15, 0)
    steps: list[int] = []
    assert subject.reindex(session, smile, plan, steps.append).users.done == sum(steps) == 15
    assert subject.plan_reindex(session, smile).users.outdated == 0
    shown = admin.execute("SELECT index_version, email_index IS NULL FROM crm.app_user").fetchall()
    assert set(shown) == {(4, False)}
    for n in (0, 19):
        (found,) = user.list_(session, smile, purpose="x", sought=("email", f"u{n}@praxis.example"))
        assert found.login == f"u{n}"
    assert [entry["detail"] for entry in said(admin, "subject.reindex")] == [{"rows": 15, "version": 4}]


def test_a_login_is_one_users_and_a_role_is_the_tenants(crm: Client, smile: Tenant, session: Session) -> None:
    made(crm, smile)
    with pytest.raises(RefusedError, match="that login is taken"):
        made(crm, smile, fields={"login": "NELE.angstrom"})
    with pytest.raises(UsageError, match="no such role"):
        made(crm, smile, "emperor", fields=BRUNO)
    for wrong in ({"name": "x"}, {"login": ""}, {"login": "x", "city": "y"}, {"login": "x\ny"}):
        with pytest.raises(UsageError):
            made(crm, smile, fields=wrong)
    made(crm, new_tenant(session, "other"))
    assert len(user.list_(session, smile)) == 1


def test_state_roles_factor_and_name_change(session: Session, crm: Client, smile: Tenant) -> None:
    who = made(crm, smile)
    crm.change_user(smile.tenant_id, who, roles=["reader"], mfa="webauthn", **WHO)
    found = user.find(session, smile, who)
    assert (found.roles, found.mfa, found.state) == (("reader",), "webauthn", "active")
    assert found.mfa_since is not None
    crm.rename_user(smile.tenant_id, who, {"login": "nele", "name": "Nele Berg"}, **WHO)
    (opened,) = user.list_(session, smile, purpose="x", sought=("name", "Berg"))
    assert (opened.login, opened.email) == ("nele", None)
    assert crm.user_of(smile.tenant_id, NELE["login"]) is None
    crm.change_user(smile.tenant_id, who, state="ended", **WHO)
    with pytest.raises(NotFoundError, match="there is no user"):
        crm.change_user(smile.tenant_id, who, state="active", **WHO)
    assert user.list_(session, smile) == ()
    assert [one.state for one in user.list_(session, smile, ended=True)] == ["ended"]
    for wrong in ({"state": "asleep"}, {"mfa": "sms"}):
        with pytest.raises(UsageError):
            crm.change_user(smile.tenant_id, who, **WHO, **wrong)  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        crm.rename_user(smile.tenant_id, uuid4(), BRUNO, **WHO)


def test_a_session_is_known_by_its_hash_and_ends(
    session: Session, crm: Client, smile: Tenant, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = made(crm, smile)
    token = crm.start_session(smile.tenant_id, who, "203.0.113.77")
    assert crm.seen(smile.tenant_id, token) == who
    assert crm.seen(smile.tenant_id, token + "x") is None
    assert crm.seen(new_tenant(session, "other").tenant_id, token) is None
    shown = user.show(session, smile, user.find(session, smile, who))
    assert [one.network for one in shown.sessions] == ["203.0.113.0/24"]
    crm.start_session(smile.tenant_id, who, "2001:db8:1234:5678::1")
    assert admin.execute(
        "SELECT network::text FROM crm.user_session WHERE family(network) = 6"
    ).fetchone() == ("2001:db8:1234::/48",)
    sent: list[str] = []
    real = psycopg.Cursor.execute

    def spy(self: Any, query: Any, params: Any = None, **named: Any) -> Any:
        sent.append(f"{query} {params}")
        return real(self, query, params, **named)

    monkeypatch.setattr(psycopg.Cursor, "execute", spy)
    crm.start_session(smile.tenant_id, who, "::ffff:203.0.113.77")
    for wrong in ("203.0.113.77:443", "nele.example", "203.0.113.777", "", "10.0.0.0/8"):
        with pytest.raises(UsageError) as caught:
            crm.start_session(smile.tenant_id, who, wrong)
        assert not wrong or wrong not in caught.value.what
    monkeypatch.undo()
    assert [text for text in sent if "203.0.113.0/24" in text]
    assert not [text for text in sent if "203.0.113.77" in text]
    text = everything(admin)
    assert "203.0.113.77" not in text
    assert token not in text
    assert user.find(session, smile, who).sessions == 3
    assert crm.end_session(smile.tenant_id, token) == who
    assert crm.end_session(smile.tenant_id, token) is None
    assert crm.seen(smile.tenant_id, token) is None
    short = crm.start_session(smile.tenant_id, who, lasts=timedelta(minutes=5))
    assert Client(later(crm.session, 10 / 525_960)).seen(smile.tenant_id, short) is None
    assert crm.seen(smile.tenant_id, short) == who
    crm.change_user(smile.tenant_id, who, state="locked", **WHO)
    assert crm.seen(smile.tenant_id, short) is None
    with pytest.raises(RefusedError, match="is not active"):
        crm.start_session(smile.tenant_id, who)
    with pytest.raises(UsageError):
        crm.start_session(smile.tenant_id, who, lasts=timedelta(days=32))


def test_only_the_crm_itself_signs_anybody_in(
    login: Callable[..., Session], crm: Client, smile: Tenant
) -> None:
    who = made(crm, smile)
    for role in ("lua_admin", "lua_operator", "lua_responder", "lua_dpo", "lua_auditor"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            Client(login(role)).start_session(smile.tenant_id, who)


def test_a_token_of_ones_own_is_good_as_long_as_the_user_is(
    session: Session, crm: Client, smile: Tenant
) -> None:
    who = made(crm, smile)
    token = owned_token(session, smile, who)
    assert admitted(crm, token)
    assert user.find(session, smile, who).tokens == 1
    crm.change_user(smile.tenant_id, who, state="locked", **WHO)
    assert not admitted(crm, token)
    with pytest.raises(RefusedError, match="not active"):
        owned_token(session, smile, who, "second")
    crm.change_user(smile.tenant_id, who, state="active", **WHO)
    assert admitted(crm, token)
    old = secret.present(session, smile, "own")
    successor = secret.issue(session, smile, secret.plan_successor(session, smile, old, timedelta()))
    assert successor.token is not None
    user.revoke(session, smile, user.find(session, smile, who), ["tokens"], "ticket 81")
    assert not admitted(crm, successor.token)


@pytest.mark.parametrize("what", ["sessions", "tokens", "roles", "all"])
def test_what_is_taken_is_gone_at_once_and_the_rest_stays(
    session: Session, crm: Client, smile: Tenant, admin: Connection, what: str
) -> None:
    who, other = made(crm, smile, "owner"), made(crm, smile, fields=BRUNO)
    token, apart = crm.start_session(smile.tenant_id, who), crm.start_session(smile.tenant_id, other)
    api = owned_token(session, smile, who)
    there = user.find(session, smile, who)
    plan = user.revoke(session, smile, there, [what], "laptop stolen", dry_run=True)
    assert (crm.seen(smile.tenant_id, token), admitted(crm, api)) == (who, True)
    done = user.revoke(session, smile, there, [what], "laptop stolen")
    assert done == plan
    taken = {"sessions", "tokens", "roles"} if what == "all" else {what}
    assert (crm.seen(smile.tenant_id, token) is None) == ("sessions" in taken)
    assert (not admitted(crm, api)) == (bool({"tokens"} & taken) or what == "all")
    assert crm.may(smile.tenant_id, who, "read", "contact") == ("roles" not in taken)
    assert (user.find(session, smile, who).state == "ended") == (what == "all")
    assert crm.seen(smile.tenant_id, apart) == other
    assert crm.may(smile.tenant_id, other, "read", "contact")
    said = admin.execute(
        "SELECT convert_from(body, 'UTF8')::jsonb FROM ledger.entry"
        " WHERE convert_from(body, 'UTF8') LIKE '%user-revoke%'"
    ).fetchall()
    assert [(row[0]["object"], row[0]["detail"]["reason"]) for row in said] == [
        (f"user:{who}", "laptop stolen")
    ]
    again = user.revoke(session, smile, there, [what], "again")
    assert (again.sessions, again.tokens, again.roles, again.ended) == (0, 0, 0, False)
    assert "again" not in everything(admin)


def test_what_cannot_be_taken(session: Session, crm: Client, smile: Tenant) -> None:
    there = user.find(session, smile, made(crm, smile))
    for what, reason in (([], "x"), (["everything"], "x"), (["roles"], " ")):
        with pytest.raises(UsageError):
            user.revoke(session, smile, there, what, reason)
    with pytest.raises(NotFoundError):
        user.find(session, smile, uuid4())


def test_who_is_erased_is_no_user_any_more(
    session: Session, crm: Client, smile: Tenant, admin: Connection, tmp_path: Path
) -> None:
    added = crm.add_user(smile.tenant_id, NELE, ["agent"], **WHO)
    made(crm, smile, fields=BRUNO)
    token, api = crm.start_session(smile.tenant_id, added.user_id), owned_token(session, smile, added.user_id)
    held = {one.table for one in subject.show(session, smile, added.subject_id).holdings}
    assert held == {"crm.subject", *TABLES}
    erase(session, smile, added.subject_id, tmp_path)
    assert (crm.seen(smile.tenant_id, token), admitted(crm, api)) == (None, False)
    assert crm.user_of(smile.tenant_id, NELE["login"]) is None
    for table, left in (("app_user", 1), ("user_role", 1), ("user_session", 0), ("user_token", 0)):
        assert admin.execute(f"SELECT count(*) FROM crm.{table}").fetchone() == (left,), table
    made(crm, smile)


def test_a_new_key_leaves_a_user_as_it_was(session: Session, crm: Client, smile: Tenant) -> None:
    added = crm.add_user(smile.tenant_id, NELE, ["agent"], **WHO)
    done = subject.rekey(session, smile, added.subject_id, purpose="ticket 81")
    assert done.rows["crm.app_user"] == 1
    (opened,) = user.list_(session, smile, purpose="x")
    assert opened.name == NELE["name"]


def test_sessions_that_are_over_for_90_days_go_but_for_a_hold(
    session: Session, crm: Client, smile: Tenant
) -> None:
    first, second = (
        crm.add_user(smile.tenant_id, NELE, [], **WHO),
        crm.add_user(smile.tenant_id, BRUNO, [], **WHO),
    )
    for one in (first, second):
        crm.end_session(smile.tenant_id, crm.start_session(smile.tenant_id, one.user_id))
        crm.start_session(smile.tenant_id, one.user_id, lasts=timedelta(days=31))
    place_hold(session, smile, second.subject_id)
    for days, late, gone in ((89, 0, 0), (91, 0, 0), (92.1, 1, 1), (122, 0, 0), (123.1, 1, 1)):
        after = later(session, days / 365.25)
        found = look(after, promise.load(), "retention")  # two nights of grace: a purge runs each night
        assert (found.state, found.evidence["sessions_due"]) == ("broken" if late else "kept", late), days
        told = [f"{late} sessions of users of smile: over for more than 90 days"] if late else []
        assert found.broken == told
        planned = user.purge(after, [smile], dry_run=True)
        if days in (91, 122):
            assert [one.sessions for one in planned] == [1]
            continue
        assert [one.sessions for one in planned] == ([gone] if gone else [])
        assert user.purge(after, [smile]) == planned
        assert look(after, promise.load(), "retention").state == "kept"
    assert len(user.show(session, smile, user.find(session, smile, second.user_id)).sessions) == 2


def test_who_may_read_no_names_is_refused_them(
    login: Callable[..., Session], crm: Client, smile: Tenant
) -> None:
    made(crm, smile)
    for role in ("lua_admin", "lua_responder", "lua_auditor"):
        looking = login(role)
        assert len(user.list_(looking, smile)) == 1
        with pytest.raises((psycopg.errors.InsufficientPrivilege, LuactlError)):
            user.list_(looking, smile, purpose="curiosity")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        user.revoke(login("lua_auditor"), smile, user.list_(login("lua_auditor"), smile)[0], ["all"], "x")


def test_a_dedicated_tenants_users_are_its_own(
    session: Session, login: Callable[..., Session], crm: Client, smile: Tenant, admin: Connection
) -> None:
    from luactl.tenant import NewTenant

    vouch(session)
    create(session, NewTenant("castle", "Castle", "DE", "office", isolation="dedicated"))
    castle = find(session, "castle")
    own = Client(login("lua_app", name=f"crm_{uuid4().hex[:8]}"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        own.may(castle.tenant_id, uuid4(), "read", "contact")
    count = admin.execute(f"SELECT count(*) FROM crm.app_user_t{castle.tenant_id}").fetchone()
    assert count == (0,)
