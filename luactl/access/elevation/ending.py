"""The end of an elevation: first nobody enters any more, then its sessions end and its login goes.

The database ends the rights at their time and waits for none of this. Each step can be cut short, and is
finished by the next sweep.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import psycopg

from ...db import Session, queries, transaction
from ...errors import RefusedError
from .profile import tidy
from .record import find


@dataclass(frozen=True)
class Ending:
    """What ending one elevation does, or did."""

    elevation_id: UUID
    login: str
    ended: bool
    """Whether this run ended it; False: it had ended."""
    cleared: bool
    """Whether sessions and login are gone; False: it would be so, or something of its own keeps the login."""
    profiles: tuple[str, ...]
    """Profiles of this machine that were taken away."""


def end(session: Session, elevation_id: UUID, *, dry_run: bool = False) -> Ending:
    """End an elevation now, with its sessions and its login; again: what was cut short is finished.

    One's own, or as lua_admin, lua_responder or lua_dpo; after its time anybody. A dry run asks the
    database the same and takes it back. Raises NotFoundError, RefusedError.
    """
    one = find(session, elevation_id)
    ended = _end(session, elevation_id, one.login, one.tenant_id, dry_run)
    if dry_run:
        return Ending(elevation_id, one.login, ended, one.cleared_at is not None, ())
    return Ending(elevation_id, one.login, ended, _clear(session, elevation_id), tidy(one.login))


def sweep(session: Session, *, dry_run: bool = False) -> tuple[Ending, ...]:
    """End what is over, of whoever has left or is bound no more, and finish what was cut short. For cron."""
    due = list(queries("access_elevation").due(session.conn))
    return tuple(end(session, elevation_id, dry_run=dry_run) for (elevation_id,) in due)


def _end(session: Session, elevation_id: UUID, login: str, tenant_id: int, dry_run: bool) -> bool:
    """Write the end with its ledger entry, and take entrance and rights from the login: one transaction."""
    from ...ledger import Entry, append, new_id

    now = session.clock.now()
    entry_id = new_id(now)
    noun = queries("access_elevation")
    ended = False
    try:
        with transaction(session) as conn:
            ended = bool(noun.end(conn, elevation_id=elevation_id, at=now, entry_id=entry_id))
            noun.lock_login(conn, elevation_id=elevation_id)
            if ended:
                about = f"elevation:{elevation_id}"
                detail = {"login": login}
                append(session, Entry("access.elevation.end", tenant_id, about, detail=detail, id=entry_id))
            if dry_run:
                raise psycopg.Rollback
    except psycopg.errors.InsufficientPrivilege as error:
        raise RefusedError(
            error.diag.message_primary or "refused",
            hint="whose it is may, and so may lua_admin, lua_responder and lua_dpo",
        ) from error
    return ended


def _clear(session: Session, elevation_id: UUID) -> bool:
    """End the sessions and drop the login: nobody can enter any more, so nobody comes back."""
    noun = queries("access_elevation")
    with transaction(session) as conn:
        dropped = noun.drop_login(conn, elevation_id=elevation_id)
        if dropped:
            noun.note_cleared(conn, elevation_id=elevation_id)
    return bool(dropped)
