"""What a stage keeps of roles: they belong to the whole server, and go with no copy of a database."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from conftest import Connection
from psycopg import sql

FRESH = re.compile(r"lua_e\d+_\d+_[0-9a-f]{14}|(?<=lua_t)\d+|PASSWORD '[^']*'|\d{4}-\d\d-\d\d .*")
"""What differs from run to run: names of elevated logins, numbers of tenants, verifiers, days of validity."""
ATTRIBUTES = """
    SELECT rolname::text, concat_ws(' ',
        CASE WHEN rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END, CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
        CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
        CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, CASE WHEN rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
        CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END, 'CONNECTION LIMIT ' || rolconnlimit,
        'PASSWORD ' || coalesce(quote_literal(rolpassword), 'NULL'), 'VALID UNTIL ' || quote_literal(coalesce(rolvaliduntil, 'infinity')))
    FROM pg_authid WHERE rolname !~ '^pg_'"""  # noqa: E501
# Up to 15 a membership has no options but ADMIN.
MEMBERSHIPS = """
    SELECT m.roleid::regrole::text, m.member::regrole::text, m.grantor::regrole::text,
           concat_ws(', ', 'ADMIN ' || CASE WHEN m.admin_option THEN 'OPTION' END, 'INHERIT ' || (to_jsonb(m) ->> 'inherit_option'),
                     'SET ' || (to_jsonb(m) ->> 'set_option'))
    FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname !~ '^pg_'"""  # noqa: E501


@dataclass(frozen=True)
class Roles:
    """All roles but those of the server itself."""

    attributes: dict[str, str]
    """Of each, as ALTER ROLE takes them."""
    memberships: frozenset[tuple[str, str, str, str]]
    """Role, member, who granted it, options; the names as they are quoted."""

    def gist(self) -> Counter[str]:
        """Return what the same command comes to each time."""
        said = [f"{name} {options}" for name, options in self.attributes.items()]
        said += [" ".join(one) for one in self.memberships]
        return Counter(FRESH.sub("…", one) for one in said)


def read(conn: Connection) -> Roles:
    """Return the roles as they are."""
    return Roles(dict(conn.execute(ATTRIBUTES)), frozenset(conn.execute(MEMBERSHIPS)))


def put_back(conn: Connection, kept: Roles) -> None:
    """Make the roles as they were: those that came go, those that went come again, all with what they had."""
    found = read(conn)
    for role, member, grantor, _options in found.memberships - kept.memberships:
        conn.execute(f"REVOKE {role} FROM {member} GRANTED BY {grantor} CASCADE".encode())
    for role in sorted(found.attributes.keys() - kept.attributes.keys()):
        conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    for role, options in kept.attributes.items():
        if role not in found.attributes:
            conn.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        if found.attributes.get(role) != options:
            conn.execute(sql.SQL("ALTER ROLE {} ").format(sql.Identifier(role)) + sql.SQL(options))  # type: ignore[arg-type]
    # Who grants must have been granted it first.
    while missing := kept.memberships - (had := read(conn).memberships):
        for role, member, grantor, options in sorted(missing, key=lambda one: one[2] != "postgres"):
            given = f" WITH {options}" if options else ""
            conn.execute(f"GRANT {role} TO {member}{given} GRANTED BY {grantor}".encode())
        assert read(conn).memberships != had, missing
