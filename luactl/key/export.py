"""The key book as one portable file, and back: nodes, counters, tombstones; never a root (formats.md, 2.5).

Import goes into key books, not into the database, and only forward.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from ..db import Session, transaction
from ..disk import aside, sweep, sync_directory
from ..errors import RefusedError
from .book import FILE_NAME, Book, BookState, open_books, sync
from .classes import SealError
from .holder import open_holders
from .node import OpenNode, top_key
from .root import exclusive, read_root, wipe
from .status import status


@dataclass(frozen=True)
class Exported:
    """A key book in one file."""

    file: str
    tree_id: UUID
    epoch: int
    change: int
    nodes: int


@dataclass(frozen=True)
class Imported:
    """What an import does, or did."""

    file: str
    tree_id: UUID
    epoch: int
    change: int
    nodes: int
    database_epoch: int
    books: tuple[str, ...]
    """Books that take it; the others are as new already."""


def export(session: Session, file: Path) -> Exported:
    """Write the tree as it stands into a new file of mode 0600, durably; what a killed run left goes first.

    It is recorded before the file has its name: no record, no export. Raises RefusedError when the file
    exists, BusyError when the tree is being changed.
    """
    if file.parent.is_dir():
        sweep(file)
    if file.exists():
        raise RefusedError(
            f"{file} exists already", hint="name another file: an export is never written over"
        )
    folder = aside(file, "new")
    try:
        with exclusive(session):
            book = Book(folder)
            book.prepare()
            state = sync(session, book)
        done = Exported(str(file), state.tree_id or UUID(int=0), state.epoch, state.change, len(book.paths()))
        _record(session, "key.export", done.epoch, done.change)
        (folder / FILE_NAME).rename(file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sync_directory(file.parent)
    return done


def plan_export(session: Session, file: Path) -> Exported:
    """Return what `export` would write. Raises RefusedError when the file exists, or has no folder."""
    if file.exists():
        raise RefusedError(
            f"{file} exists already", hint="name another file: an export is never written over"
        )
    if not file.parent.is_dir():
        raise RefusedError(
            f"there is no folder {file.parent}", hint="make it first, where no backup of the data goes"
        )
    found = status(session)
    return Exported(str(file), found.tree_id, found.epoch, found.change, found.nodes)


def plan_import(session: Session, file: Path) -> Imported:
    """Return what `import_` would do, having opened every node of the file under today's root.

    Raises RefusedError for a file of another tree, older than database or books, or damaged.
    """
    book = Book(file.parent, file.name)
    state, found = book.state(), status(session, count=False)
    if state.tree_id != found.tree_id:
        raise RefusedError(
            f"{file} belongs to another database", hint="`luactl key status` tells the tree id"
        )
    if state.epoch < found.epoch:
        raise RefusedError(
            f"{file} is of epoch {state.epoch}, before the database ({found.epoch}): it has dropped keys",
            hint="a key book goes only forward",
        )
    books = open_books(session.profile.books)
    older = [one for one in books if not one.file.exists() or _is_older(one.state(), state)]
    newer = [one.name for one in books if one not in older and _is_older(state, one.state())]
    if newer:
        raise RefusedError(
            f"{file} is older than key book {newer[0]}",
            hint="it goes only forward; `luactl key recover` writes a lost one from the database",
        )
    nodes = _open_all(session, book, state)
    where = tuple(one.name for one in older)
    return Imported(str(file), found.tree_id, state.epoch, state.change, nodes, found.epoch, where)


def _is_older(one: BookState, other: BookState) -> bool:
    if one.tree_id not in (None, other.tree_id):
        raise RefusedError(
            "a key book of the profile belongs to another database", hint="`luactl key status`"
        )
    return (one.epoch, one.change) < (other.epoch, other.change)


def _open_all(session: Session, book: Book, state: BookState) -> int:
    """Open every slot of every node; return how many. Raises SealError, RefusedError for no such root."""
    tree_id = state.tree_id or UUID(int=0)
    root = read_root(open_holders(session.profile.holders), tree_id, state.epoch)
    top = top_key(root, tree_id.bytes, state.epoch)
    wipe(root)
    keys: dict[bytes, list[bytes | None]] = {}
    for path, (version, _change, blob) in sorted(book.nodes().items()):
        key = keys.get(path[:-1], [None] * 64)[path[-1]] if path else top
        if key is None:
            raise SealError(f"{book.file}: nothing opens node {path.hex()}", hint="the file is damaged")
        keys[path] = OpenNode(tree_id.bytes, path, version, blob, key).keys()
    return len(keys)


def import_(session: Session, plan: Imported) -> Imported:
    """Write the file into the books that are older, and then what the database has beyond it.

    A database that is older than the file is left as it is: laying books over it is for `restore check`.
    """
    source = Book(Path(plan.file).parent, Path(plan.file).name)
    with exclusive(session):
        again = plan_import(session, Path(plan.file))
        for book in open_books(session.profile.books):
            if book.name in again.books:
                book.prepare()
                source.copy_to(book)
                if again.database_epoch == again.epoch:
                    sync(session, book)
        _record(session, "key.import", again.epoch, again.change)
    return replace(plan, books=again.books)


def _record(session: Session, action: str, epoch: int, change: int) -> None:
    from ..ledger import Entry, append

    with transaction(session):
        append(session, Entry(action, object="key:book", detail={"epoch": epoch, "change": change}))
