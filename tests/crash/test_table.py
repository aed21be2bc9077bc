"""The table of fault points leaves none out: each step, inside and after, and each kind of blow."""

from __future__ import annotations

import re

import pytest

from .acts import ACTS
from .blows import BLOWS
from .points import KILLS, POINTS, QUICK, TABLE
from .scene import Scene

FEWEST = 60
ANY_TRANSACTION = {"about to commit", "committed"}
"""Reached in each of the many transactions; those that matter have a name of their own besides."""


def test_there_are_enough() -> None:
    assert len({str(point) for point in POINTS}) == len(POINTS) >= FEWEST
    assert set(QUICK) <= set(POINTS)


@pytest.mark.parametrize("kill", KILLS)
def test_each_step_of_the_order_is_struck_inside_and_after(kill: str) -> None:
    struck = {(row.number, row.inside) for row in TABLE if row.act == "erase" and kill in row.blows}
    assert struck >= {(number, inside) for number in range(1, 7) for inside in (True, False)}


@pytest.mark.parametrize("act", ACTS)
def test_each_act_is_struck_by_both(act: str) -> None:
    blows = {blow for row in TABLE if row.act == act for blow in row.blows}
    assert blows >= set(KILLS)


def test_each_blow_is_dealt() -> None:
    dealt = {blow for row in TABLE for blow in row.blows}
    for pattern, _deal in BLOWS:
        assert any(re.fullmatch(pattern, blow) for blow in dealt), pattern
    for what in ("book 1", "book 2"):
        assert {f"disk of {what} full", f"disk of {what} nearly full", f"{what} read-only"} <= dealt


@pytest.mark.long
@pytest.mark.parametrize("name", ACTS)
def test_each_step_that_the_engine_names_is_struck(scene: Scene, name: str) -> None:
    """So that a new one gets its rows: what an act reaches when nothing happens stands in the table."""
    act = ACTS[name]
    scene.ready(act).close()
    done, steps = scene.striker.run(*act.args(scene), stdin=act.stdin)
    assert done.code == 0, done.err
    named = {step for step in steps if "/" not in step} - ANY_TRANSACTION
    struck = {row.where.step for row in TABLE for blow in row.blows if blow in KILLS}
    assert named <= struck, named - struck
