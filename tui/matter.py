"""What may need you: each matter is one question to the engine and one sentence as its answer.

Knows nothing of Textual, so that the first one is asked while Textual is still being loaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.promise import Standing
    from luactl.request import Line
    from luactl.retention import Coming

LATELY, SOON = timedelta(days=7), timedelta(days=30)
"""A promise proven longer ago is one to prove again; a waiver that ends sooner is told."""
LAST_DAYS = 7
"""A request that has no more days left than that is told in another colour."""
COUNTED = 20
"""At how many tenants the rows that are due are counted."""
NAMED = 3
"""How many names stand in a sentence."""


@dataclass(frozen=True)
class Matter:
    """Something that may need you."""

    name: str
    state: str
    """One sentence."""
    style: str = ""


def tenants(session: Session) -> Matter:
    """Count tenants, and name those that are not active."""
    from luactl.tenant import list_

    found = list_(session)
    idle = [one.slug for one in found if one.status != "active"]
    text = f"{len(found):,} tenants" if len(found) != 1 else "1 tenant"
    if not idle:
        return Matter("tenants", text)
    return Matter("tenants", f"{text}; not active: {_named(idle)}", "warn")


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def approvals(session: Session) -> Matter:
    """Count the requests that wait for this login's answer, and name the one that runs out first."""
    from luactl.approval import list_, mine

    waiting = [one for one in list_(session, open_only=True) if one.state == "waiting"]
    yours = mine(session, waiting)
    others = len(waiting) - len(yours)
    if not yours:
        text = f"none waits for you; {others:,} for others" if others else "none waits"
        return Matter("approvals", text, "good")
    first = min(yours, key=lambda one: one.expires_at)
    text = "1 waits for you" if len(yours) == 1 else f"{len(yours):,} wait for you"
    what = f"{first.request.summary}, by {first.requested_by}, until {first.expires_at:%Y-%m-%d %H:%M}"
    return Matter("approvals", f"{text}: {what}", "warn")


def elevations(session: Session) -> Matter:
    """Count roles that somebody has for a time, broken glass first, and those that nobody looked at."""
    from luactl.access.elevation import list_

    found = list_(session, unsigned=True)
    if not found:
        return Matter("elevations", "none is open, all are signed off", "good")
    broken = [f"{one.person} at {one.tenant}" for one in found if one.breaks_glass]
    counts = Counter(one.state for one in found)
    text = ", ".join(
        f"{counts[state]:,} {state}" for state in ("open", "over", "ending", "ended") if counts[state]
    )
    if broken:
        return Matter("elevations", f"GLASS BROKEN by {_named(broken)}; {text}", "bad")
    return Matter("elevations", text, "warn")


def erasures(session: Session) -> Matter:
    """Count the erasures that are not done, by state; one that was approved can be run."""
    from luactl.erasure import OPEN, queue

    counts = Counter(one.state for one in queue(session, states=OPEN).items)
    if not counts:
        return Matter("erasures", "none is planned", "good")
    text = ", ".join(f"{counts[state]:,} {state}" for state in sorted(counts))
    style = "bad" if counts.keys() & {"unfinished", "broken"} else "warn"
    return Matter("erasures", text, style if counts.keys() - {"planned", "denied"} else "")


def unfinished(session: Session) -> Matter:
    """Name the oldest erasure, purge or end of a tenant that was cut short."""
    from luactl.erasure import unfinished as cut_short

    found = cut_short(session)
    if not found:
        return Matter("unfinished", "nothing was cut short", "good")
    oldest = found[0]
    which = f"{oldest.kind} at {oldest.tenant}, {oldest.since:%Y-%m-%d %H:%M}"
    return Matter("unfinished", f"{len(found):,} unfinished; the oldest: {which}", "bad")


def requests(session: Session) -> Matter:
    """Count open requests of data subjects and those that are late, and tell which one is due first."""
    from luactl.request import open_

    found = open_(session)
    if not found:
        return Matter("requests", "no request of a data subject is open", "good")
    late, first = sum(one.overdue for one in found), found[0]
    counted = f"{len(found):,} open, {late:,} overdue" if late else f"{len(found):,} open"
    text = f"{counted}; first {first.right} at {first.tenant}, due {first.due_on}"
    return Matter("requests", text, pressing(first))


def pressing(one: Line) -> str:
    """Return the style of an open request: bad once it is late, warn in its last days."""
    if one.overdue:
        return "bad"
    return "warn" if one.days_left is not None and one.days_left <= LAST_DAYS else ""


def retention(session: Session) -> Matter:
    """Count what is due to be purged, by tenant; else tell when the next period will be."""
    from luactl.retention import outlook

    now, every = session.clock.now(), outlook(session)
    due = [one for one in every if one.due_at <= now]
    if due:
        return Matter("retention", _due(session, due), "warn")
    if not every:
        return Matter("retention", "no period of any tenant will ever be due", "good")
    first = every[0]
    return Matter("retention", f"nothing due; next {first.due_at:%Y-%m-%d}: {first.retention_class}s", "good")


def _due(session: Session, due: list[Coming]) -> str:
    periods = Counter(slug for one in due for slug in one.slugs)
    every = sum(one.tenants for one in due)
    names = [f"{slug} {count:,}" for slug, count in periods.most_common()]
    text = f"{every:,} periods due: {_named(names)}"
    if periods.total() < every or len(periods) > COUNTED:
        return text
    from luactl.retention import plan
    from luactl.tenant import find

    planned = plan(session, [find(session, slug) for slug in periods])
    return f"{text}; {sum(one.rows for one in planned.periods):,} rows"


