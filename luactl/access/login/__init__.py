"""Logins of people and jobs: Postgres roles that functions of the database make, change and end.

Owns `lua.login` and `lua.login_grant`; whose a login is stands in `lua.person_login` (docs/design/login.md).
Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import attributes

if TYPE_CHECKING:
    from .adopting import Adoption, Stranger, adopt, parse_adoptions, strangers
    from .changing import LoginChange, Wanted, add, change, end
    from .password import Password, checked_password
    from .register import Login, find, list_, role_of

__all__ = [
    "Adoption",
    "Login",
    "LoginChange",
    "Password",
    "Stranger",
    "Wanted",
    "add",
    "adopt",
    "change",
    "checked_password",
    "end",
    "find",
    "list_",
    "parse_adoptions",
    "role_of",
    "strangers",
]

__getattr__ = attributes(
    __name__,
    {
        "adopting": "Adoption Stranger adopt parse_adoptions strangers",
        "changing": "LoginChange Wanted add change end",
        "password": "Password checked_password",
        "register": "Login find list_ role_of",
    },
)
