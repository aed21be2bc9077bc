"""The part of the story that is about people and jobs: registered, bound, policies that they know."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

from conftest import new_login
from support_story import Case, Rule, World, covering, rows

from luactl import approval, secret, tenant
from luactl.connect import dial, open_session


def remember_undertaking(w: World, data: Any) -> None:
    w.seen["undertaking"] = data["undertaking_id"]


STAFF: dict[str, tuple[Case, ...]] = {
    "staff add": (
        Case(
            lambda w: ("boss.lang", "--name", "Otto Lang", "--login", w.login),
            (Rule("lua.person", "insert", "staff.add"),),
            covering(rows("lua.person_login")),
            again=1,
        ),
        Case(
            lambda w: ("anna.berger", "--name", "Anna Berger", "--manager", "boss.lang", "--team", "support"),
            (Rule("lua.person", "insert", "staff.add"),),
            covering(rows("lua.person_team")),
            again=1,
        ),
    ),
    "staff change": (
        Case(
            lambda w: ("anna.berger", "--kind", "contractor", "--team", "berlin"),
            (Rule("lua.person", "update", "staff.change"),),
            covering(rows("lua.person_team"), rows("lua.person_team", how="delete")),
        ),
    ),
    "staff undertaking require": (
        Case(
            lambda w: ("stgb-203",),
            (Rule("lua.undertaking_basis", "update", "staff.undertaking.require"),),
        ),
    ),
    "staff undertaking add": (
        Case(
            lambda w: ("anna.berger", "--text", "2026-02", "--expires", "2099-12-31"),
            (Rule("lua.undertaking", "insert", "staff.undertaking.add"),),
            keep=remember_undertaking,
        ),
        # Whoever makes a dedicated tenant, and is admitted to it, must be bound.
        *(
            Case(
                lambda w, basis=basis: ("boss.lang", "--text", "2026-02", "--basis", basis),
                (Rule("lua.undertaking", "insert", "staff.undertaking.add"),),
            )
            for basis in ("gdpr-28-3-b", "stgb-203")
        ),
    ),
    "staff undertaking list": (Case(),),
    "staff list": (Case(),),
    "staff show": (Case(lambda w: ("anna.berger",)),),
    "staff undertaking withdraw": (
        Case(
            lambda w: (w.seen["undertaking"], "--reason", "wrong text"),
            (Rule("lua.undertaking", "update", "staff.undertaking.withdraw"),),
        ),
    ),
}
POLICIES: dict[str, tuple[Case, ...]] = {
    "policy add": (
        Case(
            lambda w: ("desks", w.file("desks.md", "Leave nothing."), "--title", "Clean desks"),
            (Rule("lua.policy", "insert", "policy.add"),),
        ),
    ),
    "policy publish": (
        Case(lambda w: ("desks", "--by", "2099-12-31"), (Rule("lua.policy", "update", "policy.publish"),)),
    ),
    "policy open": (Case(),),
    "policy acknowledge": (
        Case(lambda w: ("desks",), (Rule("lua.policy_acknowledgement", "insert", "policy.acknowledge"),)),
        Case(
            lambda w: ("desks", "--person", "anna.berger", "--evidence", "folder 7"),
            (Rule("lua.policy_acknowledgement", "insert", "policy.acknowledge"),),
        ),
    ),
    "policy acknowledged": (Case(lambda w: ("desks",)),),
    "policy list": (Case(),),
    "policy show": (Case(lambda w: ("desks",)),),
    "policy retire": (Case(lambda w: ("desks",), (Rule("lua.policy", "update", "policy.retire"),)),),
}


def settle_in(w: World) -> None:
    """Have who leaves something of everything: a report, a login, a request, and a token that they issued."""
    passfile = w.folder / "leaver.pgpass"
    login = new_login(w.server, passfile, ())
    w.admin.execute(
        "SELECT lua.add_person_login(%s, person_id, now(), %s) FROM lua.person WHERE handle = 'anna.berger'",
        (login, uuid4()),
    )
    # As if luactl had made it: what others grant only they take back.
    w.admin.execute(f"GRANT {login} TO lua_rolekeeper WITH ADMIN OPTION")
    w.admin.execute(f"SET ROLE lua_rolekeeper; GRANT lua_admin TO {login}; RESET ROLE")
    w.admin.execute(
        "UPDATE lua.person z SET manager = a.person_id FROM lua.person a"
        " WHERE z.handle = 'zed' AND a.handle = 'anna.berger'"
    )
    dsn = w.server.dsn(w.database, login, passfile)
    with (
        open_session(command="test") as own,
        closing(dial(dsn, passfile=passfile, profile="test", command="test")) as conn,
    ):
        theirs, smile = replace(own, conn=conn, actor=login), tenant.find(own, "smile")
        secret.issue(theirs, smile, secret.plan_issue(theirs, smile, "theirs", ["contact.read"]))
        with suppress(approval.ApprovalNeededError):
            want = approval.Want("erasure.run", "erasure theirs", "Erase 12 people", {}, {}, "smile", 12)
            approval.demand(theirs, want)


LEAVING: dict[str, tuple[Case, ...]] = {
    "staff offboard": (
        Case(
            lambda w: ("anna.berger", "--reason", "contract ended"),
            (
                Rule("lua.person", "update", "staff.offboard", by="entry_id"),
                Rule("lua.secret", "update", "secret.revoke"),
            ),
            covering(rows("lua.person_login", "lua.approval", how="update")),
            prepare=settle_in,
        ),
    ),
}
