"""Carrying out the end of a tenant: keys in one epoch, then rows table by table, then the certificate.

Cut short anywhere it can be run again. Once the keys are gone nothing of the tenant can be read, whatever
still stands in tables, backups and the write-ahead log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from .. import approval, certificate, processor
from ..certificate.evidence import issue
from ..db import Session, in_context, queries, transaction
from ..errors import BusyError, Exit, LuactlError, RefusedError
from ..key.classes import SealError, TenantDrop
from ..key.recovery import recover
from ..ledger import Entry
from ..tenant import drop_own
from . import facts as statement
from .facts import Check
from .planning import Rows, TerminationPlan
from .record import Termination, current

if TYPE_CHECKING:
    from psycopg.types.json import Jsonb

    from ..processor import Notice
    from ..tenant import Tenant

KIND: Literal["termination"] = "termination"


class RemainsError(LuactlError):
    """The keys were dropped, but the check that follows found something that still opens or stands."""

    exit = Exit.FINDINGS


@dataclass(frozen=True)
class TerminationResult:
    """What came of a run."""

    termination_id: UUID
    tenant: str
    outcome: str
    """ended, finished (an earlier run was cut short), or already ended."""
    epoch: int
    """Epoch of the key tree in which the tenant's keys went."""
    going: tuple[Rows, ...]
    """Rows that went, by table."""
    returned: str
    """How the data were returned, or why not."""
    certificate: str
    """Folder of the certificate."""
    pending: str | None
    """Why the certificate lacks signature or proof; None when it is complete."""
    processors: tuple[Notice, ...]
    """What was told to whoever processed for the tenant, and what they confirmed."""


def run(
    session: Session, tenant: Tenant, plan: TerminationPlan, base: Path, folder: Path | None = None
) -> TerminationResult:
    """End the tenant of a plan; the certificate goes to `folder`, or else to `base`/<termination id>.

    Raises RefusedError before the time of grace is over, while nobody has said how the data were returned,
    and off a key host; ApprovalNeededError where the rule wants approval that is not there; BusyError when
    tree or tenant are in use; RemainsError when something still opens.
    """
    known = _demand_ready(session, tenant, plan)
    granted = approval.demand(session, _wanted(plan)) if plan.state == "due" else None
    if folder is not None:
        certificate.check_free(folder, str(known.termination_id))
    outcome = {"due": "ended", "unfinished": "finished", "done": "already ended"}[plan.state]
    if plan.state != "done":
        recover(session)
    if plan.state == "due":
        _drop_keys(session, tenant, plan, granted)
        known = _reread(session, tenant)
    if known.state == "intent":
        _take_rows(session, tenant, known)
        known = _conclude(session, tenant, known)
    elif plan.left_over:
        _drop_left_over(session, tenant, known)
    told = processor.about(session, known.termination_id)
    known = _restate(session, tenant, known, told)
    place = folder or base / str(known.termination_id)
    pending = _certify(session, known, place)
    return _result(tenant, known, outcome, place, pending, told)


def _demand_ready(session: Session, tenant: Tenant, plan: TerminationPlan) -> Termination:
    found = current(session, tenant.tenant_id)
    if found is None or plan.state == "none":
        raise RefusedError(
            f"the end of {tenant.slug!r} is not announced",
            hint=f"`luactl tenant terminate {tenant.slug} --instruction REF` announces it",
        )
    if plan.state == "announced":
        raise RefusedError(
            f"{tenant.slug!r} has until {found.erase_from.isoformat()} to think better of it",
            hint=f"run it again then; `luactl tenant terminate {tenant.slug} --withdraw` takes it back",
        )
    if plan.left_over and not queries("tenant").may_drop_own(session.conn):
        raise RefusedError(
            f"{tenant.slug!r} has tables and a login of its own, which only an administrator ends",
            hint="run it as a login that has lua_admin and lua_dpo",
        )
    if plan.state == "due" and plan.held:
        raise RefusedError(
            f"{plan.held} legal holds bind data of {tenant.slug!r}",
            hint=f"`luactl hold list --tenant {tenant.slug}` shows them; what is held does not go",
        )
    if plan.state == "due" and plan.returned is None:
        raise RefusedError(
            f"nobody has said whether the data of {tenant.slug!r} were returned (Art. 28(3)(g) GDPR)",
            hint="--returned EXPORT names the export, --not-wanted TEXT says why there is none",
        )
    return found


def _reread(session: Session, tenant: Tenant) -> Termination:
    found = current(session, tenant.tenant_id)
    if found is None:
        raise LuactlError(f"the end of {tenant.slug!r} left no record")
    return found


def _wanted(plan: TerminationPlan) -> approval.Want:
    """Return what an approver is asked for."""
    return approval.Want(
        action="tenant.terminate",
        target=f"end of {plan.tenant} {plan.termination_id}",
        summary=f"End {plan.tenant}: erase everything that was processed for it",
        exact={"instruction": str(plan.instruction), "returned": str(plan.returned)},
        counts={one.table: one.rows for one in plan.going},
        tenant=plan.tenant,
    )


def _drop_keys(
    session: Session, tenant: Tenant, plan: TerminationPlan, granted: approval.Granted | None
) -> None:
    """Drop both subtrees of the tenant; state and ledger intent go with it in the epoch's one transaction."""
    from psycopg.types.json import Jsonb

    from ..key.drop import drop
    from ..ledger import append

    def change(epoch: int) -> None:
        in_context(session, tenant.tenant_id)
        approval.use(session, granted)
        approved = {"approval": granted.stated} if granted else {}
        rows = dict(queries("termination").rows(session.conn, tenant_id=tenant.tenant_id))
        begun = queries("termination").begin(
            session.conn,
            tenant_id=tenant.tenant_id,
            epoch=epoch,
            returned=plan.returned,
            plan=Jsonb({"rows": rows, "keys": plan.keys, **approved}),
            at=session.clock.now(),
        )
        append(session, _entry(tenant.tenant_id, begun, "intent", epoch=epoch))

    drop(session, [TenantDrop(tenant.tenant_id, whole=True)], change)


