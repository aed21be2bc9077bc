"""Carrying out an erasure: keys and rows in one epoch, then the outcome and the certificate.

Cut short anywhere it can be run again: before the epoch's transaction nothing has happened; after it, the
intent on record says so, the old root is destroyed first and the rest is finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal
from uuid import UUID

from .. import certificate
from ..certificate.evidence import prove
from ..db import Session, in_context, queries, transaction
from ..errors import BusyError, Exit, LuactlError
from ..key.classes import KeyClass, TenantDrop
from ..key.recovery import recover
from ..ledger import Entry
from . import facts as statement
from . import record
from .checking import Check, check
from .planning import ErasurePlan, Going, Staying, count

KIND = "erasure"


class UnverifiedError(LuactlError):
    """The keys were dropped, but the check that follows found something that still opens or stands."""

    exit = Exit.FINDINGS


@dataclass(frozen=True)
class ErasureResult:
    """What came of a run."""

    erasure_id: UUID
    subject_id: UUID
    outcome: str
    """erased, finished (an earlier run was cut short), or already erased."""
    epoch: int
    """Epoch of the key tree that dropped the keys."""
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


def run(session: Session, plan: ErasurePlan, base: Path, folder: Path | None = None) -> ErasureResult:
    """Erase the person of a plan and write the certificate to `folder`, or else to `base`/<erasure id>.

    Raises BusyError when the person's data change or another run erases them, RefusedError off a key host
    or when foreign files stand where the certificate goes, UnverifiedError when something can still be
    read.
    """
    known = _known(session, plan)
    if folder is not None:
        certificate.check_free(folder, str(known.erasure_id) if known else None)
    outcome = "erased" if known is None else "already erased" if known.state == "done" else "finished"
    if known is None or known.state == "intent":
        recover(session)
    done = known or _erase(session, plan)
    if done.state == "intent":
        done = _conclude(session, plan.tenant, done)
        session.step("outcome written")
    else:
        _demand_gone(session, done)  # a record is only a row: nothing is certified anew that can be read
    place = folder or base / str(done.erasure_id)
    pending = _certify(session, done, place)
    return _result(plan, done, outcome, place, pending)


def _known(session: Session, plan: ErasurePlan) -> record.Erasure | None:
    with transaction(session, plan.tenant_id) as conn:
        return record.of_subject(conn, plan.tenant_id, plan.subject_id)


def _erase(session: Session, plan: ErasurePlan) -> record.Erasure:
    """Drop the keys; rows, record and ledger intent go with them in the one transaction of the epoch."""
    from ..key.drop import drop
    from ..ledger import new_id

    erasure_id = new_id(session.clock.now())
    with transaction(session, plan.tenant_id) as conn:
        keys = count(conn, plan.tenant_id, plan.subject_id, session.clock.now())[1]
    classes = sorted({KeyClass(one[0]) for one in keys})

    def change(epoch: int) -> None:
        in_context(session, plan.tenant_id)
        _change(session, plan, erasure_id, epoch, keys)

    subjects = tuple((plan.subject_id, key_class) for key_class in classes)
    drop(session, [TenantDrop(plan.tenant_id, subjects)], change)
    found = _known(session, plan)
    if found is None:
        raise LuactlError(f"erasure {erasure_id} left no record")
    return found


def _change(
    session: Session, plan: ErasurePlan, erasure_id: UUID, epoch: int, keys: Sequence[tuple[int, int, int]]
) -> None:
    """Make all row changes in the epoch's transaction, with the subject locked against every writer."""
    from psycopg.types.json import Jsonb

    from ..ledger import append

    conn, noun, at = session.conn, queries("erasure"), session.clock.now()
    who = {"tenant_id": plan.tenant_id, "subject_id": plan.subject_id}
    locked = noun.lock_subject(conn, **who)
    if locked is None or locked[0] != "active":
        raise BusyError("another run has just erased this person", hint="run it again to get the certificate")
    going, left, staying = count(conn, plan.tenant_id, plan.subject_id, session.clock.now())
    _check_unchanged(keys, left, staying)
    gone = (
        noun.delete_contacts(conn, **who),
        noun.delete_contact_keys(conn, **who),
        noun.delete_interactions(conn, **who),
    )
    if gone != tuple(one.rows for one in going) or noun.mark_erased(conn, **who, at=at) != 1:
        raise LuactlError(
            f"the rows of subject {plan.subject_id} could not all be deleted; nothing was changed"
        )
    noun.retain_invoices(conn, **who, at=at)
    document = Jsonb(statement.planned(going, keys, staying))
    noun.insert_erasure(
        conn, **who, erasure_id=erasure_id, instruction=plan.instruction, epoch=epoch, plan=document, at=at
    )
    append(session, _entry(plan.tenant_id, erasure_id, "intent", epoch))


def _entry(
    tenant_id: int, erasure_id: UUID, outcome: Literal["intent", "done"], epoch: int, **detail: str
) -> Entry:
    """Return the ledger entry of an erasure. It names no person: only lua.erasure knows whose it was."""
    return Entry(
        "erasure.run", tenant_id, f"{KIND}:{erasure_id}", outcome=outcome, detail={"epoch": epoch, **detail}
    )


def _check_unchanged(
    dropped: Sequence[tuple[int, int, int]], left: Sequence[tuple[int, int, int]], staying: Sequence[Staying]
) -> None:
    """Raise BusyError when keys or invoices came in between plan and lock."""
    classes = {one[0] for one in dropped}
    if {one[0] for one in left} - classes or (KeyClass.ACCOUNTING in classes and staying):
        raise BusyError("data of this person came in at this very moment", hint="run it again")


def _demand_gone(session: Session, found: record.Erasure) -> list[Check]:
    """Return every attempt to reach the person. Raises UnverifiedError when one succeeds."""
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

    checks = _demand_gone(session, found)
    at = session.clock.now()
    stated = statement.facts(session, tenant, found, checks, at)
    digest = sha256(certificate.canonical(stated)).hexdigest()
    with transaction(session, found.tenant_id) as conn:
        entry_id = append(
            session, _entry(found.tenant_id, found.erasure_id, "done", found.epoch, certificate=digest)
        )
        result = Jsonb({"facts": stated, "entry": str(entry_id)})
        changed = queries("erasure").finish_erasure(
            conn, tenant_id=found.tenant_id, erasure_id=found.erasure_id, result=result, at=at
        )
        if changed != 1:
            raise BusyError(
                "another run is finishing this erasure", hint="run it again to get the certificate"
            )
    return record.find(session, found.erasure_id)


def _certify(session: Session, done: record.Erasure, folder: Path) -> str | None:
    """Write the certificate; returns why it is pending, None when it is complete."""
    result = done.result or {}
    facts, entry_id = result["facts"], UUID(result["entry"])
    act = certificate.Act(KIND, str(done.erasure_id), certificate.canonical(facts), statement.document(facts))
    proven = prove(session, entry_id)  # the erasure stands; its certificate can be completed at any time
    certificate.write(folder, act, session.clock.now(), session.actor, proven.evidence, proven.signer)
    session.step("certificate written")
    return proven.pending


def _result(
    plan: ErasurePlan, done: record.Erasure, outcome: str, place: Path, pending: str | None
) -> ErasureResult:
    going, keys, staying = statement.read(done.plan)
    return ErasureResult(
        done.erasure_id, plan.subject_id, outcome, done.epoch, going, keys, staying, str(place), pending
    )
