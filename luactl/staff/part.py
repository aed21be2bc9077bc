"""The parts of an offboarding: each says what there is to end or to hand on, and does it.

A part that is `within` works in the one transaction in which somebody leaves. The others work after it, on
what cannot be undone with it: sessions, the key tree, tokens of tenants. These look anew at what is left, so
an offboarding that was cut short is finished by running it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from ..db import Session, queries, transaction
from .person import Person, list_, logins, read
from .registering import put

State = Literal["planned", "done", "left"]


@dataclass(frozen=True)
class Leaving:
    """Who leaves, and who takes over."""

    person: Person
    successor: Person | None
    """Who takes over what is open: their manager unless another is named."""
    reason: str
    keep_tokens: bool
    """Whether API tokens that they issued go on working."""


@dataclass(frozen=True)
class Step:
    """One thing that ends, or is handed on."""

    part: str
    """reports, approvals, approver keys, reviews, elevations, logins, person, sessions, releases, tokens or
    superuser."""
    what: str
    """A handle, a login, an id, TENANT/NAME of a token, or the statement that a superuser runs.

    TENANT alone: tokens of a tenant whose secrets do not show to this login."""
    then: str
    """What happens to it."""
    state: State = "planned"
    """planned, done; left: somebody else must, and `then` says who and how."""


ISSUED = "they issued it, and have seen it"
UNNAMED = "which ones is for its own staff to know"
GONE = "who issued it has left"

Look = Callable[[Session, Leaving], Iterator[Step]]
Do = Callable[[Session, Leaving, Step, UUID], str | None]


@dataclass(frozen=True)
class Part:
    """A named part of every offboarding."""

    name: str
    within: bool
    """Whether it works in the transaction in which the person leaves."""
    look: Look
    """What there is to do now; changes nothing."""
    do: Do | None
    """Does one step under the ledger entry of that id; returns what is left of it, None: nothing.

    No function: nobody who uses luactl can."""


def _reports(session: Session, leaving: Leaving) -> Iterator[Step]:
    for one in list_(session):
        if one.manager == leaving.person.handle:
            yield Step("reports", one.handle, f"reports to {_above(leaving, one) or 'nobody'} from now on")


def _above(leaving: Leaving, one: Person) -> str | None:
    """Return the new manager of somebody; a successor who was one of them takes the place itself."""
    successor = leaving.successor.handle if leaving.successor else None
    return leaving.person.manager if successor == one.handle else successor


def _move(session: Session, leaving: Leaving, step: Step, entry_id: UUID) -> None:
    (one,) = read(session, step.what)
    above = _above(leaving, one)
    put(session, one, read(session, above)[0] if above else None, entry_id)


def _approvals(session: Session, leaving: Leaving) -> Iterator[Step]:
    with transaction(session) as conn:
        found = list(_ask().approvals(conn, person_id=leaving.person.person_id, at=session.clock.now()))
    for approval_id, action in found:
        yield Step("approvals", str(approval_id), f"their request for {action} is withdrawn")


def _withdraw(session: Session, leaving: Leaving, step: Step, entry_id: UUID) -> None:
    _ask().withdraw_approvals(
        session.conn,
        person_id=leaving.person.person_id,
        ids=[UUID(step.what)],
        reason="who asked has left",
        at=session.clock.now(),
    )


def _keys(session: Session, leaving: Leaving) -> Iterator[Step]:
    with transaction(session) as conn:
        found = [row[0] for row in _ask().approver_keys(conn, person_id=leaving.person.person_id)]
    for vkey in found:
        yield Step("approver keys", vkey, "answers no request any more")


def _revoke_key(session: Session, leaving: Leaving, step: Step, entry_id: UUID) -> None:
    _ask().revoke_key(session.conn, vkey=step.what, at=session.clock.now(), entry_id=entry_id)


def _reviews(session: Session, leaving: Leaving) -> Iterator[Step]:
    with transaction(session) as conn:
        found = list(_ask().reviews(conn, person_id=leaving.person.person_id))
    to = leaving.successor.handle if leaving.successor else "whoever is independent"
    for review_id, items in found:
        yield Step("reviews", str(review_id), f"{items:,} items that are open go on, to {to} first")


def _hand_on(session: Session, leaving: Leaving, step: Step, entry_id: UUID) -> str | None:
    _ask().hand_on_review(
        session.conn,
        review_id=UUID(step.what),
        person_id=leaving.person.person_id,
        successor=leaving.successor.person_id if leaving.successor else None,
        at=session.clock.now(),
    )
    rest = dict(_ask().reviews(session.conn, person_id=leaving.person.person_id)).get(UUID(step.what), 0)
    return f"nobody independent could take over {rest:,} items: `luactl access review show`" if rest else None


def _elevations(session: Session, leaving: Leaving) -> Iterator[Step]:
    with transaction(session) as conn:
        found = list(_ask().elevations(conn, person_id=leaving.person.person_id))
    for elevation_id, role, login in found:
        yield Step("elevations", str(elevation_id), f"{login} is {role} no more, and lets nobody in")


def _end_elevation(session: Session, leaving: Leaving, step: Step, entry_id: UUID) -> None:
    which = UUID(step.what)
    _ask().end_elevation(session.conn, elevation_id=which, at=session.clock.now(), entry_id=entry_id)
    _ask().lock_elevated_login(session.conn, elevation_id=which)


def _logins(session: Session, leaving: Leaving) -> Iterator[Step]:
    for one in logins(session, leaving.person):
        if one.ended_at is None:
            yield Step("logins", one.login, "loses its roles, its password and the way in")


def _end_login(session: Session, leaving: Leaving, step: Step, entry_id: UUID) -> None:
    _ask().end_login(session.conn, login=step.what, at=session.clock.now(), entry_id=entry_id)


def _person(session: Session, leaving: Leaving) -> Iterator[Step]:
    if leaving.person.ended_at is None:
        yield Step(
            "person", leaving.person.handle, "has left; undertakings and acknowledgements stay on record"
        )


def _end_person(session: Session, leaving: Leaving, step: Step, entry_id: UUID) -> None:
    _ask().end_person(
        session.conn, person_id=leaving.person.person_id, at=session.clock.now(), entry_id=entry_id
    )


def _sessions(session: Session, leaving: Leaving) -> Iterator[Step]:
    with transaction(session) as conn:
        found = list(_ask().sessions(conn, person_id=leaving.person.person_id))
    for login, count in found:
        yield Step("sessions", login, f"{count:,} open sessions end")


def _end_sessions(session: Session, leaving: Leaving, step: Step, entry_id: UUID) -> None:
    with transaction(session) as conn:
        _ask().end_sessions(conn, login=step.what)


def _releases(session: Session, leaving: Leaving) -> Iterator[Step]:
    from ..key import release

    names = {one.login for one in logins(session, leaving.person)}
    for one in release.list_(session):
        if one.person in names and one.state != "ended":
            yield Step(
                "releases", str(one.release_id), f"the keys of {one.tenant} that they have open nothing more"
            )


def _revoke_release(session: Session, leaving: Leaving, step: Step, entry_id: UUID) -> None:
    from ..key import release

    release.revoke(session, UUID(step.what))


def _tokens(session: Session, leaving: Leaving) -> Iterator[Step]:
    if leaving.keep_tokens:
        return
    with transaction(session) as conn:
        found = list(_ask().tokens(conn, person_id=leaving.person.person_id, at=session.clock.now()))
    for slug, name, count in found:
        if name is None:
            yield Step("tokens", slug, f"{count:,} that they issued there are revoked; {UNNAMED}")
        else:
            yield Step("tokens", f"{slug}/{name}", f"is revoked: {ISSUED}")


def _revoke_token(session: Session, leaving: Leaving, step: Step, entry_id: UUID) -> None:
    from .. import secret, tenant

    slug, _, name = step.what.partition("/")
    if name:
        secret.revoke(session, tenant.find(session, slug), name, GONE)
    else:
        _revoke_unseen(session, leaving, slug)


def _revoke_unseen(session: Session, leaving: Leaving, slug: str) -> None:
    """End what somebody issued at a tenant whose secrets do not show to this login: by ids, without names."""
    from ..ledger import Entry, append_all

    with transaction(session) as conn:
        ended = list(
            _ask().revoke_tokens(conn, person_id=leaving.person.person_id, slug=slug, at=session.clock.now())
        )
        told = [
            Entry(
                "secret.revoke",
                tenant_id,
                f"tenant:{slug}",
                detail={"kind": "token", "secret": str(secret_id), "reason": GONE},
            )
            for tenant_id, secret_id in ended
        ]
        append_all(session, told)


def _superuser(session: Session, leaving: Leaving) -> Iterator[Step]:
    with transaction(session) as conn:
        found = [row[0] for row in _ask().left(conn, person_id=leaving.person.person_id)]
    for statement in found:
        yield Step("superuser", statement, "others granted it: a superuser runs this", "left")


def _ask() -> Any:
    return queries("staff_offboarding")


PARTS = (
    Part("reports", True, _reports, _move),
    Part("approvals", True, _approvals, _withdraw),
    Part("approver keys", True, _keys, _revoke_key),
    Part("reviews", True, _reviews, _hand_on),
    Part("elevations", True, _elevations, _end_elevation),
    Part("logins", True, _logins, _end_login),
    Part("person", True, _person, _end_person),
    Part("sessions", False, _sessions, _end_sessions),
    Part("releases", False, _releases, _revoke_release),
    Part("tokens", False, _tokens, _revoke_token),
    Part("superuser", False, _superuser, None),
)
"""In the order in which they are done: whoever reports to somebody goes on before they leave."""


def steps(session: Session, leaving: Leaving, *, within: bool) -> list[tuple[Part, Step]]:
    """Return what there is to do now, in the transaction or after it. Changes nothing."""
    return [(part, step) for part in PARTS if part.within == within for step in part.look(session, leaving)]


def carried_out(session: Session, leaving: Leaving, part: Part, step: Step, entry_id: UUID) -> Step:
    """Do one step, and return what became of it."""
    if part.do is None:
        return step
    rest = part.do(session, leaving, step, entry_id)
    return replace(step, state="left", then=rest) if rest else replace(step, state="done")
