"""Looking for a text in sealed lines: found where it was typed, on record first, within a bound."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from conftest import Connection
from test_log_ingest import MAIL, NOW, line, source  # noqa: F401

from luactl import log
from luactl.db import Session
from luactl.errors import RefusedError, UsageError
from luactl.log.ingest.reading import bring
from luactl.log.ingest.source import NewSource, Source, add_source
from luactl.log.sealed import search_sealed

QUOTED = 'say "Mia"'
READS = (
    "SELECT convert_from(body, 'UTF8')::jsonb -> 'detail' ->> 'count' FROM ledger.entry WHERE action = 'read'"
)


@pytest.fixture
def lines(session: Session, source: Source, tmp_path: Path) -> Source:  # noqa: F811
    """Six lines, two of which hold a mail address, one a quotation."""
    texts = [f"to {MAIL} 1", "nothing 2", f'"{QUOTED[5:8]}" 3', f"for {MAIL.upper()} 4", QUOTED, "end 6"]
    (tmp_path / "crm.log").write_bytes(b"".join(line(n, message=text) for n, text in enumerate(texts)))
    bring(session, source)
    return source


def found(session: Session, text: str, query: str = "", limit: int = 100) -> list[int]:
    page = search_sealed(session, log.parse(query, NOW), text, "INC-7", limit)
    return [round((one.at - NOW).total_seconds()) for one in page.lines]


def test_what_was_typed_is_found_and_stays_masked(session: Session, lines: Source, admin: Connection) -> None:
    assert found(session, MAIL) == [3, 0]
    assert found(session, QUOTED) == [4]
    assert found(session, MAIL, "until:2026-03-01T12:00:02Z") == [0]
    assert found(session, "nowhere") == []
    assert [row[0] for row in admin.execute(READS)] == ["6", "6", "2", "6"]
    page = search_sealed(session, log.parse("", NOW), MAIL, "INC-7", 100)
    assert MAIL not in str(page).lower()


def test_no_more_is_opened_than_was_asked_for(session: Session, lines: Source, admin: Connection) -> None:
    page = search_sealed(session, log.parse("", NOW), MAIL, "INC-7", 3)
    assert (len(page.lines), page.opened, page.closed) == (1, 3, 0)
    assert page.last is not None
    rest = search_sealed(session, log.parse("", NOW), MAIL, "INC-7", 3, before=page.last.place)
    assert (len(rest.lines), rest.opened, rest.last) == (1, 3, None)
    assert [row[0] for row in admin.execute(READS)] == ["3", "3"]
    for limit in (0, 10_001):
        with pytest.raises(UsageError, match="opened at once"):
            search_sealed(session, log.parse("", NOW), MAIL, "INC-7", limit)


def test_nothing_opens_without_a_purpose_or_keys(session: Session, lines: Source, admin: Connection) -> None:
    for text, purpose in (("", "INC-7"), (MAIL, " ")):
        with pytest.raises(UsageError, match="and why"):
            search_sealed(session, log.parse("", NOW), text, purpose, 10)
    elsewhere = replace(session, profile=replace(session.profile, holders=()))
    with pytest.raises(RefusedError, match="holds no keys"):
        search_sealed(elsewhere, log.parse("", NOW), MAIL, "INC-7", 10)
    assert admin.execute(READS).fetchall() == []


def test_within_csv_quotation_marks_are_what_they_mean(session: Session, tmp_path: Path) -> None:
    from test_log_ingest_form import STATEMENT, UNIQUE

    (tmp_path / "pg.csv").write_text(UNIQUE)
    bring(session, add_source(session, NewSource("pg", "csvlog", f"{tmp_path}/pg.csv", "here")))
    for text in (STATEMENT, 'constraint "people_pkey"', "4711"):
        assert len(found(session, text)) == 1


def test_the_command_says_how_many_were_opened(
    session: Session, lines: Source, cli: Callable[..., CompletedProcess[str]]
) -> None:
    args = ("log", "search", "kind:line", "--sealed", "-", "--purpose", "INC-7", "--limit", "4", "-o", "json")
    done = cli(*args, stdin=f"{MAIL}\n")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [one["message"] for one in said["data"]] == ["for ‹…› 4"]
    assert said["notes"][0] == "1 of 4 lines that were opened hold it"
    assert said["notes"][1].startswith("older ones that fit were not opened; go on with --before ")
