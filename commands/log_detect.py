"""`luactl log detect` and `luactl log finding …`: rules asked of the log, and what they found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import Exit

from . import output
from .app import group
from .context import session
from .diagnostics import progress
from .options import DryRun, Limit, Since, Until, Yes, identifier

if TYPE_CHECKING:
    from luactl.log.detect import Run

HELP = "What detection rules found: list, show."
app = group(HELP)

COLUMNS = (
    ("state", "STATE"),
    ("level", "LEVEL"),
    ("rule", "RULE"),
    ("about", "ABOUT"),
    ("count", "COUNT"),
    ("first_at", "FROM"),
    ("last_at", "TO"),
    ("title", "WHAT"),
    ("finding_id", "FINDING"),
)
KEPT = (
    ("level", "LEVEL"),
    ("rule", "RULE"),
    ("about", "ABOUT"),
    ("count", "COUNT"),
    ("first_at", "FROM"),
    ("last_at", "TO"),
    ("title", "WHAT"),
    ("finding_id", "FINDING"),
)
Rules = Annotated[
    list[str] | None,
    typer.Option("--rule", metavar="NAME|ID", help="Only this rule; may be given again.", show_default=False),
]
OneRule = Annotated[
    str | None, typer.Option("--rule", metavar="NAME|ID", help="Only of this rule.", show_default=False)
]
Id = Annotated[str, typer.Argument(metavar="FINDING", help="Id of the finding.")]


def detect(
    since: Since = None, until: Until = None, rule: Rules = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Ask detection rules of the log and keep what they find; without --since from where the last run ended.

    What a rule could not have seen is a finding too. The profile says who is told of what is new. Exit code 6
    when anything was found or not covered.

    Examples:
        luactl log detect
        luactl log detect --since -30d --rule outside-portfolio --dry-run
        luactl log detect -o jsonl
    """
    from luactl import log
    from luactl.log import detect as engine

    with session("log detect") as s:
        chosen, now = engine.settings_of(s.profile), s.clock.now()
        listed = engine.every_rule(chosen.rules, chosen.off)
        rules = engine.chosen(listed, rule or ())
        times = [None if text is None else log.parse_time(text, now) for text in (since, until)]
        begin, end, notes = engine.span(s, *times)
        with progress("rules asked", len(rules)) as step:
            run = engine.detect(
                s, rules, begin, end, zone=chosen.time_zone, is_whole=not rule, dry_run=dry_run, advance=step
            )
        if not dry_run:
            sent = engine.tell(s, chosen, engine.waiting(s, chosen))
            notes += [f"not told: {one.channel}: {one.problem}" for one in sent if one.problem]
        if not rule:
            notes += [f"{one.rule.name} is off: {one.off_because}" for one in listed if one.off_because]
    show = output.show_plan if dry_run else output.show
    outcome = Exit.FINDINGS if run.findings else Exit.DONE
    show(run.findings, COLUMNS, [*_told(run), *notes], outcome=outcome)


def _told(run: Run) -> list[str]:
    """Say what was asked: an empty list says nothing by itself."""
    span = f"{run.since.isoformat()} to {run.until.isoformat()}"
    return [f"rules asked of {span}: {run.rules}; findings: {len(run.findings)}"]


@app.command("list")
def list_(rule: OneRule = None, since: Since = None, limit: Limit = 100) -> None:
    """Show what was found, newest first; --since: what still went on then.

    Examples:
        luactl log finding list --since -7d
        luactl log finding list --rule bulk-read -o csv
    """
    from luactl import log
    from luactl.log import detect as engine

    with session("log finding list") as s:
        chosen = engine.settings_of(s.profile)
        ids = None if rule is None else [engine.rule_id(engine.every_rule(chosen.rules, chosen.off), rule)]
        begin = None if since is None else log.parse_time(since, s.clock.now())
        found = engine.findings(s, rule_ids=ids, since=begin, limit=limit and limit + 1)
    cut = bool(limit) and len(found) > limit
    notes = [f"{limit:,} of >{limit:,}; --limit 0 shows all"] if cut else []
    output.show(found[:limit] if cut else found, KEPT, notes)


@app.command("show")
def show(finding: Id) -> None:
    """Show one finding: what it is about, how much, and the ids of what it rests on.

    Examples:
        luactl log finding show 01990000-0000-7000-8000-000000000000
    """
    from luactl.log import detect as engine

    with session("log finding show") as s:
        output.show(engine.find_finding(s, identifier(finding, "finding", "log finding list")))
