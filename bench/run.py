"""Runs measures and prints one JSON line each: `python -m bench.run [--small] [NAME …]`.

Exit code 1 if a limit was not kept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import bench

from .log_world import end
from .measure import Size


def measures() -> Iterator[ModuleType]:
    """Yield every module of this package that has a measure, by name."""
    for found in iter_modules(bench.__path__):
        if found.name not in ("measure", "run") and not found.ispkg:
            module = import_module(f"bench.{found.name}")
            if hasattr(module, "measure"):
                yield module


def main(args: Sequence[str]) -> int:
    """Run the chosen measures, all by default."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure luactl against its baselines.")
    parser.add_argument("--small", action="store_true", help="the size that the tests run")
    parser.add_argument("names", nargs="*", help="only these measures")
    chosen = parser.parse_args(args)
    held = True
    try:
        for module in measures():
            name = module.__name__.rpartition(".")[2]
            if not chosen.names or name in chosen.names:
                result = module.measure(Size.SMALL if chosen.small else Size.FULL)
                print(result.line(), flush=True)
                held = held and result.held
    finally:
        end()
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
