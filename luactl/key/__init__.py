"""Keys: the tree, its holders and its books, sealed columns, blind indexes (docs/reference/formats.md).

Importing this is cheap: cryptography and sqlite3 are loaded when they are used.
"""

from .age import RootAge, root_age
from .classes import (
    KeyClass,
    PeriodKey,
    Place,
    RetentionClass,
    SealError,
    SubjectKey,
    TenantDrop,
    period_id,
    split_period,
)
from .drop import EpochChange, UnfinishedError, drop
from .recovery import Recovery, recover
from .seal import Sealer, seal, unseal
from .status import KeyStatus, State, complaints, status
from .tenant import TenantKeys, create_tenant, open_tenant, reserve_tenants
from .tree import create_tree
from .verify import Finding, Verification, verify

__all__ = [
    "EpochChange",
    "Finding",
    "KeyClass",
    "KeyStatus",
    "PeriodKey",
    "Place",
    "Recovery",
    "RetentionClass",
    "RootAge",
    "SealError",
    "Sealer",
    "State",
    "SubjectKey",
    "TenantDrop",
    "TenantKeys",
    "UnfinishedError",
    "Verification",
    "complaints",
    "create_tenant",
    "create_tree",
    "drop",
    "open_tenant",
    "period_id",
    "recover",
    "reserve_tenants",
    "root_age",
    "seal",
    "split_period",
    "status",
    "unseal",
    "verify",
]
