"""What every screen has: its lines, its commands, and the way to the database.

A screen says what it shows (`heading`, `body`), what it asks for (`load`) and what a line opens (`opened`).
Answers come as messages; every failure ends in `failed`. Textual calls the `on_` methods of all classes of a
screen, its own first: none of them calls `super()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from inspect import getdoc
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker, get_current_worker

from luactl.errors import LuactlError, NoConnectionError
from luactl.fault import explain

from . import command as c
from .bar import Footer, Header, Line, Title
from .clocks import Clocks
from .place import PLACES, Place
from .row import Row
from .table import Table
from .work import Failed

if TYPE_CHECKING:
    from luactl.db import Session

    from .console import Console


class Frame(Screen[None]):
    """A screen of luactl."""

    ACTIONS: ClassVar[tuple[type[c.Command], ...]] = ()
    """Commands of this screen alone."""
    OPENS: ClassVar[bool] = True
    """Whether a line opens something."""
    AGAIN: ClassVar[bool] = False
    """Whether it looks again when somebody comes back: what was opened may have changed."""
    AUTO_FOCUS = "Table"

    def __init_subclass__(cls) -> None:
        cls.BINDINGS = [one.binding() for one in cls.commands() if one.keys]
        super().__init_subclass__()

    def __init__(self) -> None:
        super().__init__()
        self.header, self.clocks, self.caption = Header(), Clocks(), Title()
        self.lost, self.said, self.keys = Line(id="lost"), Line(id="said"), Footer()
        self.every: list[Row] = []
        self.sought = self.words = ""
        self.open_soon = False

    @classmethod
    def commands(cls) -> tuple[type[c.Command], ...]:
        """Return what keys and palette do here, the own ones after opening."""
        first, *rest = c.GENERAL
        return (*([first] if cls.OPENS else []), *cls.ACTIONS, *rest, *PLACES)

    # What a screen says of itself.

    def heading(self) -> str:
        """Return what the screen shows."""
        return ""

    def command_line(self) -> str:
        """Return the arguments of luactl that do the same."""
        return ""

    def body(self) -> ComposeResult:
        """Lay out what is between title and bottom line."""
        yield Table()

    def load(self) -> None:
        """Ask the database for what is shown."""

    def opened(self, row: Row) -> None:
        """Open a line."""

    def position(self) -> str:
        """Return where in the list the cursor stands."""
        table = self.table
        at = f"{(table.place or 0) + table.cursor + 1:,} of {len(table.rows):,}" if table.rows else ""
        return f"filter: {self.words}  {at}" if self.words else at

    # The frame itself.

    @property
    def console(self) -> Console:
        """The app."""
        return cast("Console", self.app)

    @property
    def table(self) -> Table:
        """The list of this screen."""
        return self.query_one(Table)

    def compose(self) -> ComposeResult:
        """Lay out header, title, body, messages and keys."""
        yield from (self.header, self.clocks, self.caption)
        yield from self.body()
        yield from (self.lost, self.said, self.keys)

    def on_mount(self) -> None:
        """Begin to load."""
        self.lost.display, self.said.display = bool(self.lost.text), bool(self.said.text)
        self.touch()
        self.tick()
        self.retitle()
        shown = [one for one in self.commands() if one.shown]
        keys = [self.console.keys_of(one).partition(",")[0] for one in shown]
        self.keys.tell([(c.key_text(key), one) for key, one in zip(keys, shown, strict=True)])
        self.load()

    def on_screen_resume(self) -> None:
        """Say again what may have changed meanwhile."""
        self.touch()
        self.tick()
        if self.AGAIN and self.every and self.console.lost is None:
            self.load()

    def on_resize(self) -> None:
        """Lay the lines out anew."""
        self.touch()
        self.tick()
        self.retitle()

    def tick(self) -> None:
        """Bring the clocks up to date."""
        self.clocks.tell(self.console.running, self.console.clock.now())

    def touch(self) -> None:
        """Bring header and connection bar up to date."""
        console = self.console
        self.header.tell(console.profile, console.actor, console.clock.now())
        lost = console.lost
        text = f" connection lost, the next key tries again: {lost.what}" if lost else ""
        self.lost.tell(text, "bold white on red")

    @on(Table.Moved)
    def retitle(self) -> None:
        """Show what the screen is and where the cursor stands."""
        self.caption.tell(self.heading(), self.position())

    def say(self, text: str, style: str = "yellow") -> None:
        """Show one line above the keys until the next key; an empty one takes it away."""
        self.said.tell(f" {text}" if text else "", style)

    def word(self, name: str) -> str:
        """Return what is typed to confirm a change: on production the name of what it is about."""
        return name if self.console.profile.production else "yes"

    def make_sure(self, question: str, word: str, then: Callable[[], object], hint: str = "") -> None:
        """Ask for a word, and go on once it was typed; whoever goes back is told that nothing was changed."""
        from .ask import Ask

        def typed(text: str | None) -> None:
            if text is None:
                self.say("not confirmed: nothing was changed")
            else:
                then()

        self.app.push_screen(Ask(f"{question} Type {word}:", hint, must=word), typed)

    # The way to the database.

    def work(
        self,
        job: Callable[[Session], Message | None],
        *,
        about: str = "load",
        change: bool = False,
        seconds: float | None = None,
    ) -> Worker[None]:
        """Run a job in a thread of its own; its message comes back to this screen, or `Failed`.

        A later job about the same takes the place of an earlier one, whose answer is dropped; not when it
        is to `change` something. After so many `seconds` the server cancels it.
        """
        run = partial(self._work, job, about, change, seconds)
        return self.run_worker(run, thread=True, group=about, exclusive=not change)

    def _work(
        self, job: Callable[[Session], Message | None], about: str, change: bool, seconds: float | None
    ) -> None:
        worker, sessions = get_current_worker(), self.console.sessions
        message: Message | None
        try:
            message = sessions.run(job, self.ledger_name(), change=change, seconds=seconds)
        except Exception as error:  # the one place where whatever a job met is told
            message = Failed(explain(error), about)
        if message is not None and (change or not worker.is_cancelled):
            self.post_message(message)

    def ledger_name(self) -> str:
        """Return what the ledger says was run."""
        return f"tui {type(self).__name__.lower()}"

    @on(Failed)
    def job_failed(self, event: Failed) -> None:
        """Hand a failure to the one that tells it."""
        if isinstance(event.error, NoConnectionError):
            self.console.lost = event.error
            self.touch()
        else:
            self.failed(event.error, event.about)

    def failed(self, error: LuactlError, about: str) -> None:
        """Tell what went wrong, and what to do."""
        from .notice import Notice

        hint = f"\n\n{error.hint}" if error.hint else ""
        self.app.push_screen(Notice("this did not work", f"{error.what}{hint}", error=True))

    def arrived(self) -> None:
        """Note that the database answered."""
        self.console.lost = None
        self.touch()

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show a list that is held whole, as far as the filter lets it through."""
        self.arrived()
        self.every = list(rows)
        self._apply_filter()
        if self.open_soon:
            self.open_soon = False
            self.open_row()

    def _apply_filter(self) -> None:
        words = self.words.split()
        self.table.fill([row for row in self.every if self.lets_through(row, words)])

    def lets_through(self, row: Row, words: Sequence[str]) -> bool:
        """Tell whether a filter's words let a row through; `-word` wants it without."""
        return all(
            not row.contains(word[1:]) if word[:1] == "-" and word[1:] else row.contains(word)
            for word in words
        )

    # Commands.

    def action_command(self, name: str) -> None:
        """Post the command that a key stands for."""
        self.perform(next(one for one in self.commands() if one.id() == name))

    def perform(self, command: type[c.Command]) -> None:
        """Do what a command says; after a lost connection ask the database again as well."""
        self.say("")
        self.touch()
        if issubclass(command, Place):
            self.console.go(command.open())
            return
        if self.console.lost and command not in (c.Back, c.Quit, c.Help, c.Palette, c.Reload):
            self.load()
        self.post_message(command())

    @on(c.Down)
    def one_down(self) -> None:
        """Go one line down."""
        self.table.move(1)

    @on(c.Up)
    def one_up(self) -> None:
        """Go one line up."""
        self.table.move(-1)

    @on(c.PageDown)
    def page_down(self) -> None:
        """Go one page down."""
        self.table.move(self.table.height)

    @on(c.PageUp)
    def page_up(self) -> None:
        """Go one page up."""
        self.table.move(-self.table.height)

    @on(c.First)
    def to_first(self) -> None:
        """Go to the first line."""
        self.table.to_first()

    @on(c.Last)
    def one_last(self) -> None:
        """Go to the last line."""
        self.to_last()

    def to_last(self) -> None:
        """Go to the last line."""
        self.table.to_last()

    @on(c.Open)
    def open_row(self) -> None:
        """Open the line under the cursor; typed ahead, when there is one."""
        row = self.table.current
        if row is not None:
            self.opened(row)
        else:
            self.open_soon = not self.every

    @on(c.Back)
    def go_back(self) -> None:
        """Leave the screen; the first one stays."""
        self.console.back()

    @on(c.Quit)
    def quit(self) -> None:
        """Leave luactl, unless something is being changed."""
        if self.console.sessions.changing:
            self.say("something is being changed; wait until it is done")
        else:
            self.app.exit()

    @on(c.Reload)
    def reload_key(self) -> None:
        """Ask the database again, as this screen does."""
        self.reload()

    def reload(self) -> None:
        """Ask the database again."""
        self.load()

    @on(c.Search)
    def search_key(self) -> None:
        """Search as this screen does."""
        self.search()

    def search(self) -> None:
        """Ask for a text and go to it."""
        from .ask import Ask

        self.app.push_screen(Ask("Search for", value=self.sought), self._search)

    def _search(self, text: str | None) -> None:
        if text:
            self.sought = text
            self._find(back=False, stay=True)

    def _find(self, *, back: bool, stay: bool = False) -> None:
        if not self.sought:
            self.say("nothing was searched for yet: /")
        elif not self.table.find(self.sought, back=back, stay=stay):
            self.say(f"not found: {self.sought}")

    @on(c.FindNext)
    def find_next(self) -> None:
        """Go to the next match."""
        self._find(back=False)

    @on(c.FindPrevious)
    def find_previous(self) -> None:
        """Go to the match before."""
        self._find(back=True)

    @on(c.Filter)
    def filter_key(self) -> None:
        """Filter as this screen does."""
        self.filter()

    def filter(self) -> None:
        """Ask for words and keep what has them."""
        from .ask import Ask

        self.app.push_screen(Ask("Only lines with", value=self.words, empty=True), self._filter)

    def _filter(self, words: str | None) -> None:
        if words is not None:
            self.words = words
            self._apply_filter()

    @on(c.Copy)
    def copy_key(self) -> None:
        """Copy as this screen does."""
        self.copy_row()

    def copy_row(self) -> None:
        """Copy what identifies the line under the cursor."""
        row = self.table.current
        if row is not None:
            self.copy(row.copy or row.cells[0])

    def copy(self, text: str | None) -> None:
        """Copy a text, and say where it went."""
        if text:
            self.say(self.console.copy(text), "green")

    @on(c.ShowCommand)
    def show_command(self) -> None:
        """Show the command that does the same."""
        arguments = self.command_line()
        if not arguments:
            self.say("no command does the same")
            return
        from .notice import Notice

        text = f"luactl --profile {self.console.profile.name} {arguments}"
        self.app.push_screen(Notice("the same on the command line", text, copy=text), self.copy)

    @on(c.Help)
    def show_help(self) -> None:
        """Explain the screen and its keys."""
        from .help import help_text
        from .notice import Notice

        about = " ".join((getdoc(type(self)) or "").split())
        text = help_text(about, self.commands(), self.console.keys_of)
        self.app.push_screen(Notice("help", text))

    @on(c.Palette)
    def show_palette(self) -> None:
        """Offer all commands by name."""
        from .palette import CommandPalette

        own = [one for one in self.commands() if one not in (c.Palette, *PLACES)]
        offered = [*self.ACTIONS, *PLACES, *(one for one in own if one not in self.ACTIONS)]
        lines = [(c.key_text(self.console.keys_of(one)), one) for one in offered]

        def chosen(row: Row | None) -> None:
            if row is not None and isinstance(row.key, type):
                self.perform(row.key)

        self.app.push_screen(CommandPalette(lines), chosen)
