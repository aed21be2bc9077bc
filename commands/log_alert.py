"""`luactl log alert …`: telling people what detection rules found."""

from __future__ import annotations

from luactl.errors import Exit

from . import output
from .app import group
from .context import session
from .diagnostics import progress
from .options import DryRun, Yes

HELP = "Telling people of findings: list, send."
app = group(HELP)

WAITING = (
    ("channel", "CHANNEL"),
    ("level", "LEVEL"),
    ("rule", "RULE"),
    ("about", "ABOUT"),
    ("count", "COUNT"),
    ("last_at", "TO"),
    ("finding_id", "FINDING"),
)
TOLD = (("channel", "CHANNEL"), ("findings", "FINDINGS"), ("outcome", "OUTCOME"), ("problem", "PROBLEM"))


@app.command("list")
def list_() -> None:
    """Show what waits to be told, on which channel.

    Examples:
        luactl log alert list
    """
    from luactl.log import detect as engine

    with session("log alert list") as s:
        output.show(engine.waiting(s, engine.settings_of(s.profile)), WAITING)


@app.command("send")
def send(dry_run: DryRun = False, yes: Yes = False) -> None:
    """Tell what waits: `log detect` does so too, this tries again. Exit code 6 when somebody was not reached.

    Examples:
        luactl log alert send
    """
    from luactl.log import detect as engine

    with session("log alert send") as s:
        chosen = engine.settings_of(s.profile)
        alerts = engine.waiting(s, chosen)
        if dry_run:
            output.show_plan(alerts, WAITING)
            return
        with progress("told", len(alerts)) as step:
            done = engine.tell(s, chosen, alerts, step)
    failed = any(one.problem for one in done)
    output.show(done, TOLD, outcome=Exit.FINDINGS if failed else Exit.DONE)
