"""Honest histories of a log: writers, reads, integrations, prunings, erasures, and all of them cut short.

A history is told by one seed and ends with a check of the whole log, which must find nothing. Logs are begun
anew after some histories, so that each check stays short.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path

import psycopg
from conftest import Connection
from support_erasure import erase, new_tenant
from support_ledger import anchor_file, write

from luactl import crm, ledger
from luactl.connect import connect
from luactl.db import Session, transaction
from luactl.errors import NoConnectionError
from luactl.ledger.prune import plan_prune, prune
from luactl.tenant import Tenant

ANEW = 12
"""Histories that one log has."""
ERASING = 100
"""Every how manieth history erases a person."""
LOG = "ledger.entry, ledger.pending, ledger.leaf, ledger.subtree, ledger.checkpoint, ledger.minimum"


class Crash(Exception):
    """Where a history is cut short."""


def crashing(session: Session, step: int) -> Session:
    """Return the session with a crash at its n-th step."""
    passed = 0

    def at(_name: str) -> None:
        nonlocal passed
        passed += 1
        if passed == step:
            raise Crash

    return replace(session, step=at)


@dataclass
class Teller:
    """Two sessions on one log, and what they remember of it."""

    session: Session
    other: Session
    admin: Connection
    folder: Path
    people: Iterator[tuple[Tenant, object]]
    times: list[datetime] = field(default_factory=list)
    """Moments at which a history ended: a pruning reaches back to one."""
    done: dict[str, int] = field(default_factory=dict)
    """How often each thing happened to its end."""

    def begin(self) -> None:
        """Empty the log and its anchor."""
        self.admin.execute(f"TRUNCATE {LOG}".encode())
        anchor_file(self.session).write_text("")
        self.times.clear()

    def tell(self, seed: int) -> None:
        """Tell the history of a seed, and check the log."""
        dice = random.Random(seed)
        if seed % ANEW == 0:
            self.begin()
        if seed % ERASING == ERASING // 2:
            self._erase()
        for _move in range(dice.randrange(1, 4)):
            move = dice.choice(MOVES)
            if move(self, dice):
                self.done[move.__name__] = self.done.get(move.__name__, 0) + 1
        self.times.append(self.session.clock.now())
        assert (seed, [one.problem for one in ledger.verify(self.session).findings]) == (seed, [])

    def _erase(self) -> None:
        tenant, who = next(self.people)
        assert erase(self.session, tenant, who, self.folder).outcome == "erased"  # type: ignore[arg-type]
        self.done["erase"] = self.done.get("erase", 0) + 1


def _write(t: Teller, dice: random.Random) -> bool:
    write(t.session, *["a"] * dice.randrange(1, 300, 7))
    return True


def _overtake(t: Teller, dice: random.Random) -> bool:
    """Let the writer that began first commit last."""
    with transaction(t.session):
        ledger.append_all(t.session, [ledger.Entry("slow")])
        write(t.other, "fast")
        if dice.randrange(2):
            ledger.integrate(t.other, batch=dice.choice([1, 7, 10_000]))
    return True


def _take_back(t: Teller, _dice: random.Random) -> bool:
    with transaction(t.session):
        ledger.append(t.session, ledger.Entry("undone"))
        raise psycopg.Rollback
    return True


def _lose_connection(t: Teller, dice: random.Random) -> bool:
    """Cut a writer's connection before its commit, one time in three."""
    if dice.randrange(3):
        return False
    with closing(connect(t.session.profile, command="test")) as conn:
        lost = replace(t.session, conn=conn)
        try:
            with transaction(lost):
                ledger.append_all(lost, [ledger.Entry("lost")] * 3)
                t.admin.execute("SELECT pg_terminate_backend(%s, 10000)", [conn.info.backend_pid])
        except NoConnectionError:
            return True
    raise AssertionError("the connection was not lost")


def _read(t: Teller, dice: random.Random) -> bool:
    people = [ledger.new_id(t.session.clock.now()) for _ in range(dice.randrange(3))]
    ledger.record_read(t.session, 7, people, "x", "y", count=3)
    return True


def _crash(t: Teller, dice: random.Random) -> bool:
    try:
        ledger.integrate(crashing(t.session, dice.randrange(1, 6)), batch=dice.choice([5, 10_000]))
    except Crash:
        return True
    return False


def _integrate(t: Teller, dice: random.Random) -> bool:
    return ledger.integrate(dice.choice([t.session, t.other]), batch=dice.choice([9, 10_000])) is not None


def _tear(t: Teller, dice: random.Random) -> bool:
    """Leave half of a note in the anchor, as a crash in the write does; the next run makes it good."""
    file = anchor_file(t.session)
    write(t.other, "a")
    ledger.integrate(t.session)
    whole, note = file.read_bytes(), ledger.newest_checkpoint(t.session).note.encode()
    file.write_bytes(whole[: len(whole) - dice.randrange(1, len(note) + 1)])
    ledger.integrate(t.session)
    return note in file.read_bytes()


def _prune(t: Teller, dice: random.Random) -> bool:
    """Prune up to a moment at which a history ended; now and then cut short."""
    if not t.times:
        return False
    try:
        ledger.integrate(t.session)
        plan = plan_prune(t.session, dice.choice(t.times))
        prune(crashing(t.session, dice.choice([1, 2, 3, 99])), plan)
    except Crash:
        return False
    return not plan.nothing


MOVES: tuple[Callable[[Teller, random.Random], bool], ...] = (
    _write, _overtake, _take_back, _lose_connection, _read, _crash, _integrate, _integrate, _tear, _prune,
)  # fmt: skip


def people(session: Session, number: int) -> Iterator[tuple[Tenant, object]]:
    """Make so many people of one tenant when the first is asked for; yield each."""
    tenant = new_tenant(session, "smile")
    lines = [f"{n},Nele,Person{n},,nele{n}@praxis.example,,Köln" for n in range(number)]
    text = "\n".join(["CustomerId,FirstName,LastName,Company,Email,Phone,City", *lines, ""])
    assert crm.import_customers(session, tenant, BytesIO(text.encode()), crm.Options()).imported == number
    page = crm.list_customers(session, tenant, number + 1)
    yield from [(tenant, view.subject_id) for view in page.rows]
