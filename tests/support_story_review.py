"""The part of the story of all commands about reviews of access (see support_story_table.py)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from conftest import new_login
from support_story import Case, Rule, World, covering, rows

from luactl.access import review
from luactl.connect import open_session

INTEGRATED = rows("ledger.leaf", "ledger.subtree", "ledger.checkpoint") | {("ledger.pending", "delete")}
ITEMS = rows("lua.review_item", how="update")


def hire(w: World) -> None:
    """Have a crew of one, whose manager is who runs the story: boss.lang."""
    crew, zed, person = f"crew_{w.login}", f"zed_{w.login}", uuid4()
    w.seen.update(crew=crew, zed=zed)
    w.admin.execute(
        "INSERT INTO lua.person (person_id, handle, name, kind, manager, started_on, entry_id)"
        " SELECT %s, 'zed', 'Zed', 'employee', p.person_id, '2026-01-01', %s FROM lua.person p"
        " WHERE p.handle = 'boss.lang'",
        (person, uuid4()),
    )
    w.admin.execute(
        "INSERT INTO lua.person_login (login, person_id, since, entry_id) VALUES (%s, %s, now(), %s)",
        (zed, person, uuid4()),
    )
    w.admin.execute(f"CREATE ROLE {crew} NOLOGIN")
    w.admin.execute(f"CREATE ROLE {zed} LOGIN IN ROLE {crew}")
    w.admin.execute(f"GRANT {crew}, {zed} TO lua_rolekeeper WITH ADMIN OPTION")


def remember(w: World, data: Any) -> None:
    w.seen["review"] = data["review_id"]


def fill_in(w: World) -> None:
    """Decide in the file what `access review decide` then decides otherwise."""
    file = w.folder / "mine.csv"
    file.write_text(file.read_text().replace(",,,", ",keep,knows them,"))


def second(w: World) -> None:
    """Have another review, of which a data protection officer is the next to decide."""
    officer, passfile = uuid4(), w.folder / "officer.pgpass"
    login = new_login(w.server, passfile, ("lua_dpo",))
    w.admin.execute(
        "SELECT lua.put_person(%s, 'officer', 'Ola', 'employee', NULL, '2026-01-01', '{}', now(), %s),"
        " lua.add_person_login(%s, %s, now(), %s)",
        (officer, uuid4(), login, officer, uuid4()),
    )
    with open_session(command="test") as s:
        opened = review.open_(s, review.Ask("second", (w.seen["crew"],)))
    w.seen["second"] = str(opened.review_id)


def suspend(w: World) -> None:
    """Have nobody answer in another review, so that it suspends somebody, who is bound."""
    w.admin.execute(
        "INSERT INTO lua.undertaking (undertaking_id, person_id, basis, text_version, signed_on, entry_id)"
        " SELECT gen_random_uuid(), p.person_id, b.basis, '2026-02', '2026-01-01', p.entry_id"
        " FROM lua.person p, lua.undertaking_basis b WHERE p.handle = 'zed'"
    )
    with open_session(command="test") as s:
        opened = review.open_(s, review.Ask("again", (w.seen["crew"],)))
        w.admin.execute(
            "UPDATE lua.review SET opened_at = now() - interval '9 days', due_at = now() - interval '1 day'"
            " WHERE review_id = %s",
            (opened.review_id,),
        )
        review.close(s, opened.review_id, w.folder / "review.undo.json")


REVIEWED: dict[str, tuple[Case, ...]] = {
    "access review open": (
        Case(
            lambda w: ("--title", "crew", "--role", w.seen["crew"], "--every", "3m"),
            (Rule("lua.review", "insert", "access.review.open"),),
            covering(rows("lua.review_item")),
            prepare=hire,
            keep=remember,
            anew=True,
        ),
    ),
    "access review list": (Case(),),
    "access review show": (
        Case(lambda w: (w.seen["review"],)),
        Case(
            lambda w: (w.seen["review"], "--mine"),
            (Rule("lua.review_item", "update", "access.review.show"),),
        ),
    ),
    "access review remind": (
        Case(
            lambda w: (w.seen["review"],),
            (Rule("", "files", "access.review.remind"),),
            empty=True,
            anew=True,
        ),
    ),
    "access review escalate": (
        Case(
            lambda w: (w.seen["second"],),
            (Rule("lua.review_item", "update", "access.review.escalate"),),
            prepare=second,
        ),
    ),
    "access review export": (
        Case(
            lambda w: (w.seen["review"], str(w.folder / "mine.csv")),
            empty=True,
            again=5,
        ),
    ),
    "access review import": (
        Case(
            lambda w: (str(w.folder / "mine.csv"),),
            (Rule("lua.review_decision", "insert", "access.review.decide"),),
            covering(ITEMS, rows("lua.review", how="update")),
            prepare=fill_in,
        ),
    ),
    "access review decide": (
        Case(
            lambda w: (w.seen["review"], "1", "keep"),
            (Rule("lua.review_decision", "insert", "access.review.decide"),),
            covering(ITEMS, rows("lua.review", how="update")),
        ),
    ),
    "access review close": (
        Case(
            lambda w: (w.seen["review"],),
            (Rule("lua.review", "update", "access.review.close"),),
            covering(ITEMS),
        ),
    ),
    "access review report": (
        Case(
            lambda w: (w.seen["review"], str(w.folder / "review")),
            (Rule("", "files", "access.review.report"),),
            covering(INTEGRATED),
            empty=True,
            anew=True,
        ),
    ),
    "access review verify": (Case(lambda w: (w.seen["review"],)),),
    "access review undo": (
        Case(
            lambda w: (str(w.folder / "review.undo.json"), "--reason", "was ill"),
            (Rule("lua.review_item", "update", "access.review.undo"),),
            prepare=suspend,
        ),
    ),
}
