"""Probes of people: whose every login is, who is bound to confidentiality, who knows the policies.

A row that a superuser planted says nothing: what counts is in the ledger, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from psycopg.sql import SQL
from psycopg.sql import Literal as Value

from ..db import Session
from ..shipped import GROUPS, OWNERS
from .look import Connection, Look, attempt, knock, statements, undone
from .page import Page

if TYPE_CHECKING:
    from ..policy import Policy

NOBODY = "lua_nobody"
CLOSED = (NOBODY, *GROUPS, *OWNERS, "lua_elevated")
"""As whom nobody logs in: somebody unknown, group roles, owners and marks."""


def staff(session: Session, page: Page, look: Look) -> None:
    """Ask of every login whose it is, and try to log in as nobody and as roles that are not for that."""
    with undone(session) as conn:
        found = list(statements("people").logins(conn, at=session.clock.now()))
        whole = statements("people").sees_all(conn)
    for login, owner, was, tenants_own, _groups, _superuser, _bound, recorded in found:
        look.tried()
        if owner is None and not tenants_own:
            since = f": it was {was}'s" if was else ""
            look.breaks(f"{login} can log in, and belongs to nobody in force{since}")
        elif owner is not None and whole and not recorded:
            look.breaks(f"{login} is said to be {owner}'s, but the ledger knows nothing of that")
    for role in CLOSED:
        _knock(session, look, role)
    look.evidence["knocked"] = list(CLOSED)
    look.evidence["logins"] = len(found)
    look.evidence["superusers"] = [row[0] for row in found if row[5]]
    look.saw = f"{len(found):,} logins, each of a person or a job in force; nobody else gets in"


def _knock(session: Session, look: Look, role: str) -> None:
    """Try to log in as a role that is nobody's; the server's own refusal is what counts."""
    said = knock(session, role)
    if said is None:
        look.tried()
        look.breaks(f"{role} can log in, with no password at all")
    elif "fatal" in said or "no password supplied" in said:
        look.tried()
    else:
        look.misses(f"logging in as {role} failed for another reason than a refusal")


def undertakings(session: Session, page: Page, look: Look) -> None:
    """Ask of whoever holds a grant whether they are bound, and try to grant something to who is not."""
    from ..staff import advice

    medical = advice(session)
    if medical is not None:
        look.breaks(medical)
    with undone(session) as conn:
        found = list(statements("people").logins(conn, at=session.clock.now()))
        signed = list(statements("people").signed(conn))
        whole = statements("people").sees_all(conn)
        _grant(conn, session, look)
    for login, owner, _was, tenants_own, groups, superuser, bound, _recorded in found:
        if tenants_own or not (groups or superuser):
            continue
        look.tried()
        holds = "everything" if superuser else ", ".join(groups)
        if not bound:
            whose = f"{owner}, by {login}," if owner else f"{login}, which is nobody's,"
            look.breaks(f"{whose} holds {holds} without an undertaking in force")
    for person, basis, recorded in signed:
        look.tried()
        if whole and not recorded:
            look.breaks(f"{person} is said to have signed {basis}, but the ledger knows nothing of that")
    look.evidence["holders"] = look.attempts - len(signed)
    look.saw = f"{look.attempts:,} holders and signatures, everybody bound; a grant without was refused"


def _grant(conn: Connection, session: Session, look: Look) -> None:
    """Make somebody and a login for them: refused, and admitted once they have signed; undone in any case."""
    from ..staff import BASES

    who, at = uuid4(), session.clock.now()
    values = {
        "who": Value(who),
        "handle": Value(f"probe-{who.hex}"),
        "at": Value(at),
        "login": Value(f"probe_{who.hex}"),
    }
    made = SQL(
        "SELECT lua.put_person({who}, {handle}, 'probe', 'employee', NULL, '2020-01-01', '{{}}', {at}, {who})"
    )
    given = SQL(
        "SELECT lua.add_login({login}, {who}, '{{lua_operator}}', 'certificate', NULL, 1, NULL, {at}, {who})"
    )
    sign = SQL("SELECT lua.add_undertaking({id}, {who}, {basis}, 'probe', '2020-01-01', NULL, {at}, {who})")
    signed = [sign.format(**values, id=Value(uuid4()), basis=Value(basis)) for basis in BASES]
    unbound = attempt(conn, SQL("; ").join([made.format(**values), given.format(**values)]))
    bound = attempt(conn, SQL("; ").join([made.format(**values), *signed, given.format(**values)]))
    if unbound.no_right:
        look.misses(f"granting to somebody unbound was not tried: {session.actor} is no administrator")
        return
    look.tried()
    if unbound.error is None:
        look.breaks("somebody without an undertaking can be granted lua_operator")
    elif bound.error is not None:
        look.misses("granting is refused to whoever has signed as well, so that a refusal proves nothing")


def policies(session: Session, page: Page, look: Look) -> None:
    """Ask of everybody whether they know each policy, and try to acknowledge one in somebody else's name."""
    from .. import policy

    in_force = [one for one in policy.list_(session) if one.state == "in force"]
    missing = policy.open_(session)
    with undone(session) as conn:
        known = list(statements("people").known(conn))
        whole = statements("people").sees_all(conn)
        others = [row[0] for row in statements("people").strangers(conn)]
        for one in in_force:
            _forge(conn, look, one, others)
    look.tried(len(known))
    for person, name, version, recorded in known:
        if whole and not recorded:
            look.breaks(f"{person} is said to know {name} {version}, but the ledger has another text or none")
    for each in missing:
        look.tried()
        if each.overdue:
            look.breaks(f"{each.person} has not acknowledged {each.policy} {each.version}, due on {each.due}")
    if not in_force:
        look.misses("no policy is in force")
    look.evidence["in_force"] = [f"{one.policy} {one.version}" for one in in_force]
    look.evidence["not_yet_due"] = sum(not each.overdue for each in missing)
    look.saw = f"{len(in_force):,} policies in force, {len(known):,} times acknowledged, nobody is late"


def _forge(conn: Connection, look: Look, one: Policy, others: Iterable[UUID]) -> None:
    statement = SQL("SELECT lua.acknowledge_policy({policy}, {version}, {person}, NULL, now(), {person})")
    for person in others:
        tried = attempt(
            conn,
            statement.format(policy=Value(one.policy), version=Value(one.version), person=Value(person)),
        )
        look.tried()
        if not tried.refused:
            look.breaks(f"this login can acknowledge {one.policy} {one.version} in the name of somebody else")
