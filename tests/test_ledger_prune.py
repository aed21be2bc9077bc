"""Pruning below a minimum index: what is old goes, the rest is provable, nobody raises the minimum unseen."""

# ruff: noqa: E501 - a lie stands on one line.

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import support_ledger
from conftest import Connection
from psycopg import sql
from support_ledger import anchor_file, problems, vectors, write
from test_ledger_tamper import lie_as_owner, lie_as_superuser

from luactl import ledger
from luactl.clock import FixedClock
from luactl.db import Session
from luactl.errors import BusyError, NotFoundError, RefusedError, UsageError
from luactl.ledger.merkle import root_over, verify_consistency
from luactl.ledger.note import Signer
from luactl.ledger.prune import plan_prune, prune
from luactl.ledger.tiles import bundles_of, export_tiles, tile_path, tiles_of

init, actor, admin_login = support_ledger.init, support_ledger.actor, support_ledger.admin_login
OLD = datetime(2025, 1, 1, tzinfo=UTC)
LATER = datetime(2025, 2, 1, tzinfo=UTC)
NEW = datetime(2025, 6, 1, tzinfo=UTC)


@pytest.fixture
def aged(admin_login: Session, init: Session) -> tuple[Session, list[Any]]:
    """A log of 700 old entries and 300 newer ones behind them."""
    old, later, new = (replace(admin_login, clock=FixedClock(at)) for at in (OLD, LATER, NEW))
    ids: list[Any] = []
    ledger.integrate(admin_login)
    init.conn.execute("TRUNCATE ledger.entry, ledger.pending, ledger.leaf, ledger.checkpoint, ledger.subtree")
    anchor_file(admin_login).write_text("")
    for session, count in ((old, 400), (later, 300), (new, 300)):
        ids += write(session, *["a"] * count)
        ledger.integrate(admin_login)
    return admin_login, ids


def test_old_entries_go_and_the_rest_stays_provable(aged: tuple[Session, list[Any]], tmp_path: Path) -> None:
    session, ids = aged
    kept = tmp_path / "kept"
    kept.write_text(ledger.newest_checkpoint(session).note)
    before = [ledger.prove(session, one) for one in (ids[700], ids[999])]
    plan = plan_prune(session, NEW)
    assert (plan.minimum, plan.entries, plan.was, plan.size) == (700, 700, 0, 1000)
    assert prune(session, plan) == plan
    assert plan_prune(session, NEW).nothing
    assert problems(session) == []
    found = ledger.verify(session)
    assert (found.ok, found.minimum, found.size, found.pending) == (True, 700, 1000, 1)
    assert ledger.status(session).minimum == 700
    for proof, one in zip(before, (ids[700], ids[999]), strict=True):
        assert ledger.prove(session, one) == proof
    with pytest.raises(NotFoundError):
        ledger.show(session, ids[699])
    assert ledger.verify(session, since=kept).ok
    ledger.integrate(session)
    write(session, *["b"] * 600)
    ledger.integrate(session)
    assert problems(session) == []
    again = plan_prune(session, session.clock.now() - timedelta(days=1))
    assert again.minimum == 1000
    prune(session, again)
    assert problems(session) == []
    assert ledger.verify(session, since=kept).ok


def test_consistency_is_proved_as_far_as_hashes_are_there(aged: tuple[Session, list[Any]]) -> None:
    session, _ids = aged
    asked = ledger.newest_checkpoint(session, 700)
    prune(session, plan_prune(session, NEW))
    assert ledger.newest_checkpoint(session, 700).proof == asked.proof
    with pytest.raises(RefusedError, match="pruned"):
        ledger.newest_checkpoint(session, 401)
    assert not verify_consistency(700, 1000, list(asked.proof), bytes(32), asked.root)


def test_what_may_not_be_pruned(aged: tuple[Session, list[Any]], tmp_path: Path) -> None:
    session, _ids = aged
    with pytest.raises(UsageError):
        plan_prune(session, datetime.now(UTC) + timedelta(days=1))
    off = replace(session, profile=replace(session.profile, signing_key=tmp_path / "none"))
    with pytest.raises(RefusedError):
        plan_prune(off, NEW)
    anchor = anchor_file(session)
    text = anchor.read_text()
    anchor.write_text("")
    with pytest.raises(RefusedError, match="newest checkpoint"):
        plan_prune(session, NEW)
    with pytest.raises(RefusedError, match="no anchor"):
        plan_prune(replace(session, profile=replace(session.profile, anchors=())), NEW)
    anchor.write_text(text)
    plan = plan_prune(session, NEW)
    prune(session, plan)
    with pytest.raises(Exception, match="the minimum index goes up"):
        prune(session, plan)
    assert problems(session) == []
    newest = plan_prune(session, session.clock.now())
    assert (newest.minimum, newest.size) == (999, 1000), "the newest entry always stays"
    assert isinstance(BusyError("x"), BusyError)


