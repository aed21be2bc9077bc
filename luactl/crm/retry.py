"""Two imports at once: who comes second looks again at what is there by now."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psycopg

from ..errors import BusyError

TRIES = 5
Result = TypeVar("Result")


def again(work: Callable[[], Result]) -> Result:
    """Do work that is one transaction; repeat it when another one got in its way. Raises BusyError."""
    for _ in range(TRIES):
        try:
            return work()
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected) as error:
            collision = error
    raise BusyError(
        "other imports into this tenant keep getting in the way", hint="repeat it when they are done"
    ) from collision
