"""`luactl access review …`: who holds what, frozen; somebody independent decides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import Exit, UsageError

from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Yes, identifier
from .output import show, show_plan

if TYPE_CHECKING:
    from uuid import UUID

    from luactl.access.review import Closed, Opened, Sessions

HELP = "Reviews of access: open, decide, close, and what the catalog says after it."
app = group(HELP)

REVIEWS = (
    ("review_id", "REVIEW"),
    ("title", "TITLE"),
    ("state", "STATE"),
    ("decided", "DECIDED"),
    ("items", "ITEMS"),
    ("failed", "FAILED"),
    ("suspended", "SUSPENDED"),
    ("due_at", "DUE"),
    ("closed_at", "CLOSED"),
    ("next_at", "NEXT"),
)
ITEMS = (
    ("item_no", "NO"),
    ("login", "LOGIN"),
    ("object", "OBJECT"),
    ("rights", "RIGHTS"),
    ("how", "HOW"),
    ("path", "PATH"),
    ("last_seen", "LAST SEEN"),
    ("suggestion", "SUGGESTED"),
    ("why", "WHY"),
    ("reviewer", "REVIEWER"),
    ("decision", "DECISION"),
    ("outcome", "OUTCOME"),
)
SHARES = (("reviewer", "REVIEWER"), ("assigned_as", "AS"), ("items", "ITEMS"))
STEPS = (
    ("item_no", "NO"),
    ("login", "LOGIN"),
    ("object", "OBJECT"),
    ("wanted", "WANTED"),
    ("outcome", "OUTCOME"),
    ("problem", "PROBLEM"),
    ("statement", "A SUPERUSER RUNS"),
)
REMINDED = (
    ("reviewer", "REVIEWER"),
    ("waiting", "WAITING"),
    ("seen", "SEEN"),
    ("due_at", "DUE"),
    ("told", "TOLD BY"),
    ("problem", "PROBLEM"),
)
MOVED = (("item_no", "NO"), ("before", "FROM"), ("reviewer", "TO"))
IMPORTED = (("items", "ITEMS"), ("decision", "DECISION"), ("reason", "REASON"), ("to", "TO"))
CHECKS = (("check", "CHECK"), ("state", "STATE"), ("what", "WHAT"))
LIFTED = (
    ("login", "LOGIN"),
    ("outcome", "OUTCOME"),
    ("items", "ITEMS"),
    ("problem", "PROBLEM"),
    ("statement", "A SUPERUSER RUNS"),
)
ReviewId = Annotated[str, typer.Argument(metavar="REVIEW", help="Id of the review.")]
Mine = Annotated[bool, typer.Option("--mine", help="Only what this login's person reviews.")]

Title = Annotated[str, typer.Option("--title", metavar="TEXT", help="What it is called.")]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="ROLE", help="Only who is given, or reaches, this role. Repeatable."),
]
Tenants = Annotated[
    list[str] | None,
    typer.Option("--tenant", metavar="SLUG", help="Only what touches this tenant. Repeatable."),
]
Categories = Annotated[
    list[str] | None,
    typer.Option("--category", metavar="NAME", help="Only what reaches such data. Repeatable."),
]
Owners = Annotated[
    list[str] | None,
    typer.Option(
        "--owner",
        metavar="PATTERN=HANDLE",
        help="Who answers for roles and objects, before the manager. Repeatable; the first that fits.",
    ),
]
Grace = Annotated[
    int,
    typer.Option("--grace", metavar="DAYS", help="From suspension to revocation, where nobody answers."),
]
Every = Annotated[
    str | None, typer.Option("--every", metavar="PERIOD", help="Comes again: 3m, 1y.", show_default=False)
]


def review_id(text: str) -> UUID:
    """Read the id of a review. Raises UsageError."""
    return identifier(text, "review", "access review list")


@app.command("open")
def open_(
    title: Title = "access",
    role: Roles = None,
    tenant: Tenants = None,
    category: Categories = None,
    owner: Owners = None,
    days: Annotated[int, typer.Option("--days", metavar="N", help="How long reviewers have.")] = 14,
    grace: Grace = 14,
    every: Every = None,
    due: Annotated[
        bool, typer.Option("--due", help="Open those that come again and are due; for cron.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Open a review: freeze who holds what, and give each item to somebody independent.

    Reviewers are the owners that are named, else the manager of whose access it is, else whoever is above
    them, else a data protection officer: never oneself, nor anybody who gives these rights.
    Categories: contact, interaction, invoice, request, secret, key, log, staff.

    Examples:
        luactl access review open --title 'operators, autumn' --role lua_operator --every 3m --dry-run
        luactl access review open --category invoice --owner 'lua_accounting=mara.lind'
        luactl access review open --due --yes
    """
    from luactl.access import review

    with session("access review open") as s:
        if due:
            done = review.again(s, dry_run=dry_run)
            (show_plan if dry_run else show)(
                done, (("review_id", "REVIEW"), ("title", "TITLE"), ("items", "ITEMS"))
            )
            return
        ask = review.Ask(
            title, tuple(role or ()), tuple(tenant or ()), tuple(category or ()), tuple(owner or ()), days,
            grace, None if every is None else _months(every),
        )  # fmt: skip
        opened = review.open_(s, ask, dry_run=dry_run)
    if dry_run:
        show_plan(opened, None, _left_out(opened))
    else:
        show(opened, None, _left_out(opened))


