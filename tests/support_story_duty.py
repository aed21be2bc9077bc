"""The part of the story of all commands about separation of duties (see support_story_table.py)."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from datetime import date
from uuid import uuid4

from conftest import new_login
from support_story import Case, Rule, World

from luactl import approval
from luactl.access import duty
from luactl.connect import dial, open_session


def ask_and_approve(w: World) -> None:
    """Put somebody on the register, ask for a waiver, and have a colleague approve it."""
    w.admin.execute(
        "SELECT lua.put_person(%s, 'dora.wolf', 'Dora', 'employee', NULL, '2026-01-01', '{}', now(), %s)",
        (uuid4(), uuid4()),
    )
    passfile = w.folder / "dpo.pgpass"
    colleague = new_login(w.server, passfile, ("lua_dpo",))
    dsn = w.server.dsn(w.database, colleague, passfile)
    made = approval.make(w.folder / "dpo.key", "dpo")
    with (
        open_session(command="test") as own,
        closing(dial(dsn, passfile=passfile, profile="test", command="test")) as conn,
    ):
        w.seen["until"] = date.fromordinal(own.clock.now().toordinal() + 30).isoformat()
        with suppress(approval.ApprovalNeededError):
            duty.waive(own, "auditor-writes", "dora.wolf", date.fromisoformat(w.seen["until"]), "cover")
        approval.register(own, made.vkey, "dpo", [colleague])
        (asked,) = (one for one in approval.list_(own) if one.action == "duty.waive")
        theirs = replace(own, conn=conn, actor=colleague)
        approval.answer(theirs, asked.approval_id, approval.load(w.folder / "dpo.key"), granted=True)


DUTIES: dict[str, tuple[Case, ...]] = {
    "access duty list": (Case(), Case(lambda w: ("--waivers",))),
    # The login of the story has every group role.
    "access duty check": (Case(findings=lambda w: True),),
    "access duty waive": (
        Case(
            lambda w: ("auditor-writes", "dora.wolf", "--until", w.seen["until"], "--reason", "cover"),
            (
                Rule("lua.duty_waiver", "insert", "access.duty-waive"),
                Rule("lua.approval", "update", "approval.use"),
            ),
            prepare=ask_and_approve,
        ),
    ),
}
