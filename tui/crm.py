"""Contacts of a tenant, page by page: what is in sight is opened, and its reading recorded before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .ask import Ask
from .frame import Frame
from .row import Column, Row
from .table import Direction, Table

if TYPE_CHECKING:
    from luactl.crm import CustomerView
    from luactl.db import Session
    from luactl.tenant import Tenant

WHY = "the ledger keeps it with your name; esc: go back"


@dataclass
class Paged(Message, bubble=False):
    """A page of contacts was opened."""

    direction: Direction
    rows: list[Row]
    more: bool


@dataclass
class Counted(Message, bubble=False):
    """How many contacts there are."""

    total: int


class Contacts(Frame):
    """The people a tenant knows, in the order in which they came.

    A page is opened when it comes into sight, and its reading recorded with your purpose. Search asks for one
    person, by e-mail address, phone number or name.
    """

    def __init__(self, tenant: Tenant) -> None:
        super().__init__()
        self.tenant, self.purpose = tenant, ""
        self.total: int | None = None

    def heading(self) -> str:
        """Return whose contacts they are."""
        return f"Contacts of {self.tenant.slug}"

    def position(self) -> str:
        """Return the place in the whole list, as far as it is known."""
        table = self.table
        total = "…" if self.total is None else f"{self.total:,}"
        if not table.rows:
            return ""
        return f"? of {total}" if table.place is None else f"{table.place + table.cursor + 1:,} of {total}"

    def command_line(self) -> str:
        """Return the command that lists customers."""
        return f"crm customer list --tenant {self.tenant.slug}"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("NAME"), Column("E-MAIL"), Column("CITY", 14), Column("PHONE", 20, wide=True),
            Column("SINCE", 10), empty="no contact yet",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for a purpose once, then for the first page."""
        if self.purpose:
            self.page("first")
        else:
            self.app.push_screen(Ask(f"Why do you look at contacts of {self.tenant.slug}?", WHY), self.begin)

    def begin(self, purpose: str | None) -> None:
        """Open the first page, or leave without a purpose."""
        if purpose is None:
            self.console.back()
            return
        self.purpose = purpose
        self.work(partial(_count, tenant=self.tenant), about="count")
        self.page("first")

    def page(self, direction: Direction) -> None:
        """Ask for a page at one end of what is here."""
        rows = self.table.rows
        near: Any = {}
        if direction == "next" and rows:
            near = {"after": rows[-1].key}
        elif direction == "previous" and rows:
            near = {"before": rows[0].key}
        job = partial(
            _page,
            tenant=self.tenant,
            purpose=self.purpose,
            direction=direction,
            size=self.table.height,  # so that nothing is opened that nobody sees
            near=near,
        )
        self.work(job)

    @on(Table.Edge)
    def at_edge(self, event: Table.Edge) -> None:
        """Fetch what somebody wants to see."""
        self.page(event.direction)

    @on(Counted)
    def counted(self, event: Counted) -> None:
        """Show the number, and places that were unknown before."""
        self.total = event.total
        table = self.table
        if table.place is None and not table.after:
            table.place = max(0, self.total - len(table.rows))
        self.retitle()

    @on(Paged)
    def paged(self, event: Paged) -> None:
        """Show a page."""
        self.arrived()
        if event.direction in ("next", "previous"):
            self.table.extend(event.rows, at_end=event.direction == "next", more=event.more)
            return
        last = event.direction == "last"
        end = None if self.total is None else max(0, self.total - len(event.rows))
        self.table.turn(event.rows, at_end=last, more=event.more, place=end if last else 0)

    def opened(self, row: Row) -> None:
        """Open a person, for the same purpose unless another is given."""
        from .subject import Subject

        self.console.go(Subject(self.tenant, UUID(row.copy), self.purpose))

    def filter(self) -> None:
        """Say why sealed rows cannot be filtered."""
        self.say("sealed rows cannot be filtered; / finds a person")

    def search(self) -> None:
        """Ask whom to find."""
        hint = "e-mail address, phone number or name; the search is recorded"
        self.app.push_screen(Ask("Find", hint), self._search)

    def _search(self, text: str | None) -> None:
        from .subject import Hits

        if text:
            self.console.go(Hits(self.tenant, text, self.purpose))


def _count(session: Session, tenant: Tenant) -> Counted:
    from luactl.crm import count_customers

    return Counted(count_customers(session, tenant))


def _page(
    session: Session, tenant: Tenant, purpose: str, direction: Direction, size: int, near: dict[str, UUID]
) -> Paged:
    from luactl.crm import page_customers

    found = page_customers(session, tenant, size, purpose, last=direction == "last", **near)
    return Paged(direction, [_row(one) for one in found.rows], found.more)


def _row(one: CustomerView) -> Row:
    cells = (
        one.name or one.company or "", one.email or "", one.city or "", one.phone or one.mobile or "",
        f"{one.created_at:%Y-%m-%d}",
    )  # fmt: skip
    return Row(one.contact_id, cells, copy=str(one.subject_id))
