"""What a command that may need approval calls: demand it, then take it in the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg

from ..clock import instant
from ..db import Session, queries, transaction
from ..errors import BusyError, RefusedError
from .document import Bound, Request, differences
from .record import Approval, read
from .rule import Rule, rule_of

RANK = {"granted": 0, "used": 0, "broken": 1, "denied": 2, "waiting": 3}
"""What a request that fits comes to, the first that applies; expired ones count for nothing."""


@dataclass(frozen=True)
class Want:
    """What a command is about to do."""

    action: str
    """erasure.run, retention.purge, …: there is a rule of that name."""
    target: str
    """What it acts on: a later run for the same target is the same command. No name, only digests."""
    summary: str
    """One line for the approver."""
    exact: Mapping[str, str]
    """What must be the same when it runs: texts, or digests of what is long (`digest`)."""
    counts: Mapping[str, int]
    """What may drift within the rule's bound: rows by table."""
    tenant: str | None = None
    """Slug; None for several."""
    subjects: int = 0
    """How many people it concerns."""


@dataclass(frozen=True)
class Granted:
    """An approval that fits: to be taken in the transaction of the change."""

    approval_id: UUID
    requested_by: str
    approved_by: tuple[str, ...]
    stated: dict[str, Any]
    """For the certificate: request, answers and keys, so that it can be checked offline."""


class ApprovalNeededError(RefusedError):
    """The action waits for the approval of somebody else."""

    def __init__(self, what: str, approval_id: UUID, *, hint: str) -> None:
        super().__init__(what, hint=hint)
        self.approval_id = approval_id


def digest(*parts: str) -> str:
    """Return the SHA-256, in hex, of texts in their order; each is bound by its length."""
    return sha256(b"".join(f"{len(part.encode())}:{part}".encode() for part in parts)).hexdigest()


def needed(session: Session, action: str, subjects: int = 0) -> Rule | None:
    """Return the rule when it demands approval for so many people; None when none is needed."""
    found = rule_of(session, action)
    return found if found.demands(subjects) else None


def demand(session: Session, want: Want) -> Granted | None:
    """Return the approval for what is wanted; None when the rule demands none. Nothing is taken yet.

    Without one it stores a request and raises ApprovalNeededError (exit 5) with its id. A request for the
    same target whose plan no longer fits is void, and the error says what changed. Raises RefusedError when
    it was denied, or when a signature on record does not verify.
    """
    by = needed(session, want.action, want.subjects)
    if by is None:
        return None
    with transaction(session) as conn:
        rows = read(
            conn,
            session.clock.now(),
            requested_by=session.actor,
            action=want.action,
            target=want.target,
            open=True,
        )
    living = [one for one in rows if one.state in RANK]
    changes = {one.approval_id: _changes(one, want) for one in living}
    fitting = [one for one in living if not changes[one.approval_id]]
    if fitting:
        return _settled(min(fitting, key=lambda one: RANK[one.state]))
    for one in living:
        if one.state != "used":
            _void(session, one, "; ".join(changes[one.approval_id]))
    return _ask(session, want, by, changes[living[0].approval_id] if living else ())


def _changes(one: Approval, want: Want) -> tuple[str, ...]:
    """Return what no longer fits; of work that was begun and cut short, what went is gone from the counts."""
    counts = _at_most(one, want) if one.state == "used" else want.counts
    return differences(one.request, want.exact, counts)


def _at_most(one: Approval, want: Want) -> dict[str, int]:
    """Return the counts that are wanted, those that shrank since the request as they were."""
    return {name: max(want.counts.get(name, 0), then) for name, then in one.request.counts.items()} | {
        name: now for name, now in want.counts.items() if name not in one.request.counts
    }


