"""One category of people's data goes, and the people stay: their rows are sealed anew under a new key.

What a category's rows held in old copies was sealed under the same key as the rest, so the old key version
must die, and whatever stays is sealed under a new one first. That is one epoch a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import BusyError, UsageError
from ..key.classes import KeyClass
from ..pack import Uuids
from .planning import CONTACT_FIELD, INTERACTION, Going

if TYPE_CHECKING:
    from ..subject.sealed import Table
    from ..tenant import Tenant
    from .batch import Act

FIELD = re.compile(r"[a-z][a-z0-9_]{0,39}")
PURPOSE = "erasure of a category"


def checked(category: str) -> str:
    """Return a category as the scope of an erasure. Raises UsageError, with the reason, for any other.

    Categories are addressed as the data map does: a table, or one field in it.
    """
    if category == INTERACTION:
        return category
    if category.startswith(CONTACT_FIELD):
        name = category.removeprefix(CONTACT_FIELD)
        if name == "external_id":
            raise UsageError(
                "an external id is what an import finds the person by", hint="it goes with the person"
            )
        if FIELD.fullmatch(name):
            return category
    if category == "contact" or category.startswith("contact."):
        raise UsageError(
            "a contact is who the person is: it goes with the person, or field by field",
            hint="without --category the people are erased; --category contact.personal.phone takes a field",
        )
    if category.startswith("invoice"):
        raise UsageError(
            "invoices are kept by law, as a whole", hint="`luactl retention purge` takes them when that ends"
        )
    if category.startswith(f"{INTERACTION}."):
        raise UsageError(
            "interactions go as a whole: their kinds and fields are not told apart by any key",
            hint="--category interaction takes all of these people's",
        )
    raise UsageError(
        "there is no such category of data", hint="interaction, or contact.personal.FIELD as in the import"
    )


def carry_out(session: Session, act: Act, people: Sequence[UUID]) -> None:
    """Take the category from one person after the other; the record goes with each epoch.

    Raises RefusedError for who is erased or held meanwhile, BusyError when another run re-keys them.
    """
    from ..subject import rekey
    from ..tenant import find

    tenant = find(session, act.tenant)
    for who in people:
        one = _One(session, act, tenant, who, _claims(session, act, who), {})
        rekey(session, tenant, who, purpose=PURPOSE, edit=one.edit, after=one.after)


Claim = tuple[int, int]
"""Version and slot of a main key."""


def _claims(session: Session, act: Act, who: UUID) -> tuple[Claim, ...]:
    with transaction(session, act.tenant_id) as conn:
        rows = queries("erasure").slots(conn, tenant_id=act.tenant_id, ids=Uuids.of([who]))
        return tuple((version, slot) for _who, one, version, slot in rows if one == KeyClass.MAIN)


@dataclass(frozen=True)
class _One:
    """One person whose category goes."""

    session: Session
    act: Act
    tenant: Tenant
    who: UUID
    old: tuple[Claim, ...]
    """Their main keys before."""
    changed: dict[str, Mapping[str, Any]]
    """What is left of each contact that lost a field."""

    def edit(self, table: Table, row_id: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take the field away from a contact, and remember what is left for its blind indexes."""
        name = self.act.scope.removeprefix(CONTACT_FIELD)
        if self.act.scope == INTERACTION or table.table != "crm.contact" or name not in fields:
            return fields
        self.changed[row_id] = {one: value for one, value in fields.items() if one != name}
        return self.changed[row_id]

    def after(self) -> None:
        """Delete rows, fit indexes and leave the record, in the epoch's transaction."""
        from ..ledger import append
        from ..subject import reindex_contact
        from .batch import Chosen, entry, record_batch

        conn, act, ids = self.session.conn, self.act, Uuids.of([self.who])
        for row_id, fields in self.changed.items():
            reindex_contact(self.session, self.tenant, UUID(row_id), fields)
        gone: tuple[Going, ...] = ()
        if act.scope == INTERACTION:
            rows = queries("erasure").erase_interactions(conn, tenant_id=act.tenant_id, ids=ids)
            gone = (Going("crm.interaction", rows),)
        epoch = queries("key").epoch(conn) + 1
        chosen = Chosen((self.who,), self.dropped(), (), kept=False)
        record_batch(self.session, act, chosen, gone, epoch)
        append(self.session, entry(act, "intent", epoch, people=1))

    def dropped(self) -> tuple[tuple[UUID, int, int, int], ...]:
        """Return the keys that went. Raises BusyError when somebody else re-keyed the person meanwhile."""
        rows = queries("erasure").slots(
            self.session.conn, tenant_id=self.act.tenant_id, ids=Uuids.of([self.who])
        )
        living = {(version, slot) for _who, one, version, slot in rows if one == KeyClass.MAIN}
        gone = [claim for claim in self.old if claim not in living]
        if not gone or len(gone) != len(self.old):
            raise BusyError("somebody else has just re-keyed this person", hint="run it again")
        return tuple((self.who, int(KeyClass.MAIN), *claim) for claim in gone)
