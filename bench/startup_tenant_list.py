"""`luactl tenant list` on a running server against a bare Typer and psycopg program that prints the same."""

from __future__ import annotations

import sys
from pathlib import Path

from .home import LUACTL, dsn, home, luactl
from .measure import Measure, Size, interleaved, program

LIMIT = 1.3
RUNS = {Size.FULL: 41, Size.SMALL: 11}
TENANTS = 20
BARE = Path(__file__).parent / "programs" / "bare_tenant_list.py"


def measure(size: Size) -> Measure:
    """Time both as whole processes over the same TLS. Raises ValueError if their output differs."""
    n = RUNS[size]
    with home() as env:
        for number in range(TENANTS):
            name = f"Practice {number}"
            luactl(env, "tenant", "create", f"practice-{number}", "--name", name, "--country", "DE",
                   "--contact", f"dpo@practice-{number}.example")  # fmt: skip
        ours = program([LUACTL, "tenant", "list"], env)
        bare = program([sys.executable, str(BARE)], {**env, "BENCH_DSN": dsn(env)})
        if ours() != bare():
            raise ValueError("the two programs do not print the same")
        return Measure("startup_tenant_list", *interleaved(ours, bare, n), LIMIT, n)
