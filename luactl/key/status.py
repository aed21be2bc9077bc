"""Where tree, holders and key books stand, and what follows from it (formats.md, 2.3). Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from ..db import Session, queries
from ..errors import RefusedError
from .book import EMPTY, Book, open_books
from .holder import ForeignRootError, Holder, HolderError, Medium, UnusableRootError, open_holders
from .register import Place, Roll, call
from .root import standing, wipe


class State(StrEnum):
    """What the three places say together."""

    SETTLED = "settled"
    UNFINISHED = "unfinished"
    BEHIND = "behind"
    BROKEN = "broken"


@dataclass(frozen=True)
class HolderStatus:
    """One holder: the epochs whose root it has, whole or broken, and what destruction there can claim."""

    name: str
    epochs: tuple[int, ...]
    broken: tuple[int, ...]
    problem: str | None
    file_system: str
    level: str | None
    foreign: tuple[int, ...] = ()
    """Epochs whose file is the root of another database: nothing may touch it."""


@dataclass(frozen=True)
class BookStatus:
    """One key book; `tree_id` is None while it is empty or cannot be read."""

    name: str
    tree_id: UUID | None
    epoch: int
    change: int
    problem: str | None


@dataclass(frozen=True)
class KeyStatus:
    """Tree, holders and books. `change` is the newest node's; a book's may be smaller (formats.md, 2.5)."""

    tree_id: UUID
    epoch: int
    change: int
    nodes: int
    state: State
    holders: tuple[HolderStatus, ...]
    books: tuple[BookStatus, ...]
    left_out: tuple[Place, ...] = ()
    """Places that are registered, and that the profile leaves out: no epoch is turned."""


def _holder(holder: Holder, tree_id: UUID) -> HolderStatus:
    whole, broken, foreign, problem = [], [], [], None
    try:
        epochs = holder.epochs()
    except RefusedError as found:
        epochs, problem = [], found.what
    for epoch in epochs:
        try:
            wipe(holder.get(tree_id, epoch))
            whole.append(epoch)
        except ForeignRootError as found:
            foreign.append(epoch)
            problem = problem or found.what
        except (UnusableRootError, HolderError) as found:
            broken.append(epoch)
            problem = problem or found.what
        except FileNotFoundError:
            broken.append(epoch)
            problem = problem or f"key holder {holder.name} lists epoch {epoch}, but does not give its root"
    medium = _medium(holder)
    return HolderStatus(
        holder.name, tuple(whole), tuple(broken), problem, medium.kind, medium.level, tuple(foreign)
    )


def _medium(holder: Holder) -> Medium:
    try:
        return holder.medium()
    except HolderError:
        return Medium("unknown", None)  # what is wrong with it shows in its epochs


def _book(book: Book) -> BookStatus:
    problem = None
    try:
        state = book.state()
    except RefusedError as found:
        state, problem = EMPTY, found.what
    return BookStatus(book.name, state.tree_id, state.epoch, state.change, problem)


def status(session: Session, *, count: bool = True) -> KeyStatus:
    """Compare the three places; without `count` the nodes are not counted, which takes time.

    Raises RefusedError off a key host or without a tree.
    """
    return survey(session, count=count)[0]


def survey(session: Session, *, count: bool = False) -> tuple[KeyStatus, Roll]:
    """Return the same, and the register of places beside those of the profile."""
    tree_id, epoch, change = standing(session)
    holders = tuple(_holder(holder, tree_id) for holder in open_holders(session.profile.holders))
    books = tuple(_book(book) for book in open_books(session.profile.books))
    nodes = queries("key").count_nodes(session.conn) if count else 0
    state = classify(tree_id, epoch, change, holders, books)
    roll = call(session, tree_id)
    return KeyStatus(tree_id, epoch, change, nodes, state, holders, books, roll.forgotten), roll


def _is_behind(
    epoch: int, change: int, holders: tuple[HolderStatus, ...], books: tuple[BookStatus, ...]
) -> bool:
    """Whether the database is older than a book or the roots: a restore, a failover that lost a commit."""
    newest = max((book.epoch, book.change) for book in books)
    if newest > (epoch, change):
        return True
    return any(
        max(holder.epochs) > epoch + 1 or (max(holder.epochs) > epoch and epoch not in holder.epochs)
        for holder in holders
        if holder.epochs
    )


def classify(
    tree_id: UUID, epoch: int, change: int, holders: tuple[HolderStatus, ...], books: tuple[BookStatus, ...]
) -> State:
    """Tell what holders and books mean for a database at that epoch and newest change. Pure."""
    if any(book.tree_id not in (None, tree_id) for book in books) or any(one.foreign for one in holders):
        return State.BROKEN
    if _is_behind(epoch, change, holders, books):
        return State.BEHIND
    if any(epoch not in holder.epochs for holder in holders):
        return State.BROKEN
    alone = all((*holder.epochs, *holder.broken) == (epoch,) for holder in holders)
    if alone and all(book.tree_id == tree_id and book.epoch == epoch for book in books):
        return State.SETTLED
    return State.UNFINISHED


def complaints(found: KeyStatus) -> list[str]:
    """Name each holder and book that is missing, damaged, foreign or stale, in words."""
    said = [holder.problem for holder in found.holders if holder.problem]
    said += [book.problem for book in found.books if book.problem]
    for holder in found.holders:
        old = sorted({*holder.epochs, *holder.broken} - {found.epoch})
        if not holder.problem and found.epoch not in holder.epochs:
            said.append(f"key holder {holder.name} has no root of epoch {found.epoch}: stale")
        elif not holder.problem and old:
            said.append(f"key holder {holder.name} still has the root of epoch {', '.join(map(str, old))}")
    for book in found.books:
        if book.tree_id not in (None, found.tree_id):
            said.append(f"key book {book.name} belongs to another database")
        elif not book.problem and book.tree_id is None:
            said.append(f"key book {book.name} is empty")
        elif not book.problem and book.epoch != found.epoch:
            said.append(f"key book {book.name} stands at epoch {book.epoch}, the tree at {found.epoch}")
    return said + [row.missed for row in found.left_out]


def require(found: KeyStatus, *allowed: State) -> None:
    """Raise RefusedError, which names the place at fault, unless the state is one of those."""
    if found.state in allowed:
        return
    if found.state is State.BEHIND:
        raise RefusedError(
            f"the database stands at epoch {found.epoch}, older than its key books or holders",
            hint="after a restore or failover the key book is laid over it (`restore check`)",
        )
    if found.state is State.UNFINISHED:
        raise RefusedError(
            "an earlier change of the key tree was not finished", hint="run `luactl key recover`"
        )
    raise RefusedError(
        complaints(found)[0],
        hint="`luactl key status` shows every holder and book; nothing was changed",
    )