def _settled(one: Approval) -> Granted:
    """Return an approval that fits, or raise what its state says."""
    show = f"`luactl approval show {one.approval_id}`"
    if one.state == "broken":
        raise RefusedError(
            f"an answer to request {one.approval_id} is not what its key signed: somebody changed the row",
            hint=f"{show}; tell the data protection officer",
        )
    if one.state == "denied":
        raise RefusedError(f"request {one.approval_id} was denied", hint=f"{show} says by whom")
    if one.state == "waiting":
        left = one.needed - len(one.approved_by)
        raise ApprovalNeededError(
            f"request {one.approval_id} waits for {left} more approval{'s' if left > 1 else ''}",
            one.approval_id,
            hint=f"somebody else runs `luactl approval grant {one.approval_id}`; then run the same again",
        )
    return Granted(one.approval_id, one.requested_by, one.approved_by, stated(one))


def stated(one: Approval) -> dict[str, Any]:
    """Return what a certificate says of an approval: enough to check it without a database."""
    return {
        "id": str(one.approval_id),
        "requested_by": one.requested_by,
        "needed": one.needed,
        "request": one.document,
        "answers": [
            {"person": answer.person, "vkey": answer.vkey, "note": answer.note} for answer in one.answers
        ],
    }


def _void(session: Session, one: Approval, reason: str) -> None:
    from ..ledger import Entry, append

    text = f"plan changed: {reason}"[:500]
    with transaction(session) as conn:
        append(session, Entry("approval.void", object=f"approval:{one.approval_id}", detail={"reason": text}))
        queries("approval").void(conn, approval_id=one.approval_id, reason=text, at=session.clock.now())


def _ask(session: Session, want: Want, by: Rule, changed: tuple[str, ...]) -> Granted:
    """Store a request and raise ApprovalNeededError with its id."""
    request = _request(session, want, by)
    _store(session, request)
    who = " or ".join(name.removeprefix("lua_") for name in by.roles)
    why = f"the plan changed since the last request ({'; '.join(changed)}), so " if changed else ""
    raise ApprovalNeededError(
        f"{why}{want.action} needs {by.approvals} approval{'s' if by.approvals > 1 else ''}: "
        f"request {request.id}",
        request.id,
        hint=f"somebody else ({who}) runs `luactl approval grant {request.id}` before {request.expires_at}; "
        "then run the same again",
    )


def _request(session: Session, want: Want, by: Rule) -> Request:
    from uuid_utils.compat import uuid7

    now = session.clock.now()
    with transaction(session) as conn:
        tree = queries("approval").tree_id(conn)
    return Request(
        id=uuid7(),
        action=want.action,
        target=want.target,
        tree=tree,
        tenant=want.tenant,
        summary=want.summary,
        requested_by=session.actor,
        requested_at=instant(now),
        expires_at=instant(now + timedelta(hours=by.valid_hours)),
        exact=want.exact,
        counts=want.counts,
        bound=Bound(by.drift_rows, by.drift_percent),
    )


def _store(session: Session, request: Request) -> None:
    from ..ledger import Entry, append

    at = datetime.fromisoformat(request.requested_at)
    with transaction(session) as conn:
        detail = {"action": request.action, "tenant": request.tenant, "summary": request.summary}
        entry_id = append(session, Entry("approval.request", object=f"approval:{request.id}", detail=detail))
        queries("approval").request(
            conn,
            approval_id=request.id,
            request=request.to_bytes(),
            at=at,
            expires_at=datetime.fromisoformat(request.expires_at),
            entry_id=entry_id,
        )


def use(session: Session, granted: Granted | None, *, finish: bool = True) -> None:
    """Take an approval in the running transaction, that of the change: both happen or neither.

    Work of several transactions takes it with `finish` false in the first, and with `finish` in the last.
    None: no approval was needed. Raises BusyError when it was used or denied a moment ago.
    """
    from ..ledger import Entry, append

    if granted is None:
        return
    try:
        queries("approval").use(
            session.conn, approval_id=granted.approval_id, finish=finish, at=session.clock.now()
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise BusyError(
            f"the approval could not be taken; nothing was changed: {error.diag.message_primary}",
            hint=f"`luactl approval show {granted.approval_id}`",
        ) from error
    detail = {
        "requested_by": granted.requested_by,
        "approved_by": list(granted.approved_by),
        "finish": finish,
    }
    append(session, Entry("approval.use", object=f"approval:{granted.approval_id}", detail=detail))
