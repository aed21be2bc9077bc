"""Requests and answers on record. What an answer is worth its signature says, and never its row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError
from .document import Request, is_good, parse

USED_FOR = timedelta(days=7)
"""How long work that took an approval and was cut short can go on with it; lua.use_approval holds it."""


@dataclass(frozen=True)
class Answer:
    """What one approver said."""

    vkey: str
    person: str
    granted: bool
    valid: bool
    """Whether the signature is of that key, over this very request and this verdict."""
    recorded_by: str
    """The login that brought it in; an outside approver has none."""
    recorded_at: datetime
    note: str
    """The signed note."""


@dataclass(frozen=True)
class Approval:
    """One request and what became of it."""

    approval_id: UUID
    action: str
    target: str
    state: str
    """waiting, granted, denied, expired, used (and to be finished), finished, void, or broken."""
    needed: int
    """How many approvals it needs."""
    roles: tuple[str, ...]
    """Who may approve."""
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    request: Request
    document: str
    """The canonical JSON that is signed."""
    answers: tuple[Answer, ...]
    void_reason: str | None

    @property
    def approved_by(self) -> tuple[str, ...]:
        """The people whose grants are good."""
        return tuple(one.person for one in self.answers if one.granted and one.valid)


def read(conn: Any, now: datetime, **wanted: Any) -> tuple[Approval, ...]:
    """Return requests, newest first, in the running transaction; what is not wanted is not asked for.

    Raises LuactlError for a row that holds no request.
    """
    asked = {
        "approval_id": None,
        "requested_by": None,
        "action": None,
        "target": None,
        "plans": None,
        "open": False,
        "limit": 0,
    }
    rows = list(queries("approval").approvals(conn, **{**asked, **wanted}))
    answers: dict[UUID, list[Any]] = {}
    for row in queries("approval").answers(conn, approvals=[row[0] for row in rows]):
        answers.setdefault(row[0], []).append(row[1:])
    return tuple(_approval(row, answers.get(row[0], []), now) for row in rows)


def _approval(row: Any, answers: Sequence[Any], now: datetime) -> Approval:
    id_, action, target, body, needed, roles, by, at, expires, _used, _finished, void = row
    request = parse(bytes(body))
    read_answers = tuple(_answer(bytes(body), one) for one in answers)
    state = _state(row, read_answers, now)
    return Approval(
        id_, action, target, state, needed, tuple(roles), by, at, expires, request, bytes(body).decode(),
        read_answers, void,
    )  # fmt: skip


def _answer(body: bytes, row: Any) -> Answer:
    vkey, person, granted, note, recorded_by, recorded_at = row
    return Answer(vkey, person, granted, is_good(note, vkey, body, granted), recorded_by, recorded_at, note)


def _state(row: Any, answers: Sequence[Answer], now: datetime) -> str:
    needed, expires, used, finished, void = row[4], row[8], row[9], row[10], row[11]
    if any(not one.valid for one in answers):
        return "broken"
    if void:
        return "void"
    if finished:
        return "finished"
    if any(not one.granted for one in answers):
        return "denied"
    if used:
        return "used" if now < used + USED_FOR else "expired"
    if expires <= now:
        return "expired"
    return "granted" if len(answers) >= needed else "waiting"


def list_(session: Session, *, open_only: bool = False, limit: int = 0) -> tuple[Approval, ...]:
    """Return the requests of everybody, newest first; at most `limit` of them unless it is 0."""
    with transaction(session) as conn:
        return read(conn, session.clock.now(), open=open_only, limit=limit)


def of_plans(session: Session, action: str, plans: Collection[str]) -> tuple[Approval, ...]:
    """Return the requests of everybody for an action that are bound to one of these plans, newest first;
    `plans` are digests in hex.
    """
    with transaction(session) as conn:
        return read(conn, session.clock.now(), action=action, plans=sorted(plans))


def mine(session: Session, requests: Collection[Approval]) -> tuple[Approval, ...]:
    """Return those that wait for this login: of a role that was asked for, not by the same person, and not
    answered by them. Whether a key is registered to answer with, the answer itself will say.
    """
    waiting = [one for one in requests if one.state == "waiting"]
    if not waiting:
        return ()
    wanted = sorted({role for one in waiting for role in one.roles if role != "outside"})
    with transaction(session) as conn:
        own = set(queries("approval").own_logins(conn))
        roles = {row[0] for row in queries("approval").own_roles(conn, roles=wanted)}
    return tuple(
        one
        for one in waiting
        if one.requested_by not in own
        and roles & set(one.roles)
        and own.isdisjoint(answer.recorded_by for answer in one.answers)
    )


def find(session: Session, approval_id: UUID) -> Approval:
    """Return one request. Raises NotFoundError."""
    with transaction(session) as conn:
        found = read(conn, session.clock.now(), approval_id=approval_id)
    if not found:
        raise NotFoundError(
            f"there is no request {approval_id}", hint="`luactl approval list` shows their ids"
        )
    return found[0]
