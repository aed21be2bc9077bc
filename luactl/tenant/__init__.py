"""Tenants: the companies whose data Lua CRM keeps. Who they are, how they begin, how they are suspended.

Owns `lua.tenant_directory`, `lua.tenant` and what a tenant is born with. What happens to the data later
belongs to other nouns: rules to `retention`, keys to `key`. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .birth import ROLES, Creation, NewTenant, checked_tenant, create, create_many, rules_for
    from .dedicated import Fault, StaffChange, admit, dismiss, drop_own, faults, own
    from .importing import ImportReport, import_
    from .login import LoginChange, renew_login
    from .register import (
        ADMISSION,
        FIRST_DEDICATED,
        DeletionRule,
        Role,
        Tenant,
        active,
        find,
        find_ended,
        in_context,
        list_,
        open_to,
    )
    from .standing import StatusChange, resume, suspend
    from .view import Activity, Detail, OpenWork, Partition, Size, show

__all__ = [
    "ADMISSION",
    "FIRST_DEDICATED",
    "ROLES",
    "Activity",
    "Creation",
    "DeletionRule",
    "Detail",
    "Fault",
    "ImportReport",
    "LoginChange",
    "NewTenant",
    "OpenWork",
    "Partition",
    "Role",
    "Size",
    "StaffChange",
    "StatusChange",
    "Tenant",
    "active",
    "admit",
    "checked_tenant",
    "create",
    "create_many",
    "dismiss",
    "drop_own",
    "faults",
    "find",
    "find_ended",
    "import_",
    "in_context",
    "list_",
    "open_to",
    "own",
    "renew_login",
    "resume",
    "rules_for",
    "show",
    "suspend",
]

__getattr__ = attributes(
    __name__,
    {
        "birth": "ROLES Creation NewTenant checked_tenant create create_many rules_for",
        "dedicated": "Fault StaffChange admit dismiss drop_own faults own",
        "importing": "ImportReport import_",
        "login": "LoginChange renew_login",
        "register": "ADMISSION FIRST_DEDICATED DeletionRule Role Tenant active find find_ended in_context"
        " list_ open_to",
        "standing": "StatusChange resume suspend",
        "view": "Activity Detail OpenWork Partition Size show",
    },
)
