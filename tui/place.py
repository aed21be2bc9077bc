"""The places that the palette and home lead to, each loaded when somebody goes there."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from .command import Command

if TYPE_CHECKING:
    from textual.screen import Screen


def make(screen: str, *arguments: Any) -> Screen[Any]:
    """Make a screen by module and class: `tenant:Tenants`. So screens need not know each other."""
    module, _, name = screen.partition(":")
    made: Screen[Any] = getattr(import_module(f".{module}", __package__), name)(*arguments)
    return made


class Place(Command):
    """Place: a screen that needs nothing to be opened."""

    shown = False
    screen: ClassVar[str]
    """Module and class."""

    @classmethod
    def open(cls) -> Screen[Any]:
        """Make the screen."""
        return make(cls.screen)


class GoHome(Place):
    """Home: what needs you."""

    screen = "home:Home"


class GoTenants(Place):
    """Tenants: the companies whose data are kept."""

    screen = "tenant:Tenants"


class GoRetention(Place):
    """Retention: what is due to be purged, over all tenants."""

    screen = "retention:Due"


class GoErasures(Place):
    """Erasures: planned, waiting for approval, approved, held back, done."""

    screen = "erasure_queue:Queue"


class GoApprovals(Place):
    """Approvals: what waits for your answer, and what others are asked."""

    screen = "approval:Approvals"


class GoReleases(Place):
    """Releases: keys of tenants that are released to persons for a time."""

    screen = "key_release:Releases"


class GoUnfinished(Place):
    """Unfinished: erasures, purges and ends of tenants that were cut short."""

    screen = "unfinished:Unfinished"


class GoRequests(Place):
    """Requests: what people ask of the tenants, and by when it must be answered."""

    screen = "request:Requests"


class GoPromises(Place):
    """Promises: what is promised, and what the attempts to break it came to."""

    screen = "promise:Wall"


class GoStaff(Place):
    """Staff: who works here, what they signed, which policies they know."""

    screen = "staff:Staff"


class GoAccess(Place):
    """Access: who can reach what, and how."""

    screen = "access_explorer:Explorer"


class GoElevations(Place):
    """Elevations: roles that somebody has, or asks for, for a time."""

    screen = "elevation:Elevations"


class GoReviews(Place):
    """Reviews: who holds what, and whether they should still."""

    screen = "review:Reviews"


class GoLog(Place):
    """Log: who did what, and what happens right now."""

    screen = "log:Log"


class GoLedger(Place):
    """Ledger: how far the log is signed, and who else knows."""

    screen = "ledger:Ledger"


class GoKeys(Place):
    """Keys: where tree, holders and key books stand."""

    screen = "key:Keys"


PLACES: tuple[type[Place], ...] = (
    GoHome, GoTenants, GoApprovals, GoErasures, GoRetention, GoUnfinished, GoRequests, GoPromises, GoStaff,
    GoAccess, GoElevations, GoReviews, GoLog, GoLedger, GoKeys, GoReleases,
)  # fmt: skip
