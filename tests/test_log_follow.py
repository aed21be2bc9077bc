"""Following the log: everything once, in pages, whatever commits late, is told late, or is lost meanwhile."""

# ruff: noqa: F811
from __future__ import annotations

import json
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from conftest import Connection, Home, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_pooler import pooler, through
from test_log import NOW, asked, logged, other, write  # noqa: F401

from luactl import ledger, log
from luactl.clock import FixedClock
from luactl.connect import connect, open_session
from luactl.db import Session, transaction
from luactl.ledger import Entry
from luactl.log.follow import Moment

ANOTHER = (
    "INSERT INTO lua.log_line (id, at, source_id, file_no, place, tenant_id, action, outcome, severity,"
    " message, ingested_at) SELECT %s, to_timestamp(%s / 1000.0), source_id, 1, %s, 0, 'line', 'done', 'LOG',"
    " %s, now() FROM lua.log_source"
)
SOURCE = (
    "INSERT INTO lua.log_source (source_id, name, format, path, host, created_at, created_by)"
    " VALUES (gen_random_uuid(), 'crm', 'jsonl', '/crm', 'crm', now(), 'x')"
)
END = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = %s"


def test_following_shows_each_entry_once(logged: Session, other: Session) -> None:
    write(other, "a", "b", "c")
    rounds = iter([["d", "e"], [], ["f"]])
    seen = []
    for line in log.tail(
        logged, asked(f"actor:{logged.actor}"), 2, lambda: write(other, *next(rounds, ["end"]))
    ):
        seen.append(line.action)
        if line.action == "end":
            break
    assert seen == ["b", "c", "d", "e", "f", "end"]


@pytest.mark.parametrize("nested", [False, True])
def test_an_entry_that_commits_late_is_not_missed(logged: Session, other: Session, nested: bool) -> None:
    """The writer's transaction stays open for hours, begun before the following."""
    early = replace(other, clock=FixedClock(NOW))
    wanted = asked("action:late*")
    with transaction(early) as conn:
        with conn.transaction() if nested else nullcontext():
            ledger.append(early, Entry("late.begun"))
        _none, position = log.start(replace(logged, clock=FixedClock(NOW)), wanted, 10)
        for hours in range(1, 4):
            looking = replace(logged, clock=FixedClock(NOW + timedelta(hours=hours)))
            fresh, position = log.follow(looking, wanted, position)
            assert fresh == ()
        ledger.append(replace(other, clock=FixedClock(NOW + timedelta(hours=3))), Entry("late.end"))
    fresh, position = log.follow(
        replace(logged, clock=FixedClock(NOW + timedelta(hours=4))), wanted, position
    )
    assert [line.action for line in fresh] == ["late.begun", "late.end"]
    fresh, position = log.follow(
        replace(logged, clock=FixedClock(NOW + timedelta(hours=5))), wanted, position
    )
    assert fresh == ()


def test_an_entry_older_than_the_last_look_is_not_missed(logged: Session, other: Session) -> None:
    """The writer's transaction begins between two looks and ends after a third, an hour each."""
    at = [replace(logged, clock=FixedClock(NOW + timedelta(hours=hour))) for hour in range(5)]
    wanted = asked("action:late")
    _none, position = log.start(at[0], wanted, 0)
    _none, position = log.follow(at[1], wanted, position)
    with transaction(other):
        ledger.append(replace(other, clock=FixedClock(NOW + timedelta(hours=1))), Entry("late"))
        for looking in at[2:4]:
            fresh, position = log.follow(looking, wanted, position)
            assert fresh == ()
    fresh, position = log.follow(at[4], wanted, position)
    assert [line.action for line in fresh] == ["late"]


def test_lines_follow_as_they_come_in_however_old(logged: Session, admin: Connection) -> None:
    """A file of last year is read while somebody follows."""
    admin.execute(SOURCE)
    wanted = asked("kind:line")
    bring(admin, "before")
    shown, position = log.start(logged, wanted, 10)
    assert [line.message for line in shown] == ["before"]
    with admin.transaction():
        bring(admin, "first", "second")
        fresh, position = log.follow(logged, wanted, position)
        assert fresh == ()
    bring(admin, "third")
    fresh, position = log.follow(logged, wanted, position)
    assert {line.message for line in fresh} == {"first", "second", "third"}
    assert log.follow(logged, wanted, position)[0] == ()


def bring(admin: Connection, *messages: str) -> None:
    """Insert lines that say that they are a year old."""
    for message in messages:
        rest = uuid4().int & ((1 << 80) - 1)
        milliseconds = int((NOW - timedelta(days=365)).timestamp() * 1000)
        admin.execute(ANOTHER, (UUID(int=milliseconds << 80 | rest), milliseconds, rest % 1000, message))