def _entry(tenant_id: int, act: UUID, outcome: Literal["intent", "done"], **detail: int | str) -> Entry:
    return Entry("tenant.terminate", tenant_id, f"{KIND}:{act}", outcome=outcome, detail=detail)


def _take_rows(session: Session, tenant: Tenant, known: Termination) -> None:
    """Delete the tenant's rows, one table a transaction, until none is left."""
    from ..ledger import append

    while True:
        with transaction(session, tenant.tenant_id) as conn:
            taken = queries("termination").take_rows(conn, tenant_id=tenant.tenant_id)
            if taken is None:
                return
            detail = {"table": taken[0], "rows": taken[1]}
            about = f"{KIND}:{known.termination_id}"
            append(session, Entry("tenant.take-rows", tenant.tenant_id, about, detail=detail))


def check(session: Session, tenant: Tenant) -> list[Check]:
    """Try to find rows, claims and keys of the tenant; each attempt with what came of it."""
    noun, who = queries("termination"), {"tenant_id": tenant.tenant_id}
    with transaction(session, tenant.tenant_id) as conn:
        rows = sum(count for _table, count in noun.rows(conn, **who))
        claims = sum(noun.claims_left(conn, **who))
    return [
        Check("rows", "broken" if rows else "kept", f"{rows:,} rows are left"),
        Check("claims of keys", "broken" if claims else "kept", f"{claims:,} are left"),
        _check_keys(session, tenant),
    ]


def _check_keys(session: Session, tenant: Tenant) -> Check:
    from ..key import open_tenant

    try:
        with transaction(session, tenant.tenant_id):
            open_tenant(session, tenant.tenant_id)
    except SealError:
        return Check("keys", "kept", "the tenant's node does not open under today's root")
    return Check("keys", "broken", "the tenant's node opens under today's root")


def _conclude(session: Session, tenant: Tenant, known: Termination) -> Termination:
    """Check that nothing opens any more, then write down the outcome with the facts of the certificate."""
    checks = check(session, tenant)
    broken = [one for one in checks if one.state == "broken"]
    if broken:
        raise RemainsError(
            f"the end of {tenant.slug!r} is not complete: {broken[0].check}: {broken[0].what}",
            hint="`luactl key status`, then run it again",
        )
    at = session.clock.now()
    notices = processor.due(session, tenant.tenant_id)
    stated = statement.facts(session, tenant, known, checks, notices, at)
    with transaction(session, tenant.tenant_id) as conn:
        result = _recorded(session, tenant, known, stated)
        processor.notify(session, tenant.tenant_id, KIND, known.termination_id, notices)
        if not queries("termination").finish(conn, tenant_id=tenant.tenant_id, result=result, at=at):
            raise BusyError("another run is finishing this", hint="run it again to get the certificate")
        if tenant.isolation == "dedicated":
            drop_own(session, tenant.tenant_id)  # last: others wait from here on, and no row shows any more
    return _reread(session, tenant)


def _recorded(session: Session, tenant: Tenant, known: Termination, stated: dict[str, Any]) -> Jsonb:
    """Name these facts in the ledger, in the running transaction; return them as the register keeps them."""
    from psycopg.types.json import Jsonb

    from ..ledger import append

    digest = sha256(certificate.canonical(stated)).hexdigest()
    entry = _entry(tenant.tenant_id, known.termination_id, "done", epoch=known.epoch or 0, certificate=digest)
    return Jsonb({"facts": stated, "entry": str(append(session, entry))})


def _drop_left_over(session: Session, tenant: Tenant, known: Termination) -> None:
    """Drop what an end by an earlier version left a dedicated tenant: empty tables, a role without rights."""
    from ..ledger import append

    with transaction(session):
        detail = {"dropped": drop_own(session, tenant.tenant_id)}
        about = f"{KIND}:{known.termination_id}"
        append(session, Entry("tenant.drop-own", tenant.tenant_id, about, detail=detail))


def _restate(session: Session, tenant: Tenant, known: Termination, told: Sequence[Notice]) -> Termination:
    """Certify anew what processors were told and confirmed, where that has changed since."""
    result = known.result or {}
    stated = statement.restated(result["facts"], told, session.clock.now())
    if stated == result["facts"]:
        return known
    with transaction(session) as conn:
        again = _recorded(session, tenant, known, stated)
        if not queries("termination").restate(conn, termination_id=known.termination_id, result=again):
            raise LuactlError("the certificate cannot be stated anew: its facts are not those on record")
    return _reread(session, tenant)


def _certify(session: Session, known: Termination, folder: Path) -> str | None:
    """Write the certificate; returns why it is pending, None when it is complete."""
    result = known.result or {}
    stated, entry_id = result["facts"], UUID(result["entry"])
    act = certificate.Act(
        KIND, str(known.termination_id), certificate.canonical(stated), statement.document(stated)
    )
    return issue(session, act, entry_id, folder)


def _result(
    tenant: Tenant,
    known: Termination,
    outcome: str,
    place: Path,
    pending: str | None,
    told: tuple[Notice, ...],
) -> TerminationResult:
    rows = (known.plan or {}).get("rows", {})
    return TerminationResult(
        known.termination_id,
        tenant.slug,
        outcome,
        known.epoch or 0,
        tuple(Rows(name, count) for name, count in rows.items() if count),
        known.returned or "",
        str(place),
        pending,
        told,
    )
