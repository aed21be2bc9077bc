"""The root secret and the tree's lock: who may open, and who may change (formats.md, 2.3 and 2.4)."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import psycopg

from ..db import Session, queries
from ..errors import BusyError, RefusedError
from ..exclusive import Hold, hold
from .holder import Holder, HolderError, UnusableRootError

TREE_LOCK = int.from_bytes(b"lua/tree", "big")


class NoRootError(RefusedError):
    """No holder has the root of that epoch."""


def read_root(holders: Sequence[Holder], tree_id: UUID, epoch: int) -> bytearray:
    """Return the root of an epoch from the first holder that has it: 32 bytes, to be wiped after use.

    Raises UnusableRootError naming the holder whose slot is torn, corrupt or foreign, or HolderError the one
    that does not answer, when no other holder has a good one; NoRootError when none has any.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    problem: UnusableRootError | HolderError | None = None
    for holder in holders:
        try:
            return holder.get(tree_id, epoch)
        except (UnusableRootError, HolderError) as found:
            problem = problem or found
        except FileNotFoundError:
            continue
    if problem:
        raise problem
    names = ", ".join(holder.name for holder in holders)
    raise NoRootError(
        f"no root secret of epoch {epoch} at {names}",
        hint="after a restore or failover run `luactl restore check`; else name this database's own holders",
    )


def place(holder: Holder, tree_id: UUID, epoch: int, root: bytearray, placed: list[Holder]) -> None:
    """Give a holder a new root, and see that it gives the same back; `placed` remembers whom to clean up.

    Raises RefusedError when it has that epoch already (it is named twice, or another database uses it),
    UnusableRootError when it does not keep what it takes, HolderError, OSError.
    """
    try:
        placed.append(holder)
        holder.put(tree_id, epoch, root)
    except FileExistsError:
        placed.pop()
        raise RefusedError(
            f"key holder {holder.name} has a root of epoch {epoch} already",
            hint="is it named twice, by a link perhaps, or used by another database?",
        ) from None
    try:
        kept = holder.get(tree_id, epoch)
    except FileNotFoundError:
        kept = bytearray()
    if kept != root:
        raise UnusableRootError(
            f"key holder {holder.name} does not give back the root that it took",
            hint="nothing was changed; put the holder right, or take it out with `luactl key holder remove`",
        )
    wipe(kept)


def wipe(root: bytearray) -> None:
    """Overwrite a root in memory; copies that Python made are beyond reach."""
    root[:] = bytes(len(root))


def lock_shared(session: Session) -> None:
    """Keep keys from being dropped until the running transaction ends; for whoever creates nodes."""
    with _explain_wait():
        list(queries("key").lock_shared(session.conn, lock=TREE_LOCK))


@contextmanager
def _explain_wait() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        raise _busy() from None


def _busy() -> BusyError:
    return BusyError(
        "somebody else is changing the key tree", hint="try again; `luactl key status` shows the state"
    )


def no_tree() -> RefusedError:
    """Say that the database has no key tree."""
    return RefusedError("this database has no key tree", hint="run `luactl init`")


def standing(session: Session) -> tuple[UUID, int, int]:
    """Return which tree this is, at which epoch, and its newest change. Raises RefusedError for none."""
    found: tuple[UUID, int, int] | None = queries("key").tree(session.conn)
    if found is None:
        raise no_tree()
    return found


@contextmanager
def exclusive(session: Session, lock_timeout: str | None = None) -> Iterator[Hold]:
    """Hold the tree alone over several transactions. Raises BusyError after the lock time-out."""
    with hold(session.conn, TREE_LOCK, _busy(), lock_timeout=lock_timeout) as held:
        session.step("tree locked")
        yield held


def lock_row(session: Session) -> tuple[UUID, int]:
    """Lock the row of the tree in the running transaction; return tree id and epoch. Raises BusyError."""
    with _explain_wait():
        row = queries("key").lock_row(session.conn)
    if row is None or row[0] is None:
        raise no_tree()
    return row[0], row[1]
