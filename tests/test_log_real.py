"""Log files as real servers write them: all three formats say the same, and every line comes in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import FAST, TestServer, running_server
from support_wait import until

from luactl import log
from luactl.db import Session
from luactl.embedded import start, stop
from luactl.log.ingest.classify import classify
from luactl.log.ingest.form import Form
from luactl.log.ingest.reading import bring
from luactl.log.ingest.record import Record
from luactl.log.ingest.source import NewSource, add_source
from luactl.log.search import rows

pytestmark = pytest.mark.postgres
PREFIX = "%m [%p] %q%u@%d %a %h %c %l %e "
TALKATIVE = (
    ("log_destination", "stderr,csvlog,jsonlog"),
    ("log_filename", "real.log"),
    ("log_line_prefix", PREFIX),
    ("log_statement", "all"),
    ("log_min_error_statement", "error"),
    ("log_error_verbosity", "default"),
    ("log_parameter_max_length", "-1"),
    ("log_parameter_max_length_on_error", "-1"),
    ("log_duration", "on"),
    ("log_timezone", "Europe/Berlin"),
)
SECRETS = ("mia@example.com", "4711", "Mia Nirgend", "geheim")
ACTOR = "carla"
SAID = [
    "CREATE TABLE people (email text PRIMARY KEY, name text)",
    "INSERT INTO people VALUES ('mia@example.com',\n  'Mia \"Nirgend\", geheim')",
    "INSERT INTO people VALUES ('mia@example.com', 'geheim')",
    "SELECT count(*) FROM people -- geheim",
    "SELEKT 4711",
    "GRANT SELECT ON people TO public",
    "TABLE pg_authid",
    "DO $do$BEGIN RAISE LOG E'first\\n\\tsecond, \"third\" \\u2028 \\r fifth'; END$do$",
]
AUDIT = (
    "AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.audited,"
    "\"SELECT *\nFROM audited WHERE email = $1 OR email = 'geheim'\",mia@example.com"
)


@dataclass(frozen=True)
class Files:
    """What one server wrote, and how."""

    folder: Path

    def data(self, ending: str) -> bytes:
        """Return all bytes of a file."""
        return (self.folder / f"real.{ending}").read_bytes()

    def is_complete(self) -> bool:
        """Whether each tells the end of the server."""
        return all(b"database system is shut down" in self.data(ending)[-400:] for ending in FORMS)


FORMS = {
    "csv": Form("csvlog", "Europe/Berlin"),
    "json": Form("jsonlog", "Europe/Berlin"),
    "log": Form("stderr", "Europe/Berlin", PREFIX),
}


def audited(running: TestServer) -> TestServer | None:
    """Start a server anew with pgaudit; None where it does not come with it."""
    with closing(running.admin()) as conn:
        if not conn.execute("SELECT FROM pg_available_extensions WHERE name = 'pgaudit'").rowcount:
            return None
        conn.execute("ALTER SYSTEM SET shared_preload_libraries = 'pgaudit'")
    stop(running.server)
    return replace(running, port=start(running.server))


def work(running: TestServer, *, is_audited: bool) -> None:
    """Do what servers write about: come in, fail to, change, fail, be refused."""
    with closing(running.admin()) as conn:
        conn.execute(f"CREATE ROLE {ACTOR} LOGIN PASSWORD 'wrong-is-another'")
        conn.execute(f"GRANT CREATE, USAGE ON SCHEMA public TO {ACTOR}")
        conn.execute("SET log_statement = 'none'")
        if is_audited:
            conn.execute("CREATE TABLE audited (email text)")
            conn.execute(
                "SET pgaudit.log = 'read'; SET pgaudit.log_parameter = on; SET pgaudit.log_relation = on"
            )
            conn.execute("SELECT *\nFROM audited WHERE email = %s OR email = 'geheim'", (SECRETS[0],))
        else:  # what it says there, written as this server writes
            conn.execute("DO $do$BEGIN RAISE LOG '%', $a$" + AUDIT + "$a$; END$do$")
    passwords = ("wrong-is-another", "wrong")
    for password in passwords:
        info: dict[str, Any] = {
            "user": ACTOR,
            "password": password,
            "passfile": os.devnull,
            "application_name": "till",
        }
        with (
            suppress(psycopg.OperationalError),
            closing(psycopg.connect(running.admin_dsn(), autocommit=True, **info)) as conn,
        ):
            for text in SAID:
                with suppress(psycopg.Error):
                    conn.execute(text)
            with suppress(psycopg.Error):
                conn.execute("INSERT INTO people VALUES (%s, %s)", (SECRETS[0], SECRETS[2]))


@pytest.fixture(scope="module")
def files() -> Iterator[Files]:
    """The files of a server that has worked and ended."""
    settings = [*FAST, *TALKATIVE]
    with running_server(settings) as running:
        other = audited(running)
        work(other or running, is_audited=other is not None)
        stop(running.server)
        found = Files(running.server.data / "log")
        until(found.is_complete)  # the collector ends after the server
        yield found


def records(form: Form, data: bytes) -> list[Record]:
    """Read all records, session by session as each counts; one that cannot be read raises."""
    found = [form.read(data[begin:end]) for begin, end in form.split(data, is_end=True)]
    return sorted(found, key=lambda one: (one.session or "", one.number or 0))


def told(record: Record) -> tuple[object, ...]:
    """What must be the same, whatever the format: all but numbers, which stderr counts by lines."""
    kind = classify(record)
    return (
        record.at, record.session, record.actor, record.address, record.severity, record.code, kind.action,
        kind.outcome, kind.object, kind.message,
    )  # fmt: skip


def test_every_line_is_read_and_the_formats_say_the_same(files: Files) -> None:
    found = {ending: records(form, files.data(ending)) for ending, form in FORMS.items()}
    assert len(found["csv"]) > 40
    assert found["json"] == found["csv"]
    # Until the collector is up all goes to the first standard error, and only there.
    own = [told(one) for one in found["log"] if one.actor == ACTOR]
    assert own == [told(one) for one in found["csv"] if one.actor == ACTOR]


def test_what_happened_is_told_and_no_secret(files: Files) -> None:
    kinds = [classify(one) for one in records(FORMS["csv"], files.data("csv")) if one.actor == ACTOR]
    happened = [(kind.action, kind.outcome) for kind in kinds]
    for expected in (
        ("login", "done"), ("login.failed", "refused"), ("logout", "done"), ("statement.ddl", "done"),
        ("statement.write", "done"), ("statement.read", "done"), ("statement.role", "done"),
        ("error", "failed"), ("error", "refused"),
    ):  # fmt: skip
        assert expected in happened, expected
    everything = "\n".join(kind.message for kind in kinds)
    assert "people_pkey" in everything
    assert "SELECT count(*) FROM people" in everything
    for secret in SECRETS:
        assert secret not in everything


def test_what_pgaudit_says_is_understood(files: Files) -> None:
    for ending, form in FORMS.items():
        kinds = [classify(r) for r in records(form, files.data(ending)) if r.message.startswith("AUDIT: ")]
        (kind,) = [kind for kind in kinds if kind.object == "table:public.audited"]
        assert kind.action == "statement.read"
        assert "FROM audited" in kind.message
        for secret in SECRETS:
            assert secret not in kind.message


@pytest.mark.parametrize("ending", FORMS)
def test_every_line_comes_in_without_a_gap(
    files: Files, ending: str, session: Session, tmp_path: Path
) -> None:
    form = FORMS[ending]
    copy = tmp_path / f"real.{ending}"
    copy.write_bytes(files.data(ending))
    new = NewSource("real", form.format, str(copy), "db1", form.time_zone, form.line_prefix)
    brought = bring(session, add_source(session, new))
    expected = [told(one) for one in records(form, files.data(ending))]
    assert (brought.lines, brought.unreadable, brought.gaps) == (len(expected), 0, 0)
    found = rows(session, log.parse("kind:line", session.clock.now()), None)
    assert sorted(one.message or "" for one in found) == sorted(str(one[-1]) for one in expected)
