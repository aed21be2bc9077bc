"""Secrets of tenants: credentials that the CRM must read back, and tokens of its API.

Owns `lua.secret` and `lua.token_directory`. A credential is sealed before it leaves this process, a token is
kept as a hash; neither is printed but by `reveal` and, once, by `issue`. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .finding import Whose, find
    from .issuing import DAYS, Issued, issue, plan_issue, plan_successor
    from .putting import Put, plan_put, plan_rotate, put
    from .reading import Revealed, reveal
    from .register import Secret, list_, present
    from .revoking import Revocation, revoke
    from .token import hash_of

__all__ = [
    "DAYS",
    "Issued",
    "Put",
    "Revealed",
    "Revocation",
    "Secret",
    "Whose",
    "find",
    "hash_of",
    "issue",
    "list_",
    "plan_issue",
    "plan_put",
    "plan_rotate",
    "plan_successor",
    "present",
    "put",
    "reveal",
    "revoke",
]

__getattr__ = attributes(
    __name__,
    {
        "finding": "Whose find",
        "issuing": "DAYS Issued issue plan_issue plan_successor",
        "putting": "Put plan_put plan_rotate put",
        "reading": "Revealed reveal",
        "register": "Secret list_ present",
        "revoking": "Revocation revoke",
        "token": "hash_of",
    },
)
