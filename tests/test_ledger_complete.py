"""No record, no change: every command is run, and the ledger holds what its row changes call for, no more.

The TABLE of support_story_table.py says of each command how it succeeds and which row changes call for
which entries. A command that is not in it fails the test. The story is told in its order, on one database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any
from unittest.mock import patch
from uuid import UUID

import psycopg
import pytest
from conftest import Connection, Home, TestServer
from support_shape import check_shape
from support_story import LEDGER_ROWS, REFERENCE, Case, World
from support_story_table import FILES, OWN_HOME, READS, SCREENS, SERVER, TABLE
from support_whole import Changed, Done, Rows, changes, luactl, snapshot, verbs

from luactl import embedded, key, ledger
from luactl.connect import open_session

COMMANDS = verbs()


def options(command: str) -> set[str]:
    return {name for param in COMMANDS[command].params for name in param.opts}


def test_every_command_is_classified() -> None:
    assert {*TABLE, *SERVER, *OWN_HOME, *FILES, *SCREENS} == COMMANDS.keys()


def entries(found: list[Changed]) -> list[dict[str, Any]]:
    return [one.fields for one in found if (one.table, one.how) == ("ledger.entry", "insert")]


def expected(
    case: Case, w: World, found: list[Changed], shown: set[str], command: str
) -> Counter[tuple[Any, ...]]:
    """Return the entries that these row changes call for: action, outcome, tenant, actor."""
    actor, called = case.actor or w.login, Counter[tuple[Any, ...]]()
    for rule in case.rules:
        rows_of = [one.fields for one in found if (one.table, one.how) == (rule.table, rule.how)]
        if rule.how == "files":
            rows_of = [{"tenant_id": tenant_of(w, rule.tenant)} if rule.ours else {}]
        units = {str(one.get(rule.by)) if rule.by else str(one): one for one in rows_of}
        for row in units.values():
            about = row.get("tenant_id", row.get("of_tenant", 0))
            called.update((rule.action, out, about, actor) for out in rule.outcomes)
    if case.opens is not None and shown:
        called[(READS, "done", tenant_of(w), actor)] += 1
    if command == "subject find":
        called[("subject.find", "done", tenant_of(w), actor)] += 1
    return called


def differing(one: Changed) -> set[str]:
    """Return the columns that an update changed."""
    return {name for name, value in one.fields.items() if value != one.before[name]}


def tenant_of(w: World, slug: str = "smile") -> int:
    row = w.admin.execute("SELECT tenant_id FROM lua.tenant WHERE slug = %s", (slug,)).fetchone()
    assert row is not None
    return int(row[0])


def references(w: World, people: Iterable[str]) -> set[str]:
    with open_session(command="test") as s:
        keys = key.open_tenant(s, tenant_of(w))
        return {
            str(one)
            for one in ledger.references(s, keys, keys.tenant_id, [UUID(one) for one in people]).values()
        }


def check_changes(command: str, case: Case, w: World, found: list[Changed], done: Done) -> None:
    """Compare row changes with the table, and entries with row changes."""
    shown = set(case.opens(done.data)) if case.opens else set()
    shown = {w.people.get(one, one) for one in shown}
    kinds = {(one.table, one.how) for one in found}
    called = {(rule.table, rule.how) for rule in case.rules}
    assert called - kinds <= {("", "files")}
    assert kinds <= called | case.covers | LEDGER_ROWS | ({REFERENCE} if case.opens else set())
    written = entries(found)
    got = Counter((one["action"], one["outcome"], one["tenant_id"], one["actor"]) for one in written)
    assert got == expected(case, w, found, shown, command)
    pending = {one.fields["id"] for one in found if (one.table, one.how) == ("ledger.pending", "insert")}
    integrated = {one.fields["id"] for one in found if (one.table, one.how) == ("ledger.leaf", "insert")}
    assert {one["id"] for one in written} <= pending | integrated
    named = {one.fields["entry_id"] for one in found if one.how == "insert" and "entry_id" in one.fields}
    assert named <= {one["id"] for one in written}
    for one in found:
        if (one.table, one.how) == REFERENCE and command not in ("erasure run", "subject rectify"):
            assert differing(one) <= {"personal", "updated_at"}
    if case.opens is not None:
        touched = {ref for one in written for ref in one["touched"] or ()}
        assert touched == (references(w, shown) if shown else set())


class Opening:
    """Stands before the real `unseal`: nobody's data open before an entry of this command is committed."""

    def __init__(self, admin: Connection) -> None:
        self.admin, self.real, self.opened, self.begun = admin, key.unseal, 0, 0

    def begin(self) -> None:
        self.begun = self.count()

    def count(self) -> int:
        row = self.admin.execute(
            "SELECT count(*) FROM ledger.entry WHERE action IN ('read', 'subject.find')"
        ).fetchone()
        assert row is not None
        return int(row[0])

    def __call__(self, blob: bytes, place: key.Place, *keys: Any) -> dict[str, Any]:
        if place.table != "crm.subject":  # the reference itself must open so that the entry can name it
            assert self.count() > self.begun, f"{place.table} was opened before anything was recorded"
            self.opened += 1
        return self.real(blob, place, *keys)


