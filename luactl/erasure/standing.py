"""The queue of erasures: planned, asked for, approved, cut short, held back or done, over all tenants.

The database gives rows and counts; whether an approval is good only its signatures say. Reads only.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from .. import approval
from ..approval import Approval
from ..db import Session, queries, transaction
from ..errors import LuactlError
from ..tenant.register import known
from . import onrecord
from .onrecord import KeptPlan
from .planning import ErasurePlan
from .requested import plan_again

STATES = (
    "planned", "waiting", "approved", "denied", "broken", "unfinished", "held", "released", "done",
)  # fmt: skip
OPEN = frozenset(STATES) - {"done"}
"""What somebody still has to do with."""
OF_REQUEST = {"waiting": "waiting", "granted": "approved", "denied": "denied", "broken": "broken"}
"""What the state of its request makes of a plan; any other request counts for nothing."""


@dataclass(frozen=True)
class Queued:
    """One erasure, wherever it stands."""

    tenant: str
    """Slug."""
    kind: str
    """plan: not begun; erasure: begun or done."""
    id: UUID
    """Of the plan or of the erasure."""
    state: str
    """planned; waiting, approved, denied: its request for approval; broken: an answer is not what was signed;
    unfinished: cut short, or running; held: a legal hold keeps somebody; released: who was held is free, and
    `erasure run --resume` erases them; done.
    """
    scope: str
    people: int
    """How many were asked for."""
    held: int
    """How many a legal hold keeps now."""
    instruction: str
    made_by: str
    """Who planned it, or began it."""
    made_at: datetime
    ended_at: datetime | None
    approval_id: UUID | None
    """The request for the approval of a plan."""
    digest: str | None
    """Digest of its plan; None on records from before there was one."""


@dataclass(frozen=True)
class Queue:
    """The queue, newest first."""

    items: tuple[Queued, ...]
    cut: bool
    """Whether there are more."""


@dataclass(frozen=True)
class Drift:
    """One count of a plan: then and now."""

    what: str
    planned: int
    now: int


@dataclass(frozen=True)
class Preview:
    """A plan on record beside what it would do now."""

    kept: KeptPlan
    now: ErasurePlan | None
    """None when it can no longer be planned."""
    problem: str | None
    """Why it is not what would be done, or cannot be planned; None: it still is."""
    drift: tuple[Drift, ...]
    """Counts that differ."""
    requests: tuple[Approval, ...]
    """Requests for its approval, newest first."""
    needed: int
    """How many approvals the rule wants for so many people now; 0: none."""


def queue(
    session: Session,
    tenant: str | None = None,
    *,
    states: Collection[str] = STATES,
    limit: int = 0,
) -> Queue:
    """Return erasures of all tenants, or of the one of that slug, in these states, newest first; at most
    `limit` of them unless it is 0. Raises NotFoundError for a slug that no tenant has.
    """
    if tenant is not None:
        known(session, tenant)
    narrow = tenant is not None or set(states) != set(STATES)
    most = limit + 1 if limit and not narrow else 0
    rows = [one for one in _rows(session, "done" not in states, most) if tenant in (None, one.tenant)]
    requests = _requests(session, {one.digest for one in rows if one.kind == "plan" and one.digest})
    every = (_asked(one, requests.get(one.digest or "", ()), session.actor) for one in rows)
    found = tuple(one for one in every if one.state in states)
    return Queue(found[:limit] if limit else found, bool(limit) and len(found) > limit)


def _rows(session: Session, open_only: bool, limit: int = 0) -> list[Queued]:
    """Return all erasures as the database knows them, newest first: of plans not yet what was asked."""
    with transaction(session) as conn:
        return [_queued(row) for row in queries("erasure").queue(conn, open=open_only, limit=limit)]


def _queued(row: Sequence[Any]) -> Queued:
    _id, tenant, kind, id_, state, scope, people, held, waits, instruction, by, at, ended, digest = row
    if kind == "plan":
        state = "held" if held else "planned"
    elif state == "intent":
        state = "unfinished"
    elif waits:
        state = "held" if held else "released"
    return Queued(tenant, kind, id_, state, scope, people, held, instruction, by, at, ended, None, digest)


def _asked(one: Queued, requests: Sequence[Approval], actor: str) -> Queued:
    """Return a plan with the request for its approval that counts; anything else as it is."""
    request = chosen(requests, actor) if one.kind == "plan" else None
    if request is None:
        return one
    state = one.state if one.held else OF_REQUEST[request.state]
    return replace(one, state=state, approval_id=request.approval_id)


def _requests(session: Session, digests: Collection[str]) -> dict[str, tuple[Approval, ...]]:
    """Return the requests for approval of plans by their digest, newest first."""
    if not digests:
        return {}
    found: dict[str, list[Approval]] = {}
    for one in approval.of_plans(session, "erasure.run", digests):
        found.setdefault(one.request.exact["plan"], []).append(one)
    return {digest: tuple(every) for digest, every in found.items()}


def chosen(requests: Sequence[Approval], actor: str) -> Approval | None:
    """Return the request that counts: of those that say anything the newest, one's own before others'."""
    telling = [one for one in requests if one.state in OF_REQUEST]
    return next((one for one in telling if one.requested_by == actor), telling[0] if telling else None)


def preview(session: Session, plan_id: UUID) -> Preview:
    """Plan again what is on record, and say what became different. Raises NotFoundError."""
    from ..tenant import find

    kept = onrecord.kept(session, plan_id)
    requests = _requests(session, {kept.digest}).get(kept.digest, ())
    try:
        now = plan_again(session, find(session, kept.tenant), kept.saved)
    except LuactlError as error:
        return Preview(kept, None, error.what, (), requests, 0)
    by = approval.needed(session, "erasure.run", now.people)
    return Preview(kept, now, _problem(kept, now), _drift(kept, now), requests, by.approvals if by else 0)


def _problem(kept: KeptPlan, now: ErasurePlan) -> str | None:
    if now.state != "planned":
        return f"these people were erased meanwhile: erasure {now.erasure_id} is {now.state}"
    if now.digest != kept.digest:
        return "the retention rules changed since: plan it again"
    return None if now.people else "nobody of these people can be erased now"


def _drift(kept: KeptPlan, now: ErasurePlan) -> tuple[Drift, ...]:
    then = {"people": kept.people, "held": kept.held, **kept.going}
    then |= {f"key of class {name}": keys for name, keys in kept.dropping.items()}
    today = {"people": now.people, "held": len(now.held), **{one.table: one.rows for one in now.going}}
    today |= {f"key of class {one.key_class}": one.keys for one in now.dropping}
    names = [*then, *(name for name in today if name not in then)]
    every = [Drift(name, then.get(name, 0), today.get(name, 0)) for name in names]
    return tuple(one for one in every if one.planned != one.now)


def plan_of(session: Session, request: Approval) -> UUID | None:
    """Return the id of the plan on record that a request is about, that of whoever asks before others'."""
    digest = request.request.exact.get("plan")
    found = [
        (one.made_by != request.requested_by, one.id)
        for one in _rows(session, open_only=True)
        if one.kind == "plan" and one.digest == digest
    ]
    return min(found)[1] if found else None
