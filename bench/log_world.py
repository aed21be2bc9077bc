"""Many ledger entries, a page or more a day of one tenant by one actor: written by the superuser.

Ten million take minutes to make, and nobody changes them: the measures of one run share them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ledger_world import world
from .measure import Size

if TYPE_CHECKING:
    from luactl.db import Session

ENTRIES = {Size.FULL: 10_000_000, Size.SMALL: 50_000}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = {Size.FULL: 100, Size.SMALL: 5}
BLOCK = 500_000
ASIDE = (Path(__file__).parent / "programs" / "log_aside.sql").read_text(encoding="utf-8")
FILL = (Path(__file__).parent / "programs" / "log_fill.sql").read_text(encoding="utf-8")

_made = ExitStack()


@cache
def log_world(size: Size) -> tuple[Session, Any]:
    """Return a session that may read everything, and the superuser's connection; `end` closes them.

    Who asks again gets the same.
    """
    return _made.enter_context(fresh_log_world(size))


def end() -> None:
    """Remove what was made."""
    _made.close()
    log_world.cache_clear()


@contextmanager
def fresh_log_world(size: Size) -> Iterator[tuple[Session, Any]]:
    """Yield the same of a home of one's own, for who changes it. The log does not have the entries yet."""
    number = ENTRIES[size]
    step_ms = DAYS[size] * 86_400_000 // number
    with world() as (own, superuser):
        days = [BEGIN + timedelta(days=n) for n in range(DAYS[size])]
        superuser.execute(
            "SELECT ledger.make_months(%s::integer[])", [sorted({d.year * 100 + d.month for d in days})]
        )
        later = _set_aside(superuser)
        for first in range(0, number, BLOCK):
            superuser.execute(
                FILL,
                {
                    "begin": BEGIN,
                    "step": timedelta(milliseconds=step_ms),
                    "ms": int(BEGIN.timestamp() * 1000),
                    "step_ms": step_ms,
                    "first": first,
                    "last": min(first + BLOCK, number) - 1,
                },
            )
        superuser.execute("SET maintenance_work_mem = '1GB'")
        for statement in later:
            superuser.execute(statement)
        superuser.execute("VACUUM (ANALYZE) ledger.entry")
        yield own, superuser


def _set_aside(superuser: Any) -> list[str]:
    """Drop what a restore makes last, indexes and checks: row by row they would take most of the time.

    Returns the statements that put it back. Checks are not asked of what lies there: it is made right.
    """
    found = superuser.execute(ASIDE).fetchall()
    for drop, _make in found:
        superuser.execute(drop)
    return [make for _drop, make in found]