def dry_run(command: str, case: Case, w: World, before: Rows) -> None:
    if "--dry-run" in options(command):
        done = luactl(*command.split(), *case.args(w), "--dry-run", "-o", "json")
        looks_only = done.code == 6 and case.findings(w)  # a check says what it found, kept or not
        assert done.code == 0 or looks_only, (command, done.err)
        w.show(command, "plan", done.data)
        assert changes(before, snapshot(w.admin)) == []


def tell(command: str, case: Case, w: World, opening: Opening) -> None:
    """Plan, run and repeat one command."""
    case.prepare(w)
    args = [*command.split(), *case.args(w), "-o", "json"]
    before = snapshot(w.admin)
    dry_run(command, case, w, before)
    args += ["--yes"] if "--yes" in options(command) else []
    opening.begin()
    opened = opening.opened
    done = luactl(*args, stdin=case.stdin)
    assert done.code == (6 if case.findings(w) else 0), (command, done.err)
    found = changes(before, after := snapshot(w.admin))
    case.keep(w, done.data)
    w.show(command, "data", done.data)
    check_changes(command, case, w, found, done)
    assert bool(opening.opened > opened) <= bool(case.opens or READS in {r.action for r in case.rules})
    if (case.rules or case.covers) and not case.anew:
        assert found or case.empty
        again = luactl(*args, stdin=case.stdin)
        assert again.code == case.again, (command, again.err)
        assert again.code == 0 or again.err.startswith("error: ")
        assert changes(after, snapshot(w.admin)) == []


def test_the_ledger_holds_what_every_command_changed(
    bare_home: Home, server: TestServer, database: str, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUACTL_PROFILE", "whole")
    w = World(server, database, admin, bare_home.path, f"w_{database}")
    opening = Opening(admin)
    with patch("luactl.key.unseal", opening), patch("luactl.key.seal.unseal", opening):
        for command, cases in TABLE.items():
            for case in cases:
                tell(command, case, w, opening)
    assert opening.opened > 0
    assert luactl("ledger", "verify").code == 0
    for command, told in w.shapes.items():
        check_shape(command, told)


def test_the_servers_commands_change_no_row(running_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUACTL_HOME", str(running_home.path))
    luactl("embedded", "start", "--yes")
    made = embedded.Server(running_home.paths.server("local"), embedded.bundled_binaries())

    def look() -> dict[Any, Any]:
        port = embedded.start(made)
        with psycopg.connect(embedded.superuser_conninfo(made, "luactl", port), autocommit=True) as conn:
            return snapshot(conn)

    before = look()
    for command, args in SERVER.items():
        if args:
            state = embedded.status(made)
            assert luactl(*command.split(), "--dry-run").code == 0
            assert embedded.status(made) == state
            assert luactl(*command.split(), *args).code == 0
        assert luactl(*command.split(), *args).code == 0
        assert look() == before


@pytest.mark.long
def test_the_demo_stays_in_its_own_home(home: Home, admin: Connection) -> None:
    before = snapshot(admin)
    assert luactl("demo").code == 0
    assert snapshot(admin) == before
