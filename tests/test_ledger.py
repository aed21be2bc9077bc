"""The ledger on a real server: append, integrate, anchor, prove, and be caught lying."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
import rfc8785
import support_ledger
from conftest import Home
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_ledger import Actor, anchor_file, append, problems, write

from luactl import ledger
from luactl.clock import FixedClock
from luactl.db import Session, transaction
from luactl.errors import NotFoundError, RefusedError, UsageError
from luactl.ledger import Entry
from luactl.ledger.anchor import AnchorError, open_anchor, reached
from luactl.ledger.entry import Stamp, canonical, new_id, time_of
from luactl.ledger.merkle import leaf_hash
from luactl.ledger.note import Signer
from luactl.ledger.tree import part_root

init, actor, admin_login = support_ledger.init, support_ledger.actor, support_ledger.admin_login


def test_ids_tell_their_time_and_keep_their_order() -> None:
    start = datetime(2026, 3, 1, 12, 0, 0, 1500, UTC)
    ids = [new_id(start + timedelta(microseconds=n)) for n in range(1000)]
    assert ids == sorted(ids)
    assert time_of(ids[0]) == start.replace(microsecond=1000)
    assert {id_.version for id_ in ids} == {7}
    assert {id_.variant for id_ in ids} == {"specified in RFC 4122"}


def test_an_entry_has_exactly_the_documented_fields(admin_login: Session) -> None:
    session = replace(
        admin_login, on_behalf="user 7", clock=FixedClock(datetime(2026, 3, 1, 12, 0, 0, 123456, UTC))
    )
    reference = uuid4()
    with transaction(session):
        entry = Entry(
            "tenant.create", 7, "tenant:praxis", reference, "setup", "intent", {"b": [1, None], "a": "é"}
        )
        id_ = ledger.append(session, entry)
    row = session.conn.execute("SELECT body FROM ledger.entry WHERE id = %s", [id_]).fetchone()
    shown = ledger.show(session, id_)
    assert row is not None
    assert row[0].startswith(b'{"action":"tenant.create","actor":"' + session.actor.encode())
    assert b'"detail":{"a":"\xc3\xa9","b":[1,null]}' in row[0]
    assert shown.entry == {
        "v": 1,
        "id": str(id_),
        "at": "2026-03-01T12:00:00.123Z",
        "actor": session.actor,
        "on_behalf": "user 7",
        "session": shown.entry["session"],
        "address": "127.0.0.1",
        "tenant": 7,
        "subject": str(reference),
        "purpose": "setup",
        "action": "tenant.create",
        "object": "tenant:praxis",
        "outcome": "intent",
        "detail": {"a": "é", "b": [1, None]},
    }
    assert shown.entry["session"].endswith(f".{session.conn.info.backend_pid:x}")
    assert (shown.index, shown.intact, shown.leaf_hash) == (None, True, leaf_hash(row[0]))


def test_no_entry_without_a_transaction_and_none_after_a_rollback(admin_login: Session) -> None:
    with pytest.raises(RuntimeError):
        ledger.append(admin_login, Entry("tenant.create"))
    before = ledger.status(admin_login).pending
    with transaction(admin_login) as conn:
        ledger.append(admin_login, Entry("tenant.create"))
        raise psycopg.Rollback
    assert ledger.status(admin_login).pending == before
    assert conn.execute("SELECT count(*) FROM ledger.entry").fetchone() == (1,)


UNFIT = [
    Entry("a", detail={"x": 1.5}),
    Entry("a", detail={"x": [{"y": float("nan")}]}),
    Entry("a", detail={"x": 1 << 60}),
    Entry("a", object="NUL \x00"),
    Entry("a", object="half \ud800"),
    Entry("a", detail={"x": "x" * 66_000}),
    Entry("a", detail={"references": []}),
    Entry("read"),
    Entry("read", detail={"count": 1}),
]


def test_what_an_entry_cannot_hold_is_refused(admin_login: Session) -> None:
    for entry in UNFIT:
        with pytest.raises(UsageError):
            append(admin_login, entry)
    assert ledger.status(admin_login).pending == 1


def test_a_backslash_before_u0000_is_no_nul(admin_login: Session) -> None:
    with transaction(admin_login):
        id_ = ledger.append(admin_login, Entry("a", object="\\u0000'; DROP TABLE ledger.entry; --"))
    assert ledger.show(admin_login, id_).entry["object"].startswith("\\u0000")


def test_actions_have_one_form(admin_login: Session) -> None:
    for action in ("", "Read", "a b", "a.", ".a", "a..b", "a;b"):
        with pytest.raises(psycopg.errors.CheckViolation):
            write(admin_login, action)


def test_nobody_signs_with_another_name(actor: Actor, admin_login: Session) -> None:
    forger = actor("lua_operator")
    (id_,) = write(replace(forger, actor="postgres"), "tenant.create")
    assert ledger.show(admin_login, id_).entry["actor"] == forger.actor
    for table in (
        "ledger.entry SELECT * FROM ledger.entry",
        "ledger.pending VALUES (gen_random_uuid(), now())",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            forger.conn.execute(f"INSERT INTO {table}")


HOSTILE_DETAILS = [
    "{}", "null", "[]", "1", "{", "{}}", '{},"id":"x"', "", '{"a":"\\ud800"}', '{"a":"\\u0000"}',
    '{"a":{"z":1,"id":"x","on_behalf":null,"outcome":"done"}}',
    '{"a":{"m":1,"outcome":"done","purpose":null}}',
]  # fmt: skip


def test_a_detail_stays_in_its_place(admin_login: Session) -> None:
    """The database composes the body: nothing that is handed in as a detail reaches the fields around it."""
    call = (
        "SELECT ledger.append(ARRAY[%s::uuid], ARRAY[0], ARRAY[NULL::uuid],"
        " ARRAY['a'], ARRAY[NULL], ARRAY['done'], ARRAY[NULL], ARRAY[%s], NULL, NULL)"
    )
    for detail in HOSTILE_DETAILS:
        id_ = new_id(datetime.now(UTC))
        with nullcontext() if detail == "{}" else pytest.raises(psycopg.DatabaseError):
            admin_login.conn.execute(call, [id_, detail])
    assert ledger.status(admin_login).pending == 2


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(1 << 53) + 1, (1 << 53) - 1) | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=4,
    ),
    st.text(max_size=20),
    st.text(max_size=20) | st.none(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_the_database_writes_the_canonical_form(
    admin_login: Session, detail: dict[str, object], purpose: str, object_: str | None
) -> None:
    entry, id_ = Entry("a.b", 7, object_, None, purpose, "done", detail), new_id(datetime.now(UTC))
    stamp = Stamp(admin_login.actor, None, "x.1", "127.0.0.1")
    try:
        expected = canonical(entry, stamp, id_)
        append(admin_login, replace(entry, id=id_))
    except UsageError:
        return
    row = admin_login.conn.execute("SELECT body FROM ledger.entry WHERE id = %s", [id_]).fetchone()
    assert row is not None
    name = json.loads(row[0])["session"]
    assert row[0] == expected.replace(b'"session":"x.1"', b'"session":"%s"' % name.encode())
    assert row[0] == rfc8785.dumps(json.loads(row[0]))


CONTRADICTIONS = [
    ("actor", "somebody"),
    ("tenant_id", 8),
    ("subject", uuid4()),
    ("touched", [uuid4()]),
    ("action", "other"),
    ("object", "other"),
    ("outcome", "failed"),
    ("at", datetime(2026, 1, 1, tzinfo=UTC)),
    ("id", new_id(datetime(2026, 1, 1, tzinfo=UTC))),
]


def test_a_column_that_contradicts_the_body_is_refused(init: Session) -> None:
    init.conn.execute("DELETE FROM ledger.pending")
    for column, value in CONTRADICTIONS:
        query = psycopg.sql.SQL("UPDATE ledger.entry SET {} = %s").format(psycopg.sql.Identifier(column))
        with pytest.raises(psycopg.errors.CheckViolation):
            init.conn.execute(query, [value])


CHANGES = (
    "UPDATE ledger.entry SET outcome = 'failed'",
    "DELETE FROM ledger.entry",
    "TRUNCATE ledger.entry CASCADE",
    "DELETE FROM ledger.pending",
    "UPDATE ledger.leaf SET index = 9",
    "DELETE FROM ledger.checkpoint",
    "INSERT INTO ledger.leaf VALUES (0, gen_random_uuid(), now(), sha256(''))",
)


def test_no_role_changes_what_was_written(actor: Actor) -> None:
    for role in ("lua_admin", "lua_operator", "lua_auditor", "lua_app", "lua_accounting"):
        session = actor(role)
        write(session, "tenant.create")
        for statement in CHANGES:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.conn.execute(statement)


def test_operators_see_their_own_entries_only(actor: Actor, admin_login: Session) -> None:
    operator = actor("lua_operator")
    (mine,) = write(operator, "tenant.create")
    (theirs,) = write(admin_login, "tenant.create")
    assert ledger.show(operator, mine).id == mine
    assert ledger.show(admin_login, mine).id == mine
    with pytest.raises(NotFoundError):
        ledger.show(operator, theirs)
    with pytest.raises(RefusedError):
        ledger.verify(operator)


def test_reads_are_committed_before_anything_opens(actor: Actor, admin_login: Session) -> None:
    session = actor("lua_app")
    people = [uuid4() for _ in range(2_500)]
    ids = ledger.record_read(session, 7, people, "support", "crm.contact")
    assert session.conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    entries = [ledger.show(admin_login, id_).entry for id_ in ids]
    assert [len(e["detail"]["references"]) for e in entries] == [1000, 1000, 500]
    assert [e["detail"]["part"] for e in entries] == [1, 2, 3]
    assert {(e["detail"]["count"], e["detail"]["parts"], e["detail"]["command"]) for e in entries} == {
        (2500, 3, "test")
    }
    assert [UUID(t) for e in entries for t in e["detail"]["references"]] == people
    assert ledger.record_read(session, 7, [], "support", "crm.contact") == []
    assert len(ledger.record_read(session, 7, [], "support", "crm.contact", count=3)) == 1
    with transaction(session), pytest.raises(RuntimeError):
        ledger.record_read(session, 7, people, "support", "crm.contact")
    assert not problems(admin_login)


def test_integration_numbers_signs_and_hands_over(admin_login: Session) -> None:
    ids = write(admin_login, *["a"] * 5)
    assert ledger.plan_integration(admin_login).entries == 6
    checkpoint = ledger.integrate(admin_login)
    assert checkpoint is not None
    assert checkpoint.size == 6
    assert anchor_file(admin_login).read_text() == checkpoint.note + "\n"
    assert ledger.integrate(admin_login) is None
    status = ledger.status(admin_login)
    assert (status.size, status.pending, status.lag_seconds) == (6, 0, 0)
    assert (status.root, status.signs_here, status.anchors[0].current) == (checkpoint.root, True, True)
    for index, id_ in enumerate(ids, 1):
        proof = ledger.prove(admin_login, id_)
        assert proof.index == index
        assert ledger.check(proof, status.vkey)
        assert not ledger.check(replace(proof, body=proof.body + b" "), status.vkey)
        assert not ledger.check(proof, str(Signer(status.origin, bytes(32)).verifier))
    assert not problems(admin_login)


def test_large_logs_grow_and_prove_by_subtrees(admin_login: Session, init: Session) -> None:
    ids = []
    for count in (300, 255, 1, 212):
        ids += write(admin_login, *["a"] * count)
        ledger.integrate(admin_login, batch=100)
    assert init.conn.execute("SELECT count(*) FROM ledger.subtree").fetchone() == (3,)
    hashes = [row[0] for row in init.conn.execute("SELECT hash FROM ledger.leaf ORDER BY index")]
    from luactl.ledger.merkle import root_over

    assert part_root(init.conn, 512, 769) == root_over(hashes[512:])
    vkey = ledger.status(admin_login).vkey
    for id_ in (ids[0], ids[254], ids[255], ids[511], ids[-1]):
        assert ledger.check(ledger.prove(admin_login, id_), vkey)
    verification = ledger.verify(admin_login)
    assert (verification.ok, verification.size, verification.pending) == (True, 769, 0)
    assert verification.checkpoints == 2 * len(list(reached(admin_login.profile)[0].records()))


def test_a_batch_is_numbered_part_by_part(admin_login: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("luactl.ledger.integrate"), "PART", 50)
    sizes = []
    for count, batch in ((1, 50), (49, 50), (50, 50), (51, 100), (120, 100), (200, 1_000)):
        before = ledger.status(admin_login).size
        write(admin_login, *["a"] * count)
        checkpoint = ledger.integrate(admin_login, batch=batch)
        assert checkpoint is not None
        sizes.append(checkpoint.size - before)
    assert sizes == [2, 49, 50, 51, 120, 200], "the first has what made the log"
    assert problems(admin_login) == []


def test_what_was_numbered_and_never_signed_is_signed_by_the_next_run(
    actor: Actor, admin_login: Session
) -> None:
    """Whoever may integrate may number without signing: that stops nothing."""
    id_, *_more = write(admin_login, *["a"] * 300)
    row = actor("lua_operator").conn.execute("SELECT ledger.number(0, 280)").fetchone()
    assert row is not None
    assert len(row[0]) == 280 * 32
    assert any("no checkpoint covers" in problem for problem in problems(admin_login))
    shown = ledger.show(admin_login, id_)
    assert (shown.index, shown.intact) == (None, True)
    with pytest.raises(RefusedError, match="no checkpoint covers"):
        ledger.prove(admin_login, id_)
    assert ledger.integrate(admin_login) is not None
    assert ledger.show(admin_login, id_).index == 1
    assert ledger.status(admin_login).size == 301
    assert problems(admin_login) == []


def test_lag_is_visible(admin_login: Session) -> None:
    later = replace(admin_login, clock=FixedClock(datetime.now(UTC) + timedelta(hours=1)))
    assert 3600 <= ledger.status(later).lag_seconds < 3700


def test_parallel_transactions_are_numbered_once_each(actor: Actor, admin_login: Session) -> None:
    slow, fast = actor("lua_operator"), actor("lua_operator")
    with transaction(slow):
        (first,) = ledger.append_all(slow, [Entry("slow")])
        (second,) = write(fast, "fast")
        ledger.integrate(admin_login)
    assert ledger.show(admin_login, first).index is None
    ledger.integrate(admin_login)
    assert [ledger.show(admin_login, id_).index for id_ in (second, first)] == [1, 2]
    assert not problems(admin_login)


def test_two_integrators_at_once(actor: Actor, admin_login: Session) -> None:
    write(admin_login, *["a"] * 500)
    others = [actor("lua_admin") for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        done = [c for c in pool.map(lambda s: ledger.integrate(s, batch=50), others) if c]
    assert max(c.size for c in done) == 501
    assert not problems(admin_login)
    sizes = [int(record.text.split("\n")[1]) for record in reached(admin_login.profile)[0].records()]
    assert sizes == sorted(set(sizes))


def test_only_the_ledger_host_signs(admin_login: Session) -> None:
    elsewhere = replace(
        admin_login, profile=replace(admin_login.profile, signing_key=Path("/nonexistent/key"))
    )
    with pytest.raises(RefusedError) as caught:
        ledger.integrate(elsewhere)
    assert caught.value.hint
    assert ledger.status(elsewhere).signs_here is False
    key = admin_login.profile.signing_key
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o640)
    with pytest.raises(RefusedError):
        ledger.integrate(admin_login)
    key.chmod(0o600)
    key.write_text(Signer("other", bytes(32)).secret())
    with pytest.raises(RefusedError):
        ledger.integrate(admin_login)
    assert any("verifier key" in p for p in problems(admin_login))


def test_a_role_that_may_not_integrate(actor: Actor) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ledger.integrate(actor("lua_auditor"))


def test_origin_is_made_once(init: Session, admin_login: Session) -> None:
    key = init.profile.signing_key.read_text()
    assert ledger.create_origin(init) == ledger.create_origin(init)
    assert init.profile.signing_key.read_text() == key
    init.conn.execute("TRUNCATE ledger.origin, ledger.entry CASCADE")
    assert ledger.create_origin(init).vkey == str(Signer.parse(key.strip()).verifier)
    ledger.integrate(admin_login)
    init.conn.execute("TRUNCATE ledger.origin")
    with pytest.raises(RefusedError):
        ledger.create_origin(init)


KILL = """
import os, signal, sys
from luactl.connect import open_session
from luactl.ledger import integrate
from luactl.ledger.file import FileAnchor
FileAnchor.hand_over = lambda self, checkpoint: os.kill(os.getpid(), signal.SIGKILL)
with open_session("test", command="ledger integrate") as session:
    integrate(session)
