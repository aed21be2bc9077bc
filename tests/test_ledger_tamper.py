"""Every stored class of bytes, every way to tamper with it, by the tables' owner and by a superuser.

Whatever lies under a checkpoint that an anchor has is found, always. One log is told, copied aside, and laid
back after each lie. The other way round, honest histories raise no alarm: test_ledger_history.py.
"""

# ruff: noqa: E501 - a lie stands on one line.

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from conftest import Connection, Home, TestServer, new_login, test_profile
from support_ledger import problems, write

from luactl import ledger
from luactl.clock import ShiftedClock, SystemClock
from luactl.connect import connect
from luactl.db import Session
from luactl.errors import LuactlError

TABLES = ("entry", "pending", "leaf", "subtree", "checkpoint", "origin")
SIZE = 601
MARCH = datetime(2026, 3, 9, tzinfo=UTC)
"""When the log is written; that it was made, was told today, and lies in no month."""
AT = " WHERE id = (SELECT id FROM ledger.leaf WHERE index = {})"
SWAP_BODIES = """UPDATE ledger.entry e SET body = o.body
    FROM ledger.entry o, ledger.leaf a, ledger.leaf b
    WHERE a.index IN (7, 9) AND b.index = 16 - a.index AND e.id = a.id AND o.id = b.id"""
SWAP = (
    "UPDATE ledger.{0} x SET {1} = o.{1} FROM ledger.{0} o WHERE x.index IN (7, 9) AND o.index = 16 - x.index"
)
REHASH = """; UPDATE ledger.leaf l SET hash = sha256('\\x00'::bytea || e.body) FROM ledger.entry e WHERE e.id = l.id"""
COPY = """INSERT INTO ledger.entry (id, at, actor, tenant_id, subject, touched, action, object, outcome, body)
    SELECT overlay(id::text PLACING 'ffff' FROM 20)::uuid, at, actor, tenant_id, subject, touched, action,
           object, outcome, body FROM ledger.entry"""
AGAIN = """INSERT INTO ledger.entry (id, at, actor, tenant_id, subject, touched, action, object, outcome, body)
    SELECT id, at + interval '1 month', actor, tenant_id, subject, touched, action, object, outcome, body FROM ledger.entry"""
