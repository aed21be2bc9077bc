"""Undertakings of confidentiality: Art. 28(3)(b) GDPR for everybody, s. 203(4) StGB where it is required.

Owns `lua.undertaking` and `lua.undertaking_basis`. The database says who is bound (`lua.is_bound`); what is
signed is never removed, only withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError, UsageError
from ..line import checked
from .person import Person

BASES = ("gdpr-28-3-b", "stgb-203")
LONGEST_VERSION = 100


@dataclass(frozen=True)
class Undertaking:
    """One undertaking, as it stands in the register."""

    undertaking_id: UUID
    """UUIDv7."""
    person: str
    """The handle of who signed it."""
    basis: str
    """gdpr-28-3-b (Art. 28(3)(b) GDPR) or stgb-203 (s. 203(4) StGB)."""
    text_version: str
    """Which text was signed, as the company files it."""
    signed_on: date
    """The day of the signature."""
    expires_on: date | None
    """The last day on which it binds, UTC; None: until further notice."""
    withdrawn_at: datetime | None
    """Since when it no longer counts."""
    in_force: bool
    """Whether it binds now."""

    def days_left(self, today: date) -> int | None:
        """Return how many days it binds after today; None: until further notice."""
        return None if self.expires_on is None else (self.expires_on - today).days


@dataclass(frozen=True)
class NewUndertaking:
    """What somebody signed, in no register yet."""

    basis: str
    text_version: str
    """Which text was signed."""
    signed_on: date
    """The day of the signature."""
    expires_on: date | None = None
    """The last day on which it binds; None: until further notice."""


@dataclass(frozen=True)
class Basis:
    """A law by which people are bound."""

    basis: str
    required: bool
    """Whether everybody must be bound by it before they are granted anything."""
    set_by: str | None
    """The login that said so; None: as delivered."""
    set_at: datetime | None


@dataclass(frozen=True)
class BasisChange:
    """What a change of what is required does, or did."""

    basis: str
    before: bool
    after: bool
    unbound: tuple[str, ...]
    """Handles of everybody in force who has signed nothing on that basis that binds."""


def prepare(
    session: Session,
    basis: str,
    text_version: str,
    signed_on: date | None = None,
    expires_on: date | None = None,
) -> NewUndertaking:
    """Return what somebody signed, today unless a day is given; records nothing. Raises UsageError."""
    today = session.clock.now().date()
    new = NewUndertaking(
        _known(basis), checked("version of the text", text_version), signed_on or today, expires_on
    )
    if len(new.text_version) > LONGEST_VERSION:
        raise UsageError(f"the version of the text has more than {LONGEST_VERSION} characters")
    if new.signed_on > today:
        raise UsageError(
            f"nobody has signed anything on {new.signed_on} yet", hint="--signed takes a day past"
        )
    if new.expires_on is not None and new.expires_on < new.signed_on:
        raise UsageError("the undertaking would end before it begins", hint="give a later --expires")
    return new


def _known(basis: str) -> str:
    if basis not in BASES:
        raise UsageError(f"there is no basis {basis[:40]!r}", hint=f"one of {', '.join(BASES)}")
    return basis


def record(session: Session, person: Person, new: NewUndertaking, *, dry_run: bool = False) -> Undertaking:
    """Record what a person signed, and return it. Needs lua_admin or lua_dpo.

    What stands there already, word for word, stays as it is. Raises UsageError for a job or who has left.
    """
    from uuid_utils.compat import uuid7

    from ..ledger import Entry, append

    if person.kind == "job" or person.ended_at is not None:
        why = "a job signs nothing: who answers for it does" if person.kind == "job" else "has left"
        raise UsageError(f"{person.handle}: {why}", hint="name a person in force")
    made = Undertaking(
        uuid7(), person.handle, new.basis, new.text_version, new.signed_on, new.expires_on, None, True
    )
    there = [
        one
        for one in undertakings(session, person)
        if replace(one, undertaking_id=made.undertaking_id) == made
    ]
    if there or dry_run:
        return there[0] if there else made
    with transaction(session) as conn:
        detail = {
            "basis": new.basis,
            "text_version": new.text_version,
            "signed_on": new.signed_on.isoformat(),
            "expires_on": None if new.expires_on is None else new.expires_on.isoformat(),
            "undertaking": str(made.undertaking_id),
        }
        queries("staff").add_undertaking(
            conn,
            id=made.undertaking_id,
            person_id=person.person_id,
            basis=new.basis,
            text_version=new.text_version,
            signed_on=new.signed_on,
            expires_on=new.expires_on,
            at=session.clock.now(),
            entry_id=append(session, Entry("staff.undertaking.add", object=person.object, detail=detail)),
        )
    return find_undertaking(session, made.undertaking_id)


def undertakings(session: Session, person: Person | None = None) -> list[Undertaking]:
    """Return what a person signed, or everybody, withdrawn and expired ones too."""
    return _read(session, person_id=person.person_id if person else None)


def _read(
    session: Session, person_id: UUID | None = None, undertaking_id: UUID | None = None
) -> list[Undertaking]:
    at = session.clock.now()
    with transaction(session) as conn:
        rows = queries("staff").undertakings(conn, person_id=person_id, undertaking_id=undertaking_id, at=at)
        return [Undertaking(*row) for row in rows]


def find_undertaking(session: Session, undertaking_id: UUID) -> Undertaking:
    """Return one undertaking. Raises NotFoundError."""
    found = _read(session, undertaking_id=undertaking_id)
    if not found:
        raise NotFoundError(
            f"there is no undertaking {undertaking_id}", hint="`luactl staff undertaking list` shows them"
        )
    return found[0]


def withdraw(session: Session, undertaking_id: UUID, reason: str, *, dry_run: bool = False) -> Undertaking:
    """Let an undertaking bind no more, for a reason that the ledger keeps. Needs lua_admin or lua_dpo.

    One that is withdrawn already stays as it is. Raises NotFoundError, UsageError.
    """
    from ..ledger import Entry, append
    from .person import find

    why = checked("reason", reason)
    before = find_undertaking(session, undertaking_id)
    if dry_run or before.withdrawn_at is not None:
        return before
    person = find(session, before.person)
    with transaction(session) as conn:
        detail = {"undertaking": str(undertaking_id), "basis": before.basis, "reason": why}
        queries("staff").withdraw_undertaking(
            conn,
            id=undertaking_id,
            at=session.clock.now(),
            entry_id=append(
                session, Entry("staff.undertaking.withdraw", object=person.object, detail=detail)
            ),
        )
    return find_undertaking(session, undertaking_id)


def bases(session: Session) -> list[Basis]:
    """Return by which laws everybody must be bound."""
    with transaction(session) as conn:
        return [Basis(*row) for row in queries("staff").bases(conn)]


def advice(session: Session) -> str | None:
    """Say that s. 203(4) StGB is required of nobody though tenants have medical secrets; None: all is well.

    Secrets show by keys of the classes `special` and `medical-record`, and by permissions on such data.
    """
    with transaction(session) as conn:
        count = queries("staff").medical_tenants(conn)
    if not count:
        return None
    return (
        f"{count:,} tenants have keys or permissions for medical data, and nobody need be bound by s. 203"
        f" StGB: `luactl staff undertaking require {BASES[1]}`"
    )


def require(session: Session, basis: str, required: bool, *, dry_run: bool = False) -> BasisChange:
    """Say whether everybody must be bound on a basis. Needs lua_admin or lua_dpo.

    Raises UsageError for an unknown basis and for Art. 28(3)(b) GDPR, which binds everybody.
    """
    from ..ledger import Entry, append
    from .person import list_

    if _known(basis) == BASES[0] and not required:
        raise UsageError("Art. 28(3)(b) GDPR binds everybody", hint=f"only {BASES[1]} is a matter of choice")
    before = next(one.required for one in bases(session) if one.basis == basis)
    signed = {one.person for one in undertakings(session) if one.basis == basis and one.in_force}
    people = [one.handle for one in list_(session) if one.kind != "job"]
    found = BasisChange(basis, before, required, tuple(one for one in people if one not in signed))
    if dry_run or before == required:
        return found
    with transaction(session) as conn:
        entry = Entry("staff.undertaking.require", object=f"basis:{basis}", detail={"required": required})
        queries("staff").require_undertaking(
            conn, basis=basis, required=required, at=session.clock.now(), entry_id=append(session, entry)
        )
    return found
