"""Plans on record: kept for whoever is asked to approve them, and for whoever carries them out.

A plan is kept when somebody says so, and by the first request for its approval; the erasure takes it away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from .. import approval, schema
from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError
from ..pack import Uuids, teach
from . import facts as statement
from .admission import Saved
from .planning import ErasurePlan, Staying


@dataclass(frozen=True)
class KeptPlan:
    """A plan as it stands in lua.erasure_plan: what it meant when it was made."""

    plan_id: UUID
    tenant_id: int
    tenant: str
    """Slug."""
    scope: str
    subjects: tuple[UUID, ...]
    """Everybody asked for, in the order of ids."""
    instruction: str
    digest: str
    """What an approval is bound to."""
    people: int
    """How many were to be erased."""
    held: int
    """How many a legal hold kept."""
    before: int
    """How many were erased before."""
    going: dict[str, int]
    """Rows by table."""
    dropping: dict[str, int]
    """Keys by class."""
    staying: tuple[Staying, ...]
    """What a duty keeps."""
    made_by: str
    """The login that planned it."""
    made_at: datetime
    request: UUID | None = None
    """The person's own request that it carries out."""

    @property
    def saved(self) -> Saved:
        """The same as a file would keep it."""
        return Saved(
            self.tenant, self.scope, self.subjects, self.instruction, self.digest, self.going, self.request
        )


def _target(plan: ErasurePlan) -> str:
    """Return what identifies scope and people of a plan: SHA-256 in hex."""
    return approval.digest(plan.scope, *map(str, plan.subjects))


def keep(session: Session, plan: ErasurePlan, *, dry_run: bool = False) -> KeptPlan:
    """Put a plan on record with its ledger entry, in place of this login's for the same people and scope.

    What is on record just so is left as it is. Raises RefusedError for whoever may not erase, and for a plan
    that was begun or carried out. A dry run asks the database the same and takes it back.
    """
    from psycopg.types.json import Jsonb

    from ..ledger import Entry, append, new_id

    if plan.state != "planned":
        raise RefusedError(
            f"this erasure is {plan.state}, and no plan any more",
            hint=f"`luactl erasure show {plan.erasure_id}`",
        )
    teach(session.conn)
    now, document = session.clock.now(), _document(plan)
    mark = bytes.fromhex(_target(plan))
    try:
        with transaction(session, plan.tenant_id) as conn:
            found = queries("erasure").own_plan(conn, tenant_id=plan.tenant_id, target=mark)
            plan_id: UUID = found[0] if found else new_id(now)
            if found is None or (found[1], found[2]) != (plan.digest, document):
                plan_id = queries("erasure").keep_plan(
                    conn, tenant_id=plan.tenant_id, plan_id=plan_id, target=mark, scope=plan.scope,
                    digest=bytes.fromhex(plan.digest), subjects=Uuids.of(plan.subjects),
                    instruction=plan.instruction, plan=Jsonb(document), at=now,
                )  # fmt: skip
                detail = {"plan": plan.digest, "people": plan.people}
                append(session, Entry("erasure.plan", plan.tenant_id, f"plan:{plan_id}", detail=detail))
            kept = _read(conn, plan.tenant_id, plan.tenant, plan_id)
            if dry_run:
                raise psycopg.Rollback
    except psycopg.errors.InsufficientPrivilege as error:
        raise RefusedError(
            f"{session.actor!r} may not put plans of erasures on record", hint="lua_operator or lua_dpo does"
        ) from error
    return kept


def ask(session: Session, plan: ErasurePlan) -> approval.Approval | None:
    """Ask for approval of a plan, which goes on record; returns the request, None when the rule wants none.

    What `run` asks for by itself. A request that waits or is granted is returned as it is. Raises
    RefusedError when it was denied or nobody is left to erase, and what `keep` raises.
    """
    if not plan.people:
        raise RefusedError(
            "nobody of these people can be erased now", hint=f"`luactl hold list --tenant {plan.tenant}`"
        )
    try:
        granted = demand(session, plan)
    except approval.ApprovalNeededError as needed:
        return approval.find(session, needed.approval_id)
    return None if granted is None else approval.find(session, granted.approval_id)


