"""The part of the story of all commands about approvals and legal holds (see support_story_table.py)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from support_story import Case, Rule, World, with_colleague

from luactl import approval
from luactl.connect import open_session
from luactl.db import Session

T = ("--tenant", "smile")


def remember_key(w: World, data: Any) -> None:
    w.seen["vkey"] = data["vkey"]


def leave_requests(w: World) -> None:
    """Have a colleague ask for three things, as a command of theirs would."""
    with with_colleague(w, "colleague", "lua_operator") as (_own, theirs):
        for name in ("request", "other", "third"):
            want = approval.Want("erasure.run", f"erasure {name}", "Erase 12 people", {}, {}, "smile", 12)
            try:
                approval.demand(theirs, want)
            except approval.ApprovalNeededError as refusal:
                w.seen[name] = str(refusal.approval_id)


def ask_and_approve(w: World, name: str, action: str, ask: Callable[[Session], object]) -> None:
    """Ask for what needs an approval, and have a colleague with a key of that name approve it."""
    made = approval.make(w.folder / f"{name}.key", name)
    with with_colleague(w, name, "lua_dpo") as (own, theirs):
        with suppress(approval.ApprovalNeededError):
            ask(own)
        approval.register(own, made.vkey, name, [theirs.actor])
        (asked,) = (one for one in approval.list_(own) if one.action == action)
        approval.answer(theirs, asked.approval_id, approval.load(w.folder / f"{name}.key"), granted=True)


def register_own_key(w: World) -> None:
    # The login of the story has every duty, also those that are kept apart.
    w.admin.execute("DELETE FROM lua.duty_rule WHERE rule <> 'auditor-writes'")
    made = approval.make(w.folder / "own.key", "own")
    # Whoever has every group role may not approve besides: for this moment the login is nobody's.
    w.admin.execute("UPDATE lua.person_login SET ended_at = now() WHERE login = %s", (w.login,))
    with open_session(command="test") as s:
        approval.register(s, made.vkey, "somebody", [w.login])
    w.admin.execute("UPDATE lua.person_login SET ended_at = NULL WHERE login = %s", (w.login,))


EYES: dict[str, tuple[Case, ...]] = {
    "approval key init": (
        Case(
            lambda w: ("--name", "hell", "--file", str(w.folder / "hell.key")),
            empty=True,
            keep=remember_key,
            again=5,
        ),
    ),
    "approval key add": (
        Case(
            lambda w: (w.seen["vkey"], "--person", "Kanzlei Hell", "--outside"),
            (Rule("lua.approver_key", "insert", "approval.key-add"),),
            again=5,
        ),
    ),
    "approval key list": (Case(),),
    "approval rule list": (Case(),),
    "approval list": (Case(prepare=leave_requests),),
    "approval show": (Case(lambda w: (w.seen["request"],)),),
    "approval export": (
        Case(lambda w: (w.seen["request"], str(w.folder / "request.json")), empty=True, again=5),
    ),
    "approval sign": (
        Case(
            lambda w: (str(w.folder / "request.json"), "--key", str(w.folder / "hell.key")),
            empty=True,
            again=5,
        ),
    ),
    "approval import": (
        Case(
            lambda w: (str(w.folder / "request.json.signed"),),
            (Rule("lua.approval_answer", "insert", "approval.grant"),),
            again=5,
        ),
    ),
    "approval grant": (
        Case(
            lambda w: (w.seen["other"], "--key", str(w.folder / "own.key")),
            (Rule("lua.approval_answer", "insert", "approval.grant"),),
            prepare=register_own_key,
            again=5,
        ),
    ),
    "approval deny": (
        Case(
            lambda w: (w.seen["third"], "--key", str(w.folder / "own.key")),
            (Rule("lua.approval_answer", "insert", "approval.deny"),),
            again=5,
        ),
    ),
    "approval key revoke": (
        Case(
            lambda w: (w.seen["vkey"],),
            (Rule("lua.approver_key", "update", "approval.key-revoke"),),
            again=5,
        ),
    ),
    "hold place": (
        Case(
            lambda w: (*T, "--subject", w.people["2"], "--reference", "21 O 17/26"),
            (Rule("lua.hold", "insert", "hold.place"),),
            keep=lambda w, data: w.seen.update(hold=data["hold_id"]),
        ),
    ),
    "hold list": (Case(lambda w: T),),
    "hold show": (Case(lambda w: (w.seen["hold"],)),),
    "hold release": (
        Case(
            lambda w: (w.seen["hold"], "--reason", "settled"),
            (Rule("lua.hold", "update", "hold.release"),),
            again=5,
        ),
    ),
}
