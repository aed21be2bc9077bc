"""A noun that only the tests know: every kind of result, and every way to fail.

`python tests/toy.py ARGS…` runs luactl with it, as a process of its own.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from types import ModuleType
from typing import Annotated
from uuid import UUID

import typer

from luactl.commands import main as program
from luactl.commands.app import group
from luactl.commands.context import session
from luactl.commands.diagnostics import confirm, note, progress
from luactl.commands.options import DryRun, Email, Limit, Phone, Yes, one_of
from luactl.commands.output import show, show_plan, stream
from luactl.db import transaction
from luactl.errors import BusyError, Exit, LuactlError, NoConnectionError, RefusedError

HELP = "Toys: what the tests play with."
app = group(HELP)


@dataclass(frozen=True)
class Toy:
    toy_id: UUID
    name: str
    made: datetime
    day: date
    price: Decimal
    parts: tuple[str, ...]
    seal: bytes
    broken: bool
    owner: str | None


@dataclass(frozen=True)
class Chest:
    title: str
    best: Toy | None
    toys: tuple[Toy, ...]


def toy(number: int, name: str) -> Toy:
    return Toy(
        UUID(int=number),
        name,
        datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
        date(2026, 3, 1),
        Decimal("12.50"),
        ("wheel", "bell"),
        b"\x00\xff",
        number % 2 == 0,
        None if number % 2 else "Ines",
    )


TOYS = (toy(1, "Kreisel"), toy(2, 'Bär, "groß"\tund\nrund'), toy(3, "\x1b[31mrot\x1b[0m\u202e\x9b"))
Tags = Annotated[list[str] | None, typer.Option("--tag")]
COLUMNS = (("toy_id", "ID"), ("name", "NAME"), ("made", "MADE"), ("price", "PRICE"), ("parts", "PARTS"))
FAILURES: dict[str, BaseException] = {
    "failed": LuactlError("the toy broke", hint="glue it"),
    "connection": NoConnectionError("nobody answers", hint="knock louder"),
    "busy": BusyError("somebody plays with it"),
    "refused": RefusedError("not before bedtime", hint="ask tomorrow"),
    "unexpected": ZeroDivisionError("by \x1b[31mzero"),
    "interrupt": KeyboardInterrupt(),
    "disk": OSError(28, "No space left on device", "toys.csv"),
}


@app.command("list")
def list_(limit: Limit = 0) -> None:
    """List the toys."""
    shown = TOYS[:limit] if limit else TOYS
    show(shown, COLUMNS, [f"{len(shown)} of {len(TOYS)}"] if limit else ())


@app.command("show")
def show_(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Show one toy."""
    note("looking into the chest")
    show(next(one for one in TOYS if one.name == name))


@app.command()
def chest() -> None:
    """Show a toy chest with what is in it."""
    show(Chest("attic", TOYS[0], TOYS))


@app.command()
def flood() -> None:
    """Follow an endless stream of toys."""
    stream(iter(lambda: TOYS[0], None), COLUMNS)


@app.command()
def hang() -> None:
    """Write a row, say by which backend, and hang in the middle of the transaction."""
    with session("toy hang") as s, transaction(s) as conn:
        conn.execute("INSERT INTO public.scratch VALUES (1)")
        show({"backend": conn.info.backend_pid})
        conn.execute("SELECT pg_sleep(600)")


@app.command()
def check() -> None:
    """Find something wrong."""
    show(TOYS[:1], COLUMNS, outcome=Exit.FINDINGS)


@app.command()
def fail(how: str) -> None:
    """Fail in the way asked for."""
    raise FAILURES[how]


@app.command()
def burn(dry_run: DryRun = False, yes: Yes = False, retype: bool = False) -> None:
    """Burn the toys."""
    if dry_run:
        show_plan(Chest("attic", TOYS[0], TOYS[:1]))
        return
    confirm("Burn them all?", yes=yes, retype="attic" if retype else None)
    with progress("burning", 3) as advance:
        advance(3)
    show(Chest("ashes", None, ()))


@app.command()
def find(email: Email = None, phone: Phone = None, tag: Tags = None) -> None:
    """Find a toy's owner."""
    kind, value = one_of(email=email, phone=phone)
    show({"kind": kind, "value": value, "tags": tag or []})


def install() -> None:
    """Make the noun known to this process."""
    module = ModuleType("luactl.commands.toy")
    module.app = app  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    program.NOUNS["toy"] = HELP


if __name__ == "__main__":
    install()
    program.main()
