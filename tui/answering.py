"""Answering a request for approval from a screen, signed with the approver's own key.

Whether somebody may answer the database decides, before the question is put: nobody answers their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message

from .ask import Ask
from .command import Command
from .frame import Frame

if TYPE_CHECKING:
    from luactl.approval import Answer, Approval
    from luactl.db import Session


@dataclass
class MayAnswer(Message, bubble=False):
    """The answer would be taken."""

    asked: Approval
    granted: bool


@dataclass
class Answered(Message, bubble=False):
    """The answer is on record."""

    request: Approval


class Grant(Command):
    """Grant: approve what somebody else asks for, signed with your own key."""

    keys = "plus"


class Deny(Command):
    """Deny: deny what somebody else asks for, signed with your own key: it cannot be used any more."""

    keys = "minus"


class Answering(Frame):
    """A screen that answers a request."""

    def request(self) -> Approval | None:
        """Return the request that is answered here; None when there is none."""
        return None

    def answered(self) -> None:
        """Show the answer."""

    @on(Grant)
    def grant(self) -> None:
        """Grant it, after a question."""
        self._begin(granted=True)

    @on(Deny)
    def deny(self) -> None:
        """Deny it, after a question."""
        self._begin(granted=False)

    def _begin(self, *, granted: bool) -> None:
        asked = self.request()
        if asked is None:
            self.say("nothing here waits for an answer")
        else:
            self.work(partial(_try, asked=asked, granted=granted), about="answer")

    @on(MayAnswer)
    def may_answer(self, event: MayAnswer) -> None:
        """Ask, then answer."""
        asked, verb = event.asked, "Grant" if event.granted else "Deny"
        question = f"{verb}: {asked.request.summary}, asked by {asked.requested_by}? Type yes:"
        hint = "signed with your own key; enter: go on   esc: go back"
        self.app.push_screen(Ask(question, hint, must="yes"), partial(self._answer, asked, event.granted))

    def _answer(self, asked: Approval, granted: bool, typed: str | None) -> None:
        if typed is None:
            self.say("not confirmed: nothing was answered")
        else:
            self.work(partial(_give, asked=asked, granted=granted), about="answer", change=True)

    @on(Answered)
    def was_answered(self, event: Answered) -> None:
        """Say that it is on record."""
        self.arrived()
        one = event.request
        self.say(
            f"answered; the request is {one.state} now: {len(one.approved_by)} of {one.needed} approvals",
            "green",
        )
        self.answered()
        self.console.ask_clocks()


def _try(session: Session, asked: Approval, granted: bool) -> MayAnswer:
    _give(session, asked, granted, dry_run=True)
    return MayAnswer(asked, granted)


def _give(session: Session, asked: Approval, granted: bool, dry_run: bool = False) -> Answered:
    from luactl import approval
    from luactl.config import find_paths

    signer = approval.load(find_paths().approver_key)
    return Answered(approval.answer(session, asked.approval_id, signer, granted=granted, dry_run=dry_run))


def standing(one: Approval) -> str:
    """Return how a request stands, in one line: its state, who asks, who may answer, until when."""
    who = " or ".join(role.removeprefix("lua_") for role in one.roles)
    return (
        f"{one.state}: asked by {one.requested_by} {one.requested_at:%Y-%m-%d %H:%M}, "
        f"{len(one.approved_by)} of {one.needed} by {who}, until {one.expires_at:%Y-%m-%d %H:%M}"
    )


def answers(one: Approval) -> list[tuple[str, str]]:
    """Return each answer to a request as a fact: who, what, when, and whether the signature is good."""
    return [("answer", _said(answer)) for answer in one.answers]


def _said(answer: Answer) -> str:
    verdict = "granted" if answer.granted else "denied"
    signed = "signed" if answer.valid else "BUT THE SIGNATURE IS NOT GOOD"
    return f"{answer.person} {verdict} it {answer.recorded_at:%Y-%m-%d %H:%M}, {signed}"
