"""The CRM's users as a console sees them: who they are, what they may, and taking it from them.

Users are made by the CRM itself (`luactl.client`). Owns what is shown of `crm.app_user`, `crm.user_role`,
`crm.user_session` and `crm.user_token`; what somebody may is decided by one function of the database,
`crm.decide`, for the CRM and the console alike. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import attributes

if TYPE_CHECKING:
    from .permission import Explained, Object, explain, objects
    from .purging import Purged, late, purge
    from .register import Detail, Login, Token, User, find, list_, of_login, of_person, show
    from .revoking import WHAT, Revoked, revoke

__all__ = [
    "WHAT",
    "Detail",
    "Explained",
    "Login",
    "Object",
    "Purged",
    "Revoked",
    "Token",
    "User",
    "explain",
    "find",
    "late",
    "list_",
    "objects",
    "of_login",
    "of_person",
    "purge",
    "revoke",
    "show",
]

__getattr__ = attributes(
    __name__,
    {
        "permission": "Explained Object explain objects",
        "purging": "Purged late purge",
        "register": "Detail Login Token User find list_ of_login of_person show",
        "revoking": "WHAT Revoked revoke",
    },
)
