"""Runs: what is found is kept once, goes on where the last run ended, and what was not covered is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Connection, Home
from psycopg.errors import InsufficientPrivilege
from support_events import NOW, add_sources, plant, source_id
from support_whole import luactl

from luactl import log
from luactl.clock import FixedClock
from luactl.db import Session
from luactl.errors import NotFoundError, RefusedError, UsageError
from luactl.log import detect as engine
from luactl.log.detect import Found, Run
from luactl.log.detect.running import IN_FLIGHT

HOUR = timedelta(hours=1)
READ = {"action": "read", "actor": "mara", "people": {"from": 0, "to": 100}}


@pytest.fixture
def watched(logged: Session, admin: Connection) -> Session:
    """A session of somebody who may run rules; every source has delivered."""
    add_sources(admin)
    plant(
        admin,
        [{"source": name, "action": "line", "at": -n} for name in ("db", "crm", "host") for n in (1, 1500)],
    )
    return at(logged, 0)


@pytest.fixture
def logged(home: Home, session: Session) -> Session:
    return session


def at(session: Session, minutes: int) -> Session:
    return replace(session, clock=FixedClock(NOW + timedelta(minutes=minutes)))


def rules(*names: str) -> tuple[engine.Rule, ...]:
    return engine.chosen(engine.every_rule(None, {}), names)


def run(session: Session, *names: str, back: int = 24 * 60, **more: Any) -> Run:
    now = session.clock.now()
    return engine.detect(session, rules(*names), now - timedelta(minutes=back), now, **more)


def told(run: Run) -> list[tuple[str, str, int]]:
    return [(one.state, one.rule, one.count) for one in run.findings]


def test_the_same_in_two_runs_is_one_and_what_grows_is_said(watched: Session, admin: Connection) -> None:
    plant(admin, [{**READ, "at": -30}])
    assert told(run(watched, "bulk-read", dry_run=True)) == [("new", "bulk-read", 100)]
    assert engine.findings(watched) == ()
    first = run(watched, "bulk-read")
    assert told(first) == [("new", "bulk-read", 100)]
    assert told(run(watched, "bulk-read", back=60)) == [("known", "bulk-read", 100)]
    plant(admin, [{**READ, "at": 5, "people": {"from": 90, "to": 140}}])
    assert told(run(at(watched, 10), "bulk-read", back=10)) == [("grown", "bulk-read", 140)]
    (found,) = engine.findings(watched)
    assert (found.count, found.events, len(found.evidence)) == (140, 2, 2)
    assert found.finding_id == first.findings[0].finding_id
    assert found.first_at == NOW - timedelta(minutes=30)
    assert found.about == "actor mara"
    plant(admin, [{**READ, "at": 200}])
    assert told(run(at(watched, 210), "bulk-read", back=60)) == [("new", "bulk-read", 100)]
    assert len(engine.findings(watched)) == 2
    assert engine.find_finding(watched, found.finding_id) == found
    assert [one.count for one in engine.findings(watched, limit=1)] == [100]
    with pytest.raises(NotFoundError):
        engine.find_finding(watched, source_id("nothing"))


def test_each_run_is_in_the_ledger_with_what_it_found(watched: Session, admin: Connection) -> None:
    plant(admin, [{**READ, "at": -30}])
    done = run(watched, "bulk-read")
    (line,) = log.search(watched, log.parse("action:log.detect", NOW)).lines
    assert line.object == f"log-run:{done.run_id}"
    assert line.detail is not None
    assert (line.detail["rules"], line.detail["found"], line.detail["new"]) == (1, 1, 1)
    kept = admin.execute("SELECT run_by, rules, entry_id FROM lua.log_run").fetchone()
    assert kept == (watched.actor, {str(rules("bulk-read")[0].id): rules("bulk-read")[0].digest}, line.id)
    evidence = ",".join(map(str, engine.findings(watched)[0].evidence))
    assert [one.action for one in log.search(watched, log.parse(f"id:{evidence}", NOW)).lines] == ["read"]


def test_a_run_that_is_cut_short_kept_nothing(watched: Session, admin: Connection) -> None:
    plant(admin, [{**READ, "at": -30}])

    def die(step: str) -> None:
        if step == "about to commit":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(replace(watched, step=die), "bulk-read")
    tables = ("lua.log_run", "lua.log_finding", "lua.log_sighting")
    assert [admin.execute(f"SELECT count(*) FROM {one}").fetchone() for one in tables] == [(0,)] * 3
    assert told(run(watched, "bulk-read")) == [("new", "bulk-read", 100)]


def test_a_run_goes_on_where_the_last_one_ended(watched: Session, admin: Connection) -> None:
    since, until, notes = engine.span(watched, None, None)
    assert (since, until) == (NOW - timedelta(days=1), NOW)
    assert "first run" in notes[0]
    run(watched, "bulk-read")  # not all rules: the next one does not go on from here
    assert engine.span(watched, None, None)[0] == since
    engine.detect(watched, rules(), since, until, is_whole=True)
    later = at(watched, 60)
    assert engine.span(later, None, None) == (NOW - IN_FLIGHT, NOW + HOUR, [])
    with pytest.raises(UsageError):
        engine.span(watched, NOW, None)
    with pytest.raises(UsageError):
        engine.span(watched, None, NOW + HOUR)


def test_lines_that_come_in_late_are_looked_at(watched: Session, admin: Connection) -> None:
    admin.execute(
        "UPDATE lua.log_file SET last_at = %s WHERE source_id = %s", (NOW - 5 * HOUR, source_id("db"))
    )
    engine.detect(watched, rules(), NOW - 24 * HOUR, NOW, is_whole=True)
    later = at(watched, 60)
    assert engine.span(later, None, None)[0] == NOW - IN_FLIGHT
    admin.execute("UPDATE lua.log_file SET last_at = %s WHERE source_id = %s", (NOW + HOUR, source_id("db")))
    failed = {"source": "db", "action": "login.failed", "actor": "mara", "outcome": "refused"}
    plant(
        admin,
        [
            {**failed, "at": -200, "times": 5},
            {"source": "db", "action": "login", "actor": "mara", "at": -190},
        ],
    )
    since, until, _notes = engine.span(later, None, None)
    assert since == NOW - 5 * HOUR - timedelta(minutes=1)
    assert [one.rule for one in engine.detect(later, rules(), since, until).findings] == [
        "failed-logins-then-success"
    ]
    admin.execute(
        "UPDATE lua.log_file SET last_at = %s WHERE source_id = %s",
        (NOW - timedelta(days=50), source_id("crm")),
    )
    engine.detect(later, rules(), since, until, is_whole=True)
    admin.execute("UPDATE lua.log_file SET last_at = %s WHERE source_id = %s", (NOW, source_id("crm")))
    since, _until, notes = engine.span(at(watched, 120), None, None)
    assert since == NOW + 2 * HOUR - timedelta(days=31)
    assert "came in late" in notes[0]


def missing(run: Run) -> list[tuple[str, str | None, str | None, int]]:
    return [
        (one.level, one.group["source"], one.group["why"], one.count)
        for one in run.findings
        if one.rule == "coverage"
    ]


def test_what_was_not_covered_is_a_finding(logged: Session, admin: Connection) -> None:
    session, names = at(logged, 0), ("failed-logins-then-success", "privilege-to-self", "bulk-read")
    none = [("high", "csvlog, jsonlog, stderr", "no source of such lines is registered", 2)]
    assert missing(run(session, *names)) == none
    assert missing(run(session, "bulk-read")) == []
    add_sources(admin)
    nothing = ("high", "db", "nothing came in", 2)
    admin.execute("UPDATE lua.log_file SET last_at = NULL, first_at = NULL")
    assert nothing[:3] in [one[:3] for one in missing(run(session, *names))]
    admin.execute("UPDATE lua.log_file SET first_at = %s, last_at = %s", (NOW - 50 * HOUR, NOW - 40 * HOUR))
    assert "nothing came in any more" in {one[2] for one in missing(run(session, *names))}
    admin.execute("UPDATE lua.log_file SET last_at = %s", (NOW,))
    assert "nothing came in" in {one[2] for one in missing(run(session, *names))}
    plant(admin, [{"source": name, "action": "line", "at": -1200} for name in ("db", "crm", "host")])
    assert missing(run(session, *names)) == []
    assert missing(run(session, *names, back=60)) == []
    assert "nothing came in before" in {one[2] for one in missing(run(session, *names, back=90 * 60))}
    gap = (source_id("db"), NOW - 5 * HOUR, NOW - 4 * HOUR, "lines 5 to 9 are missing", NOW)
    admin.execute("INSERT INTO lua.log_gap VALUES (%s, %s, %s, %s, %s)", gap)
    assert ("high", "db", "lines 5 to 9 are missing", 2) in missing(run(session, *names))
    assert missing(run(session, *names, back=60)) == []
    assert missing(run(session, "bulk-read")) == []
    admin.execute("UPDATE lua.log_source SET ended_at = %s", (NOW - 30 * HOUR,))
    assert none[0] in missing(run(session, *names))


def test_pgaudit_and_what_was_pruned(watched: Session, admin: Connection, tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text(
        "title: x\nid: 5c2b9d3e-6a0f-4b5e-9b6c-1f0b8d6f4a12\nname: own\n"
        "logsource: {product: postgresql, service: audit}\n"
        "detection: {a: {tenant: nobody}, b: {action: statement.read}, condition: b}\n"
    )
    (own,) = engine.of_folder(tmp_path)
    start = NOW - 24 * HOUR
    assert missing(engine.detect(watched, [own], start, NOW))[0][1:3] == (
        "pgaudit",
        "no line of pgaudit came in: is it loaded?",
    )
    read = {"source": "db", "action": "statement.read", "actor": "mara", "at": -30}
    plant(
        admin,
        [{**read, "message": "AUDIT: SESSION,1,1,READ,SELECT,,,"}, {**read, "message": "statement: SELECT"}],
    )
    found = engine.detect(watched, [own], start, NOW).findings
    assert [(one.rule, one.count) for one in found] == [("own", 1)]
    text = (tmp_path / "own.yml").read_text().replace("condition: b", "condition: a")
    (tmp_path / "own.yml").write_text(text)
    (own,) = engine.of_folder(tmp_path)
    assert missing(engine.detect(watched, [own], start, NOW)) == [
        ("medium", "rule own", "there is no tenant 'nobody'", 1)
    ]
    plant(admin, [{"action": "tenant.create", "actor": "mara", "at": -60}])
    admin.execute("INSERT INTO ledger.minimum VALUES (1, 'x', now())")
    assert [one[1:3] for one in missing(run(watched, "bulk-read"))] == [
        ("ledger", "older entries were pruned")
    ]


def test_who_may_run_and_who_may_read(
    login: Callable[..., Session], watched: Session, admin: Connection
) -> None:
    plant(admin, [{**READ, "at": -30}])
    auditor, responder, operator = (
        at(login(role), 0) for role in ("lua_auditor", "lua_responder", "lua_operator")
    )
    assert told(run(auditor, "bulk-read", dry_run=True)) == [("new", "bulk-read", 100)]
    with pytest.raises(InsufficientPrivilege):
        run(auditor, "bulk-read")
    assert told(run(responder, "bulk-read")) == [("new", "bulk-read", 100)]
    assert len(engine.findings(auditor)) == 1
    with pytest.raises(RefusedError, match="does not see all"):
        run(operator, "bulk-read", dry_run=True)
    for table in ("lua.log_run", "lua.log_finding", "lua.log_sighting", "lua.log_alert"):
        for change in (f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(InsufficientPrivilege):
                responder.conn.execute(change)
    with pytest.raises(InsufficientPrivilege):
        responder.conn.execute("UPDATE lua.log_finding SET level = 'low'")
    with pytest.raises(InsufficientPrivilege):
        responder.conn.execute("INSERT INTO lua.log_run (run_by) VALUES ('somebody else')")


def test_hostile_values_stay_values(watched: Session, admin: Connection, tmp_path: Path) -> None:
    hostile = "'; DROP TABLE lua.log_finding; -- %(x)s {0} %"
    plant(admin, [{"action": "tenant.create", "actor": hostile, "at": -30}])
    document = {
        "title": hostile,
        "id": "5c2b9d3e-6a0f-4b5e-9b6c-1f0b8d6f4a12",
        "name": "hostile",
        "logsource": {"product": "luacrm", "service": "ledger"},
        "detection": {"a": {"actor": hostile, "detail.x|exists": False}, "condition": "a"},
    }
    (tmp_path / "own.yml").write_text(json.dumps(document))
    found: tuple[Found, ...] = engine.detect(watched, engine.of_folder(tmp_path), NOW - HOUR, NOW).findings
    assert [(one.title, one.group) for one in found] == [(hostile, {"actor": hostile})]
    assert engine.findings(watched)[0].group == {"actor": hostile}


def said_by(*words: str) -> tuple[int, Any]:
    done = luactl("-o", "json", *words)
    return done.code, json.loads(done.out)


def test_on_the_command_line(home: Home, admin: Connection, tmp_path: Path) -> None:
    code, said = said_by("log", "detect", "--rule", "bulk-read")
    assert (code, said["data"]) == (0, [])
    code, said = said_by("log", "detect")
    assert (code, said["status"]) == (6, "findings")
    assert {one["rule"] for one in said["data"]} == {"coverage"}
    assert said["notes"][0].startswith("rules asked of ")
    _code, kept = said_by("log", "finding", "list", "--rule", "coverage")
    assert {one["finding_id"] for one in kept["data"]} == {one["finding_id"] for one in said["data"]}
    code, one = said_by("log", "finding", "show", kept["data"][0]["finding_id"])
    assert (code, one["data"]) == (0, kept["data"][0])
    (tmp_path / "own.yml").write_text("title: x\nid: 1\n")
    done = luactl("log", "rule", "check", str(tmp_path / "own.yml"))
    assert (done.code, "own.yml: x: an id is needed" in done.err) == (2, True)


def test_the_profile_says_which_rules(home: Home, tmp_path: Path) -> None:
    config = home.paths.config_file
    text = config.read_text()
    table = (
        (
            f'\n[profile.test.detect]\nrules = "{tmp_path}"\ntime_zone = "Europe/Berlin"\n'
            'off = {{ night-access = "we work at night" }}\n'
        )
        .replace("{{", "{")
        .replace("}}", "}")
    )
    config.write_text(text + table)
    code, said = said_by("log", "rule", "list")
    assert code == 0
    assert {one["name"]: one["off_because"] for one in said["data"]}["night-access"] == "we work at night"
    code, said = said_by("log", "detect", "--dry-run")
    assert "night-access is off: we work at night" in said["notes"]
    for wrong, why in (
        ("colour = 1", "unknown setting 'colour'"),
        ('time_zone = "Mars/Base"', "no time zone"),
        ('rules = "here"', "no absolute path"),
        ("off = { x = 1 }", "each with a reason"),
        ('off = { nobody = "x" }', "no such rule"),
    ):
        config.write_text(f"{text}\n[profile.test.detect]\n{wrong}\n")
        done = luactl("log", "rule", "list")
        assert (done.code, why in done.err) == (2, True), done.err


def test_home_tells_what_was_found_and_when_nobody_looked(watched: Session, admin: Connection) -> None:
    from luactl.tui.matter import JOBS

    assert JOBS["findings"](watched).state.startswith("no detection rule was asked yet")
    engine.detect(watched, rules("bulk-read"), NOW - HOUR, NOW, is_whole=True)
    assert JOBS["findings"](watched).state == "none in 7 days; asked up to 2026-03-02 12:00"
    plant(admin, [{**READ, "at": -30}, {"action": "read", "actor": "ben", "people": [1], "at": -720}])
    run(watched, "night-access", "bulk-read")
    told = JOBS["findings"](watched)
    assert told.state == "2 in 7 days; high: bulk-read actor mara; asked up to 2026-03-02 12:00"
    assert told.style == "bad"
