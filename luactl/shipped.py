"""What the migrations give: the rights of the group roles, row security and policies, as files beside them.

`sql/shipped/rights.csv` is the table of docs/reference/roles.md as data, `policies.csv` what `lua.policies`
sees in a new database; tests hold both to it. Every comparison with what there is goes by them: drift, the
probe of roles, and the database itself, which remembers them at the end of each upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

ALL, WHOLE = "all", "–"
OF_PEOPLE = ("lua_admin", "lua_operator", "lua_responder", "lua_auditor", "lua_dpo", "lua_accounting")
"""The group roles that people work with (docs/reference/roles.md)."""
GROUPS = (*OF_PEOPLE, "lua_app", "lua_ai")
"""All of them, the CRM's and its AI's too: who has rights on objects."""
OWNERS = ("lua_owner", "lua_definer", "lua_rolekeeper")
"""Whose the objects are; nobody can become one."""
PRIVILEGES = {"nextval": "USAGE", "setval": "UPDATE"}
"""What an operation on a sequence needs; of the others the name is the privilege's."""


@dataclass(frozen=True)
class Matrix:
    """What a role may do."""

    held: Mapping[tuple[str, str], frozenset[str]]
    """{(object, operation): columns}; `all` and `–` stand for the whole object."""

    def lets(self, name: str, operation: str, column: str | None = None) -> bool:
        """Tell whether it may do that to a column, or (None) to the whole object."""
        columns = self.held.get((name, operation), frozenset())
        return not columns.isdisjoint({ALL, WHOLE} if column is None else {ALL, column})

    def beyond(self, other: Matrix) -> Matrix:
        """Return what it may do and another may not."""
        found: dict[tuple[str, str], set[str]] = {}
        for (name, operation), columns in self.held.items():
            for column in columns:
                if not other.lets(name, operation, None if column in (ALL, WHOLE) else column):
                    found.setdefault((name, operation), set()).add(column)
        return Matrix({at: frozenset(columns) for at, columns in found.items()})

    def columns(self, name: str, operation: str) -> tuple[str, ...] | None:
        """Return the columns to which it may do that; None: to the whole object."""
        columns = self.held[name, operation]
        return None if not columns.isdisjoint({ALL, WHOLE}) else tuple(sorted(columns))

    def touches(self, name: str, operation: str) -> bool:
        """Tell whether it may do that to any column, or to the whole object."""
        return (name, operation) in self.held


@cache
def matrix(role: str) -> Matrix:
    """Return what a role may do by the migrations; who is no group role may nothing."""
    found: dict[tuple[str, str], set[str]] = {}
    for row in _rows("rights.csv"):
        if role.removeprefix("lua_") in row["roles"].split():
            found.setdefault((row["object"], row["operation"]), set()).update(row["columns"].split())
    return Matrix({at: frozenset(columns) for at, columns in found.items()})


@dataclass(frozen=True)
class Right:
    """One right of one group role, as a GRANT gives it."""

    object: str
    privilege: str
    role: str
    columns: tuple[str, ...] | None
    """None: the whole object."""


def rights() -> Iterator[Right]:
    """Yield every right by the migrations."""
    for role in GROUPS:
        may = matrix(role)
        for name, operation in may.held:
            yield Right(name, PRIVILEGES.get(operation, operation), role, may.columns(name, operation))


@cache
def policies() -> Mapping[tuple[str, str], str]:
    """Return {(table, policy): definition} by the migrations; the policy without a name is row security."""
    return {(row["object"], row["policy"]): row["definition"] for row in _rows("policies.csv")}


def _rows(name: str) -> list[dict[str, str]]:
    import csv
    from importlib.resources import files
    from io import StringIO

    text = files("luactl.sql").joinpath("shipped", name).read_text(encoding="utf-8")
    return list(csv.DictReader(StringIO(text, newline="")))  # an expression has lines of its own
