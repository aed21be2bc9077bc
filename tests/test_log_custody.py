"""Who had a lockbox in hand: kept in it, and its digest in the ledger."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from support_evidence import NOW, at, check, collected, entries

from luactl import log
from luactl.db import Session
from luactl.errors import BusyError, LuactlError, UsageError
from luactl.log import evidence
from luactl.log.evidence import Step


@pytest.fixture
def box(session: Session, tmp_path: Path) -> Path:
    entries(at(session, 1), "tenant.create")
    collected(session, tmp_path / "box")
    return tmp_path / "box"


def recorded(session: Session) -> list[log.Line]:
    return list(log.search(session, log.parse("action:log.custody.add", NOW), 0).lines)


def test_entries_are_chained_to_the_facts_and_known_to_the_ledger(session: Session, box: Path) -> None:
    evidence.record_step(session, box, Step("stored", "Ida Falk", "safe 2", "sealed bag"))
    evidence.add_step(box, Step("handed-over", "Ida Falk", "police"), NOW)
    found = evidence.read_steps(box)
    assert [(one.number, one.action, one.login) for one in found] == [
        (1, "collected", session.actor), (2, "stored", session.actor), (3, "handed-over", None),
    ]  # fmt: skip
    lines = (box / "custody.jsonl").read_bytes().splitlines()
    digests = [sha256(line).hexdigest() for line in lines]
    assert [one.sha256 for one in found] == digests
    facts = sha256((box / "certificate.json").read_bytes()).hexdigest()
    assert [one.previous for one in found] == [facts, *digests[:-1]]
    (entry,) = recorded(session)
    assert entry.detail == {"action": "stored", "n": 2, "sha256": digests[1]}
    assert "Falk" not in json.dumps(entry.detail)
    assert check(box) == check(box, custody=digests[1]) == []


def test_a_plan_is_what_a_run_does(session: Session, box: Path) -> None:
    step = Step("copied", "Ida Falk", "stick 41")
    plan = evidence.record_step(session, box, step, dry_run=True)
    assert (recorded(session), len(evidence.read_steps(box))) == ([], 1)
    done = evidence.record_step(session, box, step)
    assert replace(plan, at=done.at, sha256=done.sha256) == done
    assert check(box) == []


NO_STEPS = (
    Step("collected", "Ida Falk"),
    Step("lost", "Ida Falk"),
    Step("stored", " "),
    Step("stored", "x" * 501),
    Step("stored", "Ida\tFalk"),
    Step("stored", "Ida", ""),
    Step("stored", "Ida", "x", "\x1b[31m"),
    Step("stored", "\udc80"),
)


@pytest.mark.parametrize("step", NO_STEPS)
def test_what_is_no_entry(tmp_path: Path, step: Step) -> None:
    with pytest.raises(UsageError, match=r"nobody can|is text of at most"):
        evidence.add_step(tmp_path, step, NOW)


def test_what_is_no_lockbox(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path, tmp_path / "file", tmp_path / "nowhere", tmp_path / "a\0b"):
        with pytest.raises(UsageError, match="no lockbox"):
            evidence.add_step(place, Step("stored", "Ida Falk"), NOW)
        with pytest.raises(UsageError, match="no lockbox"):
            evidence.read_steps(place)


def test_one_at_a_time(session: Session, box: Path) -> None:
    folder = os.open(box, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with pytest.raises(BusyError):
            evidence.record_step(session, box, Step("stored", "Ida Falk"))
    finally:
        os.close(folder)
    assert recorded(session) == []


def test_cut_short_the_log_is_whole(session: Session, box: Path) -> None:
    seen = []
    for strike in range(20):
        steps = iter(range(20))

        def fall(name: str, strike: int = strike, steps: object = steps) -> None:
            seen.append(name)
            if next(steps) == strike:  # type: ignore[call-overload]
                raise KeyboardInterrupt

        try:
            evidence.record_step(replace(session, step=fall), box, Step("stored", "Ida Falk"))
            break
        except KeyboardInterrupt:
            assert check(box) == []
    assert {"custody recorded", "custody written"} <= set(seen)
    assert {one.sha256 for one in evidence.read_steps(box)[1:]} <= {
        one.detail["sha256"] for one in recorded(session) if one.detail
    }


def test_a_folder_that_cannot_be_written(session: Session, box: Path) -> None:
    (box.parent / ".box.1.new").write_bytes(b"x")  # of a process that runs: it is left alone
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(LuactlError, match="could not be written: File too large"):
            evidence.add_step(box, Step("stored", "Ida Falk"), NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(evidence.read_steps(box)) == 1
    assert sorted(one.name for one in box.parent.iterdir()) == [".box.1.new", "box", "home"]
