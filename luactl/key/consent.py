"""Approval of what changes the root, its holders or the books, where a rule demands it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..db import Session

if TYPE_CHECKING:
    from ..approval import Granted


def demand(
    session: Session,
    action: str,
    target: str,
    summary: str,
    *,
    counts: dict[str, int] | None = None,
    **exact: object,
) -> Granted | None:
    """Return the approval for an action on a target; None when the rule demands none. Nothing is taken yet.

    Raises ApprovalNeededError (exit 5) with the id of a request, RefusedError.
    """
    from ..approval import Want, digest
    from ..approval import demand as ask

    bound = {"target": digest(target)} | {name: str(value) for name, value in exact.items()}
    return ask(
        session, Want(action, f"{action} {digest(target)}", f"{summary} {target}"[:500], bound, counts or {})
    )


def use(session: Session, granted: Granted | None, *, finish: bool = True) -> None:
    """Take the approval in the running transaction; with `finish` for good. Raises BusyError."""
    if granted:
        from ..approval import use as take

        take(session, granted, finish=finish)
