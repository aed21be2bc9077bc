"""Passwords of logins: made, told to Postgres as a verifier, and kept in a line of libpq's file (.pgpass)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection


def escaped(text: str) -> str:
    """Return a field as the file writes it: backslash and colon would end it."""
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _start(login: str) -> str:
    return f"*:*:*:{escaped(login)}:"


def password_in(text: str, login: str) -> str | None:
    """Return the password that a line of ours holds for a login, None if there is none."""
    start = _start(login)
    return next((line.removeprefix(start) for line in text.splitlines() if line.startswith(start)), None)


def new_password() -> str:
    """Return a random password of 256 bits, without signs that the file would have to escape."""
    return secrets.token_urlsafe(32)


def verifier_of(conn: Connection[Any], login: str, password: str) -> str:
    """Return what Postgres keeps instead of a password: SCRAM-SHA-256 (RFC 5803), computed here by libpq."""
    return conn.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()


def with_password(text: str, login: str, password: str) -> str:
    """Return the file's text with one line of ours for a login, at the end; every other line stays."""
    kept = [line for line in text.splitlines() if not line.startswith(_start(login))]
    return "".join(f"{line}\n" for line in [*kept, f"{_start(login)}{password}"])
