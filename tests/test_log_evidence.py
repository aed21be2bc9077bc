"""A lockbox holds what the question found, raw and normalised, and says what is not in it."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Connection
from support_evidence import CRM, DB, MAIL, NOW, PERSON, asked, at, check, collected, entries, facts, lines
from support_evidence import sources as two_sources

from luactl import certificate, ledger, log
from luactl.db import Session
from luactl.errors import LuactlError, NotFoundError, RefusedError, UsageError
from luactl.log import evidence
from luactl.log.evidence import writing
from luactl.log.ingest.block import Block
from luactl.log.ingest.source import compare_clock, find_source, seconds
from luactl.verify import verify_folder


@pytest.fixture
def filled(session: Session, tmp_path: Path) -> Session:
    """A session in whose database are lines of two sources and entries of the same time."""
    two_sources(session, tmp_path)
    entries(at(session, 1.5), "tenant.create", "hold.place")
    return session


def reads(session: Session) -> list[log.Line]:
    return list(log.search(session, log.parse("action:read", NOW), 0).lines)


def exports(session: Session) -> list[log.Line]:
    return list(log.search(session, log.parse("action:log.export", NOW), 0).lines)


def test_it_holds_raw_and_normalised_lines(filled: Session, tmp_path: Path) -> None:
    done = collected(filled, tmp_path / "box")
    assert (done.entries, done.lines, done.raw, done.missing) == (2, 8, 8, ())
    found = lines(tmp_path / "box")
    times = [one["at"].removesuffix("Z") for one in found]
    assert times == sorted(times)
    raw = {
        one["raw"]["file"]: (tmp_path / "box" / one["raw"]["file"]).read_bytes()
        for one in found
        if one["raw"]
    }
    by_source = {one["name"]: one["raw"] for one in facts(tmp_path / "box")["sources"]}
    assert raw[by_source["db"]] == b"".join(DB), "in the order of the file, within one instant too"
    assert sorted(raw[by_source["crm"]].splitlines(True)) == sorted(CRM)
    for one in found:
        if one["kind"] == "line":
            place = one["raw"]
            data = raw[place["file"]][place["offset"] :][: place["length"]]
            assert data in (*CRM, *DB)
            assert MAIL not in json.dumps(one)
    assert check(tmp_path / "box") == []


def test_its_lines_are_those_of_a_search(
    filled: Session, tmp_path: Path, cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    collected(filled, tmp_path / "box")
    until = "until:2026-05-10T00:00:00Z"
    done = cli("log", "search", "since:2026-03-01", until, "--limit", "0", "-o", "jsonl")
    searched = {one["id"]: one for one in map(json.loads, done.stdout.splitlines())}
    found = {one["id"]: one for one in lines(tmp_path / "box")}
    assert len(found) == 10
    assert searched == {id_: {name: one[name] for name in searched[id_]} for id_, one in found.items()}


def test_the_same_question_gives_the_same_bytes(filled: Session, tmp_path: Path) -> None:
    one, two = (collected(filled, tmp_path / name) for name in ("one", "two"))
    assert one.lockbox_id != two.lockbox_id
    data = [
        (file.name, file.sha256)
        for file in one.files
        if file.name in ("lines.jsonl", "raw-1.log", "raw-2.log")
    ]
    assert len(data) == 3
    assert set(data) <= {(file.name, file.sha256) for file in two.files}


def test_coreutils_check_it(filled: Session, tmp_path: Path) -> None:
    collected(filled, tmp_path / "box")

    def sums() -> int:
        command = ["sha256sum", "--strict", "-c", "sha256sums.txt"]
        return subprocess.run(command, cwd=tmp_path / "box", capture_output=True, check=False).returncode

    assert sums() == 0
    listed = {line.split()[1] for line in (tmp_path / "box" / "sha256sums.txt").read_text().splitlines()}
    there = {one.name for one in (tmp_path / "box").iterdir()}
    assert there - listed == {"manifest.sig", "custody.jsonl", "sha256sums.txt"}
    (tmp_path / "box" / "raw-1.log").write_bytes(b"x")
    assert sums() == 1


def test_nobody_else_can_read_it_and_nothing_is_left_beside(filled: Session, tmp_path: Path) -> None:
    collected(filled, tmp_path / "out" / "box")
    assert stat.S_IMODE((tmp_path / "out" / "box").stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "out" / "box").iterdir()} == {0o600}
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["box"]


def test_it_says_who_when_where_and_of_what(filled: Session, tmp_path: Path) -> None:
    compare_clock(filled, "db", seconds("-0.35"))
    done = collected(filled, tmp_path / "box", "since:2026-03-01 -source:crm")
    said = facts(tmp_path / "box")
    assert (said["case"], said["purpose"], said["made_by"]) == ("INC-7", "breach", filled.actor)
    assert said["query"]["typed"] == "since:2026-03-01 -source:crm"
    assert said["query"]["resolved"] == done.query
    assert said["query"]["until"] == "2026-05-10T12:00:00Z"
    assert log.parse(done.query, NOW) == log.parse(said["query"]["resolved"], NOW)
    db, crm = (next(one for one in said["sources"] if one["name"] == name) for name in ("db", "crm"))
    assert (db["clock_ahead_ms"], db["time_zone"], db["lines"], db["host"]) == (-350, "UTC", 5, "there")
    assert (crm["clock_ahead_ms"], crm["clock_compared_at"], crm["lines"], crm["raw"]) == (
        None,
        None,
        0,
        None,
    )
    assert said["schema"] > 37
    assert said["server_clock"]["within_ms"] >= 1
    text = (tmp_path / "box" / "certificate.md").read_text()
    assert "never compared" in text
    assert "-350 ms ahead" in text


def test_the_export_is_on_record_with_what_was_opened(filled: Session, tmp_path: Path) -> None:
    done = collected(filled, tmp_path / "box", "since:2026-03-01 kind:line")
    (read,) = reads(filled)
    assert read.detail is not None
    assert (read.purpose, read.object, read.detail["count"]) == ("breach", "table:lua.log_block", 8)
    assert read.detail["references"] == [str(PERSON)]
    (entry,) = exports(filled)
    assert entry.detail is not None
    assert (entry.object, entry.purpose) == (f"lockbox:{done.lockbox_id}", "breach")
    assert (entry.detail["lines"], entry.detail["entries"], entry.detail["case"]) == (8, 0, "INC-7")
    assert "kind:line" in entry.detail["query"]
    verdict = verify_folder(tmp_path / "box")
    assert (verdict.ok, verdict.kind, verdict.custody) == (True, "lockbox", done.custody)


def test_words_that_were_looked_for_stay_out_of_the_ledger(filled: Session, tmp_path: Path) -> None:
    collected(filled, tmp_path / "box", f'since:2026-03-01 action:line -"{MAIL}" (mia OR kind:line)')
    (entry,) = exports(filled)
    assert entry.detail is not None
    assert "mia" not in json.dumps(entry.detail)
    assert "action:line" in entry.detail["query"]
    assert MAIL in facts(tmp_path / "box")["query"]["resolved"]


def test_a_dry_run_says_what_a_run_does(filled: Session, admin: Connection, tmp_path: Path) -> None:
    order = asked(filled)
    may = at(filled, 3600 * 24 * 70)
    plan = evidence.collect(may, order, tmp_path / "box", dry_run=True)
    assert not (tmp_path / "box").exists()
    assert (reads(filled), exports(filled)) == ([], [])
    assert {one.source: one.lines for one in plan.shares} == {None: 2, "crm": 3, "db": 5}
    done = evidence.collect(may, order, tmp_path / "box")
    for name in ("entries", "lines", "raw", "missing", "gaps", "query", "since", "until", "shares"):
        assert getattr(plan, name) == getattr(done, name), name


def test_a_month_whose_key_is_gone_is_said_to_be_missing(
    filled: Session, admin: Connection, tmp_path: Path
) -> None:
    admin.execute("DELETE FROM vault.period WHERE period_id & 16777215 = 202603")
    plan = evidence.collect(at(filled, 1), asked(filled), tmp_path / "box", dry_run=True)
    done = collected(filled, tmp_path / "box")
    assert plan.missing == done.missing
    assert [(one.source, one.lines) for one in done.missing] == [("crm", 3), ("db", 4)]
    assert {one.reason for one in done.missing} == {"the key of 2026-03 is gone, and with it what was sealed"}
    assert (done.lines, done.raw) == (8, 1)
    assert facts(tmp_path / "box")["missing"][1]["lines"] == 4
    assert "the key of 2026-03 is gone" in (tmp_path / "box" / "certificate.md").read_text()
    assert check(tmp_path / "box") == []


def test_off_a_key_host_lines_are_normalised_alone(filled: Session, tmp_path: Path) -> None:
    elsewhere = replace(filled, profile=replace(filled.profile, holders=(), books=()))
    done = collected(elsewhere, tmp_path / "box")
    assert (done.lines, done.raw) == (8, 0)
    assert {one.reason for one in done.missing} == {"sealed, and this host holds no keys"}
    assert all(one["missing"] for one in lines(tmp_path / "box") if one["kind"] == "line")
    assert reads(filled) == [], "nothing was opened"
    assert len(exports(filled)) == 1
    assert check(tmp_path / "box") == []


TAMPERED = {
    "UPDATE lua.log_block SET until = until + 1 WHERE place = 0": "do not open",
    "UPDATE lua.log_line SET place = place + 1 WHERE place > 0": "no record begins",
    "DELETE FROM lua.log_block WHERE place = 0": "never kept",
}


def test_bytes_that_were_tampered_with_are_missing_by_name(
    filled: Session, admin: Connection, tmp_path: Path
) -> None:
    for number, (change, why) in enumerate(TAMPERED.items()):
        box = tmp_path / f"box-{number}"
        with admin.transaction():
            admin.execute(change.encode())
        done = collected(filled, box)
        assert any(why in one.reason for one in done.missing), done.missing
        assert done.raw + sum(one.lines for one in done.missing) == done.lines == 8
        assert check(box) == []


def test_gaps_are_told(filled: Session, admin: Connection, tmp_path: Path) -> None:
    admin.execute(
        "INSERT INTO lua.log_gap SELECT source_id, '2026-03-02', '2026-03-03', 'rotated away', now()"
        " FROM lua.log_source WHERE name = 'db'"
    )
    collected(filled, tmp_path / "box")
    found = {(one["source"], one["reason"][:12]): one for one in lines(tmp_path / "box", "gaps.jsonl")}
    assert found["db", "rotated away"]["since"] == "2026-03-02T00:00:00Z"
    assert found["crm", "nothing came"]["since"] == "2026-03-01T12:00:04Z"
    assert found["db", "nothing came"]["until"] == "2026-05-10T12:00:00Z"
    assert facts(tmp_path / "box")["gaps"] == 3


NO_SPAN = {
    "kind:line": "no beginning",
    "until:2026-03-02": "no beginning",
    "since:2026-03-02 until:2026-03-01": "before the beginning",
    "since:2030-01-01": "before the beginning",
}
NO_ORDER = (
    ("", "x"),
    ("a b", "x"),
    ("x" * 65, "x"),
    ("../x", "x"),
    ("a", " "),
    ("a", "x\ny"),
    ("a", "x" * 501),
)


def test_a_question_needs_a_span_a_case_and_a_purpose(session: Session) -> None:
    for text, why in NO_SPAN.items():
        with pytest.raises(UsageError, match=why):
            asked(session, text)
    for case, purpose in NO_ORDER:
        with pytest.raises(UsageError):
            evidence.order(session, case, purpose, "", log.parse("since:-1h", NOW))
    for text in ("", "x", "1e3", "--1", "1:00", "nan", "9" * 8):
        with pytest.raises(UsageError):
            seconds(text)


def test_all_is_everything_up_to_now(filled: Session, tmp_path: Path) -> None:
    done = collected(filled, tmp_path / "box", "kind:line", everything=True)
    assert (done.since, done.lines) == (None, 8)
    said = facts(tmp_path / "box")
    assert (said["query"]["since"], said["first_at"]) == (None, "2026-03-01T12:00:01Z")


def test_who_does_not_read_all_of_it_collects_nothing(login: Callable[..., Session]) -> None:
    for role in ("lua_admin", "lua_operator", "lua_accounting"):
        with pytest.raises(RefusedError, match="does not read all"):
            asked(login(role))
        with pytest.raises(RefusedError, match="may not read"):
            evidence.raw(login(role), [], "test")


def test_who_may_collect_evidence(filled: Session, login: Callable[..., Session], tmp_path: Path) -> None:
    sealer = login("lua_dpo")
    assert collected(sealer, tmp_path / "dpo").pending is None
    assert check(tmp_path / "dpo") == []
    for role in ("lua_responder", "lua_auditor"):
        box = tmp_path / role
        done = collected(login(role), box)
        assert (done.lines, done.raw) == (8, 8)
        assert done.pending is not None
        assert "may not integrate" in done.pending
        pending = ["log.vkey is missing: the certificate is pending, or was stripped of its key"]
        assert check(box) == pending
        custody = (box / "custody.jsonl").read_bytes()
        assert evidence.seal(sealer, box, dry_run=True).index is None
        assert check(box) == pending
        for _time in range(2):
            assert evidence.seal(sealer, box).index is not None
            assert check(box) == []
        assert (box / "custody.jsonl").read_bytes() == custody
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_what_was_changed_meanwhile_is_not_signed(
    filled: Session, login: Callable[..., Session], tmp_path: Path
) -> None:
    ledger.integrate(filled)
    collected(login("lua_responder"), tmp_path / "box")
    sealer = login("lua_dpo")
    for name in (
        "lines.jsonl",
        "raw-1.log",
        "proofs.jsonl",
        "gaps.jsonl",
        "checkpoint.txt",
        "certificate.json",
    ):
        file = tmp_path / "box" / name
        good = file.read_bytes()
        file.write_bytes(good[:-2] + (b"1" if good[-2:-1] != b"1" else b"2") + good[-1:])
        with pytest.raises(LuactlError):
            evidence.seal(sealer, tmp_path / "box")
        file.unlink()
        with pytest.raises(LuactlError):
            evidence.seal(sealer, tmp_path / "box")
        file.write_bytes(good)
    evidence.seal(sealer, tmp_path / "box")
    assert check(tmp_path / "box") == []
    with pytest.raises(RefusedError, match="has no lockbox"):
        evidence.seal(login("lua_operator"), tmp_path / "box")


def test_what_is_in_the_way_stays(filled: Session, tmp_path: Path) -> None:
    collected(filled, tmp_path / "box")
    before = {one.name: one.read_bytes() for one in (tmp_path / "box").iterdir()}
    with pytest.raises(RefusedError):
        collected(filled, tmp_path / "box")
    assert {one.name: one.read_bytes() for one in (tmp_path / "box").iterdir()} == before
    assert len(exports(filled)) == 1


def test_what_a_killed_run_left_goes(filled: Session, tmp_path: Path) -> None:
    """Beside a lockbox that is complete, too: it was killed at its very end."""
    collected(filled, tmp_path / "out" / "box")
    left = tmp_path / "out" / ".box.4194305.data"
    left.mkdir()
    (left / "raw-1.log").write_bytes(CRM[0])
    certificate.tidy(tmp_path / "out" / "box")
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["box"]
    certificate.tidy(tmp_path / "nowhere" / "box")


def test_cut_short_it_leaves_nothing(filled: Session, tmp_path: Path) -> None:
    seen: list[str] = []
    for strike in range(100):
        steps = iter(range(1000))

        def fall(name: str, strike: int = strike, steps: Any = steps) -> None:
            seen.append(name)
            if next(steps) == strike:
                raise KeyboardInterrupt

        try:
            collected(replace(filled, step=fall), tmp_path / "out" / "box")
        except KeyboardInterrupt:
            if seen[-1] != "certificate written":
                assert not (tmp_path / "out" / "box").exists(), seen[-1]
                assert [one.name for one in (tmp_path / "out").glob("*")] == [], seen[-1]
                continue
        break
    assert {"reading recorded", "lines written", "lockbox recorded", "certificate written"} <= set(seen)
    assert check(tmp_path / "out" / "box") == []


def test_a_disk_that_is_full_leaves_nothing(filled: Session, tmp_path: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        with pytest.raises(LuactlError, match=r"the lockbox could not be written to .*: File too large"):
            collected(filled, tmp_path / "out" / "box")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "out").iterdir()) == []
    assert exports(filled) == []


def test_too_many_sources_are_refused(
    filled: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST_RAW", 1)
    with pytest.raises(RefusedError, match="at most 1 sources"):
        collected(filled, tmp_path / "box")
    assert not (tmp_path / "box").exists()


def test_lines_that_come_in_meanwhile_are_not_opened(
    filled: Session, admin: Connection, tmp_path: Path
) -> None:
    """Their people are not in what was recorded."""

    def late(name: str) -> None:
        if name == "reading recorded":
            admin.execute("UPDATE lua.log_line SET subject = gen_random_uuid() WHERE subject IS NOT NULL")

    done = collected(replace(filled, step=late), tmp_path / "box")
    assert [(one.lines, one.reason[:10]) for one in done.missing] == [(1, "it came in")]
    assert done.raw == 7


def test_entries_that_no_checkpoint_covers_are_counted(
    filled: Session, tmp_path: Path, admin: Connection
) -> None:
    elsewhere = replace(filled, profile=replace(filled.profile, signing_key=tmp_path / "none"))
    done = collected(elsewhere, tmp_path / "box")
    assert (done.entries, done.unproved) == (2, 2)
    assert [one["index"] for one in lines(tmp_path / "box", "proofs.jsonl")] == [None, None]
    ledger.integrate(filled)
    done = collected(elsewhere, tmp_path / "later")
    assert (done.entries, done.unproved) == (2, 0)
    evidence.seal(filled, tmp_path / "later")
    assert check(tmp_path / "later") == []


def test_an_entry_that_was_changed_is_collected_and_found(
    filled: Session, tmp_path: Path, admin: Connection
) -> None:
    ledger.integrate(filled)
    admin.execute("ALTER TABLE ledger.entry DISABLE TRIGGER ALL")
    admin.execute(
        "UPDATE ledger.leaf SET hash = sha256('x')"
        " WHERE id = (SELECT id FROM ledger.entry WHERE action = 'hold.place')"
    )
    done = collected(filled, tmp_path / "box")
    assert done.unproved >= 1
    assert any("does not prove that the log holds the entry" in one for one in check(tmp_path / "box"))


def test_raw_lines_are_recorded_before_they_are_opened(
    filled: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {one.message: one for one in log.search(filled, log.parse("source:crm", NOW), 0).lines}
    ids = [one.id for one in found.values()]
    real, seen = Block.unseal, []

    def unseal(block: Block, *rest: Any) -> bytes:
        seen.append(len(reads(filled)))
        return real(block, *rest)

    monkeypatch.setattr(Block, "unseal", unseal)
    raw = evidence.raw(filled, [*ids, ids[0]], "INC-7")
    assert sorted(one.data or b"" for one in raw) == sorted(CRM)
    assert seen == [1]
    (read,) = reads(filled)
    assert read.detail is not None
    assert (read.purpose, read.detail["count"], read.detail["references"]) == ("INC-7", 3, [str(PERSON)])


def test_what_is_no_line_has_no_bytes(filled: Session, admin: Connection) -> None:
    (entry,) = log.search(filled, log.parse("action:hold.place", NOW), 0).lines
    with pytest.raises(NotFoundError, match="no line"):
        evidence.raw(filled, [entry.id], "x")
    with pytest.raises(UsageError, match="why"):
        evidence.raw(filled, [entry.id], " ")
    elsewhere = replace(filled, profile=replace(filled.profile, holders=(), books=()))
    with pytest.raises(RefusedError, match="no keys"):
        evidence.raw(elsewhere, [entry.id], "x")
    assert reads(filled) == []
    admin.execute("DELETE FROM vault.period WHERE period_id & 16777215 = 202603")
    (line, *_) = log.search(filled, log.parse("source:crm", NOW), 0).lines
    (raw,) = evidence.raw(filled, [line.id], "x")
    assert (raw.data, raw.missing) == (None, "the key of 2026-03 is gone, and with it what was sealed")


def test_a_clock_is_compared(filled: Session) -> None:
    compare_clock(filled, "db", seconds("+12.5"), dry_run=True)
    assert find_source(filled, "db").clock_at is None
    compare_clock(filled, "db", seconds("+12.5"))
    found = find_source(filled, "db")
    assert (found.clock_offset, found.clock_at is None) == (seconds("12.5"), False)
    with pytest.raises(UsageError, match="more than a day"):
        compare_clock(filled, "db", seconds("90000"))
