"""A list of contacts in the terminal UI, moved by keys and timed, without a terminal."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from .crm import people
from .home import home

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from luactl.tenant import Tenant
    from luactl.tui.crm import Contacts

SIZE = (80, 45)


@contextmanager
def tenants(*counts: int) -> Iterator[list[Tenant]]:
    """Yield tenants with so many contacts each, in a throw-away home which is this process's for the time."""
    from luactl import crm
    from luactl.connect import open_session
    from luactl.tenant import NewTenant, create, find

    with home() as env:
        before = dict(os.environ)
        os.environ.update(env)
        try:
            made = []
            with open_session(command="bench") as session:
                for number, count in enumerate(counts):
                    create(session, NewTenant(f"bench-{number}", "Bench", "DE", "office@bench.example"))
                    tenant = find(session, f"bench-{number}")
                    crm.import_customers(session, tenant, BytesIO(people(count)), crm.Options())
                    made.append(tenant)
            yield made
        finally:
            os.environ.clear()
            os.environ.update(before)


@asynccontextmanager
async def opened(tenant: Tenant, size: tuple[int, int] = SIZE) -> AsyncIterator[tuple[Pilot[None], Contacts]]:
    """Yield a pilot and the screen of a tenant's contacts, whose first page is drawn."""
    from luactl.connect import clock_of, open_session
    from luactl.tui.app import Console
    from luactl.tui.crm import Contacts
    from luactl.tui.sessions import Sessions
    from luactl.tui.settings import Settings

    sessions = Sessions(lambda: open_session(command="tui"))
    with sessions.lend("tui") as session:
        app = Console(session.profile, session.actor, clock_of(session.profile), sessions, Settings())
    async with app.run_test(size=size) as pilot:
        screen = Contacts(tenant)
        app.go(screen)
        await settled(pilot)
        await pilot.press(*"bench", "enter")
        await settled(pilot)
        yield pilot, screen


def scrolled(tenant: Tenant, keys: Callable[[Contacts], Iterator[Any]]) -> list[float]:
    """Open a tenant's contacts and give commands; return the seconds of each until all is drawn."""
    times: list[float] = []

    async def run() -> None:
        async with opened(tenant) as (pilot, screen):
            for command in keys(screen):
                begun = time.perf_counter()
                screen.perform(command)
                await settled(pilot)
                times.append(time.perf_counter() - begun)

    asyncio.run(run())
    return times


async def settled(pilot: Pilot[None]) -> None:
    """Wait until no job runs and everything is drawn."""
    while True:
        await pilot.pause(0)
        running = [worker for worker in pilot.app.workers if not worker.is_finished]
        if not running:
            return
        # One that is cancelled before its first step leaves the list, and never says that it has finished.
        while any(worker in pilot.app.workers and not worker.is_finished for worker in running):
            await asyncio.sleep(0.0005)
