"""Probe of secrets at rest: how passwords are stored, and whether sealed columns hold anything readable.

Sealed values are not opened: only their bytes are looked at, and never repeated.
"""

from __future__ import annotations

import re
from collections import Counter
from math import log2
from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from ..connect import explain
from ..db import Session
from ..errors import LuactlError
from ..key.credential import TABLE as SECRETS
from ..key.credential import check_frame
from ..key.seal import OVERHEAD, header
from .look import Look, enter, statements, tenants, undone
from .page import Page

if TYPE_CHECKING:
    from ..tenant import Tenant

SAMPLE = 200
"""Rows per column and tenant."""
READABLE = re.compile(rb"[\x20-\x7e]{32,}")
"""Random bytes have such a run once in 60 trillion."""
NONCE_AT = OVERHEAD - 28
"""In a row's frame; in a credential's the nonce begins after its first byte."""
ENOUGH, RANDOM = 1 << 14, 7.95
"""From that many bytes on, random ones have more than this many bits each."""


def credentials(session: Session, page: Page, look: Look) -> None:
    """Look at the stored form of passwords and tokens, and into sealed columns at every tenant."""
    _passwords(session, look)
    with undone(session) as conn:
        columns = list(statements("credentials").sealed_columns(conn))
    everyone = tenants(session, look)
    _tokens(session, everyone, look)
    for table, column in columns:
        content = Counter[int]()
        values = 0
        for tenant in everyone:
            with undone(session, tenant.tenant_id) as conn:
                if not enter(conn, tenant, look):
                    continue
                question = SQL("SELECT {c} FROM {t} WHERE tenant_id = {i} AND {c} IS NOT NULL LIMIT {n}")
                names = {"c": Identifier(column), "t": SQL(table), "i": Literal(tenant.tenant_id)}
                try:
                    found = conn.execute(question.format(**names, n=Literal(SAMPLE))).fetchall()
                except psycopg.errors.InsufficientPrivilege as error:
                    look.misses(f"{table}.{column}: {explain(error).what}")
                    break
            for (value,) in found:
                _value(bytes(value), table, f"{table}.{column} of {tenant.slug}", content, look)
            values += len(found)
        look.evidence[f"{table}.{column}"] = values
        _entropy(content, f"{table}.{column}", look)
    look.saw = (
        f"passwords stored as SCRAM, {look.evidence['values']:,} sealed values without readable content"
    )


def _passwords(session: Session, look: Look) -> None:
    try:
        with undone(session) as conn:
            found = list(statements("credentials").passwords(conn))
    except psycopg.errors.InsufficientPrivilege:
        look.misses(
            f"how passwords are stored is not visible to {session.actor}: pg_authid is the superuser's"
        )
        return
    look.tried()
    look.evidence["passwords"] = sum(is_set for _name, _scram, is_set in found)
    for name, scram, _is_set in found:
        if not scram:
            look.breaks(f"the password of {name} is not stored as SCRAM")


def _tokens(session: Session, everyone: list[Tenant], look: Look) -> None:
    """Look for a token in clear where only its prefix belongs; that its hash is one the database holds."""
    for tenant in everyone:
        with undone(session, tenant.tenant_id) as conn:
            if not enter(conn, tenant, look):
                continue
            try:
                found = list(statements("credentials").tokens_in_clear(conn, tenant_id=tenant.tenant_id))
            except psycopg.errors.InsufficientPrivilege as error:
                look.misses(f"{SECRETS}: {explain(error).what}")
                return
        look.tried()
        for (name,) in found:
            look.breaks(f"a token stands in clear beside secret {name} of {tenant.slug}")


def _value(value: bytes, table: str, where: str, content: Counter[int], look: Look) -> None:
    """Judge one sealed value: a frame of ours, and nothing in it that one could read."""
    look.tried()
    look.evidence["values"] = look.evidence.get("values", 0) + 1
    try:
        check_frame(value) if table == SECRETS else header(value)
    except LuactlError as error:
        look.breaks(f"a value in {where}: {error.what}")
        return
    nonce_at = 1 if table == SECRETS else NONCE_AT
    if READABLE.search(value, nonce_at):
        look.breaks(f"a value in {where} has readable content")
    content.update(value[nonce_at:])


def _entropy(content: Counter[int], where: str, look: Look) -> None:
    size = content.total()
    if size < ENOUGH:
        return
    bits = -sum(count / size * log2(count / size) for count in content.values())
    look.tried()
    look.evidence[f"{where}, bits a byte"] = f"{bits:.3f}"
    if bits < RANDOM:
        look.breaks(f"the bytes of {where} are not random: {bits:.2f} bits each")
