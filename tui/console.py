"""What a screen knows of the app that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from textual.screen import Screen

    from luactl.clock import Clock
    from luactl.config import Profile
    from luactl.errors import LuactlError

    from .clocks import Watched
    from .command import Command
    from .log_wake import Wake
    from .matter import Matter
    from .sessions import Sessions


class Console(Protocol):
    """The app, as screens use it."""

    profile: Profile
    actor: str
    """The login that Postgres authenticated."""
    clock: Clock
    sessions: Sessions
    lost: LuactlError | None
    """Why there is no connection; None while there is one."""
    running: Watched
    """The clocks that run."""
    first: Matter | None
    """What home may show at once."""
    refused: dict[str, LuactlError]
    """What home could not look up, and does not ask again before somebody reloads."""
    wake: Wake
    """Tells one log at a time that something may have come."""
    asked: list[str]
    """Queries of the log that were typed since the start, the last one last."""
    zone: str
    """In which zone the log shows times: UTC, local, or a name."""
    named_zone: str
    """The zone that was named last; empty: none."""

    def keys_of(self, command: type[Command]) -> str:
        """Return the keys of a command as they are bound now."""

    def go(self, screen: Screen[Any]) -> None:
        """Open a screen on top; home is the one at the bottom."""

    def back(self) -> None:
        """Close the screen on top, unless it is the last one."""

    def copy(self, text: str) -> str:
        """Copy a text; return what was done."""

    def ask_clocks(self) -> None:
        """Ask which clocks run, but for those that were refused before."""
