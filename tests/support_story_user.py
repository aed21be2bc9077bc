"""The part of the story of all commands about the CRM's users (see support_story_table.py)."""

from __future__ import annotations

from support_story import Args, Case, Rule, T, World, covering, rows, with_colleague

from luactl.client import Client
from luactl.tenant import find

WHO = {"purpose": "rota", "on_behalf": "user:1"}


def sign_up(w: World) -> None:
    """Have the CRM make a user, sign them in and out, and in again; the first session was long ago."""
    with with_colleague(w, "crm", "lua_app") as (own, service):
        crm, tenant_id = Client(service), find(own, "smile").tenant_id
        made = crm.add_user(tenant_id, {"login": "dora", "name": "Dora Wolf"}, ["agent"], **WHO)
        crm.end_session(tenant_id, crm.start_session(tenant_id, made.user_id, "203.0.113.77"))
        crm.start_session(tenant_id, made.user_id)
        year = ", ".join(
            f"{one} = {one} - interval '1 year'" for one in ("since", "seen_at", "ended_at", "ends_at")
        )
        w.admin.execute(f"UPDATE crm.user_session SET {year} WHERE ended_at IS NOT NULL".encode())
        w.seen["user"] = str(made.user_id)


def who(*more: str) -> Args:
    return lambda w: (w.seen["user"], *more, *T)


USERS: dict[str, tuple[Case, ...]] = {
    "access user list": (
        Case(lambda w: T, prepare=sign_up),
        Case(
            lambda w: (*T, "--purpose", "ticket 81"),
            opens=lambda data: [one["subject_id"] for one in data],
            anew=True,
        ),
    ),
    "access user show": (Case(who()),),
    "access permission list": (Case(),),
    "access permission explain": (Case(who("read", "contact")),),
    "access user purge": (
        Case(
            lambda w: ("--all",),
            (Rule("crm.user_session", "delete", "access.user-purge", by="tenant_id"),),
        ),
    ),
    "access user revoke": (
        Case(
            who("--what", "all", "--reason", "left"),
            (Rule("crm.app_user", "update", "access.user-revoke"),),
            covering(rows("crm.user_session", how="update"), rows("crm.user_role", how="delete")),
        ),
    ),
}