RAISED = "UPDATE ledger.minimum SET index = 900 WHERE index = 700"
LIES = {
    "minimum raised": RAISED,
    "minimum raised, and entries removed": f"{RAISED}; "
    "DELETE FROM ledger.entry e USING ledger.leaf l WHERE l.id = e.id AND l.index < 900; DELETE FROM ledger.leaf WHERE index < 768",
    "minimum lowered": "UPDATE ledger.minimum SET index = 600 WHERE index = 700",
    "minimum deleted": "DELETE FROM ledger.minimum",
    "minimum truncated": "TRUNCATE ledger.minimum",
    "minimum inserted": "INSERT INTO ledger.minimum SELECT 800, note, pruned_at FROM ledger.minimum WHERE index = 700",
    "minimum forged": "INSERT INTO ledger.minimum VALUES (800, {forged}, now())",
    "minimum swapped": "UPDATE ledger.minimum x SET note = o.note FROM ledger.minimum o WHERE o.index = 1100 - x.index",
    "minimum rolled back": "DELETE FROM ledger.minimum WHERE index = 700",
    "minimum without its entry": "DELETE FROM ledger.pending; DELETE FROM ledger.entry WHERE action = 'ledger.prune'",
    "pruned tile changed": "UPDATE ledger.subtree SET hash = sha256('x') WHERE index = 0",
    "pruned tile deleted": "DELETE FROM ledger.subtree WHERE index = 1",
    "pruned tiles swapped": "UPDATE ledger.subtree x SET hash = o.hash FROM ledger.subtree o WHERE o.index = 1 - x.index AND x.index < 2",
    "more pruned than was signed": "DELETE FROM ledger.entry e USING ledger.leaf l WHERE l.id = e.id AND l.index = 700",
    "hash-only leaf changed": "UPDATE ledger.leaf SET hash = sha256('x') WHERE index = 690",
    "hash-only leaf deleted": "DELETE FROM ledger.leaf WHERE index = 690",
}
TABLES = ("entry", "pending", "leaf", "subtree", "checkpoint", "minimum")


def lay_aside(conn: Connection) -> None:
    conn.execute("CREATE SCHEMA before")
    for name in TABLES:
        conn.execute(f"CREATE TABLE before.{name} AS SELECT * FROM ledger.{name}".encode())


def lay_back(conn: Connection) -> None:
    for name in TABLES:
        conn.execute(f"TRUNCATE ledger.{name}".encode())
        conn.execute(f"INSERT INTO ledger.{name} SELECT * FROM before.{name}".encode())


def test_lies_about_the_minimum_are_found(aged: tuple[Session, list[Any]], init: Session) -> None:
    session, _ids = aged
    for until in (LATER, NEW):
        prune(session, plan_prune(session, until))
    origin = ledger.status(session).origin
    forged = sql.Literal(Signer(origin, bytes(32)).sign(f"{origin}\nminimum 800\n")).as_string(init.conn)
    lay_aside(init.conn)
    for who, lie in (("superuser", lie_as_superuser), ("owner", lie_as_owner)):
        for what, statement in LIES.items():
            assert problems(session) == [], f"before {what}, by the {who}"
            lie(init.conn, statement.format(forged=forged))
            assert problems(session), f"{what}, by the {who}"
            lay_back(init.conn)


def test_a_log_set_back_to_before_its_pruning_is_found(
    aged: tuple[Session, list[Any]], init: Session
) -> None:
    session, _ids = aged
    lay_aside(init.conn)
    prune(session, plan_prune(session, NEW))
    ledger.integrate(session)
    assert problems(session) == []
    lay_back(init.conn)
    assert problems(session) == [
        f"{session.profile.anchors[0]}: 1,001 entries were signed, the log has 1,000"
    ]


def test_paths_of_tiles() -> None:
    """The examples of C2SP tlog-tiles."""
    assert tile_path(1234067) == "x001/x234/067"
    assert tile_path(0) == "000"
    assert tile_path(255, 7) == "255.p/7"
    assert tile_path(1000) == "x001/000"


def test_published_tiles() -> None:
    log = json.loads(vectors("tessera-log/keys_and_leaves.json").read_text())
    folder = vectors("tessera-log/testdata/log")
    from luactl.ledger.merkle import leaf_hash

    leaves = [leaf.encode() for leaf in log["leaves"]]
    for size in range(1, 16):
        ((name, data),) = tiles_of(map(leaf_hash, leaves[:size]))
        assert data == (folder / "tile/0" / name).read_bytes()
        ((name, data),) = bundles_of(leaves[:size])
        assert data == (folder / "tile/entries" / name).read_bytes()


def test_a_log_of_which_nothing_is_signed_leaves_no_folder(admin_login: Session, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="nothing is signed yet"):
        export_tiles(admin_login, tmp_path / "log")
    assert not (tmp_path / "log").exists()
    ledger.integrate(admin_login)
    assert export_tiles(admin_login, tmp_path / "log").size == 1


def test_exported_tiles_lead_to_the_checkpoint(aged: tuple[Session, list[Any]], tmp_path: Path) -> None:
    session, _ids = aged
    done = export_tiles(session, tmp_path / "log", entries=True)
    assert (done.size, done.minimum, done.tiles, done.bundles) == (1000, 0, 5, 4)
    note = (tmp_path / "log/checkpoint").read_text()
    level0 = b"".join(
        (tmp_path / "log/tile/0" / name).read_bytes() for name in ("000", "001", "002", "003.p/232")
    )
    hashes = [level0[place : place + 32] for place in range(0, len(level0), 32)]
    assert base64.b64encode(root_over(hashes)).decode() == note.split("\n")[2]
    assert (tmp_path / "log/tile/1/000.p/3").read_bytes()[:32] == root_over(hashes[:256])
    prune(session, plan_prune(session, NEW))
    done = export_tiles(session, tmp_path / "pruned", entries=True)
    assert (done.minimum, done.tiles, done.bundles) == (700, 3, 1)
    assert (tmp_path / "pruned/tile/0/002").read_bytes() == (tmp_path / "log/tile/0/002").read_bytes()
    assert not (tmp_path / "pruned/tile/0/001").exists()
    with pytest.raises(UsageError):
        export_tiles(session, tmp_path / "log")