def _months(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]?)(m|y)", text)
    if found is None:
        raise UsageError(f"{text[:40]!r} is no period", hint="such as 3m, 6m or 1y")
    return int(found[1]) * (12 if found[2] == "y" else 1)


def _left_out(opened: Opened) -> list[str]:
    if not opened.left_out:
        return []
    some = ", ".join(opened.left_out[:10])
    more = f" and {len(opened.left_out) - 10:,} more" if len(opened.left_out) > 10 else ""
    return [f"of {opened.population:,} logins {len(opened.left_out):,} are outside the scope: {some}{more}"]


@app.command("list")
def list_() -> None:
    """List reviews, newest first: how far each is, and when the next is due.

    Examples:
        luactl access review list
    """
    from luactl.access import review

    with session("access review list") as s:
        show(review.list_(s), REVIEWS)


@app.command("show")
def show_(
    of: ReviewId,
    mine: Mine = False,
    undecided: Annotated[bool, typer.Option("--undecided", help="Only what waits for a decision.")] = False,
) -> None:
    """Show the items of a review: who holds what, by which path, what is suggested, what was decided.

    With --mine the ledger and the review note that these items were shown to you; only then can you decide.

    Examples:
        luactl access review show ID --mine
        luactl access review show ID --undecided -o csv
    """
    from luactl.access import review

    with session("access review show") as s:
        key = review_id(of)
        if mine:
            found = review.show_mine(s, key, undecided=undecided)
        else:
            found = review.items(s, key, undecided=undecided)
        show(found, ITEMS)


@app.command("decide")
def decide(
    of: ReviewId,
    items: Annotated[str, typer.Argument(metavar="ITEMS", help="Numbers of items: 3, or 1,4-9.")],
    decision: Annotated[
        str, typer.Argument(metavar="DECISION", help="keep, revoke, reduce, delegate, withdraw.")
    ],
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="Why; no personal data.", show_default=False),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="WHAT",
            help="reduce: a smaller role, no-admin, or the privileges that stay; delegate: a handle.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Decide about items that were shown to you; a later decision counts until the review is closed.

    Nothing is taken from anybody yet: `close` does that. `withdraw` takes a decision back.

    Examples:
        luactl access review decide ID 1,4-9 keep
        luactl access review decide ID 2 revoke --reason 'left the team in May'
        luactl access review decide ID 3 reduce --to lua_auditor --reason 'reads only'
        luactl access review decide ID 5 delegate --to mara.lind --reason 'her project'
    """
    from luactl.access import review

    with session("access review decide") as s:
        done = review.decide(s, review_id(of), review.numbers(items), decision, reason, to, dry_run=dry_run)
    if dry_run:
        show_plan(done)
    else:
        show(done)


@app.command("remind")
def remind(of: ReviewId, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Remind reviewers of what waits: on the channels of alerts, if the profile names any.

    Exit code 6 when somebody could not be reached. The answer lists who has how much to decide, until when.

    Examples:
        luactl access review remind ID
    """
    from luactl.access import review

    with session("access review remind") as s:
        done = review.remind(s, review_id(of), dry_run=dry_run)
    if dry_run:
        show_plan(done, REMINDED)
        return
    failed = any(one.problem for one in done)
    show(done, REMINDED, outcome=Exit.FINDINGS if failed else Exit.DONE)