BACK = {
    "entry": "DELETE FROM ledger.entry e USING ledger.leaf l WHERE l.id = e.id AND l.index >= 301",
    "leaf": "DELETE FROM ledger.leaf WHERE index >= 301",
    "subtree": "DELETE FROM ledger.subtree WHERE index >= 1",
    "checkpoint": "DELETE FROM ledger.checkpoint WHERE size > 301",
}
MONTH = "ledger.entry_202603"
OTHER = (
    "CREATE TABLE ledger.other (LIKE ledger.entry INCLUDING ALL); INSERT INTO ledger.other SELECT * FROM ledger.entry WHERE at < '2026-04-01Z'{}; "
    f"ALTER TABLE ledger.entry DETACH PARTITION {MONTH}; "
    "ALTER TABLE ledger.entry ATTACH PARTITION ledger.other FOR VALUES FROM ('2026-03-01Z') TO ('2026-04-01Z')"
)
LIES = {
    "body changed": "UPDATE ledger.entry SET body = body || ' '" + AT.format(7),
    "body changed, hash too": "UPDATE ledger.entry SET body = body || ' '" + AT.format(7) + REHASH,
    "body deleted": "DELETE FROM ledger.entry" + AT.format(7),
    "body inserted": COPY + AT.format(7),
    "bodies swapped": SWAP_BODIES,
    "bodies swapped, hashes too": SWAP_BODIES + REHASH,
    "body truncated": "UPDATE ledger.entry SET body = substring(body FROM 1 FOR 40)" + AT.format(7),
    "bodies truncated": "TRUNCATE ledger.entry",
    "bodies rolled back": BACK["entry"],
    "body moved to another month": "UPDATE ledger.entry SET at = at + interval '1 month'" + AT.format(7),
    "id again in another month": AGAIN + AT.format(7),
    "partition truncated": f"TRUNCATE {MONTH}",
    "partition dropped": f"DROP TABLE {MONTH}",
    "partition detached": f"ALTER TABLE ledger.entry DETACH PARTITION {MONTH}",
    "last partition truncated": "TRUNCATE ledger.entry_other",
    "last partition dropped": "DROP TABLE ledger.entry_other",
    "last partition detached": "ALTER TABLE ledger.entry DETACH PARTITION ledger.entry_other",
    "partition put aside for an empty one": f"ALTER TABLE ledger.entry DETACH PARTITION {MONTH}; "
    "CREATE TABLE ledger.other PARTITION OF ledger.entry FOR VALUES FROM ('2026-03-01Z') TO ('2026-04-01Z')",
    "partition swapped": OTHER.format(" AND id <> (SELECT id FROM ledger.leaf WHERE index = 7)"),
    "partition changed": OTHER.format("") + "; UPDATE ledger.entry SET body = body || ' '" + AT.format(7),
    "partition rolled back": OTHER.format(" AND id IN (SELECT id FROM ledger.leaf WHERE index < 301)"),
    "partition inserted": "CREATE TABLE ledger.other PARTITION OF ledger.entry FOR VALUES FROM ('2001-01-01Z') TO ('2001-02-01Z'); "
    "INSERT INTO ledger.entry (id, at, actor, tenant_id, action, outcome, body)"
    " SELECT gen_random_uuid(), '2001-01-05Z', actor, tenant_id, action, outcome, body FROM ledger.entry LIMIT 1",
    "columns changed: actor": "UPDATE ledger.entry SET actor = 'nobody'" + AT.format(7),
    "columns changed: action": "UPDATE ledger.entry SET action = 'other'" + AT.format(7),
    "columns changed: outcome": "UPDATE ledger.entry SET outcome = 'failed'" + AT.format(7),
    "columns changed: object": "UPDATE ledger.entry SET object = 'x'" + AT.format(7),
    "columns changed: tenant": "UPDATE ledger.entry SET tenant_id = 9" + AT.format(7),
    "columns changed: subject": "UPDATE ledger.entry SET subject = gen_random_uuid()" + AT.format(7),
    "columns changed: touched": "UPDATE ledger.entry SET touched = ARRAY[gen_random_uuid()]" + AT.format(7),
    "columns changed: people of a read": "UPDATE ledger.entry SET touched = touched[1:1] WHERE action = 'read'",
    "leaf changed: id": "UPDATE ledger.leaf SET id = gen_random_uuid() WHERE index = 7",
    "leaf changed: at": "UPDATE ledger.leaf SET at = at - interval '1 hour' WHERE index = 7",
    "leaf deleted": "DELETE FROM ledger.leaf WHERE index = 7",
    "last leaf deleted": "DELETE FROM ledger.leaf WHERE index = 600",
    "leaf inserted": "INSERT INTO ledger.leaf SELECT 601, gen_random_uuid(), at, hash FROM ledger.leaf WHERE index = 7",
    "leaves swapped": SWAP.format("leaf", "at")
    + "; UPDATE ledger.leaf SET id = gen_random_uuid() WHERE index = 9",
    "leaves truncated": "TRUNCATE ledger.leaf",
    "leaves rolled back": BACK["leaf"],
    "hash changed": "UPDATE ledger.leaf SET hash = sha256('x') WHERE index = 7",
    "hash deleted": "UPDATE ledger.leaf SET hash = decode(repeat('00', 32), 'hex') WHERE index = 600",
    "hash truncated": "UPDATE ledger.leaf SET hash = substring(hash FROM 1 FOR 16) WHERE index = 7",
    "hashes swapped": SWAP.format("leaf", "hash"),
    "tile changed": "UPDATE ledger.subtree SET hash = sha256('x') WHERE index = 1",
    "tile deleted": "DELETE FROM ledger.subtree WHERE index = 0",
    "tile inserted": "INSERT INTO ledger.subtree VALUES (2, 0, sha256('x'))",
    "tiles swapped": "UPDATE ledger.subtree x SET hash = o.hash FROM ledger.subtree o WHERE o.index = 1 - x.index",
    "tiles truncated": "TRUNCATE ledger.subtree",
    "tiles rolled back": BACK["subtree"],
    "checkpoint changed: root": "UPDATE ledger.checkpoint SET root = sha256('x') WHERE size = 301",
    "checkpoint changed: note": "UPDATE ledger.checkpoint SET note = replace(note, '301', '300') WHERE size = 301",
    "checkpoint deleted": "DELETE FROM ledger.checkpoint WHERE size = 301",
    "newest checkpoint deleted": "DELETE FROM ledger.checkpoint WHERE size = 601",
    "checkpoint inserted": "INSERT INTO ledger.checkpoint SELECT 300, root, note, signed_at FROM ledger.checkpoint WHERE size = 301",
    "checkpoints swapped": "UPDATE ledger.checkpoint x SET note = o.note FROM ledger.checkpoint o"
    " WHERE x.size IN (301, 601) AND o.size = 902 - x.size",
    "checkpoints truncated": "TRUNCATE ledger.checkpoint",
    "checkpoints rolled back": BACK["checkpoint"],
    "pending changed": "UPDATE ledger.pending SET at = at - interval '1 hour'",
    "pending changed: hash": "UPDATE ledger.pending SET hash = sha256('x')",
    "pending changed: body": "UPDATE ledger.entry SET body = replace(convert_from(body, 'UTF8'), ':null,\"tenant', ':null ,\"tenant')::bytea WHERE id = (SELECT id FROM ledger.pending LIMIT 1)",
    "pending deleted": "DELETE FROM ledger.pending",
    "pending inserted": "INSERT INTO ledger.pending SELECT id, at, hash FROM ledger.leaf WHERE index = 7",
    "pending swapped": "UPDATE ledger.pending x SET hash = o.hash FROM ledger.pending o WHERE o.id <> x.id",
    "pending truncated": "TRUNCATE ledger.pending",
    "pending rolled back": "DELETE FROM ledger.pending WHERE id = (SELECT id FROM ledger.pending ORDER BY id DESC LIMIT 1)",
    "key changed": "UPDATE ledger.origin SET vkey = replace(vkey, 'lua-crm', 'lua-crn')",
    "key deleted": "DELETE FROM ledger.origin",
    "all rolled back": "; ".join(BACK[name] for name in ("entry", "leaf", "subtree", "checkpoint")),
    "all truncated": "TRUNCATE ledger.entry, ledger.pending, ledger.leaf, ledger.subtree, ledger.checkpoint",
}
EXPRESSION_INDEXES = """SELECT i.indexrelid::regclass::text FROM pg_index i
    WHERE i.indrelid = 'ledger.entry'::regclass AND i.indexprs IS NOT NULL"""