"""


def test_killed_between_commit_and_anchor(bare_home: Home, admin_login: Session) -> None:
    killed = subprocess.run([sys.executable, "-c", KILL], env=bare_home.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    status = ledger.status(admin_login)
    assert (status.size, status.pending, status.anchors[0].current) == (1, 0, False)
    assert ledger.integrate(admin_login) is None
    assert ledger.status(admin_login).anchors[0].current
    assert not problems(admin_login)


def test_an_anchor_out_of_reach_is_told_and_made_good(admin_login: Session) -> None:
    anchor_file(admin_login).unlink()
    with pytest.raises(AnchorError):
        ledger.integrate(admin_login)
    assert ledger.status(admin_login).anchors[0].problem == "the file is missing"
    assert ledger.status(admin_login).size == 1
    anchor_file(admin_login).touch()
    assert ledger.integrate(admin_login) is None
    assert ledger.status(admin_login).anchors[0].current


@pytest.mark.parametrize("place", [1, 30, 80, "—", 150, 190])
def test_a_torn_anchor_is_made_good(admin_login: Session, place: int | str) -> None:
    checkpoint = ledger.integrate(admin_login)
    assert checkpoint is not None
    note = checkpoint.note.encode()
    length = place if isinstance(place, int) else note.index(place.encode()) + 2  # inside the character
    anchor_file(admin_login).write_bytes(note[:length])
    assert problems(admin_login)
    assert ledger.integrate(admin_login) is None
    assert ledger.status(admin_login).anchors[0].current
    assert not problems(admin_login)


def test_anchor_kinds() -> None:
    for name in ("", "file:", "file:relative", "ftp:/x", "syslog:"):
        with pytest.raises(UsageError):
            open_anchor(name, Path("key"))
