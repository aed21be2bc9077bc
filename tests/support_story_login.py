"""The part of the story that is about logins: one is adopted, another one made, changed and ended."""

from __future__ import annotations

from support_story import Case, Rule, World, covering, rows


def signed(w: World) -> None:
    """Let the person whom the login is for sign today."""
    w.admin.execute(
        "SELECT lua.add_undertaking(gen_random_uuid(), person_id, basis, 'v1', '2026-01-01', NULL, now(),"
        " gen_random_uuid()) FROM lua.person, lua.undertaking_basis WHERE handle = 'anna.berger' AND required"
    )


def made(w: World, statement: str) -> None:
    """Make, or drop, a login of nobody."""
    w.admin.execute(statement.format(f"stranger_{w.database}").encode())


def changed(w: World, statement: str) -> None:
    """Change behind luactl's back what it made."""
    w.admin.execute(statement.format(name(w)).encode())


def name(w: World) -> str:
    return f"anna_{w.database}"


LOGINS: dict[str, tuple[Case, ...]] = {
    "access adopt": (
        Case(
            findings=lambda w: True,
            prepare=lambda w: made(w, "CREATE ROLE {} LOGIN IN ROLE lua_auditor"),
            keep=lambda w, data: made(w, "DROP ROLE {}"),
        ),
        Case(
            lambda w: (w.login, "--person", "boss.lang", "--method", "password"),
            (Rule("lua.login", "insert", "access.adopt"),),
            covering(rows("lua.login_grant")),
            prepare=signed,
        ),
    ),
    "access login add": (
        Case(
            lambda w: (name(w), "--person", "anna.berger", "--role", "operator", "--certificate"),
            (Rule("lua.login", "insert", "access.login.add"),),
            covering(rows("lua.person_login", "lua.login_grant")),
            again=5,
        ),
    ),
    "access login change": (
        Case(
            lambda w: (name(w), "--connection-limit", "3", "--grant", "responder"),
            (Rule("lua.login", "update", "access.login.change"),),
            covering(rows("lua.login_grant")),
        ),
    ),
    "access login list": (Case(),),
    "access drift": (
        Case(
            lambda w: ("--login", name(w)),
            findings=lambda w: True,
            prepare=lambda w: changed(w, "ALTER ROLE {} CONNECTION LIMIT 40"),
        ),
    ),
    "access reconcile": (
        Case(
            lambda w: ("--login", name(w)),
            (Rule("", "files", "access.reconcile"),),
        ),
    ),
    "access login end": (
        Case(
            lambda w: (name(w),),
            (Rule("lua.person_login", "update", "access.login.end"),),
            covering(rows("lua.login_grant", how="update")),
        ),
    ),
}
