"""The alarm of broken glass: the channels of the profile are told at once, before any run of the rules.

The ledger's entry is what the rule `break-glass` finds: a run of the rules then keeps it as a finding, and
tells of it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...db import Session
from .beginning import Begun

if TYPE_CHECKING:
    from ...log.detect import Told

RULE = "break-glass"


def alarm(session: Session, begun: Begun) -> tuple[Told, ...]:
    """Tell every channel that glass was broken; nothing: the profile names none.

    Which channel was told, and which not, stands in the ledger. A channel that cannot be reached is no error.
    """
    from ...log import detect
    from ...log.detect.alert import tell_now

    event = begun.elevation_id
    if event is None:
        raise ValueError("nothing has begun")
    chosen = detect.settings_of(session.profile)
    rule = next(one for one in detect.shipped() if one.name == RULE)
    now = session.clock.now()
    about = f"actor {session.actor}, tenant {begun.tenant}"
    title = f"Somebody broke glass: {begun.role} without approval"
    alerts = [
        detect.Alert(
            channel, event, rule.level, RULE, title, about, 1, 1, now, now, rule.id, event
        )
        for channel in chosen.alerts
    ]  # fmt: skip
    return tell_now(session, chosen, alerts)
