"""Staff: people and jobs, how long they are bound, and one of them with all that is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .facts import Facts
from .frame import Frame
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.db import Session
    from luactl.policy import Open
    from luactl.staff import Dossier, Login, Standing, Undertaking


@dataclass
class Listed(Message, bubble=False):
    """Everybody in force, and how many policies each has still to acknowledge."""

    found: list[Standing]
    open: dict[str, int]


class Staff(Frame):
    """Everybody who works here, and each job; red is who is not bound to confidentiality. Enter shows one."""

    AGAIN = True

    def heading(self) -> str:
        """Return the name of the screen."""
        return "Staff"

    def command_line(self) -> str:
        """Return the command that shows the line under the cursor."""
        row = self.table.current
        return "staff list" if row is None else f"staff show {row.copy}"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("HANDLE"), Column("KIND", 10), Column("MANAGER", 14), Column("BOUND", 15),
            Column("OPEN", 4, right=True), Column("LOGINS"), Column("NAME", wide=True),
            Column("TEAMS", wide=True),
            empty="nobody is registered yet: `luactl staff add`",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for them."""
        self.work(_list)

    @on(Listed)
    def show(self, event: Listed) -> None:
        """Show them."""
        self.show_rows([_row(one, event.open) for one in event.found])

    def opened(self, row: Row) -> None:
        """Open one of them."""
        self.console.go(Member(row.copy))


def _list(session: Session) -> Listed:
    from luactl import policy, staff

    return Listed(staff.standings(session), dict(Counter(one.person for one in policy.open_(session))))


def _row(one: Standing, open_: dict[str, int]) -> Row:
    person = one.person
    todo = open_.get(person.handle, 0)
    cells = (
        person.handle, person.kind, person.manager or "", bound(one), f"{todo:,}" if todo else "",
        ", ".join(person.logins), person.name, ", ".join(person.teams),
    )  # fmt: skip
    style = "bad" if not person.bound else "warn" if one.is_ending or todo else ""
    return Row(person.handle, cells, style, copy=person.handle)


def bound(one: Standing) -> str:
    """Return how long somebody is bound, in few words."""
    if not one.person.bound:
        return "no"
    return "yes" if one.days_left is None else f"{one.days_left:,} days more"


@dataclass
class Shown(Message, bubble=False):
    """All that is known of somebody."""

    dossier: Dossier
    open: list[Open]


class Member(Frame):
    """A person or a job: logins, what they signed and for how long, policies to acknowledge."""

    OPENS = False
    AGAIN = True

    def __init__(self, handle: str) -> None:
        super().__init__()
        self.handle = handle

    def heading(self) -> str:
        """Return who it is."""
        return f"Staff: {self.handle}"

    def command_line(self) -> str:
        """Return the command that shows the same."""
        return f"staff show {self.handle}"

    def body(self) -> ComposeResult:
        """Lay out who it is, and what they have."""
        yield Facts()
        yield Table(
            Column("WHAT", 12), Column(""), Column("SINCE", 10), Column("UNTIL", 10), Column("STATE", 16),
            empty="no login, nothing signed, nothing to acknowledge",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for it."""
        self.work(partial(_show, handle=self.handle))

    @on(Shown)
    def show(self, event: Shown) -> None:
        """Show it."""
        person = event.dossier.person
        self.query_one(Facts).tell(
            [
                ("name", person.name),
                ("kind", person.kind),
                ("manager", person.manager or "nobody"),
                ("teams", ", ".join(person.teams) or "none"),
                ("reports", ", ".join(event.dossier.reports) or "nobody"),
                ("bound", "yes" if person.bound else "no: nothing is granted before they have signed"),
            ]
        )
        today = self.console.clock.now().date()
        self.show_rows([
            *(_login(one) for one in event.dossier.logins),
            *(_signed(one, one.days_left(today)) for one in event.dossier.undertakings),
            *(_policy(one) for one in event.open),
        ])  # fmt: skip


def _show(session: Session, handle: str) -> Shown:
    from luactl import policy, staff

    person = staff.find(session, handle)
    open_ = policy.open_(session, person) if person.kind != "job" and person.ended_at is None else []
    return Shown(staff.gather(session, person), open_)


def _login(one: Login) -> Row:
    ended = one.ended_at is not None
    state = "ended" if ended else "can log in" if one.can_log_in else "cannot log in"
    last = f"{one.ended_at:%Y-%m-%d}" if one.ended_at else ""
    style = "dim" if ended else ""
    return Row(
        ("login", one.login), ("login", one.login, f"{one.since:%Y-%m-%d}", last, state), style, one.login
    )


def _signed(one: Undertaking, days: int | None) -> Row:
    if not one.in_force:
        state, style = "withdrawn" if one.withdrawn_at else "expired", "dim"
    else:
        from luactl.staff import SOON

        state = "in force" if days is None else f"{days:,} days more"
        style = "warn" if days is not None and days <= SOON else "good"
    what = f"{one.basis}, text {one.text_version}"
    until = f"{one.expires_on}" if one.expires_on else ""
    return Row(
        one.undertaking_id,
        ("undertaking", what, f"{one.signed_on}", until, state),
        style,
        str(one.undertaking_id),
    )


def _policy(one: Open) -> Row:
    state = "overdue" if one.overdue else "to acknowledge"
    what = f"{one.policy} {one.version}: {one.title}"
    style = "bad" if one.overdue else "warn"
    return Row((one.policy, one.version), ("policy", what, "", f"{one.due}", state), style, one.policy)
