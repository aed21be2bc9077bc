"""The fault points of secure deletion, in one table.

A point is one act, one place in it, and what happens there. The numbers are those of the order in which keys
are dropped (docs/reference/formats.md, 2.3): 1 the new root at every holder, 2 the one transaction, 3 the key
books, 4 the reading back, 5 the old root destroyed, 6 outcome and certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal["at", "torn", "amid", "answer"]


@dataclass(frozen=True)
class Where:
    """A place in an act."""

    how: How
    """at: when a step is reached; torn: half of what is written there is; amid: after it, while the server
    waits to change (or read) a table; answer: after it, when the server has answered and nobody heard it."""
    step: str
    """A step's name, a pattern of it, or `*` for any."""
    nth: int = 1
    table: str = ""
    reading: bool = False
    """Whether the server only reads it then."""

    def __str__(self) -> str:
        times = f" #{self.nth}" if self.nth > 1 else ""
        inside = {"torn": "half way through ", "answer": "unheard after "}.get(self.how, "")
        return f"{inside}{self.step}{times}{f' amid {self.table}' if self.table else ''}"


def at(step: str, nth: int = 1) -> Where:
    """When a step is reached."""
    return Where("at", step, nth)


def torn(step: str, nth: int = 1) -> Where:
    """In the middle of a write."""
    return Where("torn", step, nth)


def amid(step: str, table: str, nth: int = 1, *, reading: bool = False) -> Where:
    """On the way from a step, while the server is at work on a table."""
    return Where("amid", step, nth, table, reading)


def unheard(step: str, nth: int = 1) -> Where:
    """On the way from a step, when its next answer is there and was not heard."""
    return Where("answer", step, nth)


@dataclass(frozen=True)
class Row:
    """Some blows at one place of an act."""

    act: str
    number: int
    """Of the step in the order of formats 2.3 that the place is in; 0: before all of them."""
    inside: bool
    where: Where
    blows: tuple[str, ...]
    quick: str = ""
    """The one of them that is dealt in every run of the tests, not only in the long ones."""
    failure: str = ""
    """The row of docs/reference/failures.md that says how the command ends then."""


@dataclass(frozen=True)
class Point:
    """One blow at one place of an act."""

    row: Row
    blow: str

    @property
    def where(self) -> Where:
        """The place."""
        return self.row.where

    def __str__(self) -> str:
        return f"{self.row.act}: {self.blow}: {self.where}"


KILLS = ("luactl killed", "server killed")
CUT, LOCK, CRM = "connections cut", "lock's connection cut", "crm writes"
ALL = (*KILLS, CUT)
ONE, TWO = "*/one/root-*2.key", "*/two/root-*2.key"
PROGRAM = "holder 2:"
HIDES, STUCK, DISK = "holder 2: hides destroy", "holder 1 read-only", "disk of book 1 full"
OLD = "*/one/root-*1.key"
FULL = "disk of a book full"
READ_ONLY = "a holder is read-only before the commit"
READ_ONLY_AFTER = "a holder is read-only after the commit"
READ_ONLY_BOOK = "a book is read-only"
NO_ROOT = "a holder's program fails before the commit"
KEPT = "a holder's program fails after the commit"
LIES = "a holder says that it destroyed a root, and has it"
NODES, BOOKS = "vault.node", "*book-one/keybook.sqlite"

