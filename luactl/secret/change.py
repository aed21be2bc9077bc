"""What putting and issuing share: what stands against a change, what a lost race means, the ledger entry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

import psycopg

from ..db import Session
from ..errors import BusyError, LuactlError
from ..tenant.register import Tenant
from .register import current, living, read


def end_of(session: Session, days: int | None) -> datetime | None:
    """Return the instant so many days from now; None for no end."""
    return None if days is None else session.clock.now() + timedelta(days=days)


def check_free(session: Session, tenant: Tenant, name: str, replaces: UUID | None) -> None:
    """Raise what stands against the plan, dry run or not; in the caller's transaction."""
    if replaces is not None:
        if living(session, tenant, name).secret_id != replaces:
            raise _overtaken(name)
    elif current(read(session, tenant.tenant_id), name) is not None:
        raise _taken(tenant, name)


def _taken(tenant: Tenant, name: str) -> LuactlError:
    return LuactlError(
        f"tenant {tenant.slug} has a secret {name} already",
        hint=f"`luactl secret rotate {name} --tenant {tenant.slug}` gives it a new value",
    )


def _overtaken(name: str) -> BusyError:
    return BusyError(f"somebody else changed {name} meanwhile", hint="look at it, then run the command again")


@contextmanager
def told(tenant: Tenant, name: str) -> Iterator[None]:
    """Say what it means when somebody else was quicker."""
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        raise _taken(tenant, name) from error
    except psycopg.errors.SerializationFailure as error:
        raise _overtaken(name) from error


def record(session: Session, tenant: Tenant, verb: str, name: str, detail: dict[str, object]) -> UUID:
    """Write the ledger entry of a change, in its transaction; what is None in the detail is left out."""
    from ..ledger import Entry, append

    texts = {key: _text(value) for key, value in detail.items() if value is not None}
    return append(session, Entry(f"secret.{verb}", tenant.tenant_id, f"secret:{name}", detail=texts))


def _text(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)
