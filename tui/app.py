"""The app: one profile, its sessions, the stack of screens. Owns leaving in good order."""

from __future__ import annotations

import asyncio
import signal

from textual.app import App

from luactl.clock import Clock
from luactl.config import Profile, write_private
from luactl.errors import Exit, LuactlError, UsageError

from .command import Command
from .frame import Frame
from .home import Home
from .matter import Matter
from .place import Place
from .sessions import Sessions
from .settings import Settings


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
        self.theme = settings.theme
        if settings.keys:
            self.set_keymap(_known_keys(settings))

    def get_default_screen(self) -> Frame:
        """Begin at home."""
        return Home()

    def on_mount(self) -> None:
        """Leave in good order when asked to end or hung up on."""
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self.exit, None, int(Exit.INTERRUPTED))

    def on_unmount(self) -> None:
        """Let go of the database."""
        self.sessions.close()

    def _fatal_error(self) -> None:
        """End after a fault; whoever started the app tells it, without the values of variables."""
        self._close_messages_no_wait()

    @property
    def fault(self) -> Exception | None:
        """The exception that ended the app, if one did."""
        return self._exception

    def keys_of(self, command: type[Command]) -> str:
        """Return the keys of a command as they are bound now."""
        return self.settings.keys.get(command.id(), command.keys)

    def go(self, screen: Frame) -> None:
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

    for place in Place.__subclasses__():
        import_module(f".{place.screen.partition(':')[0]}", __package__)
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
