"""What the tests of secrets share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

from support_erasure import new_tenant

from luactl import secret
from luactl.db import Session
from luactl.errors import LuactlError
from luactl.tenant import Tenant

VALUE = 'Tr0ub4dor&3 "ß" –'
SCOPES = ("contact.read", "invoice.read")
Asked = tuple[int, Any, str, list[str]]


def smile(session: Session) -> Tenant:
    """Make a tenant without anything."""
    return new_tenant(session, "smile")


def put(session: Session, tenant: Tenant, name: str = "smtp", value: str = VALUE, **more: Any) -> secret.Put:
    """Plan and run."""
    return secret.put(session, tenant, secret.plan_put(session, tenant, name, **more), value)


def renew(session: Session, tenant: Tenant, name: str = "smtp", value: str = "new") -> secret.Put:
    """Give a credential a new value."""
    old = secret.present(session, tenant, name)
    return secret.put(session, tenant, secret.plan_rotate(session, tenant, old), value)


def issue(session: Session, tenant: Tenant, name: str = "api", **more: Any) -> secret.Issued:
    """Plan and make a token."""
    return secret.issue(session, tenant, secret.plan_issue(session, tenant, name, SCOPES, **more))


def succeed(session: Session, tenant: Tenant, hours: float, name: str = "api") -> secret.Issued:
    """Make a token's successor."""
    old = secret.present(session, tenant, name)
    return secret.issue(session, tenant, secret.plan_successor(session, tenant, old, timedelta(hours=hours)))


def read(session: Session, tenant: Tenant, name: str = "smtp") -> str:
    """Open a credential as the CRM does."""
    return secret.reveal(session, tenant, name, purpose="send mail").value


def check(app: Session, token: str, at: datetime | None = None) -> Asked | None:
    """Ask about a token as the CRM does: only its hash goes to the server."""
    query = "SELECT tenant_id, secret_id, name, scopes FROM lua.check_token(%s, %s)"
    row = app.conn.execute(query, (secret.hash_of(token), at or datetime.now(UTC))).fetchone()
    return None if row is None else (row[0], row[1], row[2], row[3])


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run these in threads that start together; return what each returned, or how it failed."""
    start, results = Barrier(len(works)), [None for _ in works]

    def run(number: int) -> None:
        start.wait()
        try:
            results[number] = works[number]()
        except LuactlError as error:
            results[number] = error

    threads = [Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
