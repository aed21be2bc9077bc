"""Tenants provisioned one by one against the same rows by hand-written SQL, one commit a tenant each.

The hand-written way knows every value beforehand: it looks nothing up, asks for no numbers, seals nothing
(random bytes stand for the key nodes) and sends all its statements in one go.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Identifier

from .home import dsn, home
from .measure import Measure, Size, interleaved

if TYPE_CHECKING:
    from luactl.db import Session

LIMIT = 2.0
TENANTS = {Size.FULL: 1_000, Size.SMALL: 60}

STATEMENTS = (
    "INSERT INTO lua.tenant_directory (tenant_id, slug, key_no) VALUES (%(id)s, %(slug)s, %(key_no)s)",
    "INSERT INTO lua.tenant (tenant_id, slug, name, country, contact, created_at, updated_at)"
    " VALUES (%(id)s, %(slug)s, 'Practice', 'DE', 'someone', %(at)s, %(at)s)",
    "INSERT INTO crm.role (tenant_id, role, permissions)"
    " SELECT %(id)s, r.role, string_to_array(r.allowed, ' ')"
    " FROM unnest(%(roles)s::text[], %(allowed)s::text[]) r (role, allowed)",
    "INSERT INTO lua.retention_rule"
    " (tenant_id, retention_class, starting_point, months, minimum_months, basis, updated_at)"
    " SELECT %(id)s, r.*, %(at)s::timestamptz FROM unnest(%(classes)s::text[], %(starts)s::text[],"
    " %(months)s::int[], %(least)s::int[], %(bases)s::text[]) r",
    "INSERT INTO lua.instruction (tenant_id, instruction_id, reference, purpose, given_by, valid_from)"
    " VALUES (%(id)s, %(instruction)s, 'contract', 'run the CRM for the tenant', 'someone', %(at)s)",
    "INSERT INTO vault.node (path, version, blob)"
    " VALUES (%(path0)s, 1, %(blob0)s), (%(path1)s, 1, %(blob1)s)",
    "SELECT ledger.append(ARRAY[%(entry)s::uuid], ARRAY[%(id)s::bigint],"
    " ARRAY[NULL::uuid], ARRAY['tenant.create'], ARRAY[%(object)s], ARRAY['done'], ARRAY[NULL],"
    " ARRAY[%(detail)s], NULL, '0.0')",
)


@contextmanager
def engine() -> Iterator[Session]:
    """Yield a session of a fresh home's own login."""
    from luactl.config import load_profile
    from luactl.connect import admit, clock_of, dial
    from luactl.db import Session

    with home() as env, closing(dial(dsn(env), passfile=None, profile="local", command="bench")) as conn:
        profile = load_profile(environ=env)
        yield Session(conn, admit(conn), clock_of(profile), profile, "tenant create")


def by_engine(session: Session, number: int) -> Iterator[object]:
    """Create so many tenants, one with each step."""
    from luactl import tenant

    news = [tenant.NewTenant(f"ours-{one}", "Practice", "DE", "someone") for one in range(number)]
    return tenant.create_many(session, news)


def values(session: Session, number: int) -> dict[str, Any]:
    """Return all that the rows of one tenant hold, worked out beforehand."""
    from uuid_utils.compat import uuid7

    from luactl import tenant
    from luactl.ledger.entry import new_id

    at, rules = session.clock.now(), tenant.rules_for("DE")
    entry_id, slug, key_no = new_id(at), f"theirs-{number}", 10_000_000 + number
    head = b"\x3f" + number.to_bytes(4, "big")
    return {
        "id": 1_000_000 + number, "slug": slug, "key_no": key_no, "at": at,
        "roles": [role.role for role in tenant.ROLES],
        "allowed": [" ".join(role.permissions) for role in tenant.ROLES],
        "classes": [rule.retention_class for rule in rules],
        "starts": [rule.starting_point for rule in rules],
        "months": [rule.months for rule in rules],
        "least": [rule.minimum_months for rule in rules],
        "bases": [rule.basis for rule in rules],
        "instruction": uuid7(),
        "path0": head + b"\0", "path1": head + b"\1", "blob0": os.urandom(3840), "blob1": os.urandom(3840),
        "entry": entry_id, "object": f"tenant:{slug}",
        "detail": '{"country":"DE","instruction":"contract","name":"Practice"}',
    }  # fmt: skip


def by_hand(session: Session, row: dict[str, Any]) -> None:
    """Write the rows of one tenant, pipelined, in one transaction."""
    with session.conn.pipeline(), session.conn.transaction():
        session.conn.execute(SQL("SET LOCAL lua.tenant_id = {}").format(row["id"]))
        for statement in STATEMENTS:
            session.conn.execute(statement, row)


def measure(size: Size) -> Measure:
    """Create tenants both ways in turns, on one connection."""
    n = TENANTS[size]
    with engine() as session:
        made, rows = by_engine(session, n + 1), iter([values(session, number) for number in range(n + 1)])
        ours, theirs = interleaved(lambda: next(made), lambda: by_hand(session, next(rows)), n)
        _compare(session)
    return Measure("tenant", ours, theirs, LIMIT, n)


def _compare(session: Session) -> None:
    """Raise ValueError unless both ways left the same number of rows in each table."""
    from luactl.db import transaction

    for table in ("lua.tenant", "lua.retention_rule", "lua.instruction", "crm.role"):
        found = []
        for slug in ("ours-0", "theirs-0"):
            row = session.conn.execute(
                "SELECT tenant_id FROM lua.tenant_directory WHERE slug = %s", [slug]
            ).fetchone()
            with transaction(session, row[0] if row else 0) as conn:
                counted = conn.execute(SQL("SELECT count(*) FROM {}").format(Identifier(*table.split("."))))
                found += counted.fetchall()
        if found[0] != found[1]:
            raise ValueError(f"{table}: not the same rows")
