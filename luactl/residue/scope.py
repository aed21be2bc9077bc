"""Which tables are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..db import queries
from ..errors import UsageError
from .reaching import Reach


@dataclass(frozen=True)
class Table:
    """A table with rows of its own: partitions stand for the table that they make up."""

    oid: int
    schema: str
    name: str

    @property
    def qualified(self) -> str:
        """`schema.name`, as lua.sealed_since has it."""
        return f"{self.schema}.{self.name}"


def _table(reach: Reach, name: str) -> tuple[int, str] | None:
    schema, dot, table = name.partition(".")
    asked = {"schema": schema, "name": table} if dot else {"schema": None, "name": name}
    found: tuple[int, str] | None = queries("residue").table_oid(reach.conn, **asked)
    return found


def catalog_table(reach: Reach, name: str) -> int:
    """Return the oid of a table of the catalog."""
    found: tuple[int, str] = queries("residue").table_oid(reach.conn, schema="pg_catalog", name=name)
    return found[0]


def named_tables(reach: Reach, names: Sequence[str]) -> list[Table]:
    """Return the tables of these names, partitions instead of what they make up. Raises UsageError."""
    found: dict[int, Table] = {}
    for name in names:
        row = _table(reach, name)
        if row is None:
            raise UsageError(f"there is no table {name[:80]!r}", hint="write it as schema.name")
        for leaf in queries("residue").leaves(reach.conn, oid=row[0]):
            found[leaf[0]] = Table(*leaf)
    return list(found.values())


def unsealed_tables(reach: Reach) -> list[Table]:
    """Return every table that was not born sealed; luactl's own and the catalog are none of them."""
    return [Table(*row) for row in queries("residue").unsealed_tables(reach.conn)]


def subject_tables(reach: Reach) -> list[Table]:
    """Return the tables in which a person's id stands."""
    return [Table(*row) for row in queries("residue").subject_tables(reach.conn)]


def with_ancestors(reach: Reach, tables: Sequence[Table]) -> list[Table]:
    """Return the tables and what they are partitions of: its statistics hold values of theirs."""
    oids = [table.oid for table in tables]
    return [Table(*row) for row in queries("residue").with_ancestors(reach.conn, oids=oids)]
