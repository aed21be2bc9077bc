"""Elevations on record, and what the catalog says against them. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from ...db import Session, queries
from ...errors import NoTenantError, NotFoundError


@dataclass(frozen=True)
class Elevation:
    """Who had which role on which tenant, and what became of it."""

    elevation_id: UUID
    login: str
    """The fresh login, whose name the ledger's entries bear."""
    person: str
    """Handle of whose it is."""
    person_id: UUID
    asked_by: str
    """Their own login."""
    role: str
    tenant: str
    """Slug; the number of a tenant that is no more."""
    tenant_id: int
    reason: str
    approval_id: UUID | None
    """None: broken glass."""
    begun_at: datetime
    ends_at: datetime
    """When the database ends it, by its own clock."""
    state: str
    """open; over (its time is, nobody has swept); ending (its login is still there); ended; signed off."""
    ended_at: datetime | None
    ended_by: str | None
    cleared_at: datetime | None
    """When sessions and login were gone."""
    sign_off_by: datetime
    """By when somebody else has to sign it off, as the rule of the role is now."""
    signed_off_at: datetime | None
    signed_off_by: str | None
    signed_off_for: str | None
    signed_off_entries: int | None
    """How many entries of the login were looked at."""

    @property
    def breaks_glass(self) -> bool:
        """Whether nobody approved it."""
        return self.approval_id is None

    def late(self, now: datetime) -> bool:
        """Whether nobody signed it off in the time that its role allows."""
        return self.signed_off_at is None and self.sign_off_by < now

    def left(self, now: datetime) -> timedelta:
        """How long it still goes on; never negative."""
        return max(self.ends_at - now, timedelta(0)) if self.state == "open" else timedelta(0)


@dataclass(frozen=True)
class RoleRule:
    """For how long a role can be had, and until when that is signed off."""

    role: str
    minutes: int
    """With an approval; 0: not at all."""
    alarm_minutes: int
    """Without one, and with an alarm; 0: not at all."""
    sign_off_days: int
    """How long after its end somebody else has to look at what was done."""
    set_by: str | None
    """None: as delivered."""
    set_at: datetime | None


@dataclass(frozen=True)
class Fault:
    """Something that is not as elevations made it."""

    name: str
    """A login or a table."""
    what: str
    """What is wrong with it."""


def list_(
    session: Session,
    *,
    open_only: bool = False,
    mine: bool = False,
    unsigned: bool = False,
    limit: int = 0,
) -> tuple[Elevation, ...]:
    """Return elevations, newest first; `mine`: of the person whose login this is."""
    return _read(session, is_open=open_only, mine=mine, unsigned=unsigned, limit=limit)


def find(session: Session, elevation_id: UUID) -> Elevation:
    """Return one elevation. Raises NotFoundError."""
    found = _read(session, elevation_id=elevation_id)
    if not found:
        raise NotFoundError(
            f"there is no elevation {elevation_id}", hint="`luactl access elevation list` shows their ids"
        )
    return found[0]


def _read(
    session: Session, *, elevation_id: UUID | None = None, is_open: bool = False, mine: bool = False,
    unsigned: bool = False, limit: int = 0,
) -> tuple[Elevation, ...]:  # fmt: skip
    rows = queries("access_elevation").elevations(
        session.conn, elevation_id=elevation_id, is_open=is_open, mine=mine, unsigned=unsigned, limit=limit
    )
    return tuple(_elevation(row) for row in rows)


def _elevation(row: Any) -> Elevation:
    fields: list[Any] = [one.astimezone(UTC) if isinstance(one, datetime) else one for one in row]
    return Elevation(*fields)


def rules(session: Session) -> tuple[RoleRule, ...]:
    """Return which roles can be had, and for how long."""
    return tuple(RoleRule(*row) for row in queries("access_elevation").rules(session.conn))


def faults(session: Session) -> tuple[Fault, ...]:
    """Return what the catalog says against the record: what a superuser changed shows here."""
    return tuple(Fault(*row) for row in queries("access_elevation").faults(session.conn))


def tenant_of(session: Session, slug: str) -> int:
    """Return the id of a tenant. Raises NotFoundError for one that is not there."""
    found: int | None = queries("access_elevation").tenant_id(session.conn, slug=slug)
    if not found:
        raise NoTenantError(slug)
    return found
