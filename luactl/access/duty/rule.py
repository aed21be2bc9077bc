"""The rules of separation, as the database has them: those that are delivered, and the house's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg

from ...db import Session, queries, transaction
from ...errors import NotFoundError, RefusedError, UsageError
from ...line import checked
from .finding import Finding, check

DUTIES = (
    "lua_admin", "lua_operator", "lua_responder", "lua_auditor", "lua_dpo", "lua_accounting", "lua_app",
    "lua_ai", "approver", "keys",
)  # fmt: skip
"""What rules of one's own keep apart."""
NAME = re.compile(r"[a-z]+(-[a-z]+)*")
LONGEST = 63


@dataclass(frozen=True)
class Rule:
    """What nobody may have both."""

    rule: str
    """Its name, which refusals tell."""
    one: tuple[str, ...]
    """Duties of one side: group roles, `approver` (has a key to approve with) or `keys` (holds keys)."""
    other: tuple[str, ...]
    """Duties of the other side."""
    why: str
    """Why they are kept apart."""
    waived: int
    """For how many people it is waived now."""
    added_by: str | None
    """The login that added it; None: as delivered, and there to stay."""


@dataclass(frozen=True)
class RuleChange:
    """What adding or ending a rule does, or did."""

    rule: Rule
    """As it is then, or was when it ended."""
    broken_by: tuple[Finding, ...]
    """Who breaks it, waived or not, as long as it counts."""


def list_(session: Session) -> tuple[Rule, ...]:
    """Return all rules by name."""
    rows = queries("access_duty").rules(session.conn, at=session.clock.now())
    return tuple(
        Rule(rule, tuple(one), tuple(other), why, waived, by) for rule, one, other, why, waived, by in rows
    )


def find(session: Session, name: str) -> Rule:
    """Return a rule. Raises NotFoundError."""
    for one in list_(session):
        if one.rule == name:
            return one
    raise NotFoundError(f"there is no duty rule {name[:80]!r}", hint="`luactl access duty list` shows them")


def add(
    session: Session, name: str, one: Sequence[str], other: Sequence[str], why: str, *, dry_run: bool = False
) -> RuleChange:
    """Keep duties apart from now on: refused at each grant, found every night. Needs lua_dpo.

    Whoever has both already keeps them, and is returned. Raises UsageError for a name, duty or reason that is
    none, RefusedError for a name that a rule has or had.
    """
    _check(name, one, other)
    reason, sides = checked("reason", why), {"one": sorted(set(one)), "other": sorted(set(other))}
    try:
        with transaction(session) as conn:
            detail = {**sides, "why": reason}
            queries("access_duty").add_rule(
                conn, rule=name, **sides, why=reason, at=session.clock.now(),
                entry_id=_remember(session, "access.duty-add", name, detail),
            )  # fmt: skip
            made = _change(session, find(session, name))
            if dry_run:
                raise psycopg.Rollback
    except psycopg.errors.UniqueViolation:
        raise RefusedError(
            f"there is or was a duty rule {name}, which the ledger goes on naming", hint="choose another name"
        ) from None
    return made


def end(session: Session, name: str, reason: str, *, dry_run: bool = False) -> RuleChange:
    """End a rule of the house's own, for a reason that the ledger keeps. Needs lua_dpo.

    Raises NotFoundError, and RefusedError for a rule that is delivered.
    """
    why = checked("reason", reason)
    found = find(session, name)
    if found.added_by is None:
        raise RefusedError(
            f"{name} is delivered with luactl and stays",
            hint=f"`luactl access duty waive {name} HANDLE` takes it off one person for a time",
        )
    with transaction(session) as conn:
        ended = _change(session, found)
        entry_id = _remember(session, "access.duty-end", name, {"reason": why})
        if not queries("access_duty").end_rule(conn, rule=name, at=session.clock.now(), entry_id=entry_id):
            raise NotFoundError(f"somebody else ended {name} just now", hint="`luactl access duty list`")
        if dry_run:
            raise psycopg.Rollback
    return ended


def _check(name: str, one: Sequence[str], other: Sequence[str]) -> None:
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise UsageError(f"{name[:80]!r} is no name of a rule", hint="lower-case words joined by hyphens")
    for duty in (*one, *other):
        if duty not in DUTIES:
            raise UsageError(f"there is no duty {duty[:40]!r}", hint=f"one of {', '.join(DUTIES)}")
    if not one or not other or set(one) & set(other):
        raise UsageError(
            "a rule keeps duties of one side apart from duties of another",
            hint="name at least one of each, and none on both",
        )


def _change(session: Session, rule: Rule) -> RuleChange:
    return RuleChange(rule, tuple(one for one in check(session) if one.rule == rule.rule))


def _remember(session: Session, action: str, name: str, detail: Mapping[str, object]) -> UUID:
    from ...ledger import Entry, append

    return append(session, Entry(action, object=f"duty:{name}", detail=detail))
