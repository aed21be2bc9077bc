"""Users of the CRM to try things on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from conftest import Connection

from luactl import secret
from luactl.client import Client
from luactl.db import Session
from luactl.tenant import Tenant

WHO = {"purpose": "rota", "on_behalf": "user:1"}
NELE = {"login": "Nele.Angstrom", "name": "Nele Ångström", "email": "nele@praxis.example"}
TABLES = ("crm.app_user", "crm.user_role", "crm.user_session", "crm.user_token")
BRUNO = {"login": "bruno", "name": "Bruno Oliveira"}


def made(crm: Client, tenant: Tenant, *roles: str, fields: Mapping[str, str] = NELE) -> UUID:
    return crm.add_user(tenant.tenant_id, fields, roles or ("agent",), **WHO).user_id


def everything(admin: Connection) -> str:
    """Return every row of users and every entry, as text."""
    parts = " UNION ALL ".join(f"SELECT to_jsonb(t)::text FROM {one} t" for one in TABLES)
    rows = admin.execute(f"{parts} UNION ALL SELECT convert_from(body, 'UTF8') FROM ledger.entry").fetchall()
    return " ".join(row[0] for row in rows)


def said(admin: Connection, action: str) -> list[Mapping[str, Any]]:
    """Return the entries of an action, oldest first."""
    rows = admin.execute(
        "SELECT convert_from(body, 'UTF8')::jsonb FROM ledger.entry WHERE action = %s ORDER BY id", [action]
    )
    return [row[0] for row in rows]


def owned_token(session: Session, tenant: Tenant, who: UUID, name: str = "own") -> str:
    plan = secret.plan_issue(session, tenant, name, ["contact.read"], user_id=who)
    token = secret.issue(session, tenant, plan).token
    assert token is not None
    return token


def admitted(crm: Client, token: str) -> bool:
    asked = "SELECT count(*) FROM lua.check_token(%s, now())"
    return crm.session.conn.execute(asked, [secret.hash_of(token)]).fetchone() == (1,)
