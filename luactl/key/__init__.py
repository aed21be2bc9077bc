"""Keys: the tree, its holders and its books, sealed columns, blind indexes (docs/reference/formats.md).

Names are loaded at first use: who only needs a class number does not pay for cryptography.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from .status import KeyStatus, State, status
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
    "SealError",
    "Sealer",
    "State",
    "SubjectKey",
    "TenantDrop",
    "TenantKeys",
    "UnfinishedError",
    "Verification",
    "create_tenant",
    "create_tree",
    "drop",
    "open_tenant",
    "period_id",
    "recover",
    "reserve_tenants",
    "seal",
    "split_period",
    "status",
    "unseal",
    "verify",
]

_ROOMS = {
    "classes": "KeyClass PeriodKey Place RetentionClass SealError SubjectKey TenantDrop"
    " period_id split_period",
    "drop": "EpochChange UnfinishedError drop",
    "recovery": "Recovery recover",
    "seal": "Sealer seal unseal",
    "status": "KeyStatus State status",
    "tenant": "TenantKeys create_tenant open_tenant reserve_tenants",
    "tree": "create_tree",
    "verify": "Finding Verification verify",
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{room}", __name__), name)
