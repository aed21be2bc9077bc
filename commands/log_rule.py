"""`luactl log rule …`: the rules that `log detect` asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import output
from .app import group
from .context import settings

if TYPE_CHECKING:
    from luactl.log.detect import Listed

HELP = "The rules of detection: list, show, check."
app = group(HELP)

COLUMNS = (
    ("name", "RULE"),
    ("level", "LEVEL"),
    ("logs", "ASKS"),
    ("file", "FILE"),
    ("off_because", "OFF BECAUSE"),
    ("title", "FINDS"),
)
CHECKED = (("name", "RULE"), ("level", "LEVEL"), ("logs", "ASKS"), ("title", "FINDS"))
Name = Annotated[str, typer.Argument(metavar="NAME|ID", help="Name or id of the rule.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="Files of rules that belong together.")]


def _listed() -> tuple[Listed, ...]:
    from luactl.config import load_profile
    from luactl.log import detect as engine

    chosen = engine.settings_of(load_profile(settings().profile))
    return engine.every_rule(chosen.rules, chosen.off)


@app.command("list")
def list_() -> None:
    """Show all rules: those of luactl, and the house's own from the folder that the profile names.

    Examples:
        luactl log rule list
    """
    from luactl.log import detect as engine

    output.show([engine.brief(one) for one in _listed()], COLUMNS)


@app.command("show")
def show(name: Name) -> None:
    """Show one rule: what it asks, as a query, and when it is wrong.

    Examples:
        luactl log rule show bulk-read
    """
    from luactl.log import detect as engine

    output.show(engine.explained(engine.find_rule(_listed(), name)))


@app.command("check")
def check(files: Files) -> None:
    """Read files of rules and say what they ask, or the first thing in them that is not supported.

    Examples:
        luactl log rule check own.yml
        luactl log rule check /etc/luactl/rules/*.yml -o json
    """
    from luactl.log import detect as engine

    output.show([engine.brief(engine.Listed(one, False, None)) for one in engine.of_files(files)], CHECKED)
