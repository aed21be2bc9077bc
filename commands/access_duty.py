"""`luactl access duty …`: rules about what nobody may have both, who breaks them, and waivers."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Yes, day
from .output import show, show_plan

HELP = "Separation of duties: rules, who breaks them, waivers."
app = group(HELP)

RULES = (
    ("rule", "RULE"),
    ("one", "NOBODY HAS"),
    ("other", "AND"),
    ("waived", "WAIVED"),
    ("added_by", "ADDED BY"),
    ("why", "WHY"),
)
FOUND = (
    ("rule", "RULE"),
    ("person", "PERSON"),
    ("logins", "LOGINS"),
    ("has", "HAS"),
    ("besides", "AND"),
    ("until", "WAIVED UNTIL"),
    ("why", "WHY"),
)
WAIVERS = (
    ("waiver_id", "WAIVER"),
    ("rule", "RULE"),
    ("person", "PERSON"),
    ("until", "UNTIL"),
    ("reason", "REASON"),
    ("waived_by", "BY"),
    ("approval_id", "APPROVAL"),
)


@app.command("list")
def list_(
    waived: Annotated[bool, typer.Option("--waivers", help="Waivers in force instead of rules.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Waivers that are over, too.")] = False,
) -> None:
    """List the rules: what nobody may have both, and why; or for whom one is waived.

    Examples:
        luactl access duty list
        luactl access duty list --waivers
        luactl access duty list --waivers --all -o json
    """
    from luactl.access import duty

    with session("access duty list") as s:
        if waived or every:
            show(duty.waivers(s, ended=every), WAIVERS)
        else:
            show(duty.list_(s), RULES)


@app.command("add")
def add(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Its name: lower-case words and hyphens.")],
    one: Annotated[
        list[str], typer.Option("--one", metavar="DUTY", help="Who has this …; can be given again.")
    ],
    other: Annotated[
        list[str], typer.Option("--other", metavar="DUTY", help="… has none of these; can be given again.")
    ],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="What a refusal tells.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Add a rule of your own: refused at each grant from now on, found every night. Needs lua_dpo.

    Duties are group roles, `approver` (a key to answer approvals with) and `keys` (could open what is
    sealed). Whoever has both already keeps them, and is shown. The name is never used again.

    Examples:
        luactl access duty add books-apart --one lua_accounting --other lua_operator --why 'two teams'
        luactl access duty add officer-opens-nothing --one lua_dpo --other keys --why 'own view' --dry-run
    """
    from luactl.access import duty

    with session("access duty add") as s:
        plan = duty.add(s, rule, one, other, why, dry_run=True)
        notes = (
            [f"{len(plan.broken_by)} break it already: `luactl access duty check`"] if plan.broken_by else []
        )
        if dry_run:
            show_plan(plan, notes=notes)
            return
        confirm(f"Keep {', '.join(plan.rule.one)} apart from {', '.join(plan.rule.other)}?", yes=yes)
        show(duty.add(s, rule, one, other, why), notes=notes)


@app.command("end")
def end(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="A rule of your own.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; no personal data.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """End a rule of your own; those that luactl came with stay. Needs lua_dpo.

    Examples:
        luactl access duty end books-apart --reason 'two teams now' --dry-run
    """
    from luactl.access import duty

    with session("access duty end") as s:
        plan = duty.end(s, rule, reason, dry_run=True)
        if dry_run:
            show_plan(plan)
            return
        confirm(f"Let {rule} hold for nobody any more?", yes=yes)
        show(duty.end(s, rule, reason))


@app.command("check")
def check() -> None:
    """Find whoever breaks a rule. Exit 6 when one is broken without a waiver; meant for every night.

    All logins of a person count together; a login that nobody is registered for counts by itself.

    Examples:
        luactl access duty check
        luactl access duty check -o json
    """
    from luactl.access import duty
    from luactl.errors import Exit

    with session("access duty check") as s:
        found = duty.check(s)
    broken = duty.open_(found)
    notes = [f"{len(broken)} break a rule, {len(found) - len(broken)} are waived"]
    show(found, FOUND, notes, outcome=Exit.FINDINGS if broken else Exit.DONE)


@app.command("waive")
def waive(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The rule's name.")],
    person: Annotated[str, typer.Argument(metavar="HANDLE", help="For whom, as `staff list` has it.")],
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="The last day, UTC.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; no personal data.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Take a rule off a person until a day, at most a year away. Always needs somebody else's approval.

    The first run asks for it and ends with exit 5; the same again, once approved, carries it out. Nobody
    asks for or approves a waiver of their own.

    Examples:
        luactl access duty waive auditor-writes anna.berger --until 2026-12-31 --reason 'ticket 81'
    """
    from luactl.access import duty

    last = day(until, "--until")
    with session("access duty waive") as s:
        plan = duty.waive(s, rule, person, last, reason, dry_run=True)
        if dry_run:
            show_plan(plan, WAIVERS)
            return
        confirm(f"Waive {rule} for {person} until {plan.until}?", yes=yes)
        show(duty.waive(s, rule, person, last, reason), WAIVERS)
