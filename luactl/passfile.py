"""A line of libpq's password file (.pgpass): how a login's password is found in its text, and put there."""

from __future__ import annotations

import secrets


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


def with_password(text: str, login: str, password: str) -> str:
    """Return the file's text with one line of ours for a login, at the end; every other line stays."""
    kept = [line for line in text.splitlines() if not line.startswith(_start(login))]
    return "".join(f"{line}\n" for line in [*kept, f"{_start(login)}{password}"])
