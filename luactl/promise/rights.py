"""Probe of roles: each group role tries everything that it has no right to.

What that is comes out of the same comparison as in `access drift`: everything, beyond the shipped rights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg.sql import SQL, Composable, Identifier

from ..db import Session
from ..shipped import WHOLE, Matrix, matrix
from .look import Look, attempt, roles, statements, undone
from .page import Page

SCHEMAS = ("lua", "crm", "ledger", "vault")
OPERATIONS = {"S": ("nextval", "setval"), "v": ("SELECT",)}
"""What is tried on sequences, and on views, which unite tables here: nobody writes through them."""
OF_COLUMNS, OF_TABLES = ("SELECT", "INSERT", "UPDATE"), ("DELETE", "TRUNCATE")
ONE_COLUMN = {
    "SELECT": "SELECT {c} FROM {t} WHERE false",
    "INSERT": "INSERT INTO {t} ({c}) VALUES (DEFAULT)",
    "UPDATE": "UPDATE {t} SET {c} = DEFAULT WHERE false",
}
NO_COLUMN = {"SELECT": "SELECT FROM {t} WHERE false", "INSERT": "INSERT INTO {t} DEFAULT VALUES"}
"""Without any right to a table these ask for all columns at once; UPDATE always names one."""
WHOLE_OBJECT = {
    "SELECT": ("SELECT {}", "SELECT FROM {t} WHERE false"),
    "DELETE": ("DELETE {}", "DELETE FROM {t} WHERE false"),
    "TRUNCATE": ("TRUNCATE {}", "TRUNCATE {t}"),
    "nextval": ("take numbers of {}", "SELECT nextval({n})"),
    "setval": ("reset {}", "SELECT setval({n}, 1)"),
    "USAGE": ("use schema {}", "SELECT {n}::regclass"),
    "CREATE": ("make objects in schema {}", "CREATE TABLE {t}.luactl_attempt ()"),
}
"""How an operation on a whole object is called, and tried."""
Relations = list[tuple[str, str, list[str]]]
Functions = list[tuple[str, str, list[str]]]


@dataclass(frozen=True)
class Trial:
    """One attempt at something that a role has no right to."""

    what: str
    """The operation and its object."""
    statement: Composable
    """Denied or admitted before it looks at a row."""


def rights(session: Session, page: Page, look: Look) -> None:
    """Try, as each group role, each operation on each table, column, sequence and function that it lacks."""
    others = roles(session, look, all_of_them=True)
    with undone(session) as conn:
        relations = list(statements("rights").relations(conn))
        functions = list(statements("rights").functions(conn))
        for role in others:
            for trial in trials(matrix(role), relations, functions):
                look.tried()
                if not attempt(conn, trial.statement, role).no_right:
                    look.breaks(f"{role} may {trial.what}")
    look.evidence["objects"] = len(relations) + len(functions)
    look.saw = f"{look.attempts:,} attempts of {len(others)} roles at what they have no right to, all refused"


def trials(may: Matrix, relations: Relations, functions: Functions) -> Iterator[Trial]:
    """Yield every attempt that must be refused to a role with these rights."""
    calls = {signature: (name, types) for signature, name, types in functions}
    lacking = _everything(relations, functions).beyond(may)
    for name, operation in lacking.held:
        if name in calls:
            function, types = calls[name]
            arguments = SQL(", ").join(SQL("NULL::") + SQL(kind) for kind in types)
            yield Trial(f"execute {name}", SQL("SELECT {}({})").format(SQL(function), arguments))
            continue
        columns = lacking.columns(name, operation)
        if columns is None:
            told, statement = WHOLE_OBJECT[operation]
            asked = f"{name}.nothing" if operation == "USAGE" else name
            yield Trial(told.format(name), SQL(statement).format(t=SQL(name), n=asked))
        else:
            yield from _columns(name, operation, columns, any_at_all=may.touches(name, operation))


def _everything(relations: Relations, functions: Functions) -> Matrix:
    """Return what could be done at all."""
    found = {(name, operation): WHOLE for name in SCHEMAS for operation in ("USAGE", "CREATE")}
    by_column: dict[tuple[str, str], frozenset[str]] = {}
    for name, kind, columns in relations:
        if kind not in OPERATIONS:
            by_column |= {(name, operation): frozenset(columns) for operation in OF_COLUMNS}
        found |= {(name, operation): WHOLE for operation in OPERATIONS.get(kind, OF_TABLES)}
    found |= {(signature, "EXECUTE"): WHOLE for signature, _name, _types in functions}
    return Matrix({**{at: frozenset({column}) for at, column in found.items()}, **by_column})


def _columns(table: str, operation: str, columns: tuple[str, ...], *, any_at_all: bool) -> Iterator[Trial]:
    place = SQL(table)
    if not any_at_all and operation in NO_COLUMN:
        yield Trial(f"{operation} {table}", SQL(NO_COLUMN[operation]).format(t=place))
        return
    for column in columns:
        statement = SQL(ONE_COLUMN[operation]).format(t=place, c=Identifier(column))
        yield Trial(f"{operation} {table}.{column}", statement)
