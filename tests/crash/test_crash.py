"""After each point: who lives can be read, what was dropped cannot, and a second run finishes."""

from __future__ import annotations

from contextlib import closing

import pytest
from support_failures import met
from support_whole import Done

from .acts import ACTS
from .after import Before, finish, inspect, told
from .blows import deliver
from .points import KILLS, POINTS, QUICK, Point
from .scene import Scene


def ended(done: Done, point: Point) -> None:
    """Check that the command ended as docs/reference/failures.md says of what happened to it."""
    failure = "killed (-9)" if point.blow == KILLS[0] else point.row.failure
    if failure:
        met(done, failure)
    else:
        told(done, 0, 1, 3, 4, 5)


def strike(scene: Scene, before: Before, point: Point) -> None:
    act, thief = ACTS[point.row.act], before.thief.copy()
    scene.ready(act).close()
    done, _blow = deliver(scene, act, point)
    with closing(scene.admin()) as admin:
        ended(done, point)
        inspect(scene, act, before, thief, admin)
        finish(scene, act, before, thief, admin)


@pytest.mark.parametrize("point", QUICK, ids=str)
def test_some_points(scene: Scene, before: Before, point: Point) -> None:
    strike(scene, before, point)


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_every_point(scene: Scene, before: Before, point: Point) -> None:
    strike(scene, before, point)
