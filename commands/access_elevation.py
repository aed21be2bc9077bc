"""`luactl access elevate` and `luactl access elevation …`: rights for a time, and what was done with them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from luactl.errors import Exit

from .app import group
from .context import session
from .diagnostics import confirm
from .options import DryRun, Limit, TenantSlug, Yes, identifier
from .output import show, show_plan

if TYPE_CHECKING:
    from uuid import UUID

    from luactl.access.elevation import Begun, Elevation, Review
    from luactl.db import Session

HELP = "Rights for a time: list, show, end, sweep; what was done with them: review, sign off."
app = group(HELP)

BEGUN = (
    ("elevation_id", "ELEVATION"),
    ("role", "ROLE"),
    ("tenant", "TENANT"),
    ("ends_at", "ENDS"),
    ("login", "LOGIN"),
    ("profile", "PROFILE"),
)
ELEVATIONS = (
    ("elevation_id", "ELEVATION"),
    ("state", "STATE"),
    ("person", "PERSON"),
    ("role", "ROLE"),
    ("tenant", "TENANT"),
    ("begun_at", "BEGUN"),
    ("ends_at", "ENDS"),
    ("reason", "WHY"),
)
ENDINGS = (
    ("elevation_id", "ELEVATION"),
    ("login", "LOGIN"),
    ("ended", "ENDED"),
    ("cleared", "CLEARED"),
    ("profiles", "PROFILES"),
)
RULES = (
    ("role", "ROLE"),
    ("minutes", "MINUTES"),
    ("alarm_minutes", "WITHOUT APPROVAL"),
    ("sign_off_days", "DAYS TO SIGN OFF"),
    ("set_by", "SET BY"),
)
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the elevation.")]


def elevate(
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="Group role, such as lua_operator.")],
    tenant: TenantSlug,
    for_: Annotated[str, typer.Option("--for", metavar="TIME", help="For how long: 2h, 90m, 1h30m.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; no personal data.")],
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="At once, without approval, and with an alarm.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Have a role on one tenant for a time: ask, and once somebody else has approved it, run the same again.

    It begins as a fresh login with a profile of its own on this machine. The database ends it by itself, also
    for sessions that are open; `luactl access elevation sweep` tidies up. Afterwards somebody else looks at
    what was done.

    Examples:
        luactl access elevate --role lua_operator --tenant smile --for 2h --reason 'ticket 4711'
        luactl access elevate --role lua_operator --tenant smile --for 30m --reason 'outage' --break-glass
    """
    from luactl.access import elevation

    order = elevation.prepare(role, tenant, elevation.minutes_of(for_), reason, breaks_glass=break_glass)
    with session("access elevate") as s:
        plan = elevation.elevate(s, order, dry_run=True)
        if dry_run:
            show_plan(plan, BEGUN)
            return
        if break_glass and plan.elevation_id is None:
            question = (
                f"Break glass: {order.role} on {tenant} for {order.minutes} minutes, with an alarm at once?"
            )
            confirm(question, yes=yes, name=tenant)
        begun = elevation.elevate(s, order)
        notes = _alarm(s, begun) if break_glass and plan.elevation_id is None else []
    show(begun, BEGUN, [*notes, *_entrance(begun)])


def _entrance(begun: Begun) -> list[str]:
    return [
        f"`luactl --profile {begun.profile} …` works with it; `luactl access elevation end` ends it early"
    ]


def _alarm(s: Session, begun: Begun) -> list[str]:
    from luactl.access import elevation

    told = elevation.alarm(s, begun)
    said = [
        f"told: {one.channel}" if one.problem is None else f"not told: {one.channel}: {one.problem}"
        for one in told
    ]
    return said or ["the profile names no channel for alerts: the next `luactl log detect` tells of it"]


@app.command("list")
def list_(
    open_: Annotated[bool, typer.Option("--open", help="Only those that go on.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only your own.")] = False,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Only those that nobody signed off.")] = False,
    limit: Limit = 100,
) -> None:
    """List elevations, newest first. Exit code 6: one is not swept or not signed off, or the catalog differs.

    Examples:
        luactl access elevation list
        luactl access elevation list --unsigned -o csv
    """
    from luactl.access import elevation

    with session("access elevation list") as s:
        found = elevation.list_(s, open_only=open_, mine=mine, unsigned=unsigned, limit=limit and limit + 1)
        faults = elevation.faults(s)
    cut = bool(limit) and len(found) > limit
    shown = found[:limit] if cut else found
    notes = [f"{one.name}: {one.what}" for one in faults]
    notes += [f"{limit:,} of >{limit:,}; --limit 0 shows all"] if cut else []
    left = _left(shown)
    show(shown, ELEVATIONS, [*left, *notes], outcome=Exit.FINDINGS if left or faults else Exit.DONE)


def _left(found: tuple[Elevation, ...]) -> list[str]:
    """Say what is left to do."""
    stale = sum(one.state in ("over", "ending") for one in found)
    unseen = sum(one.state == "ended" for one in found)
    said = [f"over and not cleared away: {stale}; `luactl access elevation sweep` does"] if stale else []
    return [
        *said,
        *([f"ended and not signed off: {unseen}; `luactl access elevation review ID`"] if unseen else []),
    ]


