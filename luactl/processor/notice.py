"""Notices: what a processor is told, one for each cause; made with the cause, sent and confirmed later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from ..clock import instant
from ..db import Session, queries, transaction
from ..errors import BusyError, NotFoundError
from .register import program_of

Cause = Literal["termination", "erasure"]


@dataclass(frozen=True)
class Notice:
    """One notice to one processor, with what is on record of it."""

    notice_id: UUID
    tenant: str
    """Slug."""
    processor: str
    """Slug."""
    cause: str
    """termination or erasure."""
    cause_id: UUID
    """Of the termination or erasure."""
    state: str
    """open, sent or confirmed."""
    created_at: datetime
    """When the data went here."""
    attempts: int
    """How often it was tried to send it."""
    attempted_at: datetime | None
    problem: str | None
    """Why the newest attempt did not reach it."""
    sent_at: datetime | None
    sent_by: str | None
    sent_how: str | None
    """The letter or mail, or what the program answered."""
    deleted_on: date | None
    """Since when the data are gone at the processor, as it says."""
    confirmed_at: datetime | None
    confirmed_by: str | None
    confirmation: str | None
    """Where its word is found."""
    name: str
    """What people call the processor."""
    service: str
    country: str
    contact: str
    """Where notices go."""
    channel: str
    """manual, or command:NAME."""
    tenant_id: int

    @property
    def program(self) -> str | None:
        """The name of the program that sends it; None: somebody does."""
        return program_of(self.channel)

    def stated(self) -> dict[str, Any]:
        """Return what a certificate says of it."""
        return {
            "processor": self.name,
            "service": self.service,
            "country": self.country,
            "notice": str(self.notice_id),
            "state": self.state,
            "told_at": None if self.sent_at is None else instant(self.sent_at),
            "deleted_on": None if self.deleted_on is None else self.deleted_on.isoformat(),
            "confirmation": self.confirmation,
        }


@dataclass(frozen=True)
class Due:
    """A notice that is to be made."""

    notice_id: UUID
    name: str
    service: str
    country: str

    def stated(self) -> dict[str, Any]:
        """Return what a certificate says of it at the moment when it is made."""
        fresh = {"state": "open", "told_at": None, "deleted_on": None, "confirmation": None}
        who = {"processor": self.name, "service": self.service, "country": self.country}
        return {**who, "notice": str(self.notice_id), **fresh}


def notices(
    session: Session, *, tenant: str | None = None, processor: str | None = None, every: bool = False
) -> list[Notice]:
    """Return notices that are not confirmed, oldest first; with `every` all of them."""
    found = _read(session, every=every)
    return [one for one in found if tenant in (None, one.tenant) and processor in (None, one.processor)]


def _read(
    session: Session, notice_id: UUID | None = None, cause_id: UUID | None = None, *, every: bool = True
) -> list[Notice]:
    with transaction(session) as conn:
        rows = queries("processor").notices(conn, notice_id=notice_id, cause_id=cause_id, every=every)
        return [Notice(*row) for row in rows]


def find_notice(session: Session, notice_id: UUID) -> Notice:
    """Return one notice. Raises NotFoundError."""
    for found in _read(session, notice_id):
        return found
    raise NotFoundError(
        f"there is no notice {notice_id}", hint="`luactl processor notice list --all` shows their ids"
    )


def about(session: Session, cause_id: UUID) -> tuple[Notice, ...]:
    """Return what was told about one termination or erasure, by processor."""
    return tuple(sorted(_read(session, cause_id=cause_id), key=lambda one: one.name))


def due(session: Session, tenant_id: int) -> tuple[Due, ...]:
    """Return the notices that are to be made to all who work for a tenant now."""
    from ..ledger import new_id

    now = session.clock.now()
    with transaction(session, tenant_id) as conn:
        rows = list(queries("processor").processors_of(conn, tenant_id=tenant_id, at=now))
    return tuple(Due(new_id(now), *row) for row in rows)


def notify(session: Session, tenant_id: int, cause: Cause, cause_id: UUID, wanted: Sequence[Due]) -> None:
    """Make notices in the running transaction, that of the outcome which they are about.

    Raises BusyError when somebody else has begun or ceased to work for the tenant meanwhile.
    """
    from ..ledger import Entry, append

    ids = [one.notice_id for one in wanted]
    made = [
        row[0]
        for row in queries("processor").notify(
            session.conn,
            tenant_id=tenant_id,
            cause=cause,
            cause_id=cause_id,
            ids=ids,
            at=session.clock.now(),
        )
    ]
    if sorted(made) != sorted(ids):
        raise BusyError("who works for this tenant was changed at this very moment", hint="run it again")
    if made:
        detail = {"notices": [str(one) for one in ids]}
        append(session, Entry("processor.notify", tenant_id, f"{cause}:{cause_id}", detail=detail))
