"""What whole-program tests share: the command tree, commands run in this process, and every row there is."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from conftest import Connection

from luactl.commands.main import NOUNS, program, run

SCHEMAS = ("lua", "crm", "vault", "ledger")
TABLES = """SELECT c.oid::regclass::text, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
            FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
            WHERE c.relnamespace::regnamespace::text = ANY (%s) AND c.relkind IN ('r', 'p')
              AND NOT c.relispartition GROUP BY c.oid"""
KEYLESS = """SELECT count(*) FROM pg_class c WHERE c.relnamespace::regnamespace::text = ANY (%s)
             AND c.relkind IN ('r', 'p') AND NOT c.relispartition
             AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)"""


@dataclass(frozen=True)
class Row:
    """One row: a digest of all of it, and its fields (without the blobs of key nodes) as JSON."""

    digest: str
    text: str

    @property
    def fields(self) -> dict[str, Any]:
        """The fields; most rows are never asked for them."""
        found: dict[str, Any] = json.loads(self.text)
        return found


@dataclass(frozen=True)
class Changed:
    """One row that a command inserted, updated or deleted; `fields` as they are after it, or were."""

    table: str
    how: str
    fields: dict[str, Any]
    before: dict[str, Any]


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The result of a command that was run with `-o json`."""
        return json.loads(self.out)["data"]


Rows = dict[tuple[str, str], Row]


def snapshot(admin: Connection) -> Rows:
    """Return every row of every table of ours, by table and primary key, past row security."""
    assert admin.execute(KEYLESS, [list(SCHEMAS)]).fetchone() == (0,)
    tables = admin.execute(TABLES, [list(SCHEMAS)]).fetchall()
    query = " UNION ALL ".join(
        f"SELECT '{name}', ROW({keys})::text, md5(t::text), (to_jsonb(t) - 'blob')::text FROM {name} t"
        for name, keys in tables
    )
    return {(row[0], row[1]): Row(row[2], row[3]) for row in admin.execute(query.encode())}


def changes(before: Rows, after: Rows) -> list[Changed]:
    """Return what differs between two snapshots."""
    found = [Changed(at[0], "insert", after[at].fields, {}) for at in after.keys() - before.keys()]
    found += [
        Changed(at[0], "delete", before[at].fields, before[at].fields) for at in before.keys() - after.keys()
    ]
    both = before.keys() & after.keys()
    found += [
        Changed(at[0], "update", after[at].fields, before[at].fields)
        for at in both
        if before[at].digest != after[at].digest
    ]
    return found


def luactl(*args: str, stdin: bytes = b"") -> Done:
    """Run a command line in this process, without a terminal."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace") for _ in range(2)]
    given = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8", errors="surrogateescape")
    with patch.multiple(sys, stdin=given, stdout=streams[0], stderr=streams[1]):
        code = run(args)
    out, err = (_text(stream) for stream in streams)
    return Done(code, out, err)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    held = stream.buffer
    assert isinstance(held, io.BytesIO)
    return held.getvalue().decode()


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(path), command
        return
    for name, verb in below.items():
        yield from _walk(verb, (*path, name))


def verbs() -> dict[str, Any]:
    """Return every command of the tree by its words, such as `crm customer import`."""
    root = program()
    return dict(found for noun in NOUNS for found in _walk(root.get_command(None, noun), (noun,)))
