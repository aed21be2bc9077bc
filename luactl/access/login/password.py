"""A password on its way: the server gets a SCRAM-SHA-256 verifier of it (RFC 5803), computed here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ...db import Session
from ...errors import UsageError
from ...passfile import new_password, verifier_of, with_password
from ...tenant.login import read_passfile, write_passfile

SHORTEST = 12


@dataclass(frozen=True)
class Password:
    """Where a password comes from, and goes."""

    text: str = field(repr=False)
    passfile: Path | None = None
    """A password file (.pgpass) that gets it; None: somebody knows it."""

    @classmethod
    def made(cls, passfile: Path) -> Password:
        """Return a random one that goes into a file, and nowhere else."""
        return cls(new_password(), passfile.expanduser().resolve())

    def verifier(self, session: Session, login: str) -> str:
        """Return what Postgres keeps instead of it; libpq computes it (SASLprep, RFC 4013, PBKDF2)."""
        return verifier_of(session.conn, login, self.text)

    def line(self, login: str) -> tuple[Path, str] | None:
        """Return the file and its new text, if there is one. Raises UsageError for what is no file."""
        if self.passfile is None:
            return None
        return self.passfile, with_password(read_passfile(self.passfile), login, self.text)


def keep(line: tuple[Path, str] | None) -> None:
    """Write the file durably, mode 0600. Raises LuactlError."""
    if line is not None:
        write_passfile(*line)


def checked_password(text: str, login: str) -> Password:
    """Return a password that somebody chose. Raises UsageError for one that is guessed."""
    if len(text) < SHORTEST or login.lower() in text.lower() or len(set(text)) < SHORTEST // 2:
        raise UsageError(
            "that password is too easily guessed",
            hint=f"{SHORTEST} characters or more, without the login's name; or --passfile makes a random one",
        )
    if not text.isprintable():
        raise UsageError("the password has characters that cannot be printed", hint="type it on one line")
    return Password(text)
