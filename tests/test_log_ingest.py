"""Lines come in: each once, whatever crashed, rotated or was read twice; what they were stays, sealed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Connection

from luactl import log
from luactl.db import Session
from luactl.errors import BusyError, NotFoundError, RefusedError, UsageError
from luactl.key import RetentionClass, SealError
from luactl.log.ingest import reading, store
from luactl.log.ingest.block import Block, month
from luactl.log.ingest.house import house
from luactl.log.ingest.reading import bring, follow, plan
from luactl.log.ingest.source import NewSource, Source, add_source, end_source, find_source, sources
from luactl.log.search import rows

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MAIL = "mia@example.com"


def line(number: int, **fields: object) -> bytes:
    at = NOW + timedelta(seconds=number)
    said = {
        "at": at.isoformat(),
        "action": "contact.read",
        "actor": "crm",
        "message": f"number {number}",
        **fields,
    }
    return json.dumps(said).encode() + b"\n"


@pytest.fixture
def source(session: Session, tmp_path: Path) -> Source:
    """A source of JSON lines, rotated ones included."""
    return add_source(session, NewSource("crm", "jsonl", f"{tmp_path}/crm.log*", "here"))


def numbers(session: Session) -> list[int]:
    """The lines that are in, by their numbers, oldest first."""
    found = rows(session, log.parse("kind:line", NOW), None)
    return sorted(int((one.message or "").rsplit(" ", 1)[1]) for one in found)


def test_each_line_is_there_once(session: Session, source: Source, tmp_path: Path) -> None:
    file = tmp_path / "crm.log"
    file.write_bytes(line(1) + line(2))
    assert [(one.read_to, one.size) for one in plan(session, [source])] == [(0, file.stat().st_size)]
    assert bring(session, source).lines == 2
    assert bring(session, source).lines == 0
    assert plan(session, [source]) == ()
    with file.open("ab") as stream:
        stream.write(line(3) + line(4)[:20])
    assert bring(session, source).lines == 1
    with file.open("ab") as stream:
        stream.write(line(4)[20:])
    assert bring(session, source).lines == 1
    assert numbers(session) == [1, 2, 3, 4]


def test_rotation_by_renaming_copying_and_emptying(session: Session, source: Source, tmp_path: Path) -> None:
    file = tmp_path / "crm.log"
    file.write_bytes(line(1))
    bring(session, source)
    with file.open("ab") as stream:
        stream.write(line(2))
    file.rename(tmp_path / "crm.log.1")
    file.write_bytes(line(3))
    assert bring(session, source).lines == 2
    (tmp_path / "crm.log.2").write_bytes(file.read_bytes())  # copytruncate
    os.truncate(file, 0)
    with file.open("ab") as stream:
        stream.write(line(4))
    brought = bring(session, source)
    assert (brought.lines, brought.gaps) == (1, 0)
    assert numbers(session) == [1, 2, 3, 4]


def test_a_file_that_went_unread_is_a_gap(session: Session, source: Source, tmp_path: Path) -> None:
    file = tmp_path / "crm.log"
    file.write_bytes(line(1))
    bring(session, source)
    file.unlink()
    file.write_bytes(line(60))
    assert bring(session, source).gaps == 1
    (gap,) = log.gaps(session, log.parse("", NOW))
    assert (gap.since, gap.until) == (NOW + timedelta(seconds=1), NOW + timedelta(seconds=60))
    assert "crm.log is gone" in gap.reason


def test_whoever_follows_reads_a_renamed_file_to_its_end(
    session: Session, source: Source, tmp_path: Path
) -> None:
    """The pattern finds the new file alone; the old one is open still."""
    source = replace(source, path=f"{tmp_path}/crm.log")
    file = tmp_path / "crm.log"
    file.write_bytes(line(1))

    def rotate() -> None:
        with file.open("ab") as stream:
            stream.write(line(2))
        file.rename(tmp_path / "old")
        file.write_bytes(line(3))

    def write() -> None:
        with file.open("ab") as stream:
            stream.write(line(4))

    steps = iter([rotate, write])
    seen = []
    for brought in follow(session, [source], lambda: next(steps)()):
        seen.append((brought.lines, brought.gaps))
        if len(seen) == 3:
            break
    assert seen == [(1, 0), (2, 0), (1, 0)]
    assert numbers(session) == [1, 2, 3, 4]


def test_what_cannot_be_read_is_kept_and_counted(
    session: Session, source: Source, admin: Connection, tmp_path: Path
) -> None:
    (tmp_path / "crm.log").write_bytes(line(1) + b"\xff nonsense\n" + b'{"no": "time"}\n' + line(2))
    brought = bring(session, source)
    assert (brought.lines, brought.unreadable) == (4, 2)
    found = rows(session, log.parse("code:unreadable", NOW), None)
    assert {one.message for one in found} == {"unreadable: 11 bytes", "unreadable: 15 bytes"}
    assert find_source(session, "crm").unreadable == 2


def opened(session: Session, admin: Connection, source: Source) -> bytes:
    keys = house(session)
    assert keys is not None
    out = b""
    for file_no, place, until, sealed in admin.execute(
        "SELECT file_no, place, until, sealed FROM lua.log_block ORDER BY file_no, place"
    ).fetchall():
        period = keys.existing_period(RetentionClass.LOG, int.from_bytes(sealed[1:5]) & 0xFFFFFF)
        assert period is not None
        out += Block(source.source_id, file_no, place, until).unseal(sealed, period)
    return out


def test_the_bytes_stay_as_they_were_sealed_by_month(
    session: Session, source: Source, admin: Connection, tmp_path: Path
) -> None:
    april = (NOW + timedelta(days=40)).isoformat()
    data = line(1, message=f"to {MAIL} 1") + b"\xff\n" + line(2, at=april, message="in April 2")
    (tmp_path / "crm.log").write_bytes(data)
    bring(session, source)
    assert opened(session, admin, source) == data
    months = admin.execute("SELECT period_id & 16777215 FROM lua.log_block ORDER BY place").fetchall()
    assert months == [(202603,), (202604,)]
    everything = "SELECT string_agg(t::text, '') FROM (SELECT to_jsonb(l) FROM lua.log_line l) AS x(t)"
    assert MAIL not in str(admin.execute(everything).fetchone())
    admin.execute("UPDATE lua.log_block SET until = until + 1 WHERE place = 0")
    with pytest.raises(SealError, match="does not open"):
        opened(session, admin, source)


@pytest.mark.parametrize("at", ["about to commit", "committed"])
def test_a_crash_at_any_step_leaves_each_line_once(
    session: Session, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    monkeypatch.setattr(reading, "CHUNK", 400)
    (tmp_path / "crm.log").write_bytes(b"".join(map(line, range(20))))
    for strike in range(60):
        steps = iter(range(1000))

        def fall(name: str, strike: int = strike, steps: Any = steps) -> None:
            if name == at and next(steps) == strike % 9:
                raise KeyboardInterrupt

        try:
            bring(replace(session, step=fall), source)
        except KeyboardInterrupt:
            continue
        break
    assert strike > 5
    assert numbers(session) == list(range(20))
    assert find_source(session, "crm").lines == 20


def test_two_at_once_do_not_bring_a_line_twice(
    session: Session, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crm.log").write_bytes(line(1) + line(2))
    first = store.store

    def slower(*arguments: Any) -> None:
        monkeypatch.setattr(reading, "store", first)
        assert bring(session, source).lines == 2
        first(*arguments)

    monkeypatch.setattr(reading, "store", slower)
    with pytest.raises(BusyError):
        bring(session, source)
    assert numbers(session) == [1, 2]


def test_missing_line_numbers_and_a_clock_that_goes_back_are_gaps(session: Session, tmp_path: Path) -> None:
    def entry(number: int, second: int) -> str:
        return json.dumps({
            "timestamp": f"2026-03-01 12:00:{second:02} UTC", "session_id": "a.1", "line_num": number,
            "error_severity": "LOG", "message": "x",
        })  # fmt: skip

    early = json.dumps({"timestamp": "2026-03-01 11:00:00 UTC", "error_severity": "LOG", "message": "x"})
    (tmp_path / "pg.json").write_text("\n".join([entry(1, 1), entry(2, 2), entry(5, 9), early, ""]))
    made = add_source(session, NewSource("db", "jsonlog", f"{tmp_path}/pg.json", "here"))
    assert bring(session, made).gaps == 2
    reasons = [gap.reason for gap in log.gaps(session, log.parse("", NOW))]
    assert reasons == ["the clock of the source went back", "lines 3 to 4 of session a.1 are missing"]


def test_tenants_are_found_by_slug(
    session: Session, source: Source, admin: Connection, tmp_path: Path
) -> None:
    from support_secret import smile

    there = smile(session)
    slug = there.slug
    (tmp_path / "crm.log").write_bytes(line(1, tenant=slug) + line(2, tenant="nobody"))
    bring(session, source)
    assert [one.tenant for one in rows(session, log.parse("kind:line", NOW), None)] == [None, slug]
    assert len(rows(session, log.parse(f"kind:line tenant:{slug}", NOW), None)) == 1


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (NewSource("x", "xml", "/x", "h"), "format"),
        (NewSource("x", "stderr", "/x", "h"), "log_line_prefix"),
        (NewSource("x", "stderr", "/x", "h", line_prefix="%p "), "no time"),
        (NewSource("x", "csvlog", "x", "h"), "absolute"),
        (NewSource("x", "csvlog", "/x", "h", "Europe/Nowhere"), "time zone"),
        (NewSource("X y", "csvlog", "/x", "h"), "not a source"),
    ],
)
def test_what_is_no_source(session: Session, new: NewSource, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        add_source(session, new)
    assert sources(session) == ()


def test_sources_end_and_are_named_once(session: Session, source: Source) -> None:
    with pytest.raises(RefusedError):
        add_source(session, NewSource("crm", "jsonl", "/x", "h"))
    end_source(session, "crm", dry_run=True)
    assert find_source(session, "crm").ended_at is None
    end_source(session, "crm")
    with pytest.raises(RefusedError):
        end_source(session, "crm")
    with pytest.raises(NotFoundError):
        find_source(session, "nothing")
    with pytest.raises(UsageError, match="is not there"):
        bring(session, replace(source, path="/nowhere/x.log"))


def test_month() -> None:
    assert month(NOW) == 202603
