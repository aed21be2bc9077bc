"""What each role really may do: found by trying, and written as the table of docs/reference/roles.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from conftest import Connection

DOC = Path(__file__).parent.parent / "docs" / "reference" / "roles.md"
BEGIN, END = "<!-- tried by tests/test_roles.py: begin -->\n", "<!-- end -->\n"
HEAD = "| object | operation | columns | roles |\n|---|---|---|---|\n"
ROLES = ("admin", "operator", "responder", "auditor", "dpo", "accounting", "app", "ai")
ALL = "all"
WHOLE = "–"
OBJECTS = (
    "SELECT c.oid::regclass::text, c.relkind::text, array(SELECT a.attname::text FROM pg_attribute a"
    " WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname IN ('lua', 'crm', 'ledger', 'vault') AND c.relkind IN ('r', 'p', 'S', 'v') ORDER BY 1"
)
FUNCTIONS = (
    "SELECT p.oid::regprocedure::text, p.pronamespace::regnamespace || '.' || p.proname,"
    " array(SELECT t::regtype::text FROM unnest(p.proargtypes) AS t)"
    " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname IN ('lua', 'crm', 'ledger', 'vault') ORDER BY 1"
)
SCHEMAS = ("lua", "crm", "ledger", "vault")
SCHEMA_TRIALS = (("USAGE", "SELECT '{schema}.nothing'::regclass"), ("CREATE", "CREATE TABLE {schema}.x ()"))
# Each is denied or allowed before a single row is looked at.
TRIALS = (
    ("SELECT", "SELECT {column} FROM {table} WHERE false"),
    ("INSERT", "INSERT INTO {table} ({column}) VALUES (DEFAULT)"),
    ("UPDATE", "UPDATE {table} SET {column} = DEFAULT WHERE false"),
)
WHOLE_TRIALS = (("DELETE", "DELETE FROM {table} WHERE false"), ("TRUNCATE", "TRUNCATE {table}"))


@dataclass(frozen=True, order=True)
class Right:
    """One row of the table: these roles may do this to this object, on these columns."""

    object: str
    operation: str
    columns: str
    """`all`, a list of names, or `–` where an operation knows no columns."""
    roles: str
    """Names without `lua_`, in the order of ROLES."""


def allowed(conn: Connection, statement: str) -> bool:
    """Try a statement and undo it; False when a privilege was missing.

    A row that row security refuses is no missing privilege: that the statement ran so far is the answer.
    """
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statement)
    except psycopg.errors.InsufficientPrivilege as refusal:
        return not (refusal.diag.message_primary or "").startswith("permission denied for")
    except psycopg.Error:
        return True
    return True


def _of_table(conn: Connection, table: str, columns: list[str]) -> Iterator[tuple[str, str, str]]:
    for operation, trial in TRIALS:
        open_ = [c for c in columns if allowed(conn, trial.format(table=table, column=c))]
        if open_:
            yield table, operation, ALL if open_ == columns else ", ".join(open_)
    for operation, trial in WHOLE_TRIALS:
        if allowed(conn, trial.format(table=table)):
            yield table, operation, WHOLE


def _of_view(conn: Connection, view: str, columns: list[str]) -> Iterator[tuple[str, str, str]]:
    """Only reading: the views here unite tables, so that nobody writes through them."""
    yield from (right for right in _of_table(conn, view, columns) if right[1] == "SELECT")


def observe(catalog: Connection, conn: Connection) -> Iterator[tuple[str, str, str]]:
    """Try everything as `conn`'s login; yield (object, operation, columns) of what is not refused.

    That it got into the database at all is a right too.
    """
    yield "DATABASE", "CONNECT", WHOLE
    for schema in SCHEMAS:
        for operation, trial in SCHEMA_TRIALS:
            if allowed(conn, trial.format(schema=schema)):
                yield schema, operation, WHOLE
    for name, kind, columns in catalog.execute(OBJECTS).fetchall():
        if kind == "v":
            yield from _of_view(conn, name, columns)
        elif kind != "S":
            yield from _of_table(conn, name, columns)
        elif allowed(conn, f"SELECT nextval('{name}')"):
            yield name, "nextval", WHOLE
        if kind == "S" and allowed(conn, f"SELECT setval('{name}', 1)"):
            yield name, "setval", WHOLE
    for signature, name, types in catalog.execute(FUNCTIONS).fetchall():
        arguments = ", ".join(f"NULL::{kind}" for kind in types)
        if allowed(conn, f"SELECT {name}({arguments})"):
            yield signature, "EXECUTE", WHOLE


def gather(observed: dict[str, list[tuple[str, str, str]]]) -> list[Right]:
    """Turn what each role may do into rows of the table, roles with the same right in one row."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for role in ROLES:
        for right in observed[role]:
            rows.setdefault(right, []).append(role)
    return sorted(Right(*right, ", ".join(roles)) for right, roles in rows.items())


def render(rights: list[Right]) -> str:
    """Write the table in Markdown."""
    lines = [f"| `{r.object}` | {r.operation} | {r.columns} | {r.roles} |\n" for r in rights]
    return HEAD + "".join(lines)


def read_doc() -> list[Right]:
    """Parse the table of the page."""
    table = DOC.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].removeprefix(HEAD)
    cells: list[Any] = [[c.strip() for c in line.strip("|").split(" | ")] for line in table.splitlines()]
    return [Right(cell[0].strip("`"), *cell[1:]) for cell in cells]


def write_doc(rights: list[Right]) -> None:
    """Replace the table of the page."""
    page = DOC.read_text(encoding="utf-8")
    DOC.write_text(page.split(BEGIN)[0] + BEGIN + render(rights) + END + page.split(END)[1], encoding="utf-8")
