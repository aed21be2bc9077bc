"""Carrying out an erasure: keys and rows batch by batch, each in one epoch; then outcome and certificate.

Cut short anywhere it can be run again: before an epoch's transaction nothing of that batch has happened;
after it, the record says so, the old root is destroyed first and the rest is done. Each person goes once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from .. import approval, certificate, hold, processor
from ..certificate import archive
from ..certificate.evidence import issue
from ..db import Session, queries, transaction
from ..errors import BusyError, Exit, LuactlError, RefusedError
from ..key.recovery import recover
from ..pack import Uuids, teach
from . import category, onrecord, record, requested
from . import facts as statement
from .batch import KIND, ORDINARY, PEOPLE, ROWS, Act, carry_out, cut, entry
from .checking import Check, check
from .document import document
from .people import LIST, listed
from .planning import WHOLE, ErasurePlan, Going, Staying


class UnverifiedError(LuactlError):
    """The keys were dropped, but the check that follows found something that still opens or stands."""

    exit = Exit.FINDINGS


@dataclass(frozen=True)
class ErasureResult:
    """What came of a run."""

    erasure_id: UUID
    subject_id: UUID | None
    """The person, when it is one; None when they are many."""
    outcome: str
    """erased, finished (an earlier run was cut short), or already erased."""
    epoch: int
    """Epoch of the key tree that dropped the first keys."""
    going: tuple[Going, ...]
    """Rows that went."""
    keys: tuple[str, ...]
    """Key classes destroyed."""
    staying: tuple[Staying, ...]
    """What a duty keeps."""
    certificate: str
    """Folder of the certificate."""
    pending: str | None
    """Why the certificate lacks signature or proof; None when it is complete."""
    people: int
    """How many people it erased."""
    epoch_to: int
    """Epoch of the last batch."""
    unconfirmed: int
    """Processors that have not confirmed yet that they erased too."""


@dataclass(frozen=True)
class Way:
    """How a run goes about it."""

    progress: Callable[[int], None] = lambda _people: None
    """Gets the people of each batch that is done."""
    people: int = PEOPLE
    """Most people of a batch."""
    rows: int = ROWS
    """Most rows of a batch, unless it is one person."""


def run(
    session: Session,
    plan: ErasurePlan,
    base: Path,
    folder: Path | None = None,
    *,
    progress: Callable[[int], None] = lambda _people: None,
    batch_people: int = PEOPLE,
    batch_rows: int = ROWS,
    except_held: bool = False,
    again: bool = False,
) -> ErasureResult:
    """Erase the people of a plan and write the certificate to `folder`, or else to `base`/<erasure id>.

    A `folder` that ends in .zip is written as such beside the one in `base`. `progress` gets the people of
    each batch that is done. Whom a legal hold keeps is left out with `except_held`, and on record as waiting.
    `again` says that a restore brought them back: what was approved once is not asked for twice.

    Raises BusyError when another run erases them, ApprovalNeededError where the rule wants approval that is
    not there, RefusedError off a key host, when somebody is held, when nobody is left or when foreign files
    stand where the certificate goes, UnverifiedError when something can still be read.
    """
    teach(session.conn)
    way = Way(progress, batch_people, batch_rows)
    known = _known(session, plan)
    if folder is not None:
        free = archive.check_free if archive.is_archive(folder) else certificate.check_free
        free(folder, str(known.erasure_id) if known else None)
    if known is None and plan.held and not (except_held and plan.people):
        raise _kept(plan)
    if known is None and not plan.people:
        raise RefusedError(
            "nobody of these people is left to erase",
            hint=f"`luactl erasure list --tenant {plan.tenant}` shows who was erased by which erasure",
        )
    granted = None if known or again else onrecord.demand(session, plan)
    if known is None or known.state == "intent":
        recover(session)
    if known is None:
        done, outcome = _begin(session, plan, way, granted), "erased"
    else:
        done, outcome = known, "already erased" if known.state == "done" else "finished"
    place = base / str(done.erasure_id)
    if folder is None or not archive.is_archive(folder):
        return _finish(session, plan.tenant, done, outcome, folder or place, way)
    finished = _finish(session, plan.tenant, done, outcome, place, way)
    return replace(finished, certificate=str(archive.pack(place, folder)))


def _kept(plan: ErasurePlan) -> RefusedError:
    first, more = plan.held[0], len(plan.held) - 1
    others = f" and {more:,} more people are" if more else " is"
    rest = "`--except-held` erases the others; " if plan.people else ""
    rest += f"request {plan.request} stays open; " if plan.request else ""
    return RefusedError(
        f"subject {first.subject_id}{others} held: {first.ground}",
        hint=f"{rest}`luactl hold show {first.hold_id}` says who placed the hold, and what releases it",
    )


def resume(
    session: Session,
    tenant: str,
    found: record.Erasure,
    base: Path,
    *,
    progress: Callable[[int], None] = lambda _people: None,
) -> ErasureResult:
    """Finish an erasure of the tenant of that slug that was cut short. Raises as `run` does."""
    teach(session.conn)
    recover(session)
    place = base / str(found.erasure_id)
    return _finish(session, tenant, found, "finished", place, Way(progress))


def _known(session: Session, plan: ErasurePlan) -> record.Erasure | None:
    """Return the erasure that this plan already is: of the one person, or by its digest."""
    with transaction(session, plan.tenant_id) as conn:
        if plan.subject_id is not None and plan.scope == "person":
            return record.of_subject(conn, plan.tenant_id, plan.subject_id)
        return record.of_digest(conn, plan.tenant_id, plan.digest)


def _begin(session: Session, plan: ErasurePlan, way: Way, granted: approval.Granted | None) -> record.Erasure:
    """Carry out the first batch, which leaves the record."""
    from ..ledger import new_id

    act = Act(plan.tenant_id, plan.tenant, new_id(session.clock.now()), plan.scope, plan, granted=granted)
    first = next(_batches(session, act, plan.subjects, way), None)
    if first is None:
        raise BusyError("another run has just erased these people", hint="run it again")
    _carry_out(session, act, first)
    way.progress(len(first))
    return record.find(session, act.erasure_id)


def _finish(
    session: Session, tenant: str, found: record.Erasure, outcome: str, place: Path, way: Way
) -> ErasureResult:
    if found.state == "intent":
        _go_on(session, tenant, found, way)
        found = _conclude(session, tenant, record.find(session, found.erasure_id))
        session.step("outcome written")
    else:
        _demand_gone(session, found)  # a record is only a row: nothing is certified anew that can be read
    return _result(session, found, outcome, place, _certify(session, found, place))


def _carry_out(session: Session, act: Act, people: tuple[UUID, ...]) -> None:
    """Do a batch: all of it in one epoch, or a category of one person after the other."""
    way = carry_out if act.scope in WHOLE else category.carry_out
    way(session, act, people)


def _go_on(session: Session, tenant: str, found: record.Erasure, way: Way) -> None:
    """Carry out the batches that are left."""
    with transaction(session, found.tenant_id) as conn:
        left = record.left_to_do(conn, found)
    act = Act(found.tenant_id, tenant, found.erasure_id, found.scope, None)
    for people in _batches(session, act, left, way):
        _carry_out(session, act, people)
        way.progress(len(people))


def _batches(session: Session, act: Act, people: tuple[UUID, ...], way: Way) -> Iterator[tuple[UUID, ...]]:
    """Yield those of these people who live, in batches; who has many rows is counted before."""
    noun, asked = queries("erasure"), {"tenant_id": act.tenant_id, "ids": Uuids.of(people)}
    with transaction(session, act.tenant_id) as conn:
        living = {row[0] for row in noun.statuses(conn, **asked) if row[1] == "active"}
        living -= hold.held(conn, act.tenant_id, living).keys()
        heavy = dict(noun.heavy(conn, **asked, ordinary=ORDINARY)) if len(living) > 1 else {}
    size = way.people if act.scope in WHOLE else 1
    yield from cut([one for one in people if one in living], heavy, size, way.rows)


def _demand_gone(session: Session, found: record.Erasure) -> list[Check]:
    """Return every attempt to reach the people. Raises UnverifiedError when one succeeds."""
    checks = check(session, found)
    broken = [one for one in checks if one.state == "broken"]
    if broken:
        raise UnverifiedError(
            f"erasure {found.erasure_id} is not complete: {broken[0].check}: {broken[0].what}",
            hint=f"`luactl key status`, then `luactl erasure verify {found.erasure_id}`",
        )
    return checks


def _conclude(session: Session, tenant: str, found: record.Erasure) -> record.Erasure:
    """Check that nothing opens any more, then write down the outcome with the facts of the certificate."""
    from psycopg.types.json import Jsonb

    from ..ledger import append

    with transaction(session, found.tenant_id) as conn:
        _settle(conn, found)
    checks = _demand_gone(session, found)
    at = session.clock.now()
    notices = processor.due(session, found.tenant_id)
    stated = statement.facts(session, tenant, found, checks, at)
    stated["processors"] = [one.stated() for one in notices]
    digest = sha256(certificate.canonical(stated)).hexdigest()
    act = Act(found.tenant_id, tenant, found.erasure_id, found.scope, None)
    with transaction(session, found.tenant_id) as conn:
        entry_id = append(session, entry(act, "done", found.epoch_to, certificate=digest))
        result = Jsonb({"facts": stated, "entry": str(entry_id)})
        changed = queries("erasure").finish_erasure(
            conn, tenant_id=found.tenant_id, erasure_id=found.erasure_id, result=result, at=at
        )
        if changed != 1:
            raise BusyError(
                "another run is finishing this erasure", hint="run it again to get the certificate"
            )
        processor.notify(session, found.tenant_id, KIND, found.erasure_id, notices)
        requested.answer(session, found, digest, at)
    return record.find(session, found.erasure_id)


def _settle(conn: Any, found: record.Erasure) -> None:
    """Write down who was erased before, by another act, and who waits for the end of a legal hold.

    Raises BusyError when somebody is left.
    """
    noun, this = queries("erasure"), {"tenant_id": found.tenant_id, "erasure_id": found.erasure_id}
    left = record.left_to_do(conn, found)
    rows = noun.statuses(conn, tenant_id=found.tenant_id, ids=Uuids.of(left))
    became = {"before": [row[0] for row in rows if row[1] == "erased"]}
    became["held"] = sorted(hold.held(conn, found.tenant_id, set(left) - set(became["before"])))
    if sum(map(len, became.values())) < len(left):
        raise BusyError("somebody is left of this erasure", hint="run it again")
    for state, people in became.items():
        noun.insert_people(
            conn, **this, state=state, scope=found.scope, ids=Uuids.of(people), owners=Uuids.of([]),
            classes=[], versions=[], slots=[],
        )  # fmt: skip


def _certify(session: Session, done: record.Erasure, folder: Path) -> str | None:
    """Write the certificate; returns why it is pending, None when it is complete."""
    result = done.result or {}
    facts, entry_id = result["facts"], UUID(result["entry"])
    act = certificate.Act(
        KIND, str(done.erasure_id), certificate.canonical(facts), document(facts), files=_lists(session, done)
    )
    return issue(session, act, entry_id, folder)


def _lists(session: Session, done: record.Erasure) -> dict[str, bytes]:
    """Return the list of people that lies beside a certificate about many."""
    if done.subject_id is not None:
        return {}
    with transaction(session, done.tenant_id) as conn:
        return {LIST: listed(done.erasure_id, record.people(conn, done))}


def _result(
    session: Session, done: record.Erasure, outcome: str, place: Path, pending: str | None
) -> ErasureResult:
    with transaction(session, done.tenant_id) as conn:
        batches = record.batches(conn, done)
    going, keys = statement.summed(batches)
    return ErasureResult(
        erasure_id=done.erasure_id,
        subject_id=done.subject_id,
        outcome=outcome,
        epoch=done.epoch,
        going=going,
        keys=keys,
        staying=statement.staying(done.plan),
        certificate=str(place),
        pending=pending,
        people=sum(one.people for one in batches),
        epoch_to=done.epoch_to,
        unconfirmed=sum(one.confirmed_at is None for one in processor.about(session, done.erasure_id)),
    )
