"""Reading what servers and services write, and masking what a person typed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from luactl.log.ingest import mask
from luactl.log.ingest.classify import classify, kind_of_sql
from luactl.log.ingest.form import Form
from luactl.log.ingest.postgres import prefix_pattern
from luactl.log.ingest.record import Record
from luactl.log.ingest.stamp import StampError, stamp

AT = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
MESSAGE = 'duplicate key value violates unique constraint "people_pkey"'
DETAIL = "Key (email)=(mia@example.com) already exists."
STATEMENT = "INSERT INTO people\n  VALUES ('mia@example.com', 4711)"
UNIQUE = (
    '2026-03-01 12:00:00.123 UTC,"anna","lua",4711,"10.0.0.7:5432",69a2c3d4.1267,3,"INSERT",'
    "2026-03-01 11:59:00 UTC,5/12,900,ERROR,23505,"
    + ",".join('"' + text.replace('"', '""') + '"' for text in (MESSAGE, DETAIL))
    + f',,,,,"{STATEMENT}",,,"app","client backend",,0\n'
)
JSON = {
    "timestamp": "2026-03-01 12:00:00.123 UTC", "user": "anna", "dbname": "lua", "pid": 4711,
    "remote_host": "10.0.0.7", "session_id": "69a2c3d4.1267", "line_num": 3, "error_severity": "ERROR",
    "state_code": "23505", "message": MESSAGE, "detail": DETAIL, "statement": STATEMENT,
    "application_name": "app",
}  # fmt: skip
PREFIX = "%m [%p] %q%u@%d %h %c %l "
LEAD = "2026-03-01 12:00:00.123 UTC [4711] anna@lua 10.0.0.7 69a2c3d4.1267"
STDERR = (
    f"{LEAD} 3 ERROR:  {MESSAGE}\n{LEAD} 4 DETAIL:  {DETAIL}\n{LEAD} 5 STATEMENT:  "
    + STATEMENT.replace("\n", "\n\t")
    + "\n"
)
AUDIT = "AUDIT: SESSION,1,1"
MASKED = (
    'duplicate key value violates unique constraint "people_pkey"\n'
    "DETAIL: Key (email)=(‹…›) already exists.\n"
    "STATEMENT: INSERT INTO people\n  VALUES (‹…›, ‹…›)"
)


@pytest.mark.parametrize(
    ("form", "data"),
    [
        (Form("csvlog", "UTC"), UNIQUE.encode()),
        (Form("jsonlog", "UTC"), json.dumps(JSON).encode() + b"\n"),
        (Form("stderr", "UTC", PREFIX), STDERR.encode()),
    ],
)
def test_the_three_formats_of_postgres_say_the_same(form: Form, data: bytes) -> None:
    ((begin, end),) = form.split(data, is_end=True)
    assert (begin, end) == (0, len(data))
    record = form.read(data)
    assert (record.at, record.actor, record.address, record.session, record.number) == (
        AT, "anna", "10.0.0.7", "69a2c3d4.1267", 3,
    )  # fmt: skip
    kind = classify(record)
    assert (kind.action, kind.outcome, kind.message) == ("error", "failed", MASKED)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("form", "one"),
    [
        (Form("csvlog", "UTC"), UNIQUE.encode()),
        (Form("jsonlog", "UTC"), json.dumps(JSON).encode() + b"\n"),
        (Form("stderr", "UTC", PREFIX), STDERR.encode()),
        (Form("journald", "UTC"), b"__REALTIME_TIMESTAMP=1\nMESSAGE\n\x05\0\0\0\0\0\0\0a\n=\nb\n\n"),
    ],
)
def test_records_are_cut_wherever_reading_stops(form: Form, one: bytes, count: int) -> None:
    """A cut that falls anywhere gives whole records first, and the rest later."""
    data = one * count
    for cut in range(0, len(data), 7):
        spans = list(form.split(data[:cut], is_end=False))
        assert spans == [(n * len(one), (n + 1) * len(one)) for n in range(len(spans))]
        assert len(spans) in (cut // len(one), cut // len(one) - 1)
    assert [end - begin for begin, end in form.split(data, is_end=True)] == [len(one)] * count


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-03-01 12:00:00.123 UTC", "UTC", AT),
        ("2026-03-01T12:00:00.123Z", "Europe/Berlin", AT),
        ("2026-03-01 13:00:00.123 CET", "Europe/Berlin", AT),
        ("2026-03-01 13:00:00.123+01", "UTC", AT),
        ("2026-03-01 17:30:00.123 +05:30", "UTC", AT),
        ("2026-03-01 13:00:00.123", "Europe/Berlin", AT),
        ("2026-10-25 02:30:00 CEST", "Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25 02:30:00 CET", "Europe/Berlin", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    ],
)
def test_times_of_logs(text: str, zone: str, expected: datetime) -> None:
    assert stamp(text, zone) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30 12:00:00 UTC", "2026-03-01"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(StampError):
        stamp(text, "UTC")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (
            "SELECT * FROM t WHERE name = 'O''Hara' AND id = 42",
            "SELECT * FROM t WHERE name = ‹…› AND id = ‹…›",
        ),
        ("SELECT $1, $tag$it's$tag$, t2.c1 -- mia@example.com", "SELECT $1, ‹…›, t2.c1 ‹…›"),
        ('SELECT "Mia" FROM "T 1"', 'SELECT "Mia" FROM "T 1"'),
        (r"SELECT E'a\'b', 1.5e-7", "SELECT ‹…›, ‹…›"),
        ("INSERT INTO t VALUES ('cut of", "INSERT INTO t VALUES (‹…›"),
    ],
)
def test_statements_are_masked(text: str, masked: str) -> None:
    assert mask.statement(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('relation "crm.people" does not exist', 'relation "crm.people" does not exist'),
        ('invalid input syntax for type integer: "mia"', 'invalid input syntax for type integer: "‹…›"'),
        ('password authentication failed for user "anna"', 'password authentication failed for user "anna"'),
        ("Failing row contains (1, Mia (M), +49 30 1234567).", "Failing row contains (‹…›)"),
        ("mail to mia.m@example.com bounced", "mail to ‹…› bounced"),
        ("call +49 30 1234567 or DE89 3704 0044 0532 0130 00", "call ‹…› or ‹…›"),
        ("connection received: host=10.0.0.7 port=54321", "connection received: host=10.0.0.7 port=54321"),
    ],
)
def test_messages_are_masked(text: str, masked: str) -> None:
    assert mask.prose(text).rstrip(".") == masked.rstrip(".")


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_literal_survives(before: str, secret: str) -> None:
    quoted = "'" + secret.replace("'", "''").replace("\\", "") + "'"
    assert mask.statement(f"SELECT {quoted}") == f"SELECT {mask.MASK}"


@pytest.mark.parametrize(
    ("record", "action", "outcome", "object_"),
    [
        (Record(AT, "connection authorized: user=anna database=lua SSL enabled"), "login", "done", None),
        (Record(AT, "disconnection: session time: 0:00:01.000 user=anna"), "logout", "done", None),
        (Record(AT, "authentication failed", "FATAL", code="28P01"), "login.failed", "refused", None),
        (Record(AT, 'password authentication failed for user "x"', "FATAL"), "login.failed", "refused", None),
        (Record(AT, 'database "x" does not exist', "FATAL"), "login.failed", "refused", None),
        (Record(AT, "terminating connection due to timeout", "FATAL"), "error", "failed", None),
        (Record(AT, "permission denied for table people", "ERROR"), "error", "refused", None),
        (Record(AT, "permission denied for table people", "ERROR", code="42501"), "error", "refused", None),
        (Record(AT, 'connection authenticated: identity="x" method=scram'), "line", "done", None),
        (Record(AT, "statement: DELETE FROM people"), "statement.write", "done", None),
        (Record(AT, "duration: 1.5 ms  execute <unnamed>: SELECT 1"), "statement.read", "done", None),
        (Record(AT, f"{AUDIT},READ,SELECT,TABLE,public.x,select,<none>"), "statement.read", "done", "table:public.x"),  # noqa: E501
        (Record(AT, f'{AUDIT},ROLE,GRANT,,,"grant a to b",<none>'), "statement.role", "done", None),
        (Record(AT, "received SIGHUP, reloading configuration files"), "server.reload", "done", None),
        (Record(AT, 'parameter "log_connections" changed to "off"'), "server.setting", "done", None),
        (Record(AT, "checkpoint starting: time"), "line", "done", None),
    ],
)  # fmt: skip
def test_lines_have_an_action(record: Record, action: str, outcome: str, object_: str | None) -> None:
    kind = classify(record)
    assert (kind.action, kind.outcome, kind.object) == (action, outcome, object_)


@pytest.mark.parametrize(
    ("sql", "action"),
    [
        ("-- hello\n/* x */ (select 1)", "statement.read"),
        ("with x as (select 1) insert into t select * from x", "statement.write"),
        ("with x as (select 1) select * from x", "statement.read"),
        ("copy t from stdin", "statement.write"),
        ("copy (select 'from') to stdout", "statement.read"),
        ("alter user anna password 'x'", "statement.role"),
        ("alter table t add c int", "statement.ddl"),
        ("vacuum", "statement.misc"),
        ("", "statement.misc"),
    ],
)
def test_statements_by_their_first_word(sql: str, action: str) -> None:
    assert kind_of_sql(sql) == action


def test_a_service_says_it_itself() -> None:
    line = {
        "at": "2026-03-01T12:00:00.123Z", "actor": "crm", "on_behalf": "mia", "tenant": "smile",
        "action": "contact.read", "outcome": "denied", "message": "to mia@example.com",
    }  # fmt: skip
    record = Form("jsonl", "UTC").read(json.dumps(line).encode())
    kind = classify(record)
    assert (record.at, record.actor, record.on_behalf, record.tenant) == (AT, "crm", "mia", "smile")
    assert (kind.action, kind.outcome, kind.message) == ("contact.read", "refused", "to ‹…›")
    ecs = {
        "@timestamp": "2026-03-01T12:00:00.123Z",
        "event": {"action": "Login!", "outcome": "success"},
        "user": {"name": "x"},
    }
    record = Form("jsonl", "UTC").read(json.dumps(ecs).encode())
    assert (record.actor, classify(record).action, classify(record).outcome) == ("x", "line", "done")


def test_journald_says_who_came_in() -> None:
    data = (
        b"__REALTIME_TIMESTAMP=1772366400123000\nPRIORITY=6\nSYSLOG_IDENTIFIER=sshd\n_HOSTNAME=db1\n"
        b"MESSAGE=Accepted publickey for ida from 203.0.113.9 port 2222 ssh2\n\n"
    )
    record = Form("journald", "UTC").read(data)
    assert (record.at, record.actor, record.address, record.action) == (AT, "ida", "203.0.113.9", "login")


@pytest.mark.parametrize(
    "prefix", ["%m [%p] ", "%t:%r:%u@%d:[%p]: ", "%n %-6p %a %e ", "%m %b[%p] %q%u@%d/%a "]
)
def test_usual_prefixes_are_read(prefix: str) -> None:
    values = {
        "%m": "2026-03-01 12:00:00.123 UTC", "%t": "2026-03-01 12:00:00 UTC", "%n": "1772366400.123",
        "%-6p": "4711  ", "%p": "4711", "%r": "10.0.0.7(5432)", "%u": "anna", "%d": "lua",
        "%a": "my app", "%e": "00000", "%b": "client backend", "%q": "",
    }  # fmt: skip
    line = prefix
    for escape, value in values.items():
        line = line.replace(escape, value)
    record = Form("stderr", "UTC", prefix).read(f"{line}LOG:  hello\n".encode())
    assert (record.message, record.at.replace(microsecond=0)) == ("hello", AT.replace(microsecond=0))
    if "%u" in prefix:
        assert record.actor == "anna"


def test_a_prefix_without_a_time_is_refused() -> None:
    with pytest.raises(ValueError, match="no time"):
        prefix_pattern("[%p] ")


def test_a_statement_may_be_long_and_a_carriage_return_makes_no_record() -> None:
    form = Form("csvlog", "UTC")
    long = UNIQUE.replace("4711)", "4711)" + " " * 300_000).encode()
    ((begin, end),) = form.split(long, is_end=True)
    assert len(form.read(long[begin:end]).statement or "") > 300_000
    with pytest.raises(ValueError, match="new-line"):
        form.read(b"\r,\n")
    assert classify(Record(AT, 'AUDIT: SESSION,1,1,READ,SELECT,,,"SELECT\r1",')).action == "statement.read"


@given(st.binary(max_size=300))
@example(b"\r,\n")
def test_nothing_breaks_the_reader(data: bytes) -> None:
    for form in (Form("csvlog", "UTC"), Form("jsonlog", "UTC"), Form("jsonl", "UTC"), Form("journald", "UTC"),
                 Form("stderr", "UTC", PREFIX)):  # fmt: skip
        spans = list(form.split(data, is_end=True))
        assert [begin for begin, _end in spans] == [0, *(end for _begin, end in spans)][: len(spans)]
        for begin, end in spans:
            try:
                form.read(data[begin:end])
            except ValueError:
                continue
