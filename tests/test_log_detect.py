"""Each rule that ships finds what it is for, and nothing beside it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Connection, Home
from support_events import NOW, add_sources, plant, source_id

from luactl.clock import FixedClock
from luactl.db import Session
from luactl.log.detect.catalog import shipped
from luactl.log.detect.episode import Asked, Episode, episodes
from luactl.log.detect.rule import Rule

FIXTURES = Path(__file__).parent / "detect"
RULES = {rule.name: rule for rule in shipped()}
FORMATS = {"db": "csvlog", "crm": "jsonl", "host": "journald"}


@pytest.fixture
def superuser(bare_home: Home, admin: Connection) -> Session:
    """A session of the superuser, who may write what anybody wrote; with one source of each kind."""
    add_sources(admin)
    return Session(admin, "postgres", FixedClock(NOW), bare_home.profile, "test")


def found(session: Session, rule: Rule, days: float = 1, zone: str = "UTC") -> list[Episode]:
    since = NOW - timedelta(days=days)
    return episodes(session, rule, Asked(since, NOW, since - rule.reach, zone, FORMATS))


def test_every_rule_has_what_it_finds_and_what_it_leaves() -> None:
    assert {file.stem for file in FIXTURES.glob("*.json")} == set(RULES)
    for name in RULES:
        told = [bool(case["found"]) for case in json.loads((FIXTURES / f"{name}.json").read_text())]
        assert any(told), name
        assert not all(told), name


@pytest.mark.parametrize("name", RULES)
def test_what_a_shipped_rule_finds(name: str, superuser: Session) -> None:
    for case in json.loads((FIXTURES / f"{name}.json").read_text()):
        with superuser.conn.transaction(force_rollback=True):
            write(superuser.conn, case)
            told = [
                {"group": one.group, "count": one.count, "events": one.events}
                for one in found(superuser, RULES[name], case.get("days", 1), case.get("zone", "UTC"))
            ]
        assert told == case["found"], case["why"]


def write(admin: Connection, case: dict[str, Any]) -> None:
    plant(admin, case["events"])
    for since, until, reason in case.get("gaps", ()):
        times = (NOW + timedelta(minutes=since), NOW + timedelta(minutes=until))
        admin.execute(
            "INSERT INTO lua.log_gap VALUES (%s, %s, %s, %s, %s)",
            (source_id("db"), *times, reason, NOW - timedelta(minutes=1)),
        )
    for statement in case.get("sql", ()):
        admin.execute(statement)
