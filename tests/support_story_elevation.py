"""The part of the story of all commands about elevations (see support_story_table.py)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support_story import Case, Rule, World, covering, rows
from support_story_eyes import ask_and_approve

from luactl.access import elevation

ORDER = ("--role", "operator", "--tenant", "smile", "--for", "2h", "--reason", "ticket 4711")
SIGNED = """
    INSERT INTO lua.undertaking (undertaking_id, person_id, basis, text_version, signed_on, entry_id)
    SELECT gen_random_uuid(), p.person_id, b.basis, '2026-01', '2026-01-01', gen_random_uuid()
    FROM lua.person p, lua.undertaking_basis b WHERE p.handle = 'boss.lang'"""
# As if somebody else had had it, and had ended it or left it.
ANNAS = """
    INSERT INTO lua.elevation (elevation_id, login, person_id, asked_by, role, of_tenant, reason, begun_at,
                               ends_at, entry_id, ended_at, ended_by, cleared_at)
    SELECT %(id)s, 'lua_e1_' || %(end)s || '_000000' || left(%(id)s::text, 8), p.person_id, 'anna',
           'lua_auditor', 1, 'ticket', to_timestamp(%(end)s - 60), to_timestamp(%(end)s), gen_random_uuid(),
           CASE WHEN %(ended)s THEN to_timestamp(%(end)s) END, CASE WHEN %(ended)s THEN 'anna' END,
           CASE WHEN %(ended)s THEN now() END
    FROM lua.person p WHERE p.handle = 'anna.berger'"""


def have_approved(w: World) -> None:
    """Have the login's person bound, ask for an elevation, and have a colleague approve it."""
    w.admin.execute(SIGNED)
    order = elevation.prepare("operator", "smile", 120, "ticket 4711")
    ask_and_approve(w, "eyes", "access.elevate", lambda own: elevation.elevate(own, order))


def leave(w: World, *, ended: bool) -> None:
    made = uuid4()
    w.admin.execute(ANNAS, {"id": made, "end": 1_700_000_000 + ended, "ended": ended})
    w.seen["theirs"] = str(made)


def remember(w: World, data: Any) -> None:
    w.seen["elevation"] = data["elevation_id"]


ELEVATIONS: dict[str, tuple[Case, ...]] = {
    "access elevation rules": (Case(),),
    "access elevation limit": (
        Case(
            lambda w: ("accounting", "--for", "4h", "--break-glass", "0", "--sign-off", "3"),
            (Rule("lua.elevation_rule", "update", "access.elevation.limit"),),
        ),
    ),
    "access elevate": (
        Case(
            lambda w: ORDER,
            (
                Rule("lua.elevation", "insert", "access.elevate"),
                Rule("lua.approval", "update", "approval.use"),
            ),
            covering(rows("lua.person_login")),
            prepare=have_approved,
            keep=remember,
        ),
    ),
    "access elevation list": (Case(),),
    "access elevation show": (Case(lambda w: (w.seen["elevation"],)),),
    "access elevation end": (
        Case(
            lambda w: (w.seen["elevation"],),
            (Rule("lua.elevation", "update", "access.elevation.end"),),
            covering(rows("lua.person_login", how="update")),
        ),
    ),
    "access elevation review": (Case(lambda w: (w.seen["elevation"],)),),
    "access elevation sweep": (
        Case(
            rules=(Rule("lua.elevation", "update", "access.elevation.end"),),
            prepare=lambda w: leave(w, ended=False),
        ),
    ),
    "access elevation sign-off": (
        Case(
            lambda w: (w.seen["theirs"], "--reason", "as the ticket asked"),
            (Rule("lua.elevation", "update", "access.elevation.sign-off"),),
            prepare=lambda w: leave(w, ended=True),
            again=5,
        ),
    ),
}
