"""`luactl erasure propose|withdraw|queue`: plans on record, and where every erasure stands."""

from __future__ import annotations

from typing import Annotated

import typer

from luactl.errors import UsageError

from .context import session
from .diagnostics import confirm
from .erasure_who import All, Asked, Category, Class, File, Instruction, Request, SkipUnknown, Subject
from .options import AnyTenant, DryRun, Limit, TenantSlug, Yes, identifier
from .output import show, show_plan

QUEUE = (
    ("id", "ID"),
    ("state", "STATE"),
    ("tenant", "TENANT"),
    ("people", "PEOPLE"),
    ("held", "HELD"),
    ("scope", "SCOPE"),
    ("made_at", "SINCE"),
    ("made_by", "BY"),
    ("instruction", "INSTRUCTION"),
)
KEPT = (
    ("plan_id", "PLAN"),
    ("tenant", "TENANT"),
    ("people", "PEOPLE"),
    ("held", "HELD"),
    ("going", "GOING"),
    ("dropping", "KEYS"),
    ("instruction", "INSTRUCTION"),
    ("digest", "DIGEST"),
)


def propose(
    tenant: TenantSlug,
    instruction: Instruction = None,
    request: Request = None,
    subject: Subject = None,
    file: File = None,
    everyone: All = False,
    key_class: Class = None,
    category: Category = None,
    skip_unknown: SkipUnknown = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Put a plan on record, for somebody else to look at, to approve and to run: `erasure run --plan ID`.

    Nobody is erased. Proposed again, it takes the place of your earlier plan for the same people.

    Examples:
        luactl erasure propose --tenant smile --file ids.txt --instruction T-13
    """
    from luactl import erasure

    asked = Asked(subject, file, everyone, skip_unknown, key_class, category, instruction, request)
    with session("erasure propose") as s:
        plan = asked.plan(s, tenant)
        kept = erasure.keep(s, plan, dry_run=dry_run)
    if dry_run:
        show_plan(kept, KEPT)
    else:
        show(kept, KEPT, [f"`luactl erasure run --tenant {tenant} --plan {kept.plan_id}` runs it"])


def withdraw(
    plan_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the plan.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Take a plan off the record. Nothing else changes: nobody was erased by it.

    Examples:
        luactl erasure withdraw 0199c9f1-7e3a-7c44-8a41-2f6d1b0c9e55
    """
    from luactl import erasure

    which = identifier(plan_id, "plan", "erasure queue")
    with session("erasure withdraw") as s:
        found = erasure.withdraw(s, which, dry_run=True)
        if dry_run:
            show_plan(found, KEPT)
            return
        confirm(f"Withdraw the plan to erase {found.people:,} people of {found.tenant}?", yes=yes)
        show(erasure.withdraw(s, which), KEPT)


def queue(
    tenant: AnyTenant = None,
    state: Annotated[
        list[str] | None,
        typer.Option("--state", metavar="STATE", help="Only these; repeatable.", show_default=False),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Only what is not done.")] = False,
    limit: Limit = 0,
) -> None:
    """List what is planned, waits for approval, is approved, cut short, held back or done, newest first.

    States: planned, waiting, approved, denied, broken (an answer is not what was signed), unfinished, held
    (a legal hold keeps somebody), released (`run --resume` erases who was held), done.

    Examples:
        luactl erasure queue --open
        luactl erasure queue --tenant smile --state waiting --state approved
    """
    from luactl import erasure

    if unknown := [one for one in state or () if one not in erasure.STATES]:
        raise UsageError(f"there is no state {unknown[0]!r}", hint=f"one of {', '.join(erasure.STATES)}")
    wanted = [one for one in state or erasure.STATES if not open_ or one in erasure.OPEN]
    with session("erasure queue") as s:
        found = erasure.queue(s, tenant, states=wanted, limit=limit)
    notes = [f"more than {limit} erasures; `--limit 0` shows all"] if found.cut else []
    show(found.items, QUEUE, notes)
