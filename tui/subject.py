"""People: the hits of a search, and one person with where their data lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .ask import Ask
from .command import Command
from .facts import Facts
from .frame import Frame
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.access.user import User
    from luactl.crm import CustomerView
    from luactl.db import Session
    from luactl.subject import Found, Holding, Kind, Whereabouts
    from luactl.tenant import Tenant


@dataclass
class FoundPeople(Message, bubble=False):
    """Who answers to an identity."""

    people: list[Found]


@dataclass
class Located(Message, bubble=False):
    """Where a person's data lie."""

    whereabouts: Whereabouts


@dataclass
class Opened(Message, bubble=False):
    """A person's contacts were opened, and the user of the CRM that they are."""

    contacts: tuple[CustomerView, ...]
    user: User | None


def kind_of(text: str) -> Kind:
    """Guess what somebody looks for: an e-mail address, a phone number or a name."""
    if "@" in text:
        return "email"
    digits = sum(one.isdigit() for one in text)
    return "phone" if digits >= 4 and digits * 2 >= len(text) else "name"


class Hits(Frame):
    """Who answers to the identity that was asked for. The search is recorded, and so is everybody shown."""

    def __init__(self, tenant: Tenant, text: str, purpose: str) -> None:
        super().__init__()
        self.tenant, self.text, self.purpose = tenant, text, purpose

    def heading(self) -> str:
        """Return where was searched, without saying for whom."""
        return f"Found at {self.tenant.slug} by {kind_of(self.text)}"

    def command_line(self) -> str:
        """Return the command; the identity is read from standard input."""
        return f"subject find --tenant {self.tenant.slug} --{kind_of(self.text)} -"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("NAME"), Column("E-MAIL"), Column("SUBJECT", 36, wide=True), empty="nobody answers to that"
        )

    def load(self) -> None:
        """Search."""
        self.work(partial(_find, tenant=self.tenant, text=self.text, purpose=self.purpose))

    @on(FoundPeople)
    def show(self, event: FoundPeople) -> None:
        """Show who was found."""
        self.show_rows([
            Row(key, (one.name or "", one.email or "", key), copy=key)
            for one in event.people
            for key in [str(one.subject_id)]
        ])  # fmt: skip

    def opened(self, row: Row) -> None:
        """Open a person."""
        self.console.go(Subject(self.tenant, UUID(row.copy), self.purpose))


def _find(session: Session, tenant: Tenant, text: str, purpose: str) -> FoundPeople:
    from luactl.subject import find

    return FoundPeople(find(session, tenant, kind_of(text), text, purpose=purpose))


class Erase(Command):
    """Erase: plan the erasure of this person; nothing happens before you confirm."""

    keys = "x"


class Subject(Frame):
    """One person: what is known, and in which tables and periods it lies. Opening is recorded."""

    ACTIONS = (Erase,)
    OPENS = False

    def __init__(self, tenant: Tenant, subject_id: UUID, purpose: str = "") -> None:
        super().__init__()
        self.tenant, self.subject_id = tenant, subject_id
        self.suggested, self.purpose = purpose, ""
        self.status: list[tuple[str, str]] = []
        self.known: list[tuple[str, str]] = []

    def heading(self) -> str:
        """Return whose page it is, by id."""
        return f"Subject {self.subject_id} of {self.tenant.slug}"

    def position(self) -> str:
        """Return nothing: the list is short."""
        return ""

    def command_line(self) -> str:
        """Return the command that shows where the data lie."""
        return f"subject show {self.subject_id} --tenant {self.tenant.slug}"

    def body(self) -> ComposeResult:
        """Lay out what is known and where it lies."""
        yield Facts()
        yield Table(
            Column("TABLE", 18), Column("ROWS", 5, right=True), Column("PERIOD", 7, right=True),
            Column("SEALED UNDER", 14), Column("RULE", 11), Column(""),
            empty="nothing is kept of this person",
        )  # fmt: skip

    def load(self) -> None:
        """Ask where the data lie, which opens nothing, and for a purpose before anything opens."""
        self.work(partial(_locate, tenant=self.tenant, subject_id=self.subject_id), about="where")

    @on(Located)
    def located(self, event: Located) -> None:
        """Show where the data lie, then ask to open them."""
        found = event.whereabouts
        ended = f", erased {found.erased_at:%Y-%m-%d %H:%M}" if found.erased_at else ""
        keys = ", ".join(found.living_keys) or "none"
        self.status = [
            ("status", f"{found.status}, since {found.created_at:%Y-%m-%d}{ended}"),
            ("keys", keys),
        ]
        self.show_rows([_row(one) for one in found.holdings])
        self.tell()
        if found.status == "active" and not self.purpose:
            ask = Ask(
                "Why do you open this person?", "the ledger keeps it; esc: do not open", value=self.suggested
            )
            self.app.push_screen(ask, self.begin)

    def begin(self, purpose: str | None) -> None:
        """Open the person; without a purpose only where the data lie is shown."""
        if purpose:
            self.purpose = purpose
            job = partial(_open, tenant=self.tenant, subject_id=self.subject_id, purpose=purpose)
            self.work(job, about="open")

    @on(Opened)
    def show(self, event: Opened) -> None:
        """Show what is known."""
        hidden = ("subject_id", "contact_id", "created_at")
        self.known = [
            (name.replace("_", " "), value)
            for contact in event.contacts
            for name, value in vars(contact).items()
            if value and name not in hidden
        ]
        if event.user is not None:
            login = ("login", event.user.login), ("roles", ", ".join(event.user.roles))
            named = ("name", event.user.name), ("email", event.user.email)
            self.known += [(name, value) for name, value in (*named, *login) if value]
        self.tell()

    def tell(self) -> None:
        """Show what is known so far."""
        self.query_one(Facts).tell([*self.status, *self.known])

    @on(Erase)
    def erase(self) -> None:
        """Go to the plan of an erasure."""
        from .erasure_plan import Plan

        hint = "where the tenant's order is found; no personal data; esc: go back"
        self.app.push_screen(
            Ask("Instruction", hint),
            lambda told: self.console.go(Plan(self.tenant, self.subject_id, told)) if told else None,
        )


def _locate(session: Session, tenant: Tenant, subject_id: UUID) -> Located:
    from luactl.subject import show

    return Located(show(session, tenant, subject_id))


def _open(session: Session, tenant: Tenant, subject_id: UUID, purpose: str) -> Opened:
    from luactl.access.user import of_person
    from luactl.crm import contacts_of

    contacts = contacts_of(session, tenant, [subject_id], purpose)
    return Opened(contacts, of_person(session, tenant, subject_id, purpose))


def _row(one: Holding) -> Row:
    cells = (
        one.table, f"{one.rows:,}", str(one.period or ""), one.key_class or "–", one.retention_class,
        "kept for bookkeeping alone" if one.retained else "",
    )  # fmt: skip
    return Row((one.table, one.period), cells, "warn" if one.retained else "", copy=one.table)
