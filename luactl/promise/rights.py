"""Probe of roles: each group role tries everything that it has no right to.

What each role may do stands in `rights.csv` beside this file, the table of docs/reference/roles.md as data.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from psycopg.sql import SQL, Composable, Identifier

from ..db import Session
from .look import Look, attempt, roles, statements, undone
from .page import Page

ALL, WHOLE = "all", "–"
Matrix = dict[tuple[str, str], frozenset[str]]


@dataclass(frozen=True)
class Trial:
    """One attempt at something that a role has no right to."""

    what: str
    """The operation and its object."""
    statement: Composable
    """Denied or admitted before it looks at a row."""


@cache
def matrix(role: str) -> Matrix:
    """Return what a group role may do: {(object, operation): columns}; `all` and `–` may stand for these."""
    found: dict[tuple[str, str], set[str]] = {}
    text = files(__package__).joinpath("rights.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        if role.removeprefix("lua_") in row["roles"].split():
            found.setdefault((row["object"], row["operation"]), set()).update(row["columns"].split())
    return {at: frozenset(columns) for at, columns in found.items()}


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


def trials(
    may: Matrix, relations: list[tuple[str, str, list[str]]], functions: list[tuple[str, str, list[str]]]
) -> Iterator[Trial]:
    """Yield every attempt that must be refused to a role with these rights."""
    for name, kind, columns in relations:
        if kind == "S":
            yield from _sequence(may, name)
        elif kind == "v":  # views here unite tables: nobody writes through them
            if (name, "SELECT") not in may:
                yield Trial(f"SELECT {name}", SQL("SELECT FROM {} WHERE false").format(SQL(name)))
        else:
            yield from _columns(may, name, columns)
            yield from _whole(may, name)
    for signature, name, types in functions:
        if (signature, "EXECUTE") not in may:
            arguments = SQL(", ").join(SQL("NULL::") + SQL(kind) for kind in types)
            yield Trial(f"execute {signature}", SQL("SELECT {}({})").format(SQL(name), arguments))


def _sequence(may: Matrix, name: str) -> Iterator[Trial]:
    if (name, "nextval") not in may:
        yield Trial(f"take numbers of {name}", SQL("SELECT nextval({})").format(name))
    if (name, "setval") not in may:
        yield Trial(f"reset {name}", SQL("SELECT setval({}, 1)").format(name))


def _columns(may: Matrix, table: str, columns: list[str]) -> Iterator[Trial]:
    """Without any right to a table two statements ask for all columns at once; UPDATE always names one."""
    place = SQL(table)
    for operation, any_column, one_column in (
        ("SELECT", "SELECT FROM {t} WHERE false", "SELECT {c} FROM {t} WHERE false"),
        ("INSERT", "INSERT INTO {t} DEFAULT VALUES", "INSERT INTO {t} ({c}) VALUES (DEFAULT)"),
        ("UPDATE", None, "UPDATE {t} SET {c} = DEFAULT WHERE false"),
    ):
        held = may.get((table, operation), frozenset())
        if not held and any_column:
            yield Trial(f"{operation} {table}", SQL(any_column).format(t=place))
            continue
        for column in columns:
            if column not in held and ALL not in held:
                statement = SQL(one_column).format(t=place, c=Identifier(column))
                yield Trial(f"{operation} {table}.{column}", statement)


def _whole(may: Matrix, table: str) -> Iterator[Trial]:
    if (table, "DELETE") not in may:
        yield Trial(f"DELETE {table}", SQL("DELETE FROM {} WHERE false").format(SQL(table)))
    if (table, "TRUNCATE") not in may:
        yield Trial(f"TRUNCATE {table}", SQL("TRUNCATE {}").format(SQL(table)))
