"""Credentials: sealed on the way in, opened only after a record of it, gone when replaced or revoked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import psycopg
import pytest
from conftest import Connection
from hypothesis import given
from hypothesis import strategies as st
from support_erasure import later, new_tenant
from support_secret import VALUE, at_once, put, read, renew, smile
from support_whole import changes, snapshot

from luactl import key, secret, tenant
from luactl.db import Session, transaction
from luactl.errors import BusyError, LuactlError, NotFoundError, RefusedError, UsageError
from luactl.key import SealError
from luactl.key.credential import credential_place, seal_credential, unseal_credential
from luactl.key.holder import open_holders

Login = Callable[..., Session]
ONE, OTHER = UUID(int=1), UUID(int=2)
EVERYTHING = (
    "SELECT string_agg(t::text, ' ') FROM (SELECT to_jsonb(s) FROM lua.secret s UNION ALL SELECT"
    " to_jsonb(convert_from(body, 'UTF8')) FROM ledger.entry) AS x(t)"
)
LENGTHS = "SELECT length(sealed) FROM lua.secret ORDER BY created_at"


@given(value=st.text(min_size=1, max_size=200).filter(lambda text: text.isprintable()))
def test_what_is_sealed_opens_there_and_nowhere_else(value: str) -> None:
    frame = seal_credential(value, 7, ONE, bytes(32))
    assert (frame[0], len(frame) > 29) == (2, True)
    assert unseal_credential(frame, 7, ONE, bytes(32)) == value
    for tenant_id, id_, credential_key in ((8, ONE, bytes(32)), (7, OTHER, bytes(32)), (7, ONE, b"\1" * 32)):
        with pytest.raises(SealError, match="does not open"):
            unseal_credential(frame, tenant_id, id_, credential_key)


@given(at=st.integers(0, 60))
def test_a_changed_byte_is_noticed(at: int) -> None:
    frame = bytearray(seal_credential("x" * 30, 7, ONE, bytes(32)))
    frame[at % len(frame)] ^= 1
    with pytest.raises(SealError):
        unseal_credential(bytes(frame), 7, ONE, bytes(32))


def test_the_place_names_tenant_table_and_id() -> None:
    place = b"luactl/1|7|-|lua.secret|sealed|00000000-0000-0000-0000-000000000001"
    assert credential_place(7, ONE) == place


def test_it_comes_back_and_is_nowhere_in_clear(session: Session, admin: Connection) -> None:
    there = smile(session)
    put(session, there)
    assert read(session, there) == VALUE
    (row,) = admin.execute(EVERYTHING).fetchall()
    assert VALUE not in row[0]
    assert "Tr0ub4dor" not in row[0]
    assert VALUE.encode().hex() not in row[0]
    assert "Tr0ub4dor" not in repr(secret.reveal(session, there, "smtp", purpose="test"))


def test_the_record_is_there_before_it_opens(
    session: Session, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, seen = smile(session), []
    put(session, there)
    entries = "SELECT convert_from(body, 'UTF8')::jsonb FROM ledger.entry WHERE action = 'read'"

    def opening(*given: object) -> str:
        seen.append(admin.execute(entries).fetchall())
        return "opened"

    monkeypatch.setattr("luactl.key.credential.unseal_credential", opening)
    assert read(session, there) == "opened"
    (((entry,),),) = seen
    assert (entry["object"], entry["purpose"], entry["tenant"]) == ("secret:smtp", "send mail", 1)
    assert entry["detail"] == {"command": "test", "count": 1, "part": 1, "parts": 1, "references": []}
    with pytest.raises(UsageError, match="purpose"):
        secret.reveal(session, there, "smtp", purpose=" ")
    assert len(admin.execute(entries).fetchall()) == 1


def test_a_new_value_takes_the_old_one_with_it(session: Session, admin: Connection) -> None:
    there = smile(session)
    first = put(session, there, days=9)
    second = renew(session, there)
    assert (second.outcome, second.replaces, second.expires_at) == ("rotated", first.secret_id, None)
    assert read(session, there) == "new"
    (old,), (new,) = admin.execute(LENGTHS).fetchall()
    assert old is None
    assert new > 29
    assert [one.state for one in secret.list_(session, there, ended=True)] == ["replaced", "active"]
    assert [one.secret_id for one in secret.list_(session, there)] == [second.secret_id]


def test_moved_between_rows_it_does_not_open(session: Session, admin: Connection) -> None:
    there, other = smile(session), new_tenant(session, "grin")
    for where, name in ((there, "smtp"), (there, "imap"), (other, "smtp")):
        put(session, where, name)
    admin.execute("UPDATE lua.secret SET sealed = (SELECT sealed FROM lua.secret WHERE name = 'imap')")
    assert read(session, there, "imap") == VALUE
    for where in (there, other):
        with pytest.raises(SealError, match="does not open"):
            read(session, where)


def test_it_ends_by_the_clock(session: Session) -> None:
    there = smile(session)
    made = put(session, there, days=10)
    assert made.expires_at is not None
    assert read(later(session, 9 / 365.25), there) == VALUE
    after = later(session, 10.01 / 365.25)
    with pytest.raises(RefusedError, match="expired"):
        read(after, there)
    assert [one.state for one in secret.list_(after, there, ended=True)] == ["expired"]
    renew(after, there)
    assert read(after, there) == "new"


def test_revoked_it_is_gone(session: Session, admin: Connection) -> None:
    there = smile(session)
    put(session, there)
    put(session, there, "imap")
    plan = secret.revoke(session, there, "smtp", "leaked", dry_run=True)
    assert read(session, there) == VALUE
    done = secret.revoke(session, there, "smtp", "leaked")
    assert [one.secret_id for one in done.revoked] == [one.secret_id for one in plan.revoked]
    assert admin.execute("SELECT sealed FROM lua.secret WHERE name = 'smtp'").fetchone() == (None,)
    for again in (lambda: read(session, there), lambda: secret.revoke(session, there, "smtp", "leaked")):
        with pytest.raises(NotFoundError, match="was revoked"):
            again()
    assert [one.name for one in secret.revoke(session, there, None, "the end").revoked] == ["imap"]
    assert secret.revoke(session, there, None, "the end").revoked == ()
    assert put(session, there).outcome == "put"


def test_a_plan_changes_nothing(session: Session, admin: Connection) -> None:
    there = smile(session)
    put(session, there)
    before = snapshot(admin)
    secret.plan_put(session, there, "imap")
    secret.plan_rotate(session, there, secret.present(session, there, "smtp"))
    secret.revoke(session, there, "smtp", "test", dry_run=True)
    assert changes(before, snapshot(admin)) == []


def test_two_at_once_leave_one(session: Session, login: Login) -> None:
    there, other = smile(session), login("lua_admin")
    plans = [secret.plan_put(who, there, "smtp") for who in (session, other)]
    done = at_once(
        lambda: secret.put(session, there, plans[0], "mine"),
        lambda: secret.put(other, there, plans[1], "theirs"),
    )
    (lost,) = [one for one in done if isinstance(one, LuactlError)]
    assert "has a secret smtp already" in lost.what
    assert read(session, there) == ("theirs" if done[0] is lost else "mine")


def test_two_rotations_of_one_value_leave_one(session: Session, login: Login) -> None:
    there, other = smile(session), login("lua_operator")
    put(session, there)
    old = secret.present(session, there, "smtp")
    plans = [secret.plan_rotate(who, there, old) for who in (session, other)]
    done = at_once(
        lambda: secret.put(session, there, plans[0], "mine"),
        lambda: secret.put(other, there, plans[1], "theirs"),
    )
    (lost,) = [one for one in done if isinstance(one, LuactlError)]
    assert isinstance(lost, BusyError)
    assert read(session, there) == ("theirs" if done[0] is lost else "mine")
    assert len(secret.list_(session, there, ended=True)) == 2


@pytest.mark.parametrize("name", ["", "Smtp", "-x", "a b", "x" * 64, "ä", "lua_abc_DEF"])
def test_names(session: Session, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be called"):
        put(session, smile(session), name)


@pytest.mark.parametrize("value", ["", "a\0b", "\ud800", "ä" * 8193])
def test_values_that_cannot_be_kept(session: Session, value: str) -> None:
    with pytest.raises(UsageError) as told:
        put(session, smile(session), value=value)
    assert not value or value not in told.value.what
    assert secret.list_(session, tenant.find(session, "smile"), ended=True) == []


def test_the_longest_value_and_many_lines(session: Session) -> None:
    there = smile(session)
    for number, value in enumerate(("ä" * 8192, "-----BEGIN PRIVATE KEY-----\nMIIE\n", '\\"\x1b[31m')):
        put(session, there, f"v{number}", value)
        assert read(session, there, f"v{number}") == value


def test_off_a_key_host_nothing_is_put_or_read(session: Session, admin: Connection) -> None:
    there = smile(session)
    put(session, there)
    far = replace(session, profile=replace(session.profile, holders=()))
    before = snapshot(admin)
    for attempt in (lambda: put(far, there, "imap"), lambda: renew(far, there), lambda: read(far, there)):
        with pytest.raises(RefusedError):
            attempt()
    assert changes(before, snapshot(admin)) == []
    assert len(secret.list_(far, there)) == 1


def test_who_may_do_what(session: Session, login: Login) -> None:
    there, denied = smile(session), psycopg.errors.InsufficientPrivilege
    put(session, there)
    for role in ("lua_auditor", "lua_responder", "lua_dpo", "lua_accounting", "lua_app"):
        with pytest.raises(denied):
            put(login(role), there, "imap")
    for role in ("lua_admin", "lua_auditor", "lua_responder", "lua_dpo", "lua_accounting"):
        with pytest.raises(denied):
            read(login(role), there)
    assert {read(login(role), there) for role in ("lua_operator", "lua_app")} == {VALUE}
    assert secret.revoke(login("lua_responder"), there, "smtp", "breach").revoked
    put(session, there)
    for role in ("lua_auditor", "lua_app"):
        with pytest.raises(denied):
            secret.revoke(login(role), there, None, "test")


def test_a_suspended_tenant_can_still_be_revoked(session: Session) -> None:
    there = smile(session)
    put(session, there)
    tenant.suspend(session, "smile", "bills")
    assert secret.revoke(session, tenant.find(session, "smile"), None, "the end").revoked


ROWS = (
    "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'r'"
    " AND c.relnamespace::regnamespace::text IN ('lua', 'crm', 'ledger', 'vault')"
    " AND c.oid::regclass::text NOT IN ('vault.tree', 'vault.node', 'vault.fate')"
)


def test_a_new_root_touches_no_data_row(session: Session, admin: Connection) -> None:
    there = smile(session)
    put(session, there)

    def places() -> dict[str, list[tuple[str, str]]]:
        return {
            name: admin.execute(f"SELECT ctid::text, xmin::text FROM {name} ORDER BY 1").fetchall()
            for (name,) in admin.execute(ROWS).fetchall()
        }

    before, epoch = places(), key.status(session).epoch
    old = [holder.get(key.status(session).tree_id, epoch) for holder in open_holders(session.profile.holders)]
    key.drop(session, [], lambda _epoch: None)
    assert key.status(session).epoch == epoch + 1
    assert all(old)
    assert places() == before
    assert len(before["lua.secret"]) == 1
    assert read(session, there) == VALUE


@pytest.mark.parametrize(
    "change",
    [
        "SET expires_at = NULL WHERE kind = 'token'",
        "SET sealed = NULL WHERE kind = 'credential'",
        "SET sealed = 'in clear, forty-one bytes of it, if not more' WHERE kind = 'credential'",
        "SET revoked_at = now() WHERE kind = 'credential'",
        "SET sealed = decode('02' || repeat('00', 60), 'hex') WHERE kind = 'token'",
        "SET scopes = '{}' WHERE kind = 'token'",
        "SET scopes = ARRAY['contact.read', NULL] WHERE kind = 'token'",
        "SET scopes = ARRAY['contact.read invoice.read', 'x'] WHERE kind = 'token'",
        "SET kind = 'token' WHERE kind = 'credential'",
        "SET last_used_at = now() WHERE kind = 'credential'",
        "SET name = 'api' WHERE kind = 'credential'",
        "SET token_id = gen_random_uuid() WHERE kind = 'token'",
    ],
)
def test_what_the_database_itself_refuses(session: Session, admin: Connection, change: str) -> None:
    from support_secret import issue

    there = smile(session)
    put(session, there)
    issue(session, there)
    with pytest.raises(psycopg.IntegrityError):
        admin.execute(f"UPDATE lua.secret {change}")


def test_the_functions_hold_what_they_are_told(session: Session, admin: Connection, login: Login) -> None:
    """By raw SQL: no other tenant, no time to come, nothing replaced that is not the present value."""
    there = smile(session)
    first = put(session, there)
    renew(session, there)
    call = (
        "SELECT lua.put_credential({}, gen_random_uuid(), 'smtp', decode('02' || repeat('00', 40), 'hex'),"
        " NULL, {}, gen_random_uuid(), {})"
    )
    admin.execute("UPDATE lua.deployment SET throwaway = false")
    conn = login("lua_admin").conn
    for tenant_id, at, replaces, error in (
        (1 << 40, "now()", "NULL", "is not for"),
        (there.tenant_id, "now()", f"'{first.secret_id}'", "replaced or revoked meanwhile"),
        (there.tenant_id, "now()", "NULL", "secret_living"),
        (there.tenant_id, "now() + interval '2 hours'", "NULL", "in the future"),
    ):
        with pytest.raises(psycopg.Error, match=error):
            conn.execute(call.format(tenant_id, at, replaces))


def test_living_needs_the_tenants_context(session: Session) -> None:
    there = smile(session)
    put(session, there)
    with transaction(session), pytest.raises(NotFoundError):
        secret.register.living(session, there, "smtp")