def test_a_burst_comes_in_pages(logged: Session, other: Session) -> None:
    _none, position = log.start(logged, asked("action:b.*"), 0)
    with transaction(other):
        ledger.append_all(other, [Entry("b.x") for _ in range(25)])
    write(other, "b.y", "b.y")
    pages, seen = [], []
    while True:
        fresh, position = log.follow(logged, asked("action:b.*"), position, 10)
        pages.append(len(fresh))
        seen += [line.id for line in fresh]
        if not position.more:
            break
        write(other, "b.later")  # comes after the pages, and into none of them
    assert pages == [10, 10, 7]
    fresh, position = log.follow(logged, asked("action:b.*"), position, 10)
    assert [line.action for line in fresh] == ["b.later"] * 2
    assert len({*seen, *(line.id for line in fresh)}) == 29
    assert not position.more


def test_what_ends_between_two_pages_comes_with_the_next_look(
    logged: Session, other: Session, bare_home: Home
) -> None:
    """It ran when the look was taken, between one transaction that had ended and another one."""
    wanted = asked("action:p.*")
    _none, position = log.start(logged, wanted, 0)
    with closing(connect(bare_home.profile, command="w")) as conn:
        between = replace(logged, conn=conn)
        write(other, "p.one", "p.two", "p.three")
        with transaction(between):
            ledger.append(between, Entry("p.between"))
            write(other, "p.after")
            first, position = log.follow(logged, wanted, position, 2)
        second, position = log.follow(logged, wanted, position, 10)
    third, position = log.follow(logged, wanted, position, 10)
    assert len(first) == 2
    assert {line.action for line in (*first, *second)} == {"p.one", "p.two", "p.three", "p.after"}
    assert [line.action for line in third] == ["p.between"]


def test_who_reads_slowly_holds_a_page(logged: Session, other: Session) -> None:
    """However much came, no more than a page of it is in memory."""
    waiting = [lambda: [write(other, *["burst"] * 1_000) for _ in range(6)]]
    shown = log.tail(logged, asked("action:burst"), 0, lambda: waiting.pop()())
    next(shown)
    tracemalloc.start()
    try:
        for _ in range(5_999):
            next(shown)
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4_000_000


@pytest.mark.long
def test_a_burst_of_a_hundred_thousand(logged: Session, other: Session) -> None:
    waiting: list[Callable[[], object]] = [lambda: [write(other, *["burst"] * 1_000) for _ in range(100)]]
    shown = log.tail(logged, asked("action:burst"), 0, lambda: waiting.pop()())
    assert len({next(shown).id for _ in range(100_000)}) == 100_000


MOMENTS = st.builds(
    lambda ahead, running: Moment(ahead, tuple(sorted(n for n in running if n < ahead)), False),
    st.integers(0, 12), st.frozensets(st.integers(0, 11)),
)  # fmt: skip


@given(one=MOMENTS, two=MOMENTS)
def test_what_had_ended_at_either_moment(one: Moment, two: Moment) -> None:
    both = one.and_(two)
    assert [both.has(n) for n in range(14)] == [one.has(n) or two.has(n) for n in range(14)]


