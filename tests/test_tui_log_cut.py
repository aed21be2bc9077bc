"""The log screen when connections are cut while it follows: nothing is missed, nothing comes twice."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest
from conftest import Connection, TestServer
from support_log import write_lines
from support_tui import drive, go, keys, settled, text
from test_log import logged  # noqa: F401
from test_tui_log import many  # noqa: F401
from textual.pilot import Pilot

from luactl.log import Line
from luactl.tui.log import Log

CUT = """SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
    WHERE datname = %s AND pid <> ALL (%s) AND backend_type = 'client backend'"""


def messages(screen: Log) -> list[str]:
    return [row.key.message for row in screen.lines.rows]  # type: ignore[attr-defined]


async def polled(pilot: Pilot[None], screen: Log) -> None:
    screen.poll()
    await settled(pilot)


@pytest.mark.parametrize("paused", [False, True])
def test_connections_that_are_cut_while_it_follows_are_replaced_unseen(
    many: list[Line],  # noqa: F811
    admin: Connection,
    server: TestServer,
    database: str,
    paused: bool,
) -> None:
    late = many[-1].at + timedelta(minutes=1)

    async def script(pilot: Pilot[None]) -> None:
        screen = Log()
        await go(pilot, screen)
        if paused:
            await keys(pilot, "k")
        with closing(server.admin()) as other:
            for n in range(3):
                cut = other.execute(CUT, [database, [admin.info.backend_pid]]).fetchone()
                assert cut is not None
                assert cut[0] > 0, "there was nothing to cut"
                write_lines(admin, [{"message": f"cut {n}"}], late + timedelta(minutes=n))
                await polled(pilot, screen)
        assert "connection lost" not in text(screen.console)
        if paused:
            assert "paused, +3 new" in text(screen.console)
            await keys(pilot, "G")
        assert messages(screen)[-3:] == ["cut 0", "cut 1", "cut 2"]
        assert screen.state() == "following"

    drive(script)


def test_a_server_that_lets_nobody_in_is_told_and_the_next_key_shows_what_came_meanwhile(
    many: list[Line],  # noqa: F811
    admin: Connection,
    server: TestServer,
    database: str,
) -> None:
    late = many[-1].at + timedelta(minutes=1)

    async def script(pilot: Pilot[None]) -> None:
        screen = Log()
        await go(pilot, screen)
        with closing(server.admin()) as other:
            other.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false".encode())
            other.execute(CUT, [database, [admin.info.backend_pid]])
            write_lines(admin, [{"message": "in the dark"}], late)
            await polled(pilot, screen)
            assert "connection lost" in text(screen.console)
            assert messages(screen)[-1] != "in the dark"
            other.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true".encode())
        await keys(pilot, "G")
        assert "connection lost" not in text(screen.console)
        write_lines(admin, [{"message": "light again"}], late + timedelta(minutes=1))
        await polled(pilot, screen)
        assert messages(screen)[-2:] == ["in the dark", "light again"]
        assert screen.state() == "following"

    drive(script)
