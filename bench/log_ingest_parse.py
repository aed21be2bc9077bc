"""Reading and understanding a csvlog, against pgbadger's reading of it (on one core each)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from . import csvlog
from .measure import Measure, Size, interleaved

LIMIT = 1 / 3
LINES = {Size.FULL: 200_000, Size.SMALL: 20_000}
TURNS = 3


def measure(size: Size) -> Measure:
    """Read the same file in turns. Raises FileNotFoundError where pgbadger (of Debian) is not installed."""
    from luactl.log.ingest.classify import classify
    from luactl.log.ingest.form import Form

    if shutil.which("pgbadger") is None:
        raise FileNotFoundError("pgbadger is not installed: apt install pgbadger")
    with TemporaryDirectory(prefix="luactl-bench-") as folder:
        path = Path(folder) / "postgresql.csv"
        csvlog.write(path, LINES[size])
        form = Form("csvlog", "UTC")

        def ours() -> None:
            data = path.read_bytes()
            kinds = [classify(form.read(data[begin:end])) for begin, end in form.split(data, is_end=True)]
            if len(kinds) != LINES[size]:
                raise ValueError("not every line was read")

        def theirs() -> None:
            command = [
                "pgbadger",
                "-q",
                "-f",
                "csv",
                "-j",
                "1",
                "-x",
                "json",
                "-o",
                f"{folder}/out.json",
                str(path),
            ]
            subprocess.run(command, check=True)

        return Measure("log_ingest_parse", *interleaved(ours, theirs, TURNS), LIMIT, LINES[size])
