"""The part of the story that is about people and jobs: registered, bound, policies that they know."""

from __future__ import annotations

from typing import Any

from support_story import Case, Rule, World, covering, rows


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
LEAVING: dict[str, tuple[Case, ...]] = {
    "staff offboard": (
        Case(
            lambda w: ("anna.berger", "--reason", "contract ended"),
            (Rule("lua.person", "update", "staff.offboard"),),
        ),
    ),
}
