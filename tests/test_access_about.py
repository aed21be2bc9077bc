"""What `access who` and `access what` say of logins: whose they are, and what they could open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Connection, TestServer, new_login
from support_staff import hire
from test_key_release import give, guest, keys  # noqa: F401

from luactl import access
from luactl.access.about import About
from luactl.access.way import Way
from luactl.db import Session
from luactl.errors import NotFoundError
from luactl.key import TenantKeys, release


def test_a_persons_handle_stands_for_all_of_their_logins(
    session: Session, server: TestServer, tmp_path: Path
) -> None:
    logins = [new_login(server, tmp_path / "p", roles) for roles in (("lua_auditor",), ("lua_dpo",))]
    hire(session, "anna.berger", logins=tuple(logins))
    rows = access.what(session, "anna.berger")
    assert {row.login for row in rows} == set(logins)
    assert {row.person for row in rows} == {"anna.berger"}
    roles = {(row.login, row.object) for row in rows if row.kind == "role"}
    assert {(logins[0], "lua_auditor"), (logins[1], "lua_dpo")} <= roles
    assert rows == tuple(row for login in sorted(logins) for row in access.what(session, login))
    told = {row.login: row.person for row in access.who(session, "crm.contact")}
    assert told[logins[1]] == "anna.berger"
    assert told[session.actor] == ""
    lost = access.explain(session, "role:lua_dpo", "anna.berger")
    assert logins[1] in {one.login for one in lost}
    with pytest.raises(NotFoundError):
        access.what(session, "anna.burger")


def test_what_could_be_opened_is_told(
    session: Session,
    admin: Connection,
    guest: Session,  # noqa: F811
    keys: TenantKeys,  # noqa: F811
) -> None:
    def opens(asking: Session, table: str = "crm.contact") -> list[str]:
        return [row.opens for row in access.who(asking, table) if row.login == guest.actor and row.opens]

    assert opens(session) == ["main: only on a key host, as this one"]
    assert opens(session, "crm.invoice") == ["accounting: only on a key host, as this one"]
    assert opens(session, "lua.tenant") == []
    far = replace(session, profile=replace(session.profile, holders=()))
    assert opens(far) == ["main: only on a key host"]
    given = give(session, guest, parts=("tenant",))
    until = f"{given.expires_at:%Y-%m-%dT%H:%MZ}"
    with_keys = f"release {given.release_id} of {given.tenant} until {until}"
    assert opens(far) == [f"main: {with_keys}; else only on a key host"]
    assert opens(far, "crm.invoice") == ["accounting: only on a key host"]
    (held,) = [row for row in access.what(session, guest.actor) if row.kind == "released keys"]
    assert (held.object, held.rights) == (f"{given.tenant} (main, special)", "opens")
    assert held.cut == f"luactl key release revoke {given.release_id}"
    release.revoke(session, given.release_id)
    assert opens(far) == ["main: only on a key host"]


def test_releases_that_cannot_be_seen_are_unknown() -> None:
    key = ("relation", 1)
    known = About({}, {}, {key: {3: "main"}}, None, False)
    read = Way(key, (3, "SELECT"), 0, (1,), "grant", "all")
    assert known.opens("anna", [read]).endswith("releases unknown: this login may not see them")
    assert known.opens("anna", [replace(read, right=(2, "SELECT"))]) == ""
    assert known.opens("anna", [replace(read, right=(3, "UPDATE"))]) == ""


def test_a_column_that_is_not_sealed_opens_nothing(
    session: Session, admin: Connection, server: TestServer, tmp_path: Path
) -> None:
    login = new_login(server, tmp_path / "p", ("lua_responder",))
    admin.execute(f"GRANT SELECT (created_at) ON crm.contact TO {login}".encode())
    rows = [
        row for row in access.who(session, "crm.contact") if row.login == login and "SELECT" in row.rights
    ]
    assert rows
    assert {row.opens for row in rows} == {""}
    admin.execute(f"GRANT SELECT (personal) ON crm.contact TO {login}".encode())
    rows = [row for row in access.who(session, "crm.contact") if row.login == login and row.opens]
    assert [row.opens for row in rows] == ["main: only on a key host, as this one"]
    admin.execute(f"DROP OWNED BY {login}".encode())
