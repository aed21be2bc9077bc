"""The part of the story of all commands about separation of duties (see support_story_table.py)."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

from support_story import Case, Rule, World
from support_story_eyes import ask_and_approve

from luactl.access import duty
from luactl.db import Session


def have_waived(w: World) -> None:
    """Put somebody on the register, ask for a waiver, and have a colleague approve it."""
    w.admin.execute(
        "SELECT lua.put_person(%s, 'dora.wolf', 'Dora', 'employee', NULL, '2026-01-01', '{}', now(), %s)",
        (uuid4(), uuid4()),
    )

    def ask(own: Session) -> None:
        until = date.fromordinal(own.clock.now().toordinal() + 30)
        w.seen["until"] = until.isoformat()
        duty.waive(own, "auditor-writes", "dora.wolf", until, "cover")

    ask_and_approve(w, "dpo", "duty.waive", ask)


DUTIES: dict[str, tuple[Case, ...]] = {
    "access duty add": (
        Case(
            lambda w: ("books-apart", "--one", "lua_accounting", "--other", "keys", "--why", "two teams"),
            (Rule("lua.duty_rule", "insert", "access.duty-add"),),
            again=5,
        ),
    ),
    "access duty list": (Case(), Case(lambda w: ("--waivers",))),
    "access duty end": (
        Case(
            lambda w: ("books-apart", "--reason", "one team"),
            (Rule("lua.duty_rule", "update", "access.duty-end"),),
            again=1,
        ),
    ),
    # The login of the story has every group role.
    "access duty check": (Case(findings=lambda w: True),),
    "access duty waive": (
        Case(
            lambda w: ("auditor-writes", "dora.wolf", "--until", w.seen["until"], "--reason", "cover"),
            (
                Rule("lua.duty_waiver", "insert", "access.duty-waive"),
                Rule("lua.approval", "update", "approval.use"),
            ),
            prepare=have_waived,
        ),
    ),
}