def told(home: Home, admin: Connection, server: TestServer, database: str) -> Session:
    """Make a log, and return the session of a login that sees all of it."""
    init = Session(admin, "postgres", SystemClock(), home.profile, "init")
    ledger.create_origin(init)
    passfile = home.profile.passfile
    assert passfile is not None
    name = new_login(server, passfile, ("lua_admin",))
    profile = test_profile(passfile.parents[1], server, database, name, passfile)
    return Session(connect(profile, command="test"), name, SystemClock(), profile, "test")


@pytest.fixture
def session(bare_home: Home, admin: Connection, server: TestServer, database: str) -> Iterator[Session]:
    made = replace(told(bare_home, admin, server, database), clock=ShiftedClock(MARCH - datetime.now(UTC)))
    yield made
    made.conn.close()


def attached(admin: Connection, partition: str) -> bool:
    return (
        admin.execute("SELECT FROM pg_inherits WHERE inhrelid = to_regclass(%s)", [partition]).rowcount == 1
    )


def lay_back(admin: Connection) -> None:
    """Put every table back as it was copied aside; a partition that went comes again."""
    admin.execute("DROP TABLE IF EXISTS ledger.other")
    if not attached(admin, "ledger.entry_other"):
        admin.execute("DROP TABLE IF EXISTS ledger.entry_other")
        admin.execute("CREATE TABLE ledger.entry_other PARTITION OF ledger.entry DEFAULT")
        admin.execute("ALTER TABLE ledger.entry_other OWNER TO lua_owner")
    if not attached(admin, MONTH):
        admin.execute(f"DROP TABLE IF EXISTS {MONTH}".encode())
        admin.execute("SELECT ledger.make_months(ARRAY[%s::integer])", [MONTH[-6:]])
    admin.execute("TRUNCATE " + ", ".join(f"ledger.{name}" for name in TABLES))
    for name in TABLES:
        admin.execute(f"INSERT INTO ledger.{name} SELECT * FROM aside.{name}".encode())


def lie_as_superuser(admin: Connection, statement: str) -> None:
    with admin.transaction():
        admin.execute("SET LOCAL session_replication_role = replica")
        for part in statement.split("; "):
            admin.execute(part.encode())


def lie_as_owner(admin: Connection, statement: str) -> None:
    with admin.transaction():
        admin.execute("SET LOCAL ROLE lua_owner")
        admin.execute("ALTER TABLE ledger.entry NO FORCE ROW LEVEL SECURITY")
        for part in statement.split("; "):
            admin.execute(part.encode())
        admin.execute("ALTER TABLE ledger.entry FORCE ROW LEVEL SECURITY")


def found(session: Session) -> list[str]:
    try:
        return problems(session)
    except LuactlError as error:
        return [error.what]


def test_whatever_is_under_an_anchored_checkpoint_is_found(session: Session, admin: Connection) -> None:
    write(session, *["a"] * 298)
    ledger.record_read(
        session, 7, [ledger.new_id(session.clock.now()) for _ in range(3)], "support", "crm.contact"
    )
    write(session, "a")
    ledger.integrate(session)
    write(session, *["b"] * 300)
    ledger.integrate(session)
    write(session, "waits", "waits")
    assert (problems(session), ledger.status(session).size) == ([], SIZE)
    admin.execute(
        "ALTER TABLE ledger.entry DROP CONSTRAINT entry_body, DROP CONSTRAINT entry_touched, DROP CONSTRAINT entry_time"
    )
    admin.execute("ALTER TABLE ledger.leaf DROP CONSTRAINT leaf_hash_check")
    for (name,) in admin.execute(EXPRESSION_INDEXES).fetchall():  # they would refuse a body that is no JSON
        admin.execute(f"DROP INDEX {name}".encode())
    admin.execute("CREATE SCHEMA aside")
    for name in TABLES:
        admin.execute(f"CREATE TABLE aside.{name} AS SELECT * FROM ledger.{name}".encode())
    for who, lie in (("superuser", lie_as_superuser), ("owner", lie_as_owner)):
        for what, statement in LIES.items():
            lie(admin, statement)
            assert found(session), f"{what}, by the {who}"
            lay_back(admin)
            assert found(session) == [], f"after {what}, by the {who}"
