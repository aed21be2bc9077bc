"""Bringing in a csvlog, understood, masked and sealed, against COPY of the file into as many indexes."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from . import csvlog
from .ledger_world import world
from .measure import Measure, Size, interleaved

LIMIT = 2.5
LINES = {Size.FULL: 200_000, Size.SMALL: 20_000}
TURNS = 3
TABLE = (Path(__file__).parent / "programs" / "log_copy.sql").read_text(encoding="utf-8")
COLUMNS = 26


def measure(size: Size) -> Measure:
    """Bring the same file in as ever new sources, and copy it as often."""
    from luactl.log.ingest.reading import bring
    from luactl.log.ingest.source import NewSource, add_source

    with world() as (own, superuser), TemporaryDirectory(prefix="luactl-bench-") as folder:
        path, numbers = Path(folder) / "postgresql.csv", count()
        csvlog.write(path, LINES[size])
        superuser.execute(TABLE)
        names = superuser.execute(
            "SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute"
            " WHERE attrelid = 'public.csvlog'::regclass AND attnum BETWEEN 1 AND %s",
            (COLUMNS,),
        ).fetchone()

        def ours() -> None:
            source = add_source(own, NewSource(f"s{next(numbers)}", "csvlog", str(path), "bench"))
            if bring(own, source).lines != LINES[size]:
                raise ValueError("not every line came in")

        def by_hand() -> None:
            statement = f"COPY public.csvlog ({names[0]}) FROM STDIN WITH (FORMAT csv)"
            with path.open("rb") as stream, superuser.cursor().copy(statement) as copy:
                while data := stream.read(1 << 20):
                    copy.write(data)

        return Measure("log_ingest", *interleaved(ours, by_hand, TURNS), LIMIT, LINES[size])
