"""Many ledger entries over a hundred days, for the measures of searching: written by the superuser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ledger_world import world
from .measure import Size

if TYPE_CHECKING:
    from luactl.db import Session

ENTRIES = {Size.FULL: 10_000_000, Size.SMALL: 50_000}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 100
BLOCK = 500_000
FILL = (Path(__file__).parent / "programs" / "log_fill.sql").read_text(encoding="utf-8")


@contextmanager
def log_world(size: Size) -> Iterator[tuple[Session, Any]]:
    """Yield a session that may read everything, and the superuser's connection."""
    number = ENTRIES[size]
    step_ms = DAYS * 86_400_000 // number
    with world() as (own, superuser):
        # As after a restore, the words index is made last: row by row it would take most of the time.
        superuser.execute("DROP INDEX ledger.entry_words")
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
        superuser.execute("CREATE INDEX entry_words ON ledger.entry USING gin (ledger.words(body))")
        superuser.execute("VACUUM (ANALYZE) ledger.entry")
        yield own, superuser
