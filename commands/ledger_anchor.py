"""`luactl ledger anchor …`: where signed checkpoints go, out of reach of the database's owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import output
from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Yes

if TYPE_CHECKING:
    from luactl.ledger.naming import Verb

anchors = group("Anchors: where signed checkpoints go, out of reach of the database's owner.")

ANCHORS = (
    ("anchor", "ANCHOR"),
    ("size", "ENTRIES"),
    ("lag", "LAG"),
    ("known_by", "SAYS WHO"),
    ("problem", "PROBLEM"),
)
CHANGE = (("verb", "VERB"), ("name", "ANCHOR"), ("size", "ENTRIES"), ("steps", "STEPS"))
Name = Annotated[
    str,
    typer.Argument(
        metavar="ANCHOR",
        help="file:/path, syslog:/dev/log, syslog:tcp://HOST:PORT, or `command:/program …` as one word.",
    ),
]


@anchors.command("list")
def list_anchors() -> None:
    """List the anchors: how far each knows the log, who says so, and what is wrong with it; exit 6 if so.

    Examples:
        luactl ledger anchor list
    """
    from luactl import ledger
    from luactl.errors import Exit

    with session("ledger anchor list") as s:
        found = ledger.status(s).anchors
    notes = [] if found else ["no anchor: nobody but the database's owner holds a checkpoint"]
    wrong = any(one.problem or not one.current for one in found)
    output.show(found, columns=ANCHORS, notes=notes, outcome=Exit.FINDINGS if wrong else Exit.DONE)


@anchors.command("add")
def add(name: Name, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Hand the newest checkpoint to a further anchor, and then name it in the profile (on the ledger host).

    Examples:
        luactl ledger anchor add file:/mnt/worm/anchor --dry-run
        luactl ledger anchor add syslog:tcp://loghost:601 --yes
    """
    _change("add", name, dry_run, yes)


@anchors.command("remove")
def remove(name: Name, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Take an anchor out of the profile; what it holds stays there, and the last one stays named.

    Examples:
        luactl ledger anchor remove file:/mnt/worm/anchor --yes
    """
    _change("remove", name, dry_run, yes)


def _change(verb: Verb, name: str, dry_run: bool, yes: bool) -> None:
    from luactl.ledger.naming import carry_out, plan_change

    with session(f"ledger anchor {verb}") as s:
        wanted = plan_change(s, verb, name)
        if dry_run:
            output.show_plan(wanted, CHANGE)
            return
        if verb == "remove":
            confirm(f"Hand no more checkpoints to {wanted.name}?", yes=yes, name=s.profile.name)
        output.show(carry_out(s, wanted), CHANGE, _advice(verb))


def _advice(verb: Verb) -> list[str]:
    if verb == "add":
        return ["every host that checks the log must name it: `luactl profile show` there"]
    return ["keep what it holds: it vouches for all that was signed until now"]
