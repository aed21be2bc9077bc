"""The keys of a new database: an interrupted making is begun again, a finished one left alone."""

from __future__ import annotations

from pathlib import Path

from ..config import private_folder, write_private
from ..db import Session, queries


def lacks_keys(session: Session, folder: Path) -> bool:
    """Whether the tree or a book of it is missing, or `folder` remembers an unfinished try.

    Raises RefusedError when the keyring is missing or belongs to another database.
    """
    from ..key.book import open_books
    from ..key.holder import open_holders
    from ..key.root import read_root, wipe

    if not queries("init").has_table(session.conn, name="vault.tree"):
        return True
    tree = queries("key").tree(session.conn)
    if not tree:
        return True
    wipe(read_root(open_holders(session.profile.holders), tree[0], tree[1]))
    missing = any(not book.file.exists() for book in open_books(session.profile.books))
    return missing or _mark(folder).exists()


def _mark(folder: Path) -> Path:
    return folder / "unfinished"


def make_keys(session: Session, folder: Path) -> None:
    """Make tree, root and books, or only the books; `folder` remembers an unfinished try.

    Raises RefusedError for holders or books that another database may depend on.
    """
    from ..key import create_tree
    from ..key.book import open_books, sync
    from ..key.register import call, enrol
    from ..key.root import exclusive, standing

    unfinished = _mark(private_folder(folder))
    if not queries("key").tree(session.conn):
        if unfinished.exists():
            _clear(session)
        elif not _in_use(session):
            write_private(unfinished, "A key tree is being made; what lies here opens nothing yet.\n")
        create_tree(session)
    with exclusive(session):
        for number, book in enumerate(open_books(session.profile.books), 1):
            book.prepare()
            sync(session, book)
            session.step(f"book {number} written")
        enrol(session, call(session, standing(session)[0]))
    unfinished.unlink(missing_ok=True)


def _in_use(session: Session) -> bool:
    from ..key.book import open_books
    from ..key.holder import open_holders

    held = any(holder.exists() and holder.epochs() for holder in open_holders(session.profile.holders))
    return held or any(book.file.exists() for book in open_books(session.profile.books))


def _clear(session: Session) -> None:
    """Throw away the root and books of a try that no database ever came to depend on."""
    from ..key.book import open_books
    from ..key.holder import open_holders

    for holder in open_holders(session.profile.holders):
        for epoch in holder.epochs() if holder.exists() else ():
            holder.destroy(epoch)
        if holder.exists():
            holder.take_plate()
    for book in open_books(session.profile.books):
        book.file.unlink(missing_ok=True)
        book.take_plate()
