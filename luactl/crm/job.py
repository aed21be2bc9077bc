"""One import while it runs: what all kinds of records have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..db import Session
from .report import Tally

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..table import Columns, Table
    from ..tenant import Tenant


@dataclass
class ImportJob:
    """Who imports what into which tenant, with whose keys, and the counts so far."""

    session: Session
    tenant: Tenant
    table: Table
    columns: Columns
    keys: TenantKeys
    tally: Tally