@app.command("escalate")
def escalate(of: ReviewId, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Hand what is undecided to whoever is above its reviewer; one step up each time.

    Examples:
        luactl access review escalate ID --dry-run
    """
    from luactl.access import review

    with session("access review escalate") as s:
        key = review_id(of)
        plan = review.escalate(s, key, dry_run=True)
        if dry_run:
            show_plan(plan, MOVED)
            return
        confirm(f"Hand {len(plan):,} items to somebody else?", yes=yes)
        show(review.escalate(s, key), MOVED)


@app.command("close")
def close(
    of: ReviewId,
    undo: Annotated[
        Path | None,
        typer.Option(
            "--undo", metavar="FILE", help="New file that lifts the suspensions.", show_default=False
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Close a review: carry out what was decided, suspend what nobody answered for, read it all back.

    Open sessions of who is suspended, or loses a role, end. Run it again on a closed review, from cron too:
    it revokes what was suspended long enough, and tries again what failed. Exit code 6 when something is left
    for a superuser; the statements are in the answer.

    Examples:
        luactl access review close ID --undo autumn.undo.json --dry-run
        luactl access review close ID --undo autumn.undo.json --yes
    """
    from luactl.access import review

    with session("access review close") as s:
        key = review_id(of)
        plan = review.close(s, key, undo, dry_run=True)
        if dry_run:
            show_plan(plan.steps, STEPS, _notes(plan, planned=True))
            return
        taken = sum(one.wanted in ("revoke", "reduce", "suspend") for one in plan.steps)
        confirm(f"Take {taken:,} rights, as was decided?", yes=yes, name=str(key))
        done = review.close(s, key, undo)
    failed = any(one.outcome == "failed" for one in done.steps) or any(one.left for one in done.sessions)
    show(done.steps, STEPS, _notes(done), outcome=Exit.FINDINGS if failed else Exit.DONE)


def _notes(closed: Closed, *, planned: bool = False) -> list[str]:
    notes = [f"granted since the snapshot: {one.path}: {one.object}: {one.rights}" for one in closed.since]
    notes += [f"item {one.item_no}: {one.login} reaches it still: {one.path}" for one in closed.still]
    notes += [_ended(one, planned=planned) for one in closed.sessions]
    if closed.undo:
        notes.append(f"`luactl access review undo {closed.undo} --reason TEXT` lets them in again")
    return notes


def _ended(one: Sessions, *, planned: bool) -> str:
    if planned:
        return f"{one.open:,} open sessions of {one.login} end"
    if one.left:
        return f"{one.left:,} sessions of {one.login} are open still: run this again"
    return f"{one.open:,} open sessions of {one.login} were ended"


@app.command("report")
def report(
    of: ReviewId,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder to write it to.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Write the signed report of a closed review, which `luactl verify` checks offline.

    It has the snapshot, all decisions and what became of them, how long each reviewer took, and what was
    granted since. What looks waved through is said.

    Examples:
        luactl access review report ID autumn-review
    """
    from luactl.access import review

    with session("access review report") as s:
        done = review.report(s, review_id(of), folder, dry_run=dry_run)
    if dry_run:
        show_plan(done)
    else:
        show(done)


@app.command("verify")
def verify(of: ReviewId) -> None:
    """Recompute a review: snapshot, chain of decisions, ledger, and whether the catalog still agrees.

    Exit code 6 when something does not hold: somebody has again what was taken from them, for one.

    Examples:
        luactl access review verify ID
    """
    from luactl.access import review

    with session("access review verify") as s:
        found = review.verify(s, review_id(of))
    broken = any(one.state == "broken" for one in found)
    show(found, CHECKS, outcome=Exit.FINDINGS if broken else Exit.DONE)


@app.command("export")
def export(
    of: ReviewId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New file: CSV, or JSON when it ends so.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Write what is yours to decide to a file, to be filled in without a terminal.

    Fill in decision (keep, revoke, reduce), reason, and to where it is reduced; leave the rest as it is.

    Examples:
        luactl access review export ID mine.csv
    """
    from luactl.access import review

    with session("access review export") as s:
        done = review.export(s, review_id(of), file, dry_run=dry_run)
    if dry_run:
        show_plan(done)
    else:
        show(done)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `export` wrote, filled in.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Record the decisions of a file, in your name: all items must be yours, and as they went out.

    Examples:
        luactl access review import mine.csv --dry-run
    """
    from luactl.access import review

    with session("access review import") as s:
        done = review.import_(s, file, dry_run=dry_run)
    if dry_run:
        show_plan(done, IMPORTED)
    else:
        show(done, IMPORTED)


@app.command("undo")
def undo(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `close --undo` wrote.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; no personal data.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Let logins in again that a review suspended because nobody had answered for them.

    Examples:
        luactl access review undo autumn.undo.json --reason 'the manager was ill' --dry-run
        luactl access review undo autumn.undo.json --reason 'the manager was ill' --yes
    """
    from luactl.access import review

    with session("access review undo") as s:
        plan = review.undo(s, file, reason, dry_run=True)
        if dry_run:
            show_plan(plan, LIFTED)
            return
        confirm(f"Let {len(plan):,} suspended logins in again?", yes=yes)
        done = review.undo(s, file, reason)
    failed = any(one.problem for one in done)
    show(done, LIFTED, outcome=Exit.FINDINGS if failed else Exit.DONE)
