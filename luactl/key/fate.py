"""What became of old roots: destroyed or scheduled, by whom, when, at which level. For certificates.

A row of `vault.fate` is a holder's answer, written once; who was not asked before a crash is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import LuactlError
from . import plate
from .holder import Destroyed, Holder, HolderError, UnusableRootError, open_holders
from .root import standing, wipe


def destroy(session: Session, holder: Holder, tree_id: UUID, epoch: int) -> Destroyed:
    """Have a holder destroy a root, and look whether it is gone. Raises LuactlError, OSError."""
    answer = holder.destroy(epoch)
    still = f"key holder {holder.name} says that the root of epoch {epoch} is {answer.state}, "
    hint = "its data must be taken for readable with the old root; put the holder right, or remove it"
    if epoch in holder.epochs():
        raise LuactlError(f"{still}and lists it", hint=hint)
    with suppress(FileNotFoundError, UnusableRootError):
        wipe(holder.get(tree_id, epoch))
        raise LuactlError(f"{still}and still gives it", hint=hint)
    now, place_id = session.clock.now(), None
    with suppress(HolderError, OSError):  # the root is gone, whether it can be told by its id or not
        place_id = plate.unpack(tree_id, holder.plate())
    return replace(answer, scheduled_at=now, effective_at=answer.effective_at or now, place_id=place_id)


def remember(session: Session, answers: Sequence[Destroyed]) -> None:
    """Write down what holders answered; what is written already stays."""
    if not answers:
        return
    with transaction(session) as conn:
        queries("key").insert_fates(
            conn,
            epochs=[one.epoch for one in answers],
            holders=[one.holder for one in answers],
            states=[one.state for one in answers],
            levels=[one.level for one in answers],
            media=[one.file_system for one in answers],
            scheduled=[one.scheduled_at for one in answers],
            effective=[one.effective_at for one in answers],
            places=[one.place_id for one in answers],
        )


def fate(session: Session, epoch: int) -> tuple[Destroyed, ...]:
    """Return what became of the root of an epoch before today's at each holder, asking those not on record.

    Raises LuactlError when one still has it, RefusedError off a key host.
    """
    with transaction(session) as conn:
        tree_id, now, _change = standing(session)
        rows = [Destroyed(*row) for row in queries("key").fates(conn, epoch=epoch)]
    if epoch >= now:
        raise ValueError(f"epoch {epoch} is not over")
    known = {one.holder for one in rows}
    missing = [one for one in open_holders(session.profile.holders) if one.name not in known]
    answers = [destroy(session, holder, tree_id, epoch) for holder in missing]
    remember(session, answers)
    return tuple(sorted((*rows, *answers), key=lambda one: one.holder))
