"""Rules of pg_hba.conf that let somebody in too easily: promise 3.4 and `access` find those that decide.

What they say is compared with what the server does when somebody comes without a password.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Connection, TestServer
from support_server import admission

from luactl import access, promise
from luactl.db import Session
from luactl.promise.authentication import WEAK
from luactl.promise.look import GROUPS, knock
from luactl.promise.proving import look

Login = Callable[..., Session]
UNASKED = WEAK["trust"]
# What stands before the server's own rules, whether {who} then gets in unasked, what is found of it, and how
# `access` begins to tell how they get in.
RULES = {
    "trust": ("host all {who} 127.0.0.1/32 trust", True, UNASKED, "host 127.0.0.1/32 trust"),
    "for a group": (
        "host {database} +lua_auditor 127.0.0.0/8 trust", True, UNASKED, "host 127.0.0.0/8 trust"
    ),
    "by a mask": ("host all {who} 127.0.0.1 255.255.255.255 trust", True, UNASKED, "host 127.0.0.1/32 trust"),
    "in clear": (
        "host all {who} 127.0.0.1/32 password", False, WEAK["password"], "host 127.0.0.1/32 password"
    ),
    "on trust": ("host all {who} 127.0.0.1/32 ident", False, WEAK["ident"], "host 127.0.0.1/32 ident"),
    "after a better one": (
        "host all all 0.0.0.0/0 scram-sha-256\nhost all {who} 127.0.0.1/32 trust",
        False, "", "host 0.0.0.0/0 scram-sha-256",
    ),
    "after a refusal": (
        "host all {who} all reject\nhost all {who} 127.0.0.1/32 trust", False, "", "no: host all reject"
    ),
    "of another database": ("host postgres {who} 127.0.0.1/32 trust", False, "", "host"),
    "of somebody else": ("host all not_{who} 127.0.0.1/32 trust", False, "", "host"),
}  # fmt: skip


def test_rules_that_let_somebody_in_too_easily_are_found_where_they_decide(
    server: TestServer, login: Login, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luactl.promise.authentication.MOST", 1)  # bad passwords are another test's matter
    asking, who = login(*GROUPS), login("lua_auditor").actor
    admin.execute(f"GRANT SELECT ON pg_hba_file_rules TO {asking.actor}")
    admin.execute(f"GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {asking.actor}")
    for name, (rules, unasked, said, told) in RULES.items():
        with admission(server, rules.format(who=who, database=admin.info.dbname)):
            found = look(asking, promise.load(), "authentication")
            rows = access.who(asking, "lua.tenant")
            rows += access.what(asking, who) if unasked else ()
            assert (knock(asking, who) is None) == unasked, name
        broken = [one for one in found.broken if one.startswith(f"{who}: ")]
        assert (len(broken), "".join(broken).endswith(said)) == (bool(said), True), (name, broken)
        enters = {one.enters for one in rows if one.login == who}
        assert (len(enters), enters.pop().startswith(told)) == (1, True), (name, told)
