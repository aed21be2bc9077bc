"""The terminal UI under a pilot: an app on a test database, waiting without sleeping, snapshots as SVG."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console as RichConsole
from textual.pilot import Pilot

from luactl.clock import FixedClock
from luactl.connect import open_session
from luactl.db import Session
from luactl.tui.app import Console
from luactl.tui.frame import Frame
from luactl.tui.sessions import Sessions
from luactl.tui.settings import Settings

UPDATE = bool(os.environ.get("LUACTL_UPDATE_SNAPSHOTS"))
NOW = datetime(2027, 1, 5, 10, 30, tzinfo=UTC)
SNAPSHOTS = Path(__file__).parent / "snapshots"
SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {terminal_width} {terminal_height}">
<style>{styles} text {{ font-family: monospace; font-size: {char_height}px; white-space: pre }}</style>
<rect width="100%" height="100%" fill="#111"/>
{backgrounds}
{matrix}
</svg>
"""
# What differs from run to run, and what stands for it.
CHANGING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "0" * 36),
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f-]+"), lambda found: "0" * len(found[0])),
    (re.compile(r"since&#160;[\d,]+&#160;min(&#160;)*"), "since&#160;0&#160;min"),
    (re.compile(r"lua-crm\.ledger/[0-9a-f]+"), "lua-crm.ledger/0"),
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{40,64}"), lambda found: "0" * len(found[0])),
    (re.compile(r"t_[0-9a-f]{12}"), "t_" + "0" * 12),
    (re.compile(r"cluster&#160;\d{15,}"), "cluster&#160;" + "7" * 19),
    (re.compile(r"1&#160;of&#160;\d{3}(?=&#160;)"), "1&#160;of&#160;200"),  # long paths fold into more lines
    (re.compile(r"p_[0-9a-f]{8,12}"), lambda found: "p_" + "0" * (len(found[0]) - 2)),
    (re.compile(r"20\d\d-\d\d-\d\d( |&#160;)\d\d:\d\d:\d\d"), r"2027-01-05\g<1>10:30:00"),
    (re.compile(r"(?<=>)\d\d-\d\d( |&#160;)\d\d:\d\d:\d\d"), r"01-05\g<1>10:30:00"),
    (re.compile(r"/tmp/lua-[a-z0-9_]{8}"), "/tmp/lua-00000000"),
    (re.compile(r"(?<=>)[0-9a-f]{12}(?=&#160;)"), "0" * 12),  # the end of an id that was folded
    (re.compile(r"/[^ <&]*/(pytest-[^ <&]*)(&#160;)*"), "/home"),
)  # type: tuple[tuple[re.Pattern[str], Any], ...]
Script = Callable[[Pilot[None]], Awaitable[None]]


@dataclass
class Ticking:
    """A clock that is a second later each time it is asked: what is done with it has an order."""

    instant: datetime

    def now(self) -> datetime:
        """Return the next second."""
        self.instant += timedelta(seconds=1)
        return self.instant


def at_noon(session: Session) -> Session:
    """Return the session with a clock of the hour before the UI is shown."""
    return replace(session, clock=Ticking(NOW - timedelta(hours=1)))


def new_console(settings: Settings | None = None) -> Console:
    """Return an app on the test profile, whose clock stands still."""

    @contextmanager
    def opener() -> Iterator[Session]:
        with open_session("test", command="tui") as session:
            yield replace(session, clock=FixedClock(NOW))

    os.environ.pop("NO_COLOR", None)
    sessions = Sessions(opener)
    with sessions.lend("tui") as session:
        profile, actor = session.profile, session.actor
    return Console(profile, actor, FixedClock(NOW), sessions, settings or Settings())


async def settled(pilot: Pilot[None]) -> None:
    """Wait until no job runs and everything is drawn."""
    while True:
        await pilot.pause()
        running = [worker for worker in pilot.app.workers if not worker.is_finished]
        if not running:
            return
        await asyncio.wait([asyncio.ensure_future(_end(pilot, worker)) for worker in running])


async def _end(pilot: Pilot[None], worker: Any) -> None:
    # One that is cancelled before its first step leaves the list, and never says that it has finished.
    while worker in pilot.app.workers and not worker.is_finished:
        await asyncio.sleep(0)


async def keys(pilot: Pilot[None], *pressed: str) -> None:
    """Press keys one by one, each after what the one before caused."""
    for key in pressed:
        await pilot.press(key)
        await settled(pilot)


async def go(pilot: Pilot[None], screen: Frame) -> None:
    """Open a screen."""
    assert isinstance(pilot.app, Console)
    pilot.app.go(screen)
    await settled(pilot)


async def typed(pilot: Pilot[None], text: str) -> None:
    """Type a line and enter."""
    pilot.app.screen.query_one("Input").value = text  # type: ignore[attr-defined]
    await keys(pilot, "enter")


def drive(script: Script, size: tuple[int, int] = (80, 24), console: Console | None = None) -> Console:
    """Run the app, and a script once home is there; return the app."""
    app = console or new_console()

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await script(pilot)

    asyncio.run(run())
    return app


def recorded(app: Console) -> RichConsole:
    """Return a console that holds what the screen shows, modal screens with what is under them."""
    width, height = app.size
    console = RichConsole(
        width=width, height=height, file=StringIO(), force_terminal=True, color_system="standard",
        record=True, legacy_windows=False,
    )  # fmt: skip
    compositor = app.screen._compositor
    console.print(compositor.render_update(full=True, screen_stack=app._background_screens))
    return console


def text(app: Console) -> str:
    """Return what the screen shows, without colours."""
    return recorded(app).export_text(styles=False)


def compare(app: Console, name: str) -> None:
    """Compare the screen with its snapshot; LUACTL_UPDATE_SNAPSHOTS=1 writes it anew."""
    drawn = recorded(app).export_svg(title="", unique_id="t", code_format=SVG)
    for pattern, stands in CHANGING:
        drawn = pattern.sub(stands, drawn)
    file = SNAPSHOTS / f"{name}-{app.size.width}x{app.size.height}.svg"
    if UPDATE:
        file.parent.mkdir(exist_ok=True)
        file.write_text(drawn, encoding="utf-8")
    assert drawn == file.read_text(encoding="utf-8"), f"{file.name} differs; look, then update the snapshots"
