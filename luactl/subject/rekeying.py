"""A new key version for one person: rows sealed anew, the old version dropped (formats.md, 2.8).

So what the rows held before dies in every old copy too. Ledger entries stay as they are: details about the
person that were sealed under the old version open no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, in_context, queries, transaction
from ..errors import BusyError, LuactlError, RefusedError
from ..key.classes import KeyClass, PeriodKey, SubjectKey, TenantDrop, split_period
from .sealed import Table, read, tables_of, write

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..tenant import Tenant

Edit = Callable[[Table, str, Mapping[str, Any]], Mapping[str, Any]]
"""Table, row id and fields of a row to the fields that it shall have."""


@dataclass(frozen=True)
class Rekeyed:
    """What a re-keying of a subject does, or did."""

    subject_id: UUID
    key_class: str
    version_from: int
    version_to: int
    rows: Mapping[str, int]
    """Rows sealed anew, by table."""
    epoch: int | None = None
    """The epoch that dropped the old version; None in a plan."""


def keep(_table: Table, _row_id: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave the fields of a row as they are."""
    return fields


def plan_rekey(
    session: Session, tenant: Tenant, subject_id: UUID, key_class: KeyClass = KeyClass.MAIN
) -> Rekeyed:
    """Return what `rekey` would do. Raises NotFoundError, RefusedError for an erased subject."""
    from ..key import open_tenant
    from .finding import lock

    with transaction(session, tenant.tenant_id):
        lock(session, tenant.tenant_id, [subject_id])
        _demand_free(session, tenant.tenant_id, subject_id)
        keys = open_tenant(session, tenant.tenant_id)
        old = _only(keys, subject_id, key_class)
        rows = {
            table.table: len(read(session, table, tenant.tenant_id, subject_id))
            for table in tables_of(key_class)
        }
    return Rekeyed(subject_id, key_class.label, old.version, old.version + 1, rows)


def _demand_free(session: Session, tenant_id: int, subject_id: UUID) -> None:
    """Refuse what would destroy what a hold keeps; the database asks again when it comes to it."""
    from ..hold import held

    for holds in held(session.conn, tenant_id, [subject_id]).values():
        raise RefusedError(
            f"subject {subject_id} is held: {', '.join(str(one.hold_id) for one in holds)}",
            hint="what is held stays as it is; `luactl hold list` shows the case",
        )


def _only(keys: TenantKeys, subject_id: UUID, key_class: KeyClass) -> SubjectKey:
    found = keys.subjects([subject_id], key_class).get(subject_id)
    if found is None:
        raise RefusedError(
            f"subject {subject_id} has no key of class {key_class.label}",
            hint="nothing of that class is sealed",
        )
    return found


@dataclass
class _Run:
    """One re-keying under way."""

    session: Session
    tenant: Tenant
    subject_id: UUID
    key_class: KeyClass
    keys: TenantKeys
    old: SubjectKey
    edit: Edit
    rows: dict[str, int]

    def lock(self) -> Sequence[TenantDrop]:
        """Lock the subject against every writer; say which version goes."""
        tenant_id = self.tenant.tenant_id
        in_context(self.session, tenant_id)
        found = dict(
            queries("subject").lock_alone(self.session.conn, tenant_id=tenant_id, subject_id=self.subject_id)
        )
        if found.get(self.subject_id) != "active":
            raise RefusedError(
                f"subject {self.subject_id} was erased meanwhile", hint="there is nothing to correct"
            )
        if _only(self.keys, self.subject_id, self.key_class).version != self.old.version:
            raise BusyError("somebody else has just re-keyed this person", hint="run it again")
        return [TenantDrop(tenant_id, versions=[(self.subject_id, self.key_class, self.old.version)])]

    def reseal(self) -> None:
        """Seal every row of the class under the next version."""
        in_context(self.session, self.tenant.tenant_id)
        new = self.keys.claim_newer(self.subject_id, self.key_class, self.old.version + 1)
        for table in tables_of(self.key_class):
            self.rows[table.table] = self._table(table, new)

    def _table(self, table: Table, new: SubjectKey) -> int:
        from ..key.seal import header, seal, unseal

        periods: dict[int, PeriodKey] = {}
        resealed = []
        for row_id, sealed in read(self.session, table, self.tenant.tenant_id, self.subject_id):
            identifier = header(sealed)[2]  # its own, or that of a hold
            if identifier not in periods:
                periods[identifier] = self._period(identifier, table)
            place = table.place(self.tenant.tenant_id, self.subject_id, row_id)
            fields = self.edit(table, row_id, unseal(sealed, place, self.old, periods[identifier]))
            resealed.append((row_id, seal(fields, place, new, periods[identifier], self.key_class)))
        if write(self.session, table, self.tenant.tenant_id, resealed) != len(resealed):
            raise LuactlError(
                f"not every row of {table.table} could be sealed anew; nothing was changed",
                hint="is one of them held? `luactl hold list` shows it",
            )
        return len(resealed)

    def _period(self, identifier: int, table: Table) -> PeriodKey:
        found = self.keys.existing_period(*split_period(identifier))
        if found is None:
            raise LuactlError(
                f"a period is purged, but {table.table} has a row of it",
                hint="`luactl retention purge` finishes what was cut short",
            )
        return found


def rekey(
    session: Session,
    tenant: Tenant,
    subject_id: UUID,
    key_class: KeyClass = KeyClass.MAIN,
    *,
    purpose: str,
    edit: Edit = keep,
    action: str = "subject.rekey",
    detail: Mapping[str, Any] | None = None,
    after: Callable[[], None] = lambda: None,
) -> Rekeyed:
    """Give a subject a new key version of a class and drop the old one; `edit` may change fields on the way.

    What an earlier change of the tree left unfinished is finished, and the reading recorded, before anything
    else. `after` runs in the epoch's transaction, once all rows are sealed anew. Leaves two ledger entries,
    intent and done, with `detail`, which names no person. Raises RefusedError for an erased subject or off a
    key host, BusyError when another change is under way, and as `key.drop`.
    """
    from ..key import drop, open_tenant, recover
    from ..ledger import Entry, append, record_read, references

    plan = plan_rekey(session, tenant, subject_id, key_class)
    recover(session)
    keys = open_tenant(session, tenant.tenant_id)
    reference = references(session, keys, tenant.tenant_id, [subject_id]).get(subject_id)
    known = [] if reference is None else [reference]
    rows = sum(plan.rows.values())
    record_read(session, tenant.tenant_id, known, purpose, f"class:{key_class.label}", rows)
    keys.reserve(key_class, 1)
    old = keys.subjects([subject_id], key_class)[subject_id]
    run = _Run(session, tenant, subject_id, key_class, keys, old, edit, {})
    facts = {**(detail or {}), "class": key_class.label, "version": old.version + 1}
    entry = Entry(action, tenant.tenant_id, "table:crm.subject", reference, purpose, "intent")

    def change(epoch: int) -> None:
        run.reseal()
        after()
        append(session, replace(entry, detail={**facts, "epoch": epoch, "rows": sum(run.rows.values())}))

    done = drop(session, run.lock, change)
    with transaction(session):
        append(session, replace(entry, outcome="done", detail={**facts, "epoch": done.epoch_to}))
    return Rekeyed(subject_id, key_class.label, old.version, old.version + 1, run.rows, done.epoch_to)
