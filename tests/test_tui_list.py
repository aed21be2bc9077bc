"""Lists: a window onto pages behaves as the whole list would, and only what is in sight is opened."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from conftest import Connection
from hypothesis import given, settings
from hypothesis import strategies as st
from support_crm import new_tenant
from support_crm import table as csv
from support_tui import drive, go, keys, settled, text, typed
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from luactl import crm
from luactl.db import Session
from luactl.tui.crm import Contacts
from luactl.tui.row import Column, Row, fitted, widths
from luactl.tui.table import KEPT, Table

TOTAL = 900


class Paged(App[None]):
    """A list of pages over numbers, answered at once as a screen would."""

    def compose(self) -> ComposeResult:
        yield Table(Column("N"))

    def on_mount(self) -> None:
        self.page("first")

    def on_table_edge(self, event: Table.Edge) -> None:
        self.page(event.direction)

    def page(self, direction: str) -> None:
        table, size = self.query_one(Table), 22
        held = [int(str(row.key)) for row in table.rows]
        if direction in ("first", "last"):
            numbers = range(size) if direction == "first" else range(TOTAL - size, TOTAL)
            table.turn(rows(numbers), at_end=direction == "last", more=True, place=numbers[0])
        elif direction == "next":
            numbers = range(held[-1] + 1, min(held[-1] + 1 + size, TOTAL))
            table.extend(rows(numbers), at_end=True, more=numbers.stop < TOTAL)
        else:
            numbers = range(max(0, held[0] - size), held[0])
            table.extend(rows(numbers), at_end=False, more=numbers.start > 0)


def rows(numbers: range) -> list[Row]:
    return [Row(number, (str(number),)) for number in numbers]


MOVES = st.lists(st.sampled_from(["j", "k", "d", "u", "g", "G"]), max_size=60)


@settings(max_examples=25, deadline=None)
@given(MOVES)
def test_a_window_moves_as_the_whole_list_would(moves: list[str]) -> None:
    async def run() -> None:
        app = Paged()
        async with app.run_test(size=(80, 23)) as pilot:
            await pilot.pause()
            table, at = app.query_one(Table), 0
            for move in moves:
                page = table.height
                by = {"j": 1, "k": -1, "d": page, "u": -page, "g": -TOTAL, "G": TOTAL}[move]
                at = min(max(at + by, 0), TOTAL - 1)
                {"g": table.to_first, "G": table.to_last}.get(move, lambda by=by: table.move(by))()
                await pilot.pause()
                await pilot.pause()
                assert table.current is not None
                assert (table.current.key, (table.place or 0) + table.cursor) == (at, at)
                assert len(table.rows) <= KEPT
                assert 0 <= table.cursor - table.top < page

    asyncio.run(run())


@given(st.text(max_size=30), st.integers(1, 20), st.booleans())
def test_a_cell_is_exactly_as_wide_as_it_should_be(value: str, width: int, right: bool) -> None:
    from rich.cells import cell_len

    shown = fitted(value, width, right)
    assert cell_len(shown) == width
    assert shown.isprintable()


def test_columns_fill_the_line_and_wide_ones_need_room() -> None:
    columns = (Column("A"), Column("B", 10), Column("C", 20, wide=True))
    assert widths(columns, 80) == [66, 10, 0]
    assert widths(columns, 140) == [104, 10, 20]


def people(session: Session, count: int) -> Any:
    tenant = new_tenant(session)
    lines = [f"{n},Person,No{n:04},p{n}@mail.example" for n in range(count)]
    crm.import_customers(
        session, tenant, csv("\n".join(["CustomerId,FirstName,LastName,Email", *lines])), crm.Options()
    )
    return tenant


def test_pages_of_contacts_are_opened_as_they_come_into_sight(session: Session, admin: Connection) -> None:
    tenant = people(session, 120)

    def opened() -> list[int]:
        found = admin.execute(
            "SELECT (convert_from(body, 'UTF8')::jsonb #>> '{detail,count}')::integer FROM ledger.entry"
            " WHERE action = 'read' ORDER BY at, id"
        )
        return [row[0] for row in found]

    async def script(pilot: Pilot[None]) -> None:
        screen = Contacts(tenant)
        await go(pilot, screen)
        await typed(pilot, "look")
        table = screen.table
        assert len(table.rows) == table.height
        assert sum(opened()) == table.height
        assert "1 of 120" in text(screen.console)
        await keys(pilot, "pagedown")
        assert sum(opened()) == 2 * table.height
        assert f"{table.height + 1} of 120" in text(screen.console)
        await keys(pilot, "G")
        assert sum(opened()) == 3 * table.height
        assert "120 of 120" in text(screen.console)
        assert "No0119" in text(screen.console)
        await keys(pilot, *["pageup"] * 7)
        assert "1 of 120" in text(screen.console)
        assert "No0000" in text(screen.console)
        await keys(pilot, "slash")
        await typed(pilot, "p77@mail.example")
        assert "No0077" in text(screen.console)
        await settled(pilot)

    drive(script)


def test_the_first_page_fills_a_tall_terminal(session: Session) -> None:
    tenant = people(session, 300)

    async def script(pilot: Pilot[None]) -> None:
        screen = Contacts(tenant)
        await go(pilot, screen)
        await typed(pilot, "look")
        table = screen.table
        assert 2 * table.height > KEPT
        assert len(table.rows) == table.height
        await keys(pilot, "pagedown", "pagedown")
        assert (table.place, len(table.rows)) == (300 - 2 * table.height, 2 * table.height)
        await keys(pilot, "pageup", "pageup")
        assert (table.place, table.cursor, len(table.rows)) == (0, 0, 2 * table.height)

    drive(script, size=(80, 130))


def test_a_page_is_the_same_from_either_side(session: Session) -> None:
    tenant = people(session, 50)
    every = [one.contact_id for one in crm.list_customers(session, tenant, 0).rows]
    assert crm.count_customers(session, tenant) == 50
    after = crm.page_customers(session, tenant, 10, after=every[19])
    before = crm.page_customers(session, tenant, 10, before=every[30])
    assert [one.contact_id for one in after.rows] == [one.contact_id for one in before.rows] == every[20:30]
    assert after.more
    assert before.more
    last = crm.page_customers(session, tenant, 60, last=True)
    assert ([one.contact_id for one in last.rows], last.more) == (every, False)
    assert not crm.page_customers(session, replace(tenant), 10, after=every[-1]).rows
