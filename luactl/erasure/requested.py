"""An erasure that carries out a person's own request: what it needs, and how the request is answered by it.

The request is bound to the erasure in the transaction of the intent, and answered in that of the outcome. In
between nobody else changes it; afterwards it no longer leads to the person.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from .. import request
from ..db import Session, queries, transaction
from ..errors import BusyError, RefusedError, UsageError
from ..request import stating
from . import record
from .planning import ErasurePlan, plan

if TYPE_CHECKING:
    from ..request import Request
    from ..tenant import Tenant
    from .admission import Saved


def plan_request(
    session: Session,
    tenant: Tenant,
    request_id: UUID,
    *,
    subject_id: UUID | None = None,
    instruction: str | None = None,
) -> ErasurePlan:
    """Return the plan of the erasure that a request asks for. The person is the one who was identified.

    What the tenant received is its word, once it is in the register; what reached Lua CRM itself needs the
    tenant's `instruction` as well, since the tenant decides. Raises NotFoundError for an unknown request,
    RefusedError for one that cannot be carried out, UsageError when `subject_id` is somebody else.
    """
    asked = request.find(session, request_id)
    who = _demand(session, tenant, asked, instruction)
    if subject_id is not None and subject_id != who:
        raise UsageError(
            f"request {request_id} is another person's", hint="leave --subject out: the request says who"
        )
    planned = plan(session, tenant, who, instruction or f"request {request_id}", request=request_id)
    if planned.erasure_id is not None and planned.erasure_id != asked.erasure_id:
        raise RefusedError(
            f"this person is erased already, by erasure {planned.erasure_id} on another order",
            hint=f"`luactl request close {request_id} --outcome answered --reason "
            f"'erasure {planned.erasure_id}'`",
        )
    return planned


def plan_again(session: Session, tenant: Tenant, saved: Saved) -> ErasurePlan:
    """Return what a plan that was saved would do now. Raises as `plan` and `plan_request` do."""
    if saved.request is not None:
        return plan_request(session, tenant, saved.request, instruction=saved.instruction)
    return plan(session, tenant, saved.subjects, saved.instruction, scope=saved.scope)


def _demand(session: Session, tenant: Tenant, asked: Request, instruction: str | None) -> UUID:
    """Return whom it is about. Raises RefusedError when the request cannot be carried out."""
    show = f"`luactl request show {asked.request_id}`"
    if asked.tenant_id != tenant.tenant_id:
        raise RefusedError(
            f"request {asked.request_id} is another tenant's, not one of {tenant.slug!r}", hint=show
        )
    if asked.right != "erasure":
        raise RefusedError(f"request {asked.request_id} asks for {asked.right}, not for erasure", hint=show)
    if asked.erasure_id is not None:
        with transaction(session, tenant.tenant_id) as conn:
            begun = record.read(conn, tenant.tenant_id, asked.erasure_id)
        if begun is not None and begun.subject_id is not None:
            return begun.subject_id  # it was begun, or is done: run again, it is finished or certified anew
    if asked.closed_at is not None:
        raise RefusedError(f"request {asked.request_id} is closed: {asked.state}", hint=show)
    if asked.subject_id is None:
        raise RefusedError(
            f"nobody knows yet whose request {asked.request_id} is",
            hint=f"`luactl request identify {asked.request_id} --subject ID --how TEXT`",
        )
    if asked.received_by == "processor" and instruction is None:
        raise RefusedError(
            f"request {asked.request_id} reached Lua CRM: whether it is carried out, the tenant says",
            hint="give --instruction as well: where the tenant's word is found",
        )
    return asked.subject_id


def bind(conn: Any, tenant_id: int, request_id: UUID, erasure_id: UUID) -> None:
    """Say in the transaction of the intent which request this erasure carries out. Raises BusyError."""
    try:
        queries("request").bind(conn, tenant_id=tenant_id, request_id=request_id, erasure_id=erasure_id)
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        raise BusyError(
            f"the request was changed at this very moment, nobody was erased: {error.diag.message_primary}",
            hint=f"`luactl request show {request_id}`, then run it again",
        ) from error


def answer(session: Session, found: record.Erasure, certificate: str, at: datetime) -> None:
    """Close the request in the transaction of the outcome, naming the certificate by its SHA-256."""
    from ..ledger import Entry, append

    outcome = f"certificate of erasure {found.erasure_id}, SHA-256 {certificate}"
    answered = queries("request").answer(
        session.conn, tenant_id=found.tenant_id, erasure_id=found.erasure_id, outcome=outcome, at=at
    )
    if answered is not None:
        detail = {"outcome": "answered", "erasure": str(found.erasure_id), "certificate": certificate}
        append(session, Entry("request.close", found.tenant_id, f"request:{answered}", detail=detail))


def stated(session: Session, erasure: record.Erasure, at: datetime) -> dict[str, Any] | None:
    """Return what a certificate says of the request that is answered at `at`; None without one."""
    with transaction(session, erasure.tenant_id):
        asked = request.of_erasure(session, erasure.tenant_id, erasure.erasure_id)
    if asked is None:
        return None
    return stating.facts(asked, at)
