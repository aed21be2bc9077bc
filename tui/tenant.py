"""Tenants, and one of them: its rules and counts, and the ways to its people and erasures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from .command import Command
from .facts import Facts
from .frame import Frame
from .row import Column, Row
from .table import Table

if TYPE_CHECKING:
    from luactl.tenant import DeletionRule, Detail, Tenant


@dataclass
class Listed(Message, bubble=False):
    """All tenants."""

    tenants: list[Tenant]


class Tenants(Frame):
    """The companies whose data Lua CRM keeps, oldest first. Enter opens one."""

    def heading(self) -> str:
        """Return the name of the screen."""
        return "Tenants"

    def command_line(self) -> str:
        """Return the command that lists them."""
        return "tenant list"

    def body(self) -> ComposeResult:
        """Lay out the list."""
        yield Table(
            Column("SLUG", 20), Column("NAME"), Column("COUNTRY", 7), Column("STATUS", 10),
            Column("ISOLATION", 9, wide=True), Column("CREATED", 10), Column("CONTACT", wide=True),
            empty="no tenant yet: luactl tenant create",
        )  # fmt: skip

    def load(self) -> None:
        """Ask for all tenants."""
        from luactl.tenant import list_

        self.work(lambda session: Listed(list_(session)))

    @on(Listed)
    def show(self, event: Listed) -> None:
        """Show them."""
        self.show_rows([_row(one) for one in event.tenants])

    def opened(self, row: Row) -> None:
        """Open a tenant."""
        self.console.go(OneTenant(str(row.key)))


def _row(one: Tenant) -> Row:
    cells = (
        one.slug, one.name, one.country, one.status, one.isolation, f"{one.created_at:%Y-%m-%d}", one.contact,
    )  # fmt: skip
    return Row(one.slug, cells, "" if one.status == "active" else "warn", copy=one.slug)


@dataclass
class Shown(Message, bubble=False):
    """One tenant with its counts."""

    detail: Detail


class Erasures(Command):
    """Erasures: planned, approved, cut short and done at this tenant."""

    keys = "e"


class Retention(Command):
    """Due: what is due to be purged at this tenant."""

    keys = "d"


class Reach(Command):
    """Access: who can reach this tenant's rows."""

    keys = "a"


class OneTenant(Frame):
    """One tenant: what it is, how much is kept, and its deletion rules. Enter opens its contacts."""

    ACTIONS = (Erasures, Retention, Reach)

    def __init__(self, slug: str) -> None:
        super().__init__()
        self.slug = slug
        self.tenant: Tenant | None = None

    def heading(self) -> str:
        """Return which tenant it is."""
        return f"Tenant {self.slug}"

    def command_line(self) -> str:
        """Return the command that shows it."""
        return f"tenant show {self.slug}"

    def body(self) -> ComposeResult:
        """Lay out facts and rules."""
        yield Facts()
        yield Table(
            Column("RULE", 12), Column("CLOCK STARTS", 20), Column("MONTHS", 7, right=True),
            Column("MINIMUM", 7, right=True), Column("BASIS"),
        )  # fmt: skip

    def load(self) -> None:
        """Ask for the tenant and its counts."""
        from luactl.tenant import show

        self.work(lambda session: Shown(show(session, self.slug)))

    @on(Shown)
    def show(self, event: Shown) -> None:
        """Show it."""
        detail = event.detail
        self.tenant = detail.tenant
        self.query_one(Facts).tell(_facts(detail))
        self.show_rows([_rule(one) for one in detail.rules])

    def opened(self, row: Row) -> None:
        """Open the contacts."""
        from .crm import Contacts

        if self.tenant is not None:
            self.console.go(Contacts(self.tenant))

    @on(Erasures)
    def erasures(self) -> None:
        """Open the erasures of this tenant."""
        from .erasure_queue import Queue

        self.console.go(Queue(self.slug))

    @on(Retention)
    def due(self) -> None:
        """Open what is due here."""
        from .retention import Due

        self.console.go(Due(self.slug))

    @on(Reach)
    def reach(self) -> None:
        """Open who reaches this tenant."""
        from .access import Access

        self.console.go(Access(self.slug))


def _rule(one: DeletionRule) -> Row:
    months = str(one.months or "–")
    cells = (one.retention_class, one.starting_point, months, str(one.minimum_months), one.basis)
    return Row(one.retention_class, cells)


def _facts(detail: Detail) -> list[tuple[str, str]]:
    one = detail.tenant
    status = f"{one.status}: {one.reason}" if one.reason else one.status
    rows = ("contacts", "interactions", "invoices")
    if detail.login:
        own = f"login {detail.login}, staff {', '.join(detail.staff) or 'nobody'}"
        size = sum(part.bytes for part in detail.partitions)
        alone = [("dedicated", f"{own}; {len(detail.partitions)} tables, {size / 1e6:,.1f} MB")]
    else:
        alone = []
    keys = {"people": detail.subject_keys, "duties": detail.duty_keys, "periods": detail.period_keys}
    return [
        ("name", f"{one.name} ({one.country}), {one.isolation}"),
        ("contact", one.contact),
        ("status", f"{status}, since {one.updated_at:%Y-%m-%d}; created {one.created_at:%Y-%m-%d}"),
        *alone,
        ("people", f"{detail.subjects:,} living, {detail.erased:,} erased"),
        ("requests", f"{detail.open_requests:,} open, {detail.overdue_requests:,} overdue"),
        ("rows", ", ".join(f"{getattr(detail, name):,} {name}" for name in rows)),
        ("keys", ", ".join(f"{count:,} of {what}" for what, count in keys.items())),
    ]
