"""Reviews of access on the screen: hundreds of decisions with single keys, taken back, written in order."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import split
from uuid import UUID, uuid4

import pytest
from conftest import Connection
from support_tui import at_noon, compare, drive, go, keys, new_console, settled, text, typed
from support_whole import luactl
from textual.pilot import Pilot

from luactl.access import review
from luactl.db import Session
from luactl.ledger import integrate
from luactl.tui.review import Reviews
from luactl.tui.review_items import Items

MANY = 500


class Crew:
    """Somebody with many roles, whose manager sits at the screen."""

    def __init__(self, admin: Connection, session: Session) -> None:
        self.admin, self.session = admin, session
        self.login, self.prefix = f"z_{session.actor}", f"r_{session.actor}_"
        boss, zed = uuid4(), uuid4()
        for person, handle, manager, login in (
            (boss, "boss", None, session.actor),
            (zed, "zed", boss, self.login),
        ):
            admin.execute(
                "SELECT lua.put_person(%s, %s, %s, 'employee', %s, '2026-01-01', '{}', now(), %s),"
                " lua.add_person_login(%s, %s, now(), %s)",
                (person, handle, handle, manager, uuid4(), login, person, uuid4()),
            )
        admin.execute(f"CREATE ROLE {self.login} LOGIN")

    def open(self, count: int) -> UUID:
        """Give so many roles, and open a review of them."""
        self.admin.execute(
            f"DO $$ DECLARE made text; BEGIN FOR n IN 1..{count} LOOP made := '{self.prefix}' || n;"
            f" EXECUTE format('CREATE ROLE %I NOLOGIN', made);"
            f" EXECUTE format('GRANT %I TO {self.login}', made); END LOOP; END $$"
        )
        self.roles = tuple(self.prefix + str(n) for n in range(1, count + 1))
        opened = review.open_(at_noon(self.session), review.Ask("crew", self.roles))
        integrate(at_noon(self.session))  # else the clocks tell how long ago the ledger was made
        return opened.review_id

    def leave(self) -> None:
        self.admin.execute(
            "DO $$ DECLARE one record; BEGIN FOR one IN SELECT rolname FROM pg_roles"
            f" WHERE starts_with(rolname, '{self.prefix}') OR rolname = '{self.login}' ORDER BY rolname DESC"
            " LOOP EXECUTE format('DROP ROLE %I', one.rolname); END LOOP; END $$"
        )


@pytest.fixture
def crew(admin: Connection, session: Session) -> Iterator[Crew]:
    made = Crew(admin, session)
    yield made
    made.leave()


def decided(crew: Crew, id_: UUID) -> dict[int, str | None]:
    return {one.item_no: one.decision for one in review.items(crew.session, id_)}


def test_decisions_are_single_keys_and_can_be_taken_back(crew: Crew) -> None:
    id_ = crew.open(4)

    async def script(pilot: Pilot[None]) -> None:
        assert "4 items wait for you; crew, until 2027-01-19" in text(console)
        await go(pilot, Reviews())
        assert "Reviews of access: 1 for you" in text(console)
        await keys(pilot, "enter")
        screen = pilot.app.screen
        assert isinstance(screen, Items)
        assert "crew: 0 of 4 decided, 4 wait" in text(console)
        asked = screen.command_line()
        assert asked.startswith(f"access review decide {id_} 1 revoke --reason ")
        assert luactl(*split(asked)).code == 0, "what is shown is what the command takes"
        assert decided(crew, id_)[1] == "revoke"
        await keys(pilot, "plus")
        assert (screen.table.cursor, decided(crew, id_)) == (1, {1: "keep", 2: None, 3: None, 4: None})
        await keys(pilot, "minus", "w")
        await typed(pilot, "left in May")
        assert list(decided(crew, id_).values()) == ["keep", "revoke", "revoke", None]
        reasons = [one.reason for one in review.items(crew.session, id_)]
        assert "no undertaking" in str(reasons[1])
        assert reasons[2] == "left in May"
        screen.table.move(-1)
        assert screen.command_line() == f"access review decide {id_} 3 revoke --reason 'left in May'"
        screen.table.move(1)
        await keys(pilot, "u")
        assert (screen.table.cursor, decided(crew, id_)[3]) == (2, None)
        await keys(pilot, "s")
        assert decided(crew, id_)[3] == "revoke"
        await keys(pilot, "t", "t")
        assert [row.key for row in screen.table.rows] == [1]
        compare(console, "review-items")
        await keys(pilot, "enter")
        assert "REVOKE" in text(console)

    console = new_console()
    drive(script, console=console)


@pytest.mark.long
def test_what_the_database_refuses_is_told_and_not_shown_as_decided(crew: Crew) -> None:
    id_ = crew.open(3)

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Items(id_))
        crew.admin.execute(f"GRANT {crew.roles[1]} TO {crew.session.actor} WITH ADMIN OPTION")
        await pilot.press("plus", "plus", "plus")
        await settled(pilot)
        assert "ADMIN OPTION on this role" in text(console)
        await keys(pilot, "escape")
        screen = pilot.app.screen
        assert isinstance(screen, Items)
        assert [row.cells[0] for row in screen.table.rows] == ["keep", "waits", "waits"]
        assert list(decided(crew, id_).values()) == ["keep", None, None]

    console = new_console()
    drive(script, console=console)


@pytest.mark.long
def test_five_hundred_are_decided(crew: Crew) -> None:
    id_ = crew.open(MANY)

    async def script(pilot: Pilot[None]) -> None:
        await go(pilot, Items(id_))
        await pilot.press(*["plus", "minus", "s", "plus"] * (MANY // 4), "u", "plus")
        await settled(pilot)
        assert f"crew: {MANY} of {MANY} decided, 0 wait" in text(console)

    console = new_console()
    drive(script, console=console)
    found = decided(crew, id_)
    assert None not in found.values()
    assert {"keep", "revoke"} == set(found.values())
    checks = {one.check: one.state for one in review.verify(crew.session, id_)}
    assert (checks["decisions"], checks["ledger"]) == ("holds", "holds")
    spent = crew.admin.execute(
        "SELECT max(batch), count(*) >= %s FROM lua.review_decision", (MANY,)
    ).fetchone()
    assert spent == (1, True)
