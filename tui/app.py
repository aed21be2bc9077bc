"""The app: one profile, its sessions, the stack of screens. Owns leaving in good order."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from textual import on
from textual.app import App
from textual.screen import Screen
from textual.worker import get_current_worker

from luactl.clock import Clock
from luactl.config import Profile, write_private
from luactl.errors import Exit, LuactlError, UsageError
from luactl.fault import explain

from .clocks import Watched, watch
from .command import Command
from .frame import Frame
from .home import Home
from .log_wake import Wake
from .matter import Matter
from .sessions import Sessions
from .settings import Settings
from .work import Failed

TICK_SECONDS = 10.0
WATCH_TICKS = 6
"""After how many ticks the database is asked again which clocks run."""


class Console(App[None]):
    """luactl's terminal UI."""

    ENABLE_COMMAND_PALETTE = False
    CSS = "Frame { background: ansi_default; color: ansi_default; layout: vertical; }"

    def __init__(
        self, profile: Profile, actor: str, clock: Clock, sessions: Sessions, settings: Settings
    ) -> None:
        super().__init__()
        self.profile, self.actor, self.clock = profile, actor, clock
        self.sessions, self.settings = sessions, settings
        self.lost: LuactlError | None = None
        self.first: Matter | None = None
        """What home may show at once."""
        self.running = Watched(asked=False)
        self.refused: dict[str, LuactlError] = {}
        self.asked: list[str] = []
        self.wake = Wake(sessions)
        self.zone, self.named_zone = "UTC", ""
        self.ticks = 0
        self.theme = settings.theme
        if settings.keys:
            self.set_keymap(_known_keys(settings))

    def get_default_screen(self) -> Frame:
        """Begin at home."""
        return Home()

    def on_mount(self) -> None:
        """Leave in good order when asked to end or hung up on."""
        self.set_interval(TICK_SECONDS, self.tick)
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self.exit, None, int(Exit.INTERRUPTED))

    def on_unmount(self) -> None:
        """Let go of the database."""
        self.wake.stop()
        self.sessions.close()

    def _fatal_error(self) -> None:
        """End after a fault; whoever started the app tells it, without the values of variables."""
        self._close_messages_no_wait()

    @property
    def fault(self) -> Exception | None:
        """The exception that ended the app, if one did."""
        return self._exception

    def frames(self) -> list[Frame]:
        """Return the screens that have clocks."""
        return [one for one in self.screen_stack if isinstance(one, Frame)]

    def tick(self) -> None:
        """Let the clocks go on, and ask now and then which there are."""
        self.ticks += 1
        for frame in self.frames():
            frame.tick()
        if self.ticks % WATCH_TICKS == 0 and self.lost is None:
            self.ask_clocks()

    def ask_clocks(self) -> None:
        """Ask which clocks run, but for those that were refused before."""
        self.run_worker(self._watch, thread=True, group="clocks", exclusive=True)

    def _watch(self) -> None:
        worker, before = get_current_worker(), self.running.unknown
        message: Watched | Failed
        try:
            message = watch(self.sessions, tuple(before))
            message.unknown = {**before, **message.unknown}
        except Exception as error:  # the connection is lost
            message = Failed(explain(error), "clocks")
        if not worker.is_cancelled:
            self.post_message(message)

    @on(Watched)
    def watched(self, event: Watched) -> None:
        """Show the clocks that run."""
        self.running = event
        for frame in self.frames():
            frame.tick()

    @on(Failed)
    def cut_off(self, event: Failed) -> None:
        """Say on every screen that the connection is lost."""
        self.lost = event.error
        for frame in self.frames():
            frame.touch()

    def keys_of(self, command: type[Command]) -> str:
        """Return the keys of a command as they are bound now."""
        return self.settings.keys.get(command.id(), command.keys)

    def go(self, screen: Screen[Any]) -> None:
        """Open a screen on top; home is the one at the bottom."""
        if isinstance(screen, Home):
            while len(self.screen_stack) > 1:
                self.pop_screen()
        else:
            self.push_screen(screen)

    def back(self) -> None:
        """Close the screen on top, unless it is the last one."""
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def copy(self, text: str) -> str:
        """Copy a text to the terminal's clipboard or the configured file; return what was done."""
        file = self.settings.copy_file
        if file is None:
            self.copy_to_clipboard(text)
            return f"copied: {text}"
        write_private(file, f"{text}\n")
        return f"written to {file}: {text}"


def _known_keys(settings: Settings) -> dict[str, str]:
    """Return the keys. Raises UsageError for a command that does not exist."""
    from importlib import import_module
    from pkgutil import iter_modules

    from . import __path__ as folders

    for module in iter_modules(folders):  # a command is known once its screen is loaded
        import_module(f".{module.name}", __package__)
    known, todo = set[str](), [Command]
    while todo:
        for one in todo.pop().__subclasses__():
            known.add(one.id())
            todo.append(one)
    for name in settings.keys:
        if name not in known:
            raise UsageError(
                f"[tui.keys] names no command: {name}", hint=f"one of {', '.join(sorted(known - {'place'}))}"
            )
    return dict(settings.keys)
