"""Probe of authentication: no rule lets anybody in unasked or by a password in clear; bad ones are refused.

Which rule decides for a login is worked out as the server does (`luactl.access.entrance`); then logins with
no password, and with passwords that are guessed first, are tried for real.
"""

from __future__ import annotations

from ..access.catalog import load
from ..access.entrance import deciding, rules_of
from ..db import Session
from .look import Look, knock, undone
from .page import Page

IN_CLEAR = "asks for the password in clear"
WEAK = {
    "trust": "lets in without being asked for anything",
    "ident": "believes what the client's host says of its user",
    "md5": "takes MD5",
    # What hands the password on to somebody else has to have it first.
    **dict.fromkeys(("password", "pam", "bsd", "ldap", "radius"), IN_CLEAR),
}
"""Methods of pg_hba.conf. On a local socket the server calls `peer` what is `ident` over the network."""
MOST = 10
"""How many logins are tried: each failure is a line in the server's log."""


def authentication(session: Session, page: Page, look: Look) -> None:
    """Look for a rule that lets a login in too easily, then try to get in without or with a bad password."""
    graph = load(session).graph
    logins = [one for one in graph.roles.values() if one.logs_in]
    with undone(session) as conn:
        rules = rules_of(conn)
    if rules is None:
        look.misses(f"{session.actor} may not read pg_hba_file_rules")
    else:
        for one in logins:
            look.tried()
            for rule in deciding(rules, graph, one, session.conn.info.dbname):
                if rule.method in WEAK:
                    look.breaks(f"{one.name}: the rule `{rule}` {WEAK[rule.method]}")
    look.evidence |= {"logins": len(logins), "rules": len(rules or ())}
    if session.conn.info.host.startswith(("/", "@")):
        look.misses("this session came over a local socket: no login over the network was tried")
        return
    names = [session.actor, *sorted(one.name for one in logins if one.name != session.actor)]
    for name in names[:MOST]:
        for what, password in (("no password", ""), ("its own name as password", name)):
            _try(session, look, name, what, password)
    look.evidence["tried"] = min(len(names), MOST)
    look.saw = (
        f"{len(logins):,} logins, none let in unasked or in clear; {min(len(names), MOST)} of them tried"
        " without a password and with a bad one: refused"
    )


def _try(session: Session, look: Look, name: str, what: str, password: str) -> None:
    """Log in with a password that must be refused, and with nothing else that could let us in."""
    said = knock(session, name, password)
    if said is None:
        look.tried()
        look.breaks(f"{name} gets in with {what}")
    elif "authentication failed" in said or "no password supplied" in said or "pg_hba.conf" in said:
        look.tried()
    else:
        look.misses(f"a login of {name} with {what} failed for another reason than that")
