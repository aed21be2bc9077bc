"""The CRM's own login for a dedicated tenant: the password goes into a file, a verifier to Postgres."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ..config import write_private
from ..db import Session, queries, transaction
from ..errors import LuactlError, NoConnectionError, UsageError
from ..passfile import new_password, verifier_of, with_password
from .dedicated import dedicated_id
from .register import login_name


@dataclass(frozen=True)
class LoginChange:
    """What giving the login a new password does, or did; the password itself is nowhere but in the file."""

    slug: str
    """The tenant."""
    login: str
    """The role that the CRM logs in as."""
    passfile: str
    """The password file (.pgpass) that has it."""


def renew_login(session: Session, slug: str, passfile: Path, *, dry_run: bool = False) -> LoginChange:
    """Give a dedicated tenant's login a new random password, written into a password file. Needs lua_admin.

    Other lines of the file stay, and so do its owner and sessions that are open. Mode 0600. The file is on
    disk before the change is: cut short in between, the old password holds, and doing it again mends it.
    Raises NotFoundError, RefusedError for a pooled tenant, UsageError for what is no file, LuactlError when
    it cannot be written. The database refuses whoever has no undertaking in force: they have the password.
    """
    from ..ledger import Entry, append

    tenant_id = dedicated_id(session, slug)
    login, password, file = login_name(tenant_id), new_password(), passfile.expanduser().resolve()
    earlier = read_passfile(file)
    change = LoginChange(slug, login, str(file))
    written = False
    try:
        with transaction(session) as conn:
            verifier = verifier_of(conn, login, password)
            queries("tenant").set_verifier(
                conn, tenant_id=tenant_id, verifier=verifier, at=session.clock.now()
            )
            if dry_run:
                raise psycopg.Rollback
            append(session, Entry("tenant.login", tenant_id, f"tenant:{slug}", detail={"login": login}))
            write_passfile(file, with_password(earlier, login, password))
            written = True
            session.step("password file written")
    except psycopg.OperationalError as error:
        if not written:
            raise
        raise NoConnectionError(
            f"nobody knows whether {login} has its new password: the connection was lost at the end",
            hint="run it again: the file and the database agree then",
        ) from error
    return change


def read_passfile(file: Path) -> str:
    """Return what a password file says, if there is one yet. Raises UsageError for what is no file."""
    if not file.parent.is_dir():
        raise UsageError(
            f"there is no folder {file.parent}", hint="--passfile names a file in a folder that is there"
        )
    try:
        return file.read_text(encoding="utf-8") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no password file that could be read") from error


def write_passfile(file: Path, text: str) -> None:
    """Replace a password file durably; it stays whose it was. Raises LuactlError."""
    before = file.stat() if file.exists() else None
    try:
        write_private(file, text)
        if before is not None and before.st_uid != os.geteuid():
            os.chown(file, before.st_uid, before.st_gid)
    except OSError as error:
        raise LuactlError(
            f"cannot write {file}: {error.strerror}",
            hint="nothing was changed; name a file that you may write",
        ) from error
