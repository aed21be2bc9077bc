"""`luactl demo`: luactl's main job in a throw-away home, told step by step and checked behind its back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import Exit

from .app import lone
from .diagnostics import note
from .output import show
from .settings import is_json

if TYPE_CHECKING:
    from luactl.demo import Told

app = lone("See luactl do its main job in a throw-away home.")


@dataclass(frozen=True)
class Held:
    """One line of the table at the end."""

    step: str
    held: str
    evidence: str


@app.command("demo")
def demo(
    erasure: Annotated[
        bool,
        typer.Option("--erasure", help="The drill of secure deletion: a backup is stolen, and put back."),
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the home, and say where it is.")] = False,
) -> None:
    """See luactl do its main job in a throw-away home.

    Tells each step with the command that does it, and checks the effect by a query past luactl. Ends with a
    table of what held; exit code 1 if anything did not.

    Examples:
        luactl demo
        luactl demo --erasure
        luactl demo --keep
    """
    from luactl.demo import new_home, tell, tell_drill, throw_away

    world, told = new_home(), list[Held]()
    try:
        for step in (tell_drill if erasure else tell)(world):
            _narrate(len(told) + 1, step)
            told.append(Held(step.title, "yes" if step.held else "NO", step.evidence))
    finally:
        if keep:
            note(f"kept: LUACTL_HOME={world.home} luactl tenant list")
        else:
            throw_away(world)
    outcome = Exit.DONE if all(line.held == "yes" for line in told) else Exit.FAILED
    show(told, (("step", "STEP"), ("held", "HELD"), ("evidence", "EVIDENCE")), outcome=outcome)


def _narrate(number: int, step: Told) -> None:
    if is_json():
        return
    note(f"\n{number}. {step.title}")
    for command in step.commands:
        note(f"   $ {command}")
    note(f"   {'→' if step.held else '✗'} {step.evidence}")
