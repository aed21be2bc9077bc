"""The places that the palette and home lead to, each loaded when somebody goes there."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from .command import Command

if TYPE_CHECKING:
    from .frame import Frame


class Place(Command):
    """Place: a screen that needs nothing to be opened."""

    shown = False
    screen: ClassVar[str]
    """Module and class."""

    @classmethod
    def open(cls) -> Frame:
        """Make the screen."""
        module, _, name = cls.screen.partition(":")
        made: Frame = getattr(import_module(f".{module}", __package__), name)()
        return made


class GoHome(Place):
    """Home: what needs you."""

    screen = "home:Home"


class GoTenants(Place):
    """Tenants: the companies whose data are kept."""

    screen = "tenant:Tenants"


class GoRetention(Place):
    """Retention: what is due to be purged, over all tenants."""

    screen = "retention:Due"


class GoAccess(Place):
    """Access: who can reach what, and how."""

    screen = "access:Access"


class GoLog(Place):
    """Log: who did what, and what happens right now."""

    screen = "log:Log"


PLACES: tuple[type[Place], ...] = (GoHome, GoTenants, GoRetention, GoAccess, GoLog)
