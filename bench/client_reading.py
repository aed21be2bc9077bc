"""Reading 100 contacts by the CRM's contract, against the bare SELECT of the same 100 rows.

Ours asks for the rows, opens the people's references, writes the entry and waits until it is on disk, asks
for their keys and opens every row; the SELECT by hand, in the same context of a tenant, returns sealed bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from .ledger_world import world
from .measure import Measure, Size, interleaved

if TYPE_CHECKING:
    from luactl.client import Reading

LIMIT = 15.0
RUNS = {Size.FULL: 200, Size.SMALL: 30}
PEOPLE, PAGE = 2_000, 100
SELECT = """SELECT contact_id, subject_id, personal FROM crm.contact
            WHERE tenant_id = %s AND contact_id > %s ORDER BY tenant_id, contact_id LIMIT 100"""
WHO = {"purpose": "appointment", "on_behalf": "user:17"}


@contextmanager
def practice() -> Iterator[tuple[Callable[[], Reading], Callable[[], list[Any]]]]:
    """Yield what reads one page of a tenant's people, and the bare SELECT of the same page."""
    from luactl.client import Client
    from luactl.db import transaction
    from luactl.tenant import NewTenant, create, find

    with world() as (own, _superuser):
        create(own, NewTenant("smile", "Smile", "DE", "office@smile.example"))
        tenant_id, client = find(own, "smile").tenant_id, Client(own)
        people = [{"name": f"Person {n}", "email": f"person{n}@mail.example"} for n in range(PEOPLE)]
        for first in range(0, PEOPLE, 1_000):
            client.create(tenant_id, people[first : first + 1_000], **WHO)
        after = client.page(tenant_id, **WHO, limit=700).contacts[-1].contact_id

        def select() -> list[Any]:
            with transaction(own, tenant_id) as conn:
                return conn.execute(SELECT, (tenant_id, after)).fetchall()

        if [row[0] for row in select()] != [
            one.contact_id for one in client.page(tenant_id, **WHO, after=after, limit=PAGE).contacts
        ]:
            raise ValueError("not the same contacts")
        yield partial(client.page, tenant_id, **WHO, after=after, limit=PAGE), select


def measure(size: Size) -> Measure:
    """Read a page both ways in turns."""
    with practice() as (page, select):
        ours, theirs = interleaved(page, select, RUNS[size])
    return Measure("client_reading", ours, theirs, LIMIT, RUNS[size])
