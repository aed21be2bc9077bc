"""A backup is put back: who was erased since stays unreadable, everybody else opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_restore import EVERYBODY, LATER, Practice, opened


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    with opened(tmp_path) as made:
        yield made


@pytest.mark.long
def test_without_a_restore_there_is_nothing_to_do(practice: Practice) -> None:
    before = practice.query("SELECT count(*) FROM ledger.entry")
    plan = practice.data("restore", "check", "--dry-run")
    assert (plan["keys"], plan["lost"], plan["unfinished"]) == (None, [], [])
    assert practice.data("restore", "check")["findings"] == []
    assert practice.query("SELECT count(*) FROM ledger.entry") == before


def test_a_restored_database_opens_with_the_keys_of_today(practice: Practice) -> None:
    practice.back_up("monday")
    erased = practice.erase("1")
    practice.take_in(LATER)
    practice.run("ledger", "integrate")
    practice.put_back("monday")
    refused = practice.run("crm", "customer", "list", "--tenant", "smile", code=5)
    assert "restore check" in refused.stderr

    plan = practice.data("restore", "check", "--dry-run")
    assert (plan["keys"]["epoch_from"], plan["keys"]["epoch_to"]) == (1, 2)
    assert plan["lost"][0]["size"] > plan["lost"][0]["kept"]
    assert practice.run("crm", "customer", "list", "--tenant", "smile", code=5)

    done = practice.data("restore", "check", "--yes")
    assert done["findings"] == []
    assert practice.readable() == EVERYBODY - {"nele@praxis.example"}
    assert practice.data("key", "verify")["findings"] == []
    log = practice.data("ledger", "verify")
    assert (log["ok"], [one["origin"] for one in log["lost"]]) == (True, [plan["lost"][0]["origin"]])
    practice.run("verify", erased["certificate"])
    assert practice.data("restore", "check", "--dry-run")["keys"] is None
