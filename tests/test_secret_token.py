"""API tokens: shown once, kept as a hash, good until they end, and told from nothing else by whoever asks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from secrets import randbelow

import psycopg
import pytest
from conftest import Connection, TestServer
from hypothesis import given
from hypothesis import strategies as st
from support_erasure import later
from support_secret import SCOPES, at_once, check, issue, put, smile, succeed
from support_whole import changes, snapshot

from luactl import secret, tenant
from luactl.db import Session
from luactl.errors import BusyError, LuactlError, NotFoundError, RefusedError, UsageError
from luactl.secret.token import SECRET_LENGTH, new_token, parse_token

Login = Callable[..., Session]
USED = "SELECT last_used_at FROM lua.secret WHERE secret_id = %s"


@pytest.fixture
def app(session: Session, login: Login) -> Iterator[Session]:
    """The CRM itself."""
    return login("lua_app")


def test_a_token_holds_256_random_bits() -> None:
    made = {new_token().text for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"lua_[a-z2-7]{8}_[0-9A-Za-z]{43}", text) for text in made)
    assert 62 ** (SECRET_LENGTH - 1) < 1 << 256 < 62**SECRET_LENGTH
    assert {text[13:] for text in made} & {"0" * 43} == set()
    one = new_token()
    assert parse_token(f" {one.text}\n") == one
    assert one.hash == hashlib.sha256(one.text.encode("ascii")).digest() == secret.hash_of(one.text)
    assert one.text not in repr(one)


def test_every_place_of_a_token_takes_every_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.randbits", lambda bits: (1 << bits) - 1)
    largest = new_token().text[13:]
    monkeypatch.setattr("secrets.randbits", lambda bits: 0)
    assert new_token().text[13:] == "0" * 43 < largest


@given(text=st.text(max_size=80))
def test_what_is_no_token_is_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as told:
        parse_token(text)
    assert told.value.what == "that is no token of ours"


def test_it_is_told_once_and_kept_as_a_hash(session: Session, admin: Connection, app: Session) -> None:
    there = smile(session)
    made = issue(session, there)
    assert made.token is not None
    assert check(app, made.token) == (there.tenant_id, made.secret_id, "api", list(SCOPES))
    held = "\n".join(f"{row.fields}" for row in snapshot(admin).values())
    assert made.token not in held
    assert made.token[13:] not in held
    assert secret.hash_of(made.token).hex() in held
    assert made.token not in repr(made)
    (row,) = admin.execute(
        "SELECT convert_from(body, 'UTF8')::jsonb -> 'detail' FROM ledger.entry WHERE action = 'secret.issue'"
    ).fetchall()
    assert row[0].keys() == {"kind", "secret", "prefix", "scopes", "expires_at"}


def test_a_plan_makes_no_token(session: Session, admin: Connection) -> None:
    there = smile(session)
    before = snapshot(admin)
    assert secret.plan_issue(session, there, "api", SCOPES).token is None
    assert changes(before, snapshot(admin)) == []


def test_none_is_as_good_as_another_that_is_not_good(
    session: Session, admin: Connection, app: Session
) -> None:
    """Unknown, mistyped, expired, revoked, of a suspended tenant: the answer is the same, and no row."""
    there = smile(session)
    token = issue(session, there, days=10).token or ""
    now = datetime.now(UTC)
    before = snapshot(admin)
    assert check(app, new_token().text) is None
    assert check(app, token[:-1] + ("0" if token[-1] != "0" else "1")) is None
    assert check(app, token, now + timedelta(days=10, minutes=1)) is None
    assert changes(before, snapshot(admin)) == []
    assert check(app, token, now + timedelta(days=9)) is not None
    tenant.suspend(session, "smile", "bills")
    assert check(app, token) is None
    tenant.resume(session, "smile")
    assert check(app, token) is not None
    secret.revoke(session, there, "api", "leaked")
    assert check(app, token) is None


def test_a_wrong_clock_of_the_caller_revives_nothing(
    session: Session, admin: Connection, app: Session
) -> None:
    token = issue(session, smile(session), days=10).token or ""
    admin.execute(
        "UPDATE lua.secret SET created_at = created_at - interval '20 days',"
        " expires_at = expires_at - interval '20 days'"
    )
    for at in (datetime.now(UTC) - timedelta(days=15), datetime.now(UTC)):
        assert check(app, token, at) is None
    admin.execute("UPDATE lua.deployment SET throwaway = false")
    with pytest.raises(psycopg.errors.CheckViolation):
        check(app, token, datetime.now(UTC) + timedelta(days=1))


def test_last_use_is_kept_to_the_minute_and_waits_for_nobody(
    session: Session, server: TestServer, database: str, admin: Connection, app: Session
) -> None:
    made = issue(session, smile(session))
    token, at = made.token or "", datetime.now(UTC) + timedelta(minutes=5)

    def used() -> object:
        row = admin.execute(USED, (made.secret_id,)).fetchone()
        assert row is not None
        return row[0]

    assert used() is None
    for seconds, kept in ((0, 0), (30, 0), (59, 0), (60, 60), (90, 60)):
        assert check(app, token, at + timedelta(seconds=seconds))
        assert used() == at + timedelta(seconds=kept)
    with closing(server.admin(database)) as other, other.transaction():
        other.execute("SELECT FROM lua.secret FOR UPDATE")
        app.conn.execute("SET lock_timeout = '50ms'")
        assert check(app, token, at + timedelta(hours=1))
    assert used() == at + timedelta(seconds=60)
    assert secret.list_(session, tenant.find(session, "smile"))[0].last_used_at == used()


def test_the_old_one_works_on_for_the_overlap(session: Session, app: Session) -> None:
    there, now = smile(session), datetime.now(UTC)
    old = issue(session, there)
    new = succeed(session, there, hours=24)
    assert (new.scopes, new.replaces, new.outcome) == (SCOPES, old.secret_id, "rotated")
    assert old.token
    assert new.token
    assert check(app, old.token, now + timedelta(hours=23))
    assert check(app, old.token, now + timedelta(hours=25)) is None
    assert check(app, new.token, now + timedelta(hours=25))
    assert [one.state for one in secret.list_(session, there)] == ["replaced", "active"]
    day_after = later(session, 1.1 / 365.25)
    assert [one.state for one in secret.list_(day_after, there)] == ["active"]
    assert [one.state for one in secret.list_(day_after, there, ended=True)] == ["expired", "active"]
    assert [one.prefix for one in secret.revoke(session, there, "api", "leaked").revoked] == [
        old.token[4:12],
        new.token[4:12],
    ]
    assert check(app, old.token) is check(app, new.token) is None


def test_an_overlap_never_lengthens_a_life(session: Session) -> None:
    there = smile(session)
    old = issue(session, there, days=1)
    assert succeed(session, there, hours=720).old_until == old.expires_at


def test_without_overlap_it_ends_at_once(session: Session, app: Session) -> None:
    there = smile(session)
    token = issue(session, there).token or ""
    succeed(session, there, hours=0)
    assert check(app, token) is None


def test_two_at_once_leave_one_successor(session: Session, login: Login) -> None:
    there, other = smile(session), login("lua_admin")
    issue(session, there)
    old = secret.present(session, there, "api")
    plans = [secret.plan_successor(who, there, old, timedelta(hours=1)) for who in (session, other)]
    done = at_once(
        lambda: secret.issue(session, there, plans[0]), lambda: secret.issue(other, there, plans[1])
    )
    (lost,) = [one for one in done if isinstance(one, LuactlError)]
    assert isinstance(lost, BusyError)
    assert len(secret.list_(session, there)) == 2


def test_only_administrators_give_access(session: Session, login: Login) -> None:
    there = smile(session)
    for role in ("lua_operator", "lua_responder", "lua_auditor", "lua_dpo", "lua_app"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            issue(login(role), there)
    assert issue(login("lua_admin"), there).token


def test_a_dedicated_tenants_tokens_are_for_its_own_login(
    server: TestServer, login: Login, admin: Connection, session: Session
) -> None:
    castle = (1 << 40) + randbelow(1 << 30)
    own, pooled = login("lua_app", name=f"lua_t{castle}"), login("lua_app")
    token = issue(session, smile(session)).token or ""
    admin.execute("INSERT INTO lua.tenant_directory VALUES (%s, 'castle', 77)", (castle,))
    admin.execute(
        "INSERT INTO lua.tenant VALUES (%s, 'castle', 'C', 'DE', 'c', 'dedicated', 'active', NULL, now(),"
        " now())",
        (castle,),
    )
    theirs = new_token()
    admin.execute(
        "INSERT INTO lua.token_directory VALUES (%s, md5('x')::uuid, %s, %s)",
        (castle, theirs.hash, theirs.prefix),
    )
    admin.execute(
        "INSERT INTO lua.secret (tenant_id, secret_id, kind, name, token_id, prefix, scopes, created_at,"
        " created_by, expires_at, entry_id) VALUES (%s, md5('x')::uuid, 'token', 'api', md5('x')::uuid, %s,"
        " '{contact.read}', now(), 'x', now() + interval '1 day', gen_random_uuid())",
        (castle, theirs.prefix),
    )
    assert check(pooled, theirs.text) is None
    assert check(own, theirs.text)
    assert check(own, token) is None
    assert check(pooled, token)


def test_the_directory_is_read_by_nobody(session: Session, login: Login) -> None:
    issue(session, smile(session))
    every = login(*("lua_admin", "lua_operator", "lua_responder", "lua_auditor", "lua_dpo", "lua_app"))
    for attempt in ("SELECT hash FROM lua.token_directory", "UPDATE lua.secret SET revoked_at = NULL"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            every.conn.execute(attempt)


def test_a_token_that_turned_up_is_found(session: Session, login: Login) -> None:
    there = smile(session)
    token = issue(session, there).token or ""
    for who, text, whole in ((session, token, True), (login("lua_auditor"), token[4:12], False)):
        found = secret.find(who, text)
        assert (found.tenant, found.whole, found.secret.name) == ("smile", whole, "api")
    assert secret.find(session, token[:13]).secret.state == "active"
    secret.revoke(session, there, "api", "leaked")
    assert secret.find(session, token).secret.state == "revoked"
    with pytest.raises(NotFoundError):
        secret.find(session, new_token().text)
    with pytest.raises(UsageError):
        secret.find(session, token[:-1])


@pytest.mark.parametrize("scopes", [[], ["x"], ["Contact.read"], ["contact.read", "a b.c"], ["a.b\n"]])
def test_scopes(session: Session, scopes: list[str]) -> None:
    with pytest.raises(UsageError):
        secret.plan_issue(session, smile(session), "api", scopes)


def test_a_credential_is_no_token(session: Session) -> None:
    there = smile(session)
    put(session, there)
    issue(session, there)
    for attempt in (
        lambda: secret.reveal(session, there, "api", purpose="test"),
        lambda: secret.plan_rotate(session, there, secret.present(session, there, "api")),
        lambda: succeed(session, there, 1, "smtp"),
    ):
        with pytest.raises(RefusedError):
            attempt()
    with pytest.raises(LuactlError, match="already"):
        issue(session, there, "smtp")
