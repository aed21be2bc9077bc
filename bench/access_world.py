"""What the measures of access share: roles in a tangle, and many tables with a few grants each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .ledger_world import world
from .measure import Size

if TYPE_CHECKING:
    from luactl.db import Session

ROLES = {Size.FULL: 500, Size.SMALL: 200}
TABLES = {Size.FULL: 2_000, Size.SMALL: 800}
COLUMNS = 20
GRANTS = 4
"""To a role each, of every table; one of them on two columns."""
MEMBERSHIPS = 2
"""Of every role, in roles that come after it."""


@contextmanager
def access_world(size: Size, grants: int = GRANTS) -> Iterator[tuple[Session, Any]]:
    """Yield a session and a superuser's connection to a server with such roles and tables."""
    with world() as (own, superuser):
        with superuser.transaction():
            for statement in statements(ROLES[size], TABLES[size], grants):
                superuser.execute(statement)
        superuser.execute("ANALYZE")
        yield own, superuser


def statements(roles: int, tables: int, grants: int) -> Iterator[bytes]:
    """Yield what makes the world, the same one each time."""
    chance = random.Random(roles)
    yield from (f"CREATE ROLE many_{n} LOGIN".encode() for n in range(roles))
    for member in range(roles - 1):
        for role in {chance.randrange(member + 1, roles) for _ in range(MEMBERSHIPS)}:
            inherits, sets, admin = (chance.random() < share for share in (0.7, 0.7, 0.05))
            options = f"WITH INHERIT {inherits}, SET {sets}, ADMIN {admin}"
            yield f"GRANT many_{role} TO many_{member} {options}".encode()
    yield b"CREATE SCHEMA many; GRANT USAGE ON SCHEMA many TO PUBLIC"
    columns = ", ".join(f"c{n} integer" for n in range(COLUMNS))
    for table in range(tables):
        yield f"CREATE TABLE many.t{table} ({columns})".encode()
        for number in range(grants):
            what = "SELECT (c1, c2)" if number == 0 else chance.choice(("SELECT", "SELECT, INSERT", "UPDATE"))
            yield f"GRANT {what} ON many.t{table} TO many_{chance.randrange(roles)}".encode()
