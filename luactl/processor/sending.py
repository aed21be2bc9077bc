"""Telling processors: by a program of this host, or by hand; and writing down what they confirm.

An attempt is in the ledger before anything leaves the house, and its outcome after it. Cut short in between a
notice is sent again: under the same number, by which the processor knows that it has it already.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from ..config import find_paths
from ..db import Session, queries, transaction
from ..errors import LuactlError, RefusedError, UsageError
from ..ledger import Entry, append
from ..line import checked
from ..program import NOT_NOW, REFUSED, plain, run, trouble
from .letter import VERSION, compose
from .notice import Notice, find_notice

SECONDS = 30.0
LONGEST_PROBLEM = 300


@dataclass(frozen=True)
class Sending:
    """What came of telling one processor."""

    notice_id: UUID
    processor: str
    tenant: str
    outcome: str
    """sent, confirmed, or not sent."""
    problem: str | None
    """Why not."""


@dataclass(frozen=True)
class _Answer:
    """What a program said that the processor said."""

    reference: str
    deleted_on: date | None


class NotToldError(LuactlError):
    """A program did not say that the processor has the notice."""


def programs() -> Path:
    """Return the folder in which the programs that reach processors lie on this host."""
    return find_paths().config / "processors"


def waiting(unconfirmed: Sequence[Notice], *, again: bool = False) -> list[Notice]:
    """Return those that a program is to send: open ones, and with `again` those that were sent, too."""
    wanted = ("open", "sent") if again else ("open",)
    return [one for one in unconfirmed if one.state in wanted and one.program]


def by_others(unconfirmed: Sequence[Notice]) -> list[Notice]:
    """Return those that wait for somebody who sends them."""
    return [one for one in unconfirmed if one.state == "open" and not one.program]


def tell(session: Session, notice: Notice, say: Callable[[int], None] = lambda _one: None) -> Sending:
    """Have the program of a processor send it a notice, and write down what came of it. Needs lua_dpo or
    lua_operator; `say` gets 1 when it is done.

    Raises UsageError for a processor that people write to, RefusedError for a notice that is confirmed. A
    program that is not on this host, or fails, is no error: the notice stays open, and says why.
    """
    if notice.state == "confirmed":
        raise _confirmed_already(notice)
    if notice.program is None:
        raise UsageError(
            f"{notice.name} is told by hand",
            hint=f"`luactl processor notice letter {notice.notice_id}` writes the letter; "
            "--by-hand REF says that it was sent",
        )
    said = compose(session, notice)
    with transaction(session):
        append(session, _entry(notice, "send", "intent"))
    try:
        program = programs() / notice.program
        answer = _read(program, _ask(program, said.message()), session.clock.now().date())
    except (NotToldError, RefusedError) as error:
        _write_down(session, notice, None, error.what[:LONGEST_PROBLEM])
        found = Sending(notice.notice_id, notice.processor, notice.tenant, "not sent", error.what)
    else:
        confirmed = _write_down(session, notice, answer, None)
        outcome = "confirmed" if confirmed else "sent"
        found = Sending(notice.notice_id, notice.processor, notice.tenant, outcome, None)
    say(1)
    return found


def sent_by_hand(session: Session, notice: Notice, how: str) -> Notice:
    """Write down that somebody has told a processor, and by what letter or mail; once if it is said twice.

    Raises RefusedError for one that has confirmed already, UsageError without a reference.
    """
    reference = checked("reference", how)
    if notice.sent_how == reference and notice.problem is None:
        return notice
    with transaction(session):
        if not _sent(session, notice, reference):
            raise _confirmed_already(notice)
    return find_notice(session, notice.notice_id)


def confirm(session: Session, notice: Notice, deleted_on: date, reference: str) -> Notice:
    """Write down that a processor has deleted: since which day, and where its word is found; once.

    Raises RefusedError for one that was not told, or has confirmed already, UsageError for a day to come.
    """
    word = checked("reference", reference)
    if deleted_on > session.clock.now().date():
        raise UsageError("that day is still to come", hint="confirm it when the data are gone")
    if (notice.deleted_on, notice.confirmation) == (deleted_on, word):
        return notice
    if notice.state == "open":
        raise RefusedError(
            f"{notice.name} was not told yet",
            hint=f"`luactl processor notice send {notice.notice_id} --by-hand REF` says that it was",
        )
    with transaction(session):
        if not _confirmed(session, notice, deleted_on, word):
            raise _confirmed_already(notice)
    return find_notice(session, notice.notice_id)


def _confirmed_already(notice: Notice) -> RefusedError:
    return RefusedError(
        f"{notice.name} has confirmed notice {notice.notice_id} already",
        hint=f"`luactl processor notice show {notice.notice_id}` shows what it said",
    )


def _entry(notice: Notice, verb: str, outcome: Literal["intent", "done", "failed"], **detail: Any) -> Entry:
    about = {"processor": notice.processor, "cause": notice.cause, **detail}
    return Entry(
        f"processor.{verb}", notice.tenant_id, f"notice:{notice.notice_id}", outcome=outcome, detail=about
    )


def _write_down(session: Session, notice: Notice, answer: _Answer | None, problem: str | None) -> bool:
    """Write down what came of an attempt; whether the processor has confirmed."""
    with transaction(session):
        if answer is None:
            append(session, _entry(notice, "send", "failed"))
            _attempted(session, notice, None, problem)
            return False
        if not _sent(session, notice, answer.reference) or answer.deleted_on is None:
            return False
        return _confirmed(session, notice, answer.deleted_on, answer.reference)


def _sent(session: Session, notice: Notice, how: str) -> bool:
    """Write down that a notice was sent, in the running transaction; False for one that is confirmed."""
    append(session, _entry(notice, "send", "done", how=how))
    return _attempted(session, notice, how, None)


def _attempted(session: Session, notice: Notice, how: str | None, problem: str | None) -> bool:
    return bool(
        queries("processor").attempted(
            session.conn, notice_id=notice.notice_id, how=how, problem=problem, at=session.clock.now()
        )
    )


def _confirmed(session: Session, notice: Notice, day: date, word: str) -> bool:
    """Write down what a processor confirms, in the running transaction; False when it has already."""
    append(session, _entry(notice, "confirm", "done", deleted_on=day.isoformat(), reference=word))
    return bool(
        queries("processor").confirmed(
            session.conn,
            notice_id=notice.notice_id,
            deleted_on=day,
            confirmation=word,
            at=session.clock.now(),
        )
    )


def _ask(program: Path, message: dict[str, Any]) -> bytes:
    """Run the program with a message and return its answer.

    Raises NotToldError, and RefusedError for a program that somebody else could have written.
    """
    sent = json.dumps(message, separators=(",", ":")).encode() + b"\n"
    try:
        answer = run([str(program)], sent, SECONDS)
    except FileNotFoundError:
        raise NotToldError(f"there is no program {program} on this host") from None
    except (OSError, ValueError) as problem:
        raise NotToldError(f"{program} {trouble(problem, SECONDS)[0]}") from None
    if answer.code:
        because = f": {answer.complaint}" if answer.complaint else ""
        how = {NOT_NOW: "cannot reach the processor now", REFUSED: "has no right to"}
        raise NotToldError(f"{program} {how.get(answer.code, f'failed with {answer.code}')}{because}")
    return answer.said


def _read(program: Path, said: bytes, today: date) -> _Answer:
    """Return what an answer says. Raises NotToldError for anything that the protocol does not know."""
    try:
        answer = json.loads(said)
        reference = checked("reference", answer["reference"])
        day = date.fromisoformat(answer["deleted_on"]) if answer["state"] == "deleted" else None
        known = answer["luactl-notice"] == VERSION and answer["state"] in ("received", "deleted")
        if not known or (day is not None and day > today):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError):
        told = plain(said.decode("utf-8", "replace"))
        raise NotToldError(f"{program} answered with what the protocol does not know: {told!r}") from None
    return _Answer(reference, day)
