"""What the measures of the ledger share: a fresh home, clients, and entries as the CRM makes them."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .home import dsn, home

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.ledger import Entry

CLIENTS = 2
Client = Callable[[str, int, Callable[[], object]], None]
SEALED = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kA=="
BARE = """
CREATE SCHEMA bare;
CREATE TABLE bare.entry (
    id uuid NOT NULL, at timestamptz NOT NULL, actor text NOT NULL, tenant_id bigint NOT NULL, subject uuid,
    touched uuid[], action text NOT NULL, object text, outcome text NOT NULL, body bytea NOT NULL,
    arrived bigint DEFAULT pg_current_xact_id()::text::bigint,
    PRIMARY KEY (at, id));
CREATE INDEX ON bare.entry (actor, at DESC);
CREATE INDEX ON bare.entry (tenant_id, at DESC);
CREATE INDEX ON bare.entry (subject, at DESC) WHERE subject IS NOT NULL;
CREATE INDEX ON bare.entry USING gin (touched) WHERE touched IS NOT NULL;
CREATE INDEX ON bare.entry (at DESC) WHERE action = 'promise.prove';
CREATE INDEX ON bare.entry USING gin (ledger.words(body));
CREATE INDEX ON bare.entry (arrived, id) WHERE arrived IS NOT NULL;
CREATE INDEX ON bare.entry (at, id) WHERE action IN ('ledger.cosign', 'ledger.origin.fork', 'ledger.prune');
GRANT EXECUTE ON FUNCTION ledger.words(bytea), lua.words(text) TO PUBLIC;
GRANT USAGE ON SCHEMA bare TO PUBLIC;
GRANT INSERT ON bare.entry TO PUBLIC;
"""


@contextmanager
def world() -> Iterator[tuple[Session, Any]]:
    """Yield a session of a fresh home's own login, and a connection of its superuser."""
    import psycopg

    from luactl.config import find_paths, load_profile
    from luactl.connect import admit, clock_of
    from luactl.db import Session
    from luactl.embedded import Server, bundled_binaries, running_port, superuser_conninfo

    with home() as env:
        server = Server(find_paths(env).server("local"), bundled_binaries())
        above = superuser_conninfo(server, "luactl", running_port(server))
        with (
            closing(psycopg.connect(above, autocommit=True)) as superuser,
            closing(psycopg.connect(dsn(env), autocommit=True)) as conn,
        ):
            profile = load_profile(environ=env)
            yield Session(conn, admit(conn), clock_of(profile), profile, "bench"), superuser


def conninfo_of(own: Session) -> str:
    """Return where a session is connected to, for further clients."""
    from psycopg.conninfo import make_conninfo

    info = own.conn.info
    return make_conninfo(info.dsn, password=info.password, host=info.host, port=info.port)


def session(conninfo: str) -> Session:
    """Open a session as luactl does, without a profile: the ledger's appends need none."""
    import psycopg

    from luactl.clock import SystemClock
    from luactl.db import Session

    conn = psycopg.connect(conninfo, autocommit=True)
    actor = conn.info.user
    return Session(conn, actor, SystemClock(), None, "bench")  # type: ignore[arg-type]


def entry(number: int) -> Entry:
    """Return the record of one change of one person, of about 500 bytes."""
    from luactl.ledger import Entry

    detail = {"command": "crm customer update", "sealed": SEALED, "commitment": SEALED[:44], "n": number}
    return Entry(
        "crm.customer.update", number % 50 + 1, "table:crm.contact", uuid4(), "support", detail=detail
    )


def fill(session: Session, number: int) -> None:
    """Append so many entries, 1,000 a transaction."""
    from luactl import ledger
    from luactl.db import transaction

    for first in range(0, number, 1_000):
        with transaction(session):
            ledger.append_all(session, [entry(n) for n in range(first, min(number, first + 1_000))])


def at_once(client: Client, conninfo: str, number: int) -> float:
    """Let two processes do their work at the same time; return the seconds until both are done.

    A client connects and prepares, calls what it was given, and begins when all are ready. Raises
    threading.BrokenBarrierError when one of them fails.
    """
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(CLIENTS + 1, timeout=600)

    def work() -> None:
        try:
            client(conninfo, number, gate.wait)
            gate.wait()
        except BaseException:
            gate.abort()
            raise

    crew = [context.Process(target=work) for _ in range(CLIENTS)]
    for one in crew:
        one.start()
    gate.wait()
    begun = time.perf_counter()
    gate.wait()
    took = time.perf_counter() - begun
    for one in crew:
        one.join()
    return took


def rates(ours: Client, theirs: Client, conninfo: str, number: int, turns: int) -> tuple[float, float]:
    """Run both in turns; return the median seconds of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(turns + 1):
        for client, kept in zip((ours, theirs), times, strict=True):
            took = at_once(client, conninfo, number)
            if turn:
                kept.append(took)
    return median(times[0]), median(times[1])


def rows(number: int) -> list[tuple[Any, ...]]:
    """Return what a client would insert by hand: the very bytes and columns of such entries."""
    from luactl.clock import SystemClock
    from luactl.ledger.entry import Stamp, canonical, new_id, time_of

    stamp, clock, made = Stamp("bench", None, "66b2a1c0.1f2a", "127.0.0.1"), SystemClock(), []
    for n in range(number):
        one, id_ = entry(n), new_id(clock.now())
        made.append(
            (id_, time_of(id_), "bench", one.tenant_id, one.subject, one.action, one.object, one.outcome,
             canonical(one, stamp, id_))
        )  # fmt: skip
    return made


def columns(listed: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Turn rows into columns."""
    return [list(column) for column in zip(*listed, strict=True)]
