"""Finishing what a crash left between two steps of a drop (formats.md, 2.3, recovery)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import RefusedError
from ..exclusive import Hold
from .book import Book, open_books, sync
from .classes import SealError
from .fate import destroy, remember
from .holder import Destroyed, open_holders
from .node import OpenNode, top_key
from .path import TOP
from .root import exclusive, lock_row, read_root, wipe
from .status import KeyStatus, State, require, status

Outcome = Literal["intent", "done"]
Record = Callable[[Outcome, "Recovery"], None]


@dataclass(frozen=True)
class Action:
    """One thing to do: `sync` a key book, or `destroy` the root of an epoch at a holder."""

    what: str
    where: str
    epoch: int


@dataclass(frozen=True)
class Recovery:
    """What a recovery does or did: nothing, when `actions` is empty. `answers` come from the holders."""

    epoch: int
    state: State
    actions: tuple[Action, ...]
    answers: tuple[Destroyed, ...] = ()


def plan_recovery(found: KeyStatus) -> Recovery:
    """Return what would settle that state. Raises RefusedError where only a person can decide."""
    require(found, State.SETTLED, State.UNFINISHED)
    syncs = [Action("sync", book.name, found.epoch) for book in found.books if book.epoch != found.epoch]
    roots = [
        Action("destroy", holder.name, epoch)
        for holder in found.holders
        for epoch in sorted({*holder.epochs, *holder.broken} - {found.epoch})
    ]
    return Recovery(found.epoch, found.state, (*syncs, *roots))


def record_in_ledger(session: Session, outcome: Outcome, recovery: Recovery) -> None:
    """Write the ledger entry `key.recover`, in the running transaction."""
    from ..ledger import Entry, append

    detail = {
        "epoch": recovery.epoch,
        "actions": [f"{action.what} {action.where} {action.epoch}" for action in recovery.actions],
        "answers": [f"{answer.state} {answer.holder} {answer.epoch}" for answer in recovery.answers],
    }
    append(session, Entry("key.recover", object="key:tree", outcome=outcome, detail=detail))


def recover(
    session: Session,
    record: Record | None = None,
    *,
    dry_run: bool = False,
    lock_timeout: str | None = None,
) -> Recovery:
    """Finish or undo an unfinished change of the tree; return what was done.

    `record(outcome, recovery)` writes the ledger entries, each within a transaction, and none when there
    is nothing to do; without it they are those of `record_in_ledger`. A root is destroyed only when the
    database and every book open under the other one. Raises BusyError when the tree is in use,
    RefusedError when the database is older than books or holders.
    """
    record = record or partial(record_in_ledger, session)
    with exclusive(session, lock_timeout) as held:
        with transaction(session, lock_timeout=lock_timeout):
            lock_row(session)
            plan = plan_recovery(status(session, count=False))
            if dry_run or not plan.actions:
                return plan
            _require_database_opens(session)
            record("intent", plan)
        done = Recovery(plan.epoch, plan.state, plan.actions, _carry_out(session, held, plan))
        with transaction(session):
            record("done", done)
    return done


def _carry_out(session: Session, held: Hold, plan: Recovery) -> tuple[Destroyed, ...]:
    books = open_books(session.profile.books)
    wanted = {action.where for action in plan.actions if action.what == "sync"}
    for number, book in enumerate(books, 1):
        if book.name in wanted:
            book.prepare()
            sync(session, book)
            session.step(f"book {number} written")
    tree_id, top = _require_database_opens(session)
    for book in books:
        _require_book_opens(book, top)
    holders = {one.name: (n, one) for n, one in enumerate(open_holders(session.profile.holders), 1)}
    answers = []
    for action in plan.actions:
        if action.what == "destroy":
            number, holder = holders[action.where]
            held.check(session.conn)
            answers.append(destroy(session, holder, tree_id, action.epoch))
            session.step(f"root destroyed at holder {number}")
    remember(session, [answer for answer in answers if answer.epoch < plan.epoch])
    return tuple(answers)


def _require_database_opens(session: Session) -> tuple[UUID, bytes]:
    """Open all of the database's top node under the root of its epoch; return tree id and top key."""
    rows = list(queries("key").fetch_nodes(session.conn, paths=[TOP]))
    tree_id, epoch, path, version, blob = rows[0]
    if path is None:
        raise SealError("the tree has no top node", hint="restore it from a key book")
    root = read_root(open_holders(session.profile.holders), tree_id, epoch)
    key = top_key(root, tree_id.bytes, epoch)
    wipe(root)
    OpenNode(tree_id.bytes, TOP, version, blob, key).keys()
    return tree_id, key


def _require_book_opens(book: Book, top: bytes) -> None:
    """Open all of a book's top node under the same key. Raises RefusedError, SealError."""
    state, node = book.state(), book.node(TOP)
    if state.tree_id is None or node is None:
        raise RefusedError(
            f"key book {book.name} has no top node", hint="nothing was destroyed; move the file away"
        )
    OpenNode(state.tree_id.bytes, TOP, node[0], node[1], top).keys()