def reviews(session: Session) -> Matter:
    """Count what waits for this login's person in reviews of access; name the one that is due first."""
    from luactl.access import review

    found = [one for one in review.list_(session) if one.closed_at is None]
    open_ = sorted(found, key=lambda one: one.due_at)
    mine = review.waiting(session)
    if not mine:
        return Matter(
            "reviews", f"{len(open_):,} open; nothing waits for you" if open_ else "none is open", "good"
        )
    first = next(one for one in open_ if one.review_id in mine)
    text = f"{sum(mine.values()):,} items wait for you; {first.title}, until {first.due_at:%Y-%m-%d}"
    return Matter("reviews", text, "bad" if first.state == "overdue" else "warn")


def promises(session: Session) -> Matter:
    """Tell which promises are broken, and how many nobody proved lately."""
    from luactl.promise import load, standings

    found = standings(session, load())
    broken = [one.id for one in found if one.state == "broken"]
    silent = sum(one.state is None for one in found)
    old = sum(_is_old(one, session) for one in found)
    parts = [f"{len(broken):,} broken: {_named(broken)}"] if broken else []
    parts += [f"{silent:,} never proven"] if silent else []
    parts += [f"{old:,} not proven for {LATELY.days} days"] if old else []
    if not parts:
        counts = Counter(str(one.state) for one in found)
        parts = [f"{number:,} {state}" for state, number in counts.most_common()]
    return Matter("promises", "; ".join(parts), "bad" if broken else "warn" if silent or old else "good")


def _is_old(one: Standing, session: Session) -> bool:
    return one.state is not None and one.at is not None and session.clock.now() - one.at > LATELY


def waivers(session: Session) -> Matter:
    """Tell which promises are waived, the one that ends first before the others."""
    from luactl.promise import in_force, load

    found = sorted(in_force(session, load()).values(), key=lambda one: one.valid_until)
    if not found:
        return Matter("waivers", "none in force", "good")
    names = [f"{one.promise} until {one.valid_until:%Y-%m-%d} by {one.waived_by}" for one in found]
    soon = found[0].valid_until - session.clock.now() <= SOON
    return Matter("waivers", _named(names), "warn" if soon else "")


def ledger(session: Session) -> Matter:
    """Tell how many entries wait for a checkpoint, and for how long."""
    from luactl.ledger import status

    found = status(session)
    broken = [anchor.problem for anchor in found.anchors if anchor.problem]
    if broken:
        return Matter("ledger", f"an anchor is at fault: {broken[0]}", "bad")
    signed = f"; newest {found.signed_at:%Y-%m-%d %H:%M}" if found.signed_at else ""
    if not found.pending:
        return Matter("ledger", f"{found.size:,} entries, all under a checkpoint{signed}", "good")
    waiting = "1 waits" if found.pending == 1 else f"{found.pending:,} wait"
    text = f"{waiting} for a checkpoint, since {int(found.lag_seconds) // 60:,} min{signed}"
    return Matter("ledger", text, "warn" if found.lag_seconds >= 3600 else "")


def findings(session: Session) -> Matter:
    """Count what detection rules found lately, and name the worst; or tell since when none was asked."""
    from luactl.log.detect import findings as found_since
    from luactl.log.detect import last_run, worst_first

    asked = last_run(session)
    if asked is None:
        return Matter("findings", "no detection rule was asked yet: `luactl log detect`", "warn")
    found = worst_first(found_since(session, since=session.clock.now() - LATELY))
    until = f"asked up to {asked:%Y-%m-%d %H:%M}"
    if not found:
        return Matter("findings", f"none in {LATELY.days} days; {until}", "good")
    first = found[0]
    text = f"{len(found):,} in {LATELY.days} days; {first.level}: {first.rule} {first.about}; {until}"
    return Matter("findings", text, "bad" if first.level in ("high", "critical") else "warn")


def staff(session: Session) -> Matter:
    """Tell who is not bound to confidentiality, and who ceases to be first."""
    from luactl.staff import standings

    found = standings(session)
    if not found:
        return Matter("staff", "nobody is registered yet: `luactl staff add`", "warn")
    text = f"{len(found):,} people and jobs"
    unbound = [one.person.handle for one in found if not one.person.bound]
    ending = sorted((one.days_left or 0, one.person.handle) for one in found if one.is_ending)
    if not unbound and not ending:
        return Matter("staff", f"{text}, all bound", "good")
    parts = [text]
    parts += [f"{len(unbound):,} not bound: {_named(unbound)}"] if unbound else []
    parts += [f"first {ending[0][1]}, {ending[0][0]:,} days more"] if ending else []
    return Matter("staff", "; ".join(parts), "bad" if unbound else "warn")


def keys(session: Session) -> Matter:
    """Tell whether tree, holders and key books agree."""
    from luactl.key import status

    found = status(session, count=False)
    state = found.state.value
    if state == "settled" and found.left_out:
        return Matter("keys", f"left out: {_named([one.name for one in found.left_out])}", "bad")
    if state == "settled":
        return Matter("keys", f"settled at epoch {found.epoch:,}", "good")
    stale = [one.name for one in found.books if one.epoch != found.epoch]
    stale += [one.name for one in found.holders if one.epochs != (found.epoch,)]
    where = f": {_named(stale)}" if stale else ""
    return Matter("keys", f"{state} at epoch {found.epoch:,}{where}", "bad")


JOBS: dict[str, Callable[[Session], Matter]] = {
    "tenants": tenants, "approvals": approvals, "elevations": elevations, "erasures": erasures,
    "unfinished": unfinished,
    "retention": retention, "requests": requests, "reviews": reviews, "promises": promises,
    "waivers": waivers, "findings": findings, "ledger": ledger, "keys": keys, "staff": staff,
}  # fmt: skip
