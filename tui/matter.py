"""What may need you: each matter is one question to the engine and one sentence as its answer.

Knows nothing of Textual, so that the first one is asked while Textual is still being loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from luactl.db import Session


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
    more = f" and {len(idle) - 3:,} more" if len(idle) > 3 else ""
    return Matter("tenants", f"{text}; not active: {', '.join(idle[:3])}{more}", "warn")


def unfinished(session: Session) -> Matter:
    """Name the oldest erasure or purge that was cut short."""
    from luactl.erasure import unfinished as cut_short

    found = cut_short(session)
    if not found:
        return Matter("unfinished", "no erasure or purge was cut short", "good")
    oldest = found[0]
    which = f"{oldest.kind} at {oldest.tenant}, {oldest.since:%Y-%m-%d %H:%M}"
    return Matter("unfinished", f"{len(found):,} cut short; the oldest: {which}", "bad")


def ledger(session: Session) -> Matter:
    """Tell how many entries wait for a checkpoint, and for how long."""
    from luactl.ledger import status

    found = status(session)
    broken = [anchor.problem for anchor in found.anchors if anchor.problem]
    if broken:
        return Matter("ledger", f"an anchor is at fault: {broken[0]}", "bad")
    if not found.pending:
        return Matter("ledger", f"{found.size:,} entries, all under a checkpoint", "good")
    waiting = "1 entry waits" if found.pending == 1 else f"{found.pending:,} entries wait"
    text = f"{waiting} for a checkpoint, since {int(found.lag_seconds) // 60:,} min"
    return Matter("ledger", text, "warn" if found.lag_seconds >= 3600 else "")


def keys(session: Session) -> Matter:
    """Tell whether tree, holders and key books agree."""
    from luactl.key import status

    found = status(session, count=False)
    state = found.state.value
    if state == "settled":
        return Matter("keys", f"settled at epoch {found.epoch:,}", "good")
    return Matter("keys", f"{state} at epoch {found.epoch:,}: `luactl key status` shows where", "bad")


JOBS: dict[str, Callable[[Session], Matter]] = {
    "tenants": tenants, "unfinished": unfinished, "keys": keys, "ledger": ledger,
}  # fmt: skip
