"""The part of the story of all commands about the key tree and its places (see support_story_table.py)."""

from __future__ import annotations

import secrets
import shutil
from uuid import UUID, uuid4

from conftest import new_login
from support_staff import hire, sign
from support_story import Case, Rule, T, World, covering, rows

from luactl import key
from luactl.connect import open_session
from luactl.db import transaction
from luactl.key.holder import open_holders
from luactl.key.register import Kind, insert


def leave_half_an_epoch(w: World) -> None:
    """Leave what a crash leaves right at the beginning: the root of an epoch that never came."""
    with open_session(command="test") as s:
        for holder in open_holders(s.profile.holders):
            now = key.status(s)
            holder.put(now.tree_id, now.epoch + 1, secrets.token_bytes(32))


def lose_books(w: World) -> None:
    """Lose every key book, as with the disk that they were on."""
    with open_session(command="test") as s:
        for book in s.profile.books:
            shutil.rmtree(book)


def leave_a_place(w: World, kind: Kind) -> None:
    """Register a place that no profile names, as another host would."""
    w.seen["gone"] = str(uuid4())
    with open_session(command="test") as s, transaction(s):
        insert(s, UUID(w.seen["gone"]), kind, f"/gone/{kind}")


def somebody_bound(w: World) -> None:
    """Let somebody work here who is bound by every law that is required, and administers nothing."""
    w.seen["reader"] = new_login(w.server, w.folder / "reader", ("lua_operator",))
    with open_session(command="test") as own:
        reader = hire(own, "rita.reader", logins=(w.seen["reader"],))
        sign(own, reader, "stgb-203")


def moved(action: str) -> Rule:
    """What moves a holder or a book leaves intent and outcome, and changes files."""
    return Rule("", "files", action, ("intent", "done"))


KEYS_DROPPED = {("vault.node", "update"), ("vault.tree", "update")} | rows("vault.tombstone", "vault.fate")

KEYS: dict[str, tuple[Case, ...]] = {
    "key status": (Case(),),
    "key recover": (
        Case(
            lambda w: (),
            (Rule("", "files", "key.recover", ("intent", "done")),),
            prepare=leave_half_an_epoch,
            empty=True,
        ),
    ),
    "key verify": (Case(),),
    "key rotate": (
        Case(
            rules=(Rule("vault.tree", "update", "key.rotate", ("intent", "done")),),
            covers=covering(KEYS_DROPPED),
            anew=True,
        ),
        Case(lambda w: ("--expired",)),
    ),
    "key export": (
        Case(
            lambda w: (str(w.folder / "keys.luabook"),),
            (Rule("", "files", "key.export"),),
            empty=True,
            again=5,
        ),
    ),
    "key import": (
        Case(
            lambda w: (str(w.folder / "keys.luabook"),),
            (Rule("", "files", "key.import"),),
            prepare=lose_books,
            empty=True,
        ),
    ),
    "key holder add": (
        Case(
            lambda w: (f"file:{w.folder}/second",),
            (moved("key.holder.add"), Rule("vault.place", "insert", "key.holder.register")),
            again=5,
        ),
    ),
    "key holder list": (Case(),),
    "key holder remove": (
        Case(
            lambda w: (f"file:{w.folder}/second",),
            (moved("key.holder.remove"), Rule("vault.place", "update", "key.holder.retire")),
            again=1,
        ),
    ),
    "key book add": (
        Case(
            lambda w: (f"{w.folder}/second-book",),
            (moved("key.book.add"), Rule("vault.place", "insert", "key.book.register")),
            again=5,
        ),
    ),
    "key book list": (Case(),),
    "key book remove": (
        Case(
            lambda w: (f"{w.folder}/second-book",),
            (moved("key.book.remove"), Rule("vault.place", "update", "key.book.retire")),
            again=1,
        ),
    ),
    "key holder retire": (
        Case(
            lambda w: (w.seen["gone"], "--reason", "burnt down"),
            (Rule("vault.place", "update", "key.holder.retire"),),
            prepare=lambda w: leave_a_place(w, "holder"),
            again=1,
        ),
    ),
    "key book retire": (
        Case(
            lambda w: (w.seen["gone"], "--reason", "disk broken"),
            (Rule("vault.place", "update", "key.book.retire"),),
            prepare=lambda w: leave_a_place(w, "book"),
            again=1,
        ),
    ),
    "key place list": (Case(),),
    "key person init": (Case(empty=True),),
    "key person show": (Case(keep=lambda w, data: w.file("me.pub", data["public_key"])),),
    "key release add": (
        Case(
            lambda w: (
                *T,
                "--to",  # not to the boss of the story, who lets others in
                w.seen["reader"],
                "--public-key",
                str(w.folder / "me.pub"),
                "--for",
                "8h",
                "--purpose",
                "x",
            ),
            (Rule("vault.release", "insert", "key.release.add"),),
            covering(rows("vault.release_key")),
            prepare=somebody_bound,
            keep=lambda w, data: w.seen.update(release=data["release_id"]),
            anew=True,
        ),
    ),
    "key release list": (Case(),),
    "key release revoke": (
        Case(
            lambda w: (w.seen["release"],),
            (Rule("vault.release", "update", "key.release.revoke", ("intent", "done")),),
            covering(KEYS_DROPPED, rows("vault.release_key", how="delete")),
            again=5,
        ),
    ),
}
