"""Every right of every login on every object, with paths, against has_table_privilege() over the same.

The functions of Postgres answer for one privilege and know only what is inherited: no SET ROLE, no way.
"""

from __future__ import annotations

from .access_world import access_world
from .measure import Measure, Size, interleaved

LIMIT = 3.0
TURNS = 3
SQL = """
SELECT count(*) FILTER (WHERE has_table_privilege(r.oid, c.oid, 'SELECT'))
FROM pg_roles r CROSS JOIN pg_class c
WHERE r.rolname LIKE 'many\\_%' AND c.relnamespace = 'many'::regnamespace
"""


def measure(size: Size) -> Measure:
    """Work out both in turns."""
    from luactl.access.catalog import load
    from luactl.access.way import Ways

    with access_world(size) as (own, superuser):

        def ours() -> int:
            catalog = load(own)
            ways = Ways(catalog)
            logins = [role for role in catalog.graph.roles.values() if role.name.startswith("many_")]
            tables = {key for key, thing in catalog.things.items() if thing.name.startswith("many.t")}
            at_once = 0
            for login in logins:
                for (key, right), way in ways.of(login.oid).items():
                    at_once += key in tables and right == (0, "SELECT") and way.effort == 0
            return at_once

        def plain() -> int:
            return int(superuser.execute(SQL).fetchone()[0])

        if ours() != plain() or not ours():
            raise ValueError("they disagree on what is reached at once")
        return Measure("access_matrix", *interleaved(ours, plain, TURNS), LIMIT, TURNS)