def demand(session: Session, plan: ErasurePlan) -> approval.Granted | None:
    """Return the approval of a plan, None when none is needed; a plan that needs one goes on record first, so
    that whoever is asked can look at it. Raises as `approval.demand` and `keep` do.
    """
    if approval.needed(session, "erasure.run", plan.people):
        keep(session, plan)
    return approval.demand(session, _wanted(plan))


def _wanted(plan: ErasurePlan) -> approval.Want:
    """Return what an approver is asked for: bound to the plan's digest, rows within the rule's bound."""
    who = "1 person" if plan.people == 1 else f"{plan.people:,} people"
    return approval.Want(
        action="erasure.run",
        target=f"erasure {plan.tenant} {_target(plan)}",
        summary=f"Erase {who} of {plan.tenant}",
        exact={"plan": plan.digest, "scope": plan.scope, "schema": str(schema.newest_version())},
        counts={"people": plan.people, **{one.table: one.rows for one in plan.going}},
        tenant=plan.tenant,
        subjects=plan.people,
    )


def kept(session: Session, plan_id: UUID) -> KeptPlan:
    """Return a plan on record, whichever tenant it belongs to. Raises NotFoundError."""
    from ..tenant import in_context

    with transaction(session) as conn:
        tenant_id = queries("erasure").tenant_of_plan(conn, plan_id=plan_id)
    if tenant_id is None:
        raise NotFoundError(
            f"there is no plan {plan_id} on record",
            hint="it was carried out or withdrawn: `luactl erasure queue` shows what there is",
        )
    slug = in_context(session, tenant_id).slug
    with transaction(session, tenant_id) as conn:
        return _read(conn, tenant_id, slug, plan_id)


def withdraw(session: Session, plan_id: UUID, *, dry_run: bool = False) -> KeptPlan:
    """Take a plan off the record, with its ledger entry; returns it. Nothing else changes.

    Raises NotFoundError, RefusedError for whoever may not erase.
    """
    from ..ledger import Entry, append

    found = kept(session, plan_id)
    try:
        with transaction(session, found.tenant_id) as conn:
            if not queries("erasure").withdraw_plan(conn, tenant_id=found.tenant_id, plan_id=plan_id):
                raise NotFoundError(f"there is no plan {plan_id} on record", hint="`luactl erasure queue`")
            detail = {"plan": found.digest}
            append(session, Entry("erasure.withdraw", found.tenant_id, f"plan:{plan_id}", detail=detail))
            if dry_run:
                raise psycopg.Rollback
    except psycopg.errors.InsufficientPrivilege as error:
        raise RefusedError(
            f"{session.actor!r} may not withdraw plans of erasures", hint="lua_operator or lua_dpo does"
        ) from error
    return found


def _document(plan: ErasurePlan) -> dict[str, Any]:
    counts: dict[str, Any] = {"people": plan.people, "held": len(plan.held), "before": plan.before}
    if plan.request is not None:
        counts["request"] = str(plan.request)
    return counts | statement.planned(plan.going, plan.dropping, (), plan.staying)


def _read(conn: Any, tenant_id: int, slug: str, plan_id: UUID) -> KeptPlan:
    """Return a plan in the running transaction. Raises NotFoundError."""
    row = queries("erasure").plan_on_record(conn, tenant_id=tenant_id, plan_id=plan_id)
    if row is None:
        raise NotFoundError(f"there is no plan {plan_id} on record", hint="`luactl erasure queue`")
    _id, scope, subjects, instruction, digest, plan, by, at = row
    return KeptPlan(
        plan_id, tenant_id, slug, scope, tuple(subjects), instruction, digest, plan["people"], plan["held"],
        plan["before"], plan["going"], plan["classes"], statement.staying(plan), by, at,
        UUID(plan["request"]) if "request" in plan else None,
    )  # fmt: skip
