"""Tenants: the companies whose data Lua CRM keeps. Who they are, how they begin, how they are suspended.

Owns `lua.tenant_directory`, `lua.tenant` and what a tenant is born with. What happens to the data later
belongs to other nouns: rules to `retention`, keys to `key`. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .birth import ROLES, Creation, NewTenant, checked_tenant, create, create_many, rules_for
    from .importing import ImportReport, import_
    from .register import DeletionRule, Role, Tenant, active, find, in_context, list_
    from .standing import StatusChange, resume, suspend
    from .view import Activity, Detail, OpenWork, Size, show

__all__ = [
    "ROLES",
    "Activity",
    "Creation",
    "DeletionRule",
    "Detail",
    "ImportReport",
    "NewTenant",
    "OpenWork",
    "Role",
    "Size",
    "StatusChange",
    "Tenant",
    "active",
    "checked_tenant",
    "create",
    "create_many",
    "find",
    "import_",
    "in_context",
    "list_",
    "resume",
    "rules_for",
    "show",
    "suspend",
]

__getattr__ = attributes(
    __name__,
    {
        "birth": "ROLES Creation NewTenant checked_tenant create create_many rules_for",
        "importing": "ImportReport import_",
        "register": "DeletionRule Role Tenant active find in_context list_",
        "standing": "StatusChange resume suspend",
        "view": "Activity Detail OpenWork Size show",
    },
)
