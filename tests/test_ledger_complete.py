"""No record, no change: every command is run, and the ledger holds what its row changes call for, no more.

TABLE says of each command how it succeeds and which row changes call for which entries. A command that is
not in it fails the test. The story is told in the order of the table, on one database.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import psycopg
import pytest
from conftest import Connection, Home, TestServer
from support_erasure import BILL_LINES, BILLS, PEOPLE, VISITS
from support_whole import Changed, Done, changes, luactl, snapshot, verbs

from luactl import embedded, key, ledger
from luactl.connect import open_session
from luactl.key.holder import open_holders

LEDGER_ROWS = {("ledger.entry", "insert"), ("ledger.pending", "insert")}
KEYS_MADE = {("vault.node", "insert"), ("vault.counter", "insert"), ("vault.counter", "update")}
KEYS_CLAIMED = KEYS_MADE | {("vault.slot", "insert"), ("vault.period", "insert")}
KEYS_DROPPED = {("vault.node", "update"), ("vault.tree", "update"), ("vault.tombstone", "insert")}
REFERENCE = ("crm.subject", "update")


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

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)


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
    actor: str | None = None
    empty: bool = False
    """Whether no row needs to change: the command works on files."""
    anew: bool = False
    """Whether each run is recorded anew, as each reading is."""


def covering(*sets: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    return frozenset(one for each in sets for one in each)


def rows(*names: str, how: str = "insert") -> set[tuple[str, str]]:
    return {(name, how) for name in names}


T = ("--tenant", "smile")


def who(number: str) -> Args:
    return lambda w: (w.people[number], *T)


def remember_people(w: World, data: Any) -> None:
    w.people.update({one["external_id"]: one["subject_id"] for one in data})


def leave_half_an_epoch(w: World) -> None:
    """Leave what a crash leaves right at the beginning: the root of an epoch that never came."""
    with open_session(command="test") as s:
        for holder in open_holders(s.profile.holders):
            now = key.status(s)
            holder.put(now.tree_id, now.epoch + 1, secrets.token_bytes(32))


def narrow(w: World) -> None:
    w.admin.execute("UPDATE crm.contact SET index_version = index_version + 1")


def superuser(w: World) -> Sequence[str]:
    return ("--dsn", w.server.admin_dsn(w.database), "--login", w.login)


def subjects(data: Any) -> list[str]:
    return [one["subject_id"] for one in data]


READS = "read"
TENANTS = "slug,name,country,contact\nkanzlei,Kanzlei,DE,office\nladen,Laden,FR,office\n"
TENANT_ROWS = rows("lua.tenant_directory", "lua.retention_rule", "lua.instruction", "crm.role")
ERASED = rows("crm.contact", "crm.contact_key", "crm.interaction", "vault.slot", how="delete")
HIDDEN = {("crm.invoice", "update"), ("crm.invoice_line", "update"), ("lua.erasure", "update"), REFERENCE}
GONE = rows("crm.interaction", "crm.invoice", "crm.invoice_line", "vault.period", how="delete")
INTEGRATED = rows("ledger.leaf", "ledger.subtree", "ledger.checkpoint") | {("ledger.pending", "delete")}

TABLE: dict[str, tuple[Case, ...]] = {
    "init": (
        Case(
            superuser,
            (
                Rule("vault.tree", "insert", "init"),
                Rule("ledger.origin", "insert", "ledger.origin.create"),
            ),
            covering(KEYS_MADE),
            actor=embedded.SUPERUSER,
        ),
    ),
    "tenant create": (
        Case(
            lambda w: ("smile", "--name", "Smile", "--country", "DE", "--contact", "office@smile.example"),
            (Rule("lua.tenant", "insert", "tenant.create"),),
            covering(TENANT_ROWS, KEYS_CLAIMED),
            again=1,
        ),
    ),
    "tenant import": (
        Case(
            lambda w: (w.file("tenants.csv", TENANTS),),
            (Rule("lua.tenant", "insert", "tenant.create"),),
            covering(TENANT_ROWS, KEYS_CLAIMED),
        ),
    ),
    "tenant list": (Case(),),
    "tenant show": (Case(lambda w: ("smile",)),),
    "tenant suspend": (
        Case(lambda w: ("smile", "--reason", "bills"), (Rule("lua.tenant", "update", "tenant.suspend"),)),
    ),
    "tenant resume": (Case(lambda w: ("smile",), (Rule("lua.tenant", "update", "tenant.resume"),)),),
    "instruction add": (
        Case(
            lambda w: (*T, "--reference", "DPA-2", "--purpose", "support", "--given-by", "office"),
            (Rule("lua.instruction", "insert", "instruction.add"),),
            again=1,
        ),
    ),
    "instruction list": (Case(lambda w: T),),
    "crm customer import": (
        Case(
            lambda w: (w.file("people.csv", PEOPLE), *T),
            (Rule("crm.subject", "insert", "crm.customer.import", by="entry_id"),),
            covering(rows("crm.contact", "crm.contact_key"), KEYS_CLAIMED),
        ),
    ),
    "crm customer list": (Case(lambda w: T, opens=subjects, keep=remember_people),),
    "crm customer show": (Case(who("1"), opens=lambda data: [data["subject_id"]]),),
    "crm interaction import": (
        Case(
            lambda w: (w.file("visits.csv", VISITS), *T),
            (Rule("crm.interaction", "insert", "crm.interaction.import", by="entry_id"),),
            covering(KEYS_CLAIMED),
        ),
    ),
    "crm interaction list": (Case(lambda w: T, opens=subjects),),
    "crm invoice import": (
        Case(
            lambda w: (w.file("bills.csv", BILLS), *T, "--lines", w.file("lines.csv", BILL_LINES)),
            (
                Rule("crm.invoice", "insert", "crm.invoice.import", by="entry_id"),
                # The records name no party, so those of the contacts are opened and sealed anew.
                Rule("crm.invoice", "insert", READS, by="tenant_id"),
            ),
            covering(rows("crm.invoice_line"), KEYS_CLAIMED, {REFERENCE}),
        ),
    ),
    "crm invoice list": (
        Case(lambda w: T),
        Case(lambda w: (*T, "--party"), opens=subjects),
    ),
    "subject find": (
        Case(lambda w: (*T, "--name", "Nele"), opens=subjects),
        Case(lambda w: (*T, "--external-id", "none of ours"), opens=subjects),
    ),
    "subject show": (Case(who("1")),),
    "subject reindex": (
        Case(
            lambda w: T,
            (
                Rule("crm.contact", "update", "subject.reindex", by="tenant_id"),
                Rule("crm.contact", "update", READS, by="tenant_id"),
            ),
            covering({REFERENCE}),
            prepare=narrow,
        ),
    ),
    "version": (Case(), Case(lambda w: ("--all",))),
    "completion bash": (Case(),),
    "completion zsh": (Case(),),
    "completion fish": (Case(),),
    "completion words": (Case(lambda w: ("tenant", "show", "s")),),
    "doctor": (Case(),),
    "db status": (Case(),),
    "db url": (Case(),),
    "db sql-roles": (Case(),),
    "access list": (Case(), Case(lambda w: T)),
    "log search": (
        Case(lambda w: ("--limit", "1"), keep=lambda w, data: w.seen.update(entry=data[0]["id"])),
        Case(lambda w: (*T, "--subject", w.people["1"]), opens=lambda data: ["1"]),
    ),
    "log tail": (Case(), Case(lambda w: (*T, "--subject", w.people["2"]), opens=lambda data: ["2"])),
    "retention list": (Case(lambda w: T),),
    "retention set": (
        Case(
            lambda w: (*T, "--class", "interaction", "--months", "24"),
            (Rule("lua.retention_rule", "update", "retention.set"),),
        ),
    ),
    "retention purge": (
        Case(
            lambda w: ("--all",),
            (
                Rule("lua.purge", "insert", "retention.purge", ("intent", "done")),
                # and one for the one batch in which the rows went
                Rule("crm.interaction", "delete", "retention.purge", by="tenant_id"),
            ),
            covering(GONE, KEYS_DROPPED, rows("lua.purge", how="update")),
        ),
    ),
    "key status": (Case(),),
    "key recover": (
        Case(
            lambda w: (),
            (Rule("", "files", "key.recover", ("intent", "done")),),
            prepare=leave_half_an_epoch,
            empty=True,
        ),
    ),
    "key verify": (Case(),),
    # The checkpoint is its own record: an entry about it would wait for the next one, for ever.
    "ledger integrate": (Case(covers=covering(INTEGRATED)),),
    "erasure run": (
        Case(
            lambda w: (*T, "--subject", w.people["1"], "--instruction", "ticket 4711"),
            (Rule("lua.erasure", "insert", "erasure.run", ("intent", "done")),),
            covering(ERASED, KEYS_DROPPED, HIDDEN, INTEGRATED),
            keep=lambda w, data: w.seen.update(erasure=data["erasure_id"], folder=data["certificate"]),
        ),
    ),
    "erasure list": (Case(lambda w: T),),
    "erasure show": (Case(lambda w: (w.seen["erasure"],)),),
    "erasure verify": (Case(lambda w: (w.seen["erasure"],)),),
    "promise list": (Case(),),
    "promise show": (Case(lambda w: ("10.1",)),),
    "promise prove": (
        Case(lambda w: ("--all",), (Rule("", "files", "promise.prove"),), empty=True, anew=True),
    ),
    "promise waive": (
        Case(
            lambda w: ("10.1", "--reason", "mending", "--until", "2099-01-01"),
            (Rule("lua.waiver", "insert", "promise.waive"),),
            again=1,
        ),
    ),
    "promise unwaive": (
        Case(lambda w: ("10.1",), (Rule("lua.waiver", "update", "promise.unwaive"),), again=1),
    ),
    "ledger status": (Case(),),
    "ledger show": (Case(lambda w: (w.seen["entry"],)),),
    "ledger verify": (Case(),),
    "verify": (Case(lambda w: (w.seen["folder"],)),),
}
# What needs an embedded server is run in a test of its own; the demo makes and ends a home of its own.
SERVER = {
    "embedded status": (),
    "db migrate": ("--yes",),
    "embedded start": ("--yes",),
    "embedded log": (),
    "embedded stop": ("--yes",),
}
OWN_HOME = {"demo"}
# Runs until somebody leaves it, and does only what the commands above do.
SCREENS = {"tui"}
# Change files of this account and no row (tests/test_profile.py).
FILES = {
    "db psql",  # becomes another program (tests/test_db.py)
    "profile list",
    "profile show",
    "profile use",
    "profile add",
    "profile remove",
}
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
            rows_of = [{}]
        units = {str(one.get(rule.by)) if rule.by else str(one): one for one in rows_of}
        for row in units.values():
            called.update((rule.action, out, row.get("tenant_id", 0), actor) for out in rule.outcomes)
    if case.opens is not None and shown:
        called[(READS, "done", tenant_of(w), actor)] += 1
    if command == "subject find":
        called[("subject.find", "done", tenant_of(w), actor)] += 1
    return called


def differing(one: Changed) -> set[str]:
    """Return the columns that an update changed."""
    return {name for name, value in one.fields.items() if value != one.before[name]}


def tenant_of(w: World) -> int:
    row = w.admin.execute("SELECT tenant_id FROM lua.tenant WHERE slug = 'smile'").fetchone()
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
        if (one.table, one.how) == REFERENCE and command != "erasure run":
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


def dry_run(command: str, args: Sequence[str], w: World) -> None:
    if "--dry-run" in options(command):
        before = snapshot(w.admin)
        done = luactl(*command.split(), *args, "--dry-run", "-o", "json")
        assert done.code == 0, (command, done.err)
        assert changes(before, snapshot(w.admin)) == []


def tell(command: str, case: Case, w: World, opening: Opening) -> None:
    """Plan, run and repeat one command."""
    case.prepare(w)
    args = [*command.split(), *case.args(w), "-o", "json"]
    dry_run(command, case.args(w), w)
    args += ["--yes"] if "--yes" in options(command) else []
    before = snapshot(w.admin)
    opening.begin()
    opened = opening.opened
    done = luactl(*args)
    assert done.code == 0, (command, done.err)
    found = changes(before, after := snapshot(w.admin))
    case.keep(w, done.data)
    check_changes(command, case, w, found, done)
    assert bool(opening.opened > opened) <= bool(case.opens or READS in {r.action for r in case.rules})
    if (case.rules or case.covers) and not case.anew:
        assert found or case.empty
        again = luactl(*args)
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