TABLE = (
    # One person is erased: every step of the order, after it and inside.
    Row("erase", 0, True, at("tree locked"), ALL),
    Row("erase", 1, True, at(f"open {ONE}"), KILLS),
    Row("erase", 1, True, torn(f"write {ONE}"), KILLS, quick=KILLS[0]),
    Row("erase", 1, True, at(f"fsync {ONE}"), KILLS),
    Row("erase", 1, True, at("root placed at holder 1"), ALL),
    Row("erase", 1, True, torn(f"write {TWO}"), KILLS),
    Row("erase", 1, False, at("root placed at holder 2"), (*ALL, LOCK, CRM)),
    Row("erase", 2, True, amid("root placed at holder 2", "vault.slot"), ALL),
    Row("erase", 2, True, at("claims given up"), ALL),
    Row("erase", 2, True, amid("claims given up", "crm.contact"), ALL, quick=KILLS[1]),
    Row("erase", 2, True, at("rows changed"), (*ALL, LOCK, CRM), quick=CRM),
    Row("erase", 2, True, amid("rows changed", NODES), ALL),
    Row("erase", 2, True, at("nodes rewritten"), (*ALL, CRM)),
    Row("erase", 2, True, unheard("nodes rewritten"), ALL, quick=CUT),
    Row("erase", 2, False, at("epoch committed"), (*ALL, LOCK, CRM)),
    Row("erase", 3, True, amid("epoch committed", NODES, reading=True), ALL),
    Row("erase", 3, True, at(f"BEGIN IMMEDIATE {BOOKS}"), KILLS),
    Row("erase", 3, True, at(f"INSERT OR REPLACE INTO node {BOOKS}"), KILLS),
    Row("erase", 3, True, at(f"COMMIT {BOOKS}"), KILLS, quick=KILLS[0]),
    Row("erase", 3, True, at("book 1 written"), ALL),
    Row("erase", 3, False, at("book 2 written"), ALL),
    Row("erase", 4, True, amid("book 2 written", NODES, reading=True), ALL),
    Row("erase", 4, False, at("read back"), (*ALL, LOCK, CRM)),
    Row("erase", 5, True, at(f"open {OLD}"), KILLS),
    Row("erase", 5, True, torn(f"write {OLD}"), KILLS),
    Row("erase", 5, True, at(f"fsync {OLD}"), KILLS),
    Row("erase", 5, True, at(f"os.remove {OLD}"), KILLS),
    Row("erase", 5, True, at("root destroyed at holder 1"), (*ALL, LOCK)),
    Row("erase", 5, False, at("root destroyed at holder 2"), ALL),
    Row("erase", 6, True, amid("root destroyed at holder 2", "vault.fate"), ALL),
    Row("erase", 6, True, amid("root destroyed at holder 2", "lua.erasure"), ALL),
    Row("erase", 6, True, at("outcome written"), ALL),
    Row("erase", 6, True, at("log locked"), KILLS),
    Row("erase", 6, True, amid("log locked", "ledger.leaf"), ALL),
    Row("erase", 6, True, at("anchor 1 written"), KILLS),
    Row("erase", 6, False, at("certificate written"), ALL),
    # Disks and programs that do not do what they must: book by book, holder by holder, step by step.
    Row("erase", 3, True, at("epoch committed"), (DISK,), DISK, FULL),
    Row("erase", 3, True, at("epoch committed"), ("disk of book 1 nearly full",), failure=FULL),
    Row("erase", 3, True, at("book 1 written"), ("disk of book 2 full",), failure=FULL),
    Row("erase", 3, True, at("book 1 written"), ("disk of book 2 nearly full",), failure=FULL),
    Row("erase", 3, True, at("book 1 written"), ("book 2 read-only",), failure=READ_ONLY_BOOK),
    Row("erase", 3, True, at("tree locked"), ("book 1 read-only",), failure=READ_ONLY_BOOK),
    Row("erase", 1, True, at("tree locked"), ("holder 1 read-only", "holder 2 read-only"), failure=READ_ONLY),
    Row("erase", 5, True, at("read back"), (STUCK,), STUCK, READ_ONLY_AFTER),
    Row("erase", 5, True, at("root destroyed at holder 1"), ("holder 2 read-only",), failure=READ_ONLY_AFTER),
    Row("erase", 1, True, at("tree locked"), (f"{PROGRAM} fail put",), failure=NO_ROOT),
    Row("erase", 1, True, at("tree locked"), (f"{PROGRAM} crash put",), failure=NO_ROOT),
    Row("erase", 1, True, at("tree locked"), (f"{PROGRAM} loses put",), failure=NO_ROOT),
    Row("erase", 1, True, at("tree locked"), (f"{PROGRAM} alters put",), failure=NO_ROOT),
    Row("erase", 1, True, at("tree locked"), (f"{PROGRAM} busy get",), failure=NO_ROOT),
    Row("erase", 1, True, at("tree locked"), (f"{PROGRAM} garbage get",), failure=NO_ROOT),
    Row("erase", 5, True, at("read back"), (f"{PROGRAM} fail destroy",), failure=KEPT),
    Row("erase", 5, True, at("read back"), (f"{PROGRAM} crash destroy",), failure=KEPT),
    Row("erase", 5, True, at("read back"), (f"{PROGRAM} keeps destroy",), failure=LIES),
    Row("erase", 5, True, at("read back"), (HIDES,), HIDES, LIES),
    Row("erase", 5, True, at("read back"), (f"{PROGRAM} busy list",), failure=KEPT),
    Row("erase", 5, True, at("read back"), (f"{PROGRAM} schedules destroy",)),
    # What else drops keys.
    Row("purge", 0, True, at("purge locked"), KILLS),
    Row("purge", 0, True, at("batch deleted"), ALL),
    Row("purge", 0, True, amid("purge locked", "crm.interaction"), ALL),
    Row("purge", 0, True, amid("purge locked", "crm.invoice_line"), KILLS),
    Row("purge", 1, False, at("root placed at holder 2"), (*KILLS, CRM)),
    Row("purge", 2, True, at("claims given up"), KILLS),
    Row("purge", 2, True, at("rows changed"), (*ALL, CRM)),
    Row("purge", 2, True, amid("rows changed", NODES), KILLS),
    Row("purge", 2, True, unheard("nodes rewritten"), ALL),
    Row("purge", 2, False, at("epoch committed"), (*ALL, "disk of book 1 full", CRM), quick=KILLS[0]),
    Row("purge", 3, True, at("book 1 written"), KILLS),
    Row("purge", 4, False, at("read back"), (*KILLS, "holder 1 read-only")),
    Row("purge", 5, True, at("root destroyed at holder 1"), KILLS),
    Row("purge", 5, False, at("root destroyed at holder 2"), ALL),
    Row("purge", 6, True, amid("root destroyed at holder 2", "lua.purge"), KILLS),
    Row("move", 0, True, amid("purge locked", "vault.period"), KILLS),
    Row("move", 0, True, amid("batch deleted", "crm.interaction", 2), ALL),
    Row("move", 0, True, at("held rows moved"), (*KILLS, CRM), quick=KILLS[1]),
    Row("unhold", 2, True, at("claims given up"), KILLS),
    Row("unhold", 2, False, at("epoch committed"), KILLS),
    Row("unhold", 5, True, at("root destroyed at holder 1"), KILLS),
    Row("end", 1, False, at("root placed at holder 2"), (*KILLS, CRM)),
    Row("end", 2, True, amid("root placed at holder 2", "lua.termination"), KILLS),
    Row("end", 2, True, at("rows changed"), (*ALL, CRM)),
    Row("end", 2, True, unheard("nodes rewritten"), ALL, quick=KILLS[0]),
    Row("end", 2, False, at("epoch committed"), (*ALL, "disk of book 2 full")),
    Row("end", 4, False, at("read back"), (*KILLS, "holder 1 read-only")),
    Row("end", 5, False, at("root destroyed at holder 2"), ALL),
    Row("end", 6, True, amid("root destroyed at holder 2", "crm.interaction"), ALL),
    Row("end", 6, True, amid("root destroyed at holder 2", "crm.subject"), KILLS),
    Row("end", 6, True, at("log locked"), KILLS),
    Row("end", 6, False, at("certificate written"), KILLS),
    Row("rectify", 1, False, at("root placed at holder 2"), (*KILLS, CRM)),
    Row("rectify", 2, True, amid("claims given up", "crm.interaction"), ALL),
    Row("rectify", 2, True, at("rows changed"), (*ALL, CRM)),
    Row("rectify", 2, True, unheard("nodes rewritten"), ALL),
    Row("rectify", 2, False, at("epoch committed"), (*ALL, "disk of book 1 full", CRM), quick=CUT),
    Row("rectify", 3, True, at("book 1 written"), KILLS),
    Row("rectify", 5, True, at("root destroyed at holder 1"), (*KILLS, "holder 2 read-only")),
    Row("rectify", 5, False, at("root destroyed at holder 2"), ALL),
    Row("rotate", 1, False, at("root placed at holder 2"), (*KILLS, CRM)),
    Row("rotate", 2, True, amid("rows changed", NODES), ALL),
    Row("rotate", 2, True, unheard("nodes rewritten"), ALL),
    Row("rotate", 2, False, at("epoch committed"), (*ALL, "disk of book 1 full", CRM)),
    Row("rotate", 3, True, at(f"COMMIT {BOOKS}"), KILLS, quick=KILLS[1]),
    Row("rotate", 4, False, at("read back"), (*KILLS, "holder 1 read-only")),
    Row("rotate", 5, True, at("root destroyed at holder 1"), KILLS),
    Row("revoke", 1, False, at("root placed at holder 2"), KILLS),
    Row("revoke", 2, True, amid("rows changed", NODES), KILLS),
    Row("revoke", 2, True, unheard("nodes rewritten"), ALL),
    Row("revoke", 2, False, at("epoch committed"), ALL, quick=KILLS[0]),
    Row("revoke", 5, True, at("root destroyed at holder 1"), KILLS),
    Row("revoke", 5, False, at("root destroyed at holder 2"), KILLS),
    # Evidence is collected, and handed on: no keys go, and nothing half done may look like a lockbox.
    Row("collect", 0, True, at("reading recorded"), ALL),
    Row("collect", 0, True, amid("reading recorded", "ledger.leaf", reading=True), KILLS),
    Row("collect", 0, True, at("lines written"), ALL),
    Row("collect", 0, True, amid("lines written", "ledger.entry"), KILLS),
    Row("collect", 0, True, at("lockbox recorded"), ALL, quick=KILLS[0]),
    Row("collect", 0, True, at("log locked", 2), KILLS),
    Row("collect", 0, False, at("certificate written"), KILLS),
    Row("hand on", 0, True, at("custody recorded"), ALL),
    Row("hand on", 0, True, torn("write *.lockbox.*.new"), KILLS[:1]),
    Row("hand on", 0, True, at("os.rename *.lockbox.*.new"), KILLS),
    Row("hand on", 0, False, at("custody written"), KILLS),
    # What finishes the work of others is cut short itself.
    Row("recover", 3, True, at("tree locked"), (*ALL, "disk of book 1 full", "book 2 read-only")),
    Row("recover", 3, True, at(f"COMMIT {BOOKS}"), KILLS),
    Row("recover", 3, True, at("book 1 written"), (*KILLS, "disk of book 2 full")),
    Row("recover", 4, False, at("book 2 written"), (*ALL, "holder 1 read-only", LOCK)),
    Row("recover", 5, True, torn(f"write {OLD}"), KILLS, quick=KILLS[0]),
    Row("recover", 5, True, at("root destroyed at holder 1"), KILLS),
    Row("recover", 6, True, amid("root destroyed at holder 2", "ledger.pending"), ALL),
)  # fmt: skip

POINTS = tuple(Point(row, blow) for row in TABLE for blow in row.blows)
QUICK = tuple(Point(row, row.quick) for row in TABLE if row.quick)
