"""Random honest histories of the log, with erasures, prunings, crashes and two writers, raise no alarm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from conftest import Connection
from support_history import ERASING, MOVES, Teller, people

from luactl.connect import connect
from luactl.db import Session


@pytest.fixture
def teller(
    session: Session, admin: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Teller]:
    monkeypatch.setattr(import_module("luactl.ledger.integrate"), "PART", 150)  # so that batches have several
    conn = connect(session.profile, command="test")
    yield Teller(session, replace(session, conn=conn), admin, tmp_path, people(session, 101))
    conn.close()


def tell(teller: Teller, seeds: range) -> None:
    for seed in seeds:
        teller.tell(seed)
    assert set(teller.done) == {"erase", *(move.__name__ for move in MOVES)}
    assert teller.done["erase"] == len([seed for seed in seeds if seed % ERASING == ERASING // 2])


def test_honest_histories_raise_no_alarm(teller: Teller) -> None:
    tell(teller, range(200))


@pytest.mark.long
@pytest.mark.parametrize("first", range(200, 11_000, 1_800))
def test_many_honest_histories_raise_no_alarm(teller: Teller, first: int) -> None:
    tell(teller, range(first, first + 1_800))
