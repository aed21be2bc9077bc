"""How the story of all commands is written: how one succeeds, and which row changes call for which entries.

support_story_table.py tells it. The order counts: what one command makes the next ones need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conftest import Connection, TestServer, new_login
from support_shape import merged, shape

from luactl.connect import dial, open_session
from luactl.db import Session

LEDGER_ROWS = {("ledger.entry", "insert"), ("ledger.pending", "insert")}
REFERENCE = ("crm.subject", "update")
T = ("--tenant", "smile")


@dataclass
class World:
    """What the story has come to: ids that later commands need."""

    server: TestServer
    database: str
    admin: Connection
    folder: Path
    login: str
    people: dict[str, str] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each command showed: keys and types of its `data` and `plan`."""

    def show(self, command: str, what: str, data: Any) -> None:
        """Keep the shape of what a command showed, merged with what it showed before."""
        told = self.shapes.setdefault(command, {})
        told[what] = merged(told[what], shape(data)) if what in told else shape(data)

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)


@contextmanager
def with_colleague(w: World, name: str, role: str) -> Iterator[tuple[Session, Session]]:
    """Open a session of the story's login, and one of a new login that has a group role."""
    passfile = w.folder / f"{name}.pgpass"
    colleague = new_login(w.server, passfile, (role,))
    dsn = w.server.dsn(w.database, colleague, passfile)
    with (
        open_session(command="test") as own,
        closing(dial(dsn, passfile=passfile, profile="test", command="test")) as conn,
    ):
        yield own, replace(own, conn=conn, actor=colleague)


Args = Callable[[World], Sequence[str]]


@dataclass(frozen=True)
class Rule:
    """Each row of `table` that changed so calls for entries of `action` with these outcomes.

    `by` counts the distinct values of a column instead of rows.
    """

    table: str
    how: str
    action: str
    outcomes: tuple[str, ...] = ("done",)
    by: str | None = None
    ours: bool = False
    """Of changes in files and roles: whether they are about a tenant."""
    tenant: str = "smile"
    """Which one; the tenant of the story by default."""


@dataclass(frozen=True)
class Case:
    """One way to run a command with success. No rules: it changes nothing but what reading leaves."""

    args: Args = lambda w: ()
    rules: tuple[Rule, ...] = ()
    covers: frozenset[tuple[str, str]] = frozenset()
    """Row changes that those entries record besides."""
    opens: Callable[[Any], Iterable[str]] | None = None
    """From the result: the subjects whose data it opened."""
    prepare: Callable[[World], None] = lambda w: None
    keep: Callable[[World, Any], None] = lambda w, data: None
    again: int = 0
    """Exit code of a second run, which changes nothing."""
    findings: Callable[[World], bool] = lambda w: False
    """Whether it finds something wrong, and ends with 6."""
    actor: str | None = None
    stdin: bytes = b""
    empty: bool = False
    """Whether no row needs to change: the command works on files."""
    finish: Args | None = None
    """The command that signs what could not be signed when the connection was lost at the very end."""
    anew: bool = False
    """Whether each run is recorded anew, as each reading is."""


def covering(*sets: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    return frozenset(one for each in sets for one in each)


def rows(*names: str, how: str = "insert") -> set[tuple[str, str]]:
    return {(name, how) for name in names}