@app.command("show")
def show_(elevation_id: Id) -> None:
    """Show one elevation: whose, for what, until when, and who looked at it.

    Examples:
        luactl access elevation show ID
    """
    from luactl.access import elevation

    with session("access elevation show") as s:
        show(elevation.find(s, _id(elevation_id)))


@app.command("rules")
def rules() -> None:
    """Show which roles can be had for a time, for how many minutes at most, and how soon it is signed off.

    Examples:
        luactl access elevation rules
    """
    from luactl.access import elevation

    with session("access elevation rules") as s:
        show(elevation.rules(s), RULES)


@app.command("limit")
def limit(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="Group role, such as lua_operator.")],
    for_: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="At most, with an approval: 8h; 0: not at all."),
    ] = None,
    break_glass: Annotated[
        str | None,
        typer.Option("--break-glass", metavar="TIME", help="At most, without one: 30m; 0: not at all."),
    ] = None,
    sign_off: Annotated[
        int | None,
        typer.Option("--sign-off", min=1, max=90, metavar="DAYS", help="To be signed off within so many."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Set how long a role can be had, and until when it is signed off. Only the data protection officer may.

    What has begun keeps its end. Where breaking glass would last longer than an approval, it goes down too.

    Examples:
        luactl access elevation limit lua_operator --for 4h --break-glass 30m --dry-run
        luactl access elevation limit lua_accounting --break-glass 0 --yes
        luactl access elevation limit lua_responder --sign-off 3
    """
    from luactl.access import elevation

    longest = None if for_ is None else elevation.limit_of(for_)
    alarm = None if break_glass is None else elevation.limit_of(break_glass)
    with session("access elevation limit") as s:
        change = partial(
            elevation.limit, s, role, minutes=longest, alarm_minutes=alarm, sign_off_days=sign_off
        )
        plan = change(dry_run=True)
        if dry_run:
            show_plan(plan)
            return
        if plan.raises:
            one = plan.after
            confirm(
                f"Let {one.role} be had for {one.minutes} minutes, {one.alarm_minutes} by breaking glass?",
                yes=yes,
            )
        show(change())


@app.command("end")
def end(elevation_id: Id, dry_run: DryRun = False, yes: Yes = False) -> None:
    """End an elevation before its time: nobody enters any more, its sessions end, its login goes.

    Examples:
        luactl access elevation end ID
    """
    from luactl.access import elevation

    with session("access elevation end") as s:
        wanted = _id(elevation_id)
        plan = elevation.end(s, wanted, dry_run=True)
        if dry_run:
            show_plan(plan, ENDINGS)
            return
        confirm(f"End {plan.login} and its sessions?", yes=yes)
        show(elevation.end(s, wanted), ENDINGS)


@app.command("sweep")
def sweep(dry_run: DryRun = False, yes: Yes = False) -> None:
    """End the sessions and logins of what is over, or of who has left; for cron. Finishes what was cut short.

    Exit code 6: something that a login made of its own keeps it there, without entrance and rights.

    Examples:
        luactl access elevation sweep --yes
    """
    from luactl.access import elevation

    with session("access elevation sweep") as s:
        done = elevation.sweep(s, dry_run=dry_run)
    if dry_run:
        show_plan(done, ENDINGS)
        return
    kept = [one.login for one in done if not one.cleared]
    notes = [f"{login}: something of its own keeps it: DROP OWNED BY it, by a superuser" for login in kept]
    show(done, ENDINGS, notes, outcome=Exit.FINDINGS if kept else Exit.DONE)


@app.command("review")
def review(elevation_id: Id) -> None:
    """Show what was done with an elevation: actions and people by tenant, out of the ledger.

    Examples:
        luactl access elevation review ID
        luactl access elevation review ID -o json
    """
    from luactl.access import elevation

    with session("access elevation review") as s:
        found = elevation.review(s, _id(elevation_id))
    show(found, notes=_summary(found))


def _summary(found: Review) -> list[str]:
    one, acts = found.elevation, found.acts
    return [
        f"{one.person} as {one.role} on {one.tenant}: {one.reason}",
        *(f"{act.action} {act.outcome} at {act.tenant}: {act.entries}, people {act.people}" for act in acts),
        f"entries: {found.entries}, people: {len(found.people)}, lines of servers: {found.lines}",
    ]


@app.command("sign-off")
def sign_off(
    elevation_id: Id,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="What was found; no personal data.")
    ],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Sign off what was done with an elevation, as another person than whose it was; shows it first.

    Examples:
        luactl access elevation sign-off ID --reason 'as ticket 4711 asked'
    """
    from luactl.access import elevation

    with session("access elevation sign-off") as s:
        seen = elevation.review(s, _id(elevation_id))
        plan = elevation.sign_off(s, seen, reason, dry_run=True)
        if dry_run:
            show_plan(plan, notes=_summary(seen))
            return
        what = (
            "; ".join(f"{one.action} {one.outcome}: {one.entries}" for one in seen.acts) or "nothing at all"
        )
        confirm(f"{seen.elevation.person} did: {what}. Sign it off?", yes=yes)
        show(elevation.sign_off(s, seen, reason), notes=_summary(seen))


def _id(text: str) -> UUID:
    return identifier(text, "elevation", "access elevation list")