STEPS = ("write", "nest", "commit", "commit", "undo", "look", "look")
WORK = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, 2)),
    min_size=20, max_size=40,
)  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=WORK)
def test_whatever_the_order_each_comes_once(
    steps: list[tuple[str, int]],
    logged: Session,
    bare_home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three writers begin, write, commit and roll back in any order; somebody looks in pages of three.

    Half of what they write does not fit, so that stretches and pages end at different places.
    """
    monkeypatch.setattr(sys.modules["luactl.log.follow"], "STRETCH", 5)
    mark = f"m{uuid4().hex[:8]}"
    wanted = asked(f"object:{mark}")
    with ExitStack() as stack:
        conns = [stack.enter_context(closing(connect(bare_home.profile, command="w"))) for _ in range(3)]
        writers = [replace(logged, conn=conn) for conn in conns]
        open_: dict[int, list[UUID]] = {}
        committed: set[UUID] = set()
        seen: list[UUID] = []
        _none, position = log.start(logged, wanted, 0)

        def look() -> None:
            nonlocal position
            fresh, position = log.follow(logged, wanted, position, 3)
            seen.extend(line.id for line in fresh)

        for step, number in [*steps, *(("commit", n) for n in range(3))]:
            conn = conns[number]
            if step == "look":
                look()
            elif step in ("write", "nest"):
                if number not in open_:
                    conn.execute("BEGIN")
                    open_[number] = []
                with conn.transaction() if step == "nest" else nullcontext():
                    open_[number] += ledger.append_all(writers[number], [Entry("x", object=mark)] * 2)
                    ledger.append_all(writers[number], [Entry("y", object="other")] * 2)
            elif step in ("commit", "undo") and number in open_:
                conn.execute("COMMIT" if step == "commit" else "ROLLBACK")
                committed |= set(open_.pop(number)) if step == "commit" else set(open_.pop(number)[:0])
        while len(seen) < len(committed) or position.more:
            before, went_on = len(seen), position.more
            look()
            assert len(seen) > before or position.more or went_on
        assert sorted(seen) == sorted(committed)


def test_numbers_that_a_crash_gave_back(logged: Session, other: Session) -> None:
    """A server that crashed had shown transactions as ended that it knows nothing of any more."""
    _none, position = log.start(logged, asked("action:a"), 0)
    ahead = replace(position, read=Moment(position.read.ahead + 50, (position.read.ahead + 9,), False))
    fresh, after = log.follow(logged, asked("action:a"), ahead)
    assert fresh == ()
    write(other, "a")
    fresh, after = log.follow(logged, asked("action:a"), after)
    assert [line.action for line in fresh] == ["a"]


def test_a_standby_that_lags_behind_shows_nothing_twice(logged: Session, other: Session) -> None:
    """Whoever looked at the primary goes on with a standby: it has not come so far yet."""
    _none, position = log.start(logged, asked("action:a"), 0)
    (id_,) = write(other, "a")
    _seen, position = log.follow(logged, asked("action:a"), position)
    behind = Moment(position.read.ahead - 5, (), True)
    assert position.read.and_(behind).has(position.read.ahead - 1)
    look = replace(position, look=behind)
    fresh, after = log.follow(logged, asked("action:a"), look)
    assert (fresh, after.read.ahead) == ((), position.read.ahead)
    assert log.search(logged, asked("action:a")).lines[0].id == id_


def test_rows_of_another_server_are_not_new(logged: Session, admin: Connection) -> None:
    """After pg_dump and pg_restore old rows have numbers that are still to come here."""
    admin.execute(SOURCE)
    _none, position = log.start(logged, asked("kind:line"), 0)
    bring(admin, "restored", "new")
    admin.execute(
        "UPDATE lua.log_line SET ingested_at = now() - interval '2 days' WHERE message = 'restored'"
    )
    fresh, _position = log.follow(logged, asked("kind:line"), position)
    assert [line.message for line in fresh] == ["new"]


# -- who is told ---------------------------------------------------------------------------------------------


@pytest.fixture
def waker(logged: Session) -> Iterator[log.Waker]:
    """One that listens, and has looked."""
    with log.Waker(logged) as made:
        while made.wait(0):
            pass
        assert made.polls is None
        yield made


def test_whoever_waits_is_told_of_a_commit(waker: log.Waker, other: Session) -> None:
    assert not waker.wait(0)
    write(other, "a")
    assert waker.wait(60)


@pytest.fixture
def third(bare_home: Home) -> Iterator[Connection]:
    """Somebody who only listens."""
    with closing(connect(bare_home.profile, command="third")) as conn:
        conn.execute("LISTEN lua_log")
        yield conn


def told(conn: Connection) -> int:
    """Return how often it was told since it was asked last."""
    return len(list(conn.notifies(timeout=0)))


def test_what_is_rolled_back_is_not_told(waker: log.Waker, other: Session, third: Connection) -> None:
    with transaction(other):
        ledger.append(other, Entry("a"))
        other.conn.rollback()
    assert told(third) == 0
    assert waker.wait(0), "who asks anew looks once more"
    assert not waker.wait(0)


def test_one_word_for_each_question(waker: log.Waker, other: Session, third: Connection) -> None:
    """Entries beyond the first send nothing until somebody asks again, and nothing where nobody asks."""
    for _ in range(2):
        for _ in range(3):
            write(other, "a", "a")
        assert told(third) == 1
        assert waker.wait(60)


def test_behind_a_pooler_it_polls(logged: Session, server: TestServer, bare_home: Home) -> None:
    with pooler(server) as bouncer:
        through(bouncer, bare_home)
        said: list[str] = []
        with open_session("test", command="test") as session, log.Waker(session, said.append) as waker:
            assert not waker.wait(0)
            assert not waker.wait(0)
            assert waker.polls is not None
            assert "pooler" in waker.polls
            assert len(said) == 1


def test_a_stopped_connection_is_made_anew(
    logged: Session,
    other: Session,
    admin: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both connections of whoever follows end, twice; each entry comes once."""
    monkeypatch.setattr("luactl.log.waker.RETRY", 0.0)
    said: list[str] = []
    rounds = iter(["one", "cut", "two", "cut", "three"])
    with log.Waker(logged, said.append) as waker:

        def wait() -> None:
            waker.wait(0)
            step = next(rounds, "end")
            if step == "cut":
                admin.execute(END, ("luactl test",))
                admin.execute(END, ("luactl log follow",))
            write(other, f"x.{step}")

        seen = []
        for line in log.tail(logged, asked("action:x.*"), 0, wait, said.append):
            seen.append(line.action)
            if line.action == "x.end":
                break
    assert seen == ["x.one", "x.cut", "x.two", "x.cut", "x.three", "x.end"]
    assert [text for text in said if "connected again" in text] == ["connected again"] * 2


def test_following_ends_with_the_interrupt(logged: Session, bare_home: Home) -> None:
    write(logged, "tenant.create")
    program = Path(sys.executable).parent / "luactl"
    command = [str(program), "-o", "jsonl", "log", "tail", "-f", "-n", "1"]
    with subprocess.Popen(
        command, env=bare_home.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["action"] == "tenant.create"
        write(logged, "tenant.suspend")
        assert json.loads(running.stdout.readline())["action"] == "tenant.suspend"
        running.send_signal(signal.SIGINT)
        _out, errors = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "Traceback" not in errors
