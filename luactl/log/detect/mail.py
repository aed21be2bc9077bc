"""Alerts by mail: SMTP with TLS, always, unless the server is this very host."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ...clock import instant
from ...config import demand_trusted
from ...db import Session
from ...errors import RefusedError
from ...passfile import password_in
from ...program import plain
from .settings import Mail, Settings

if TYPE_CHECKING:
    from .alert import Alert

SECONDS = 30.0


def send(session: Session, chosen: Settings, recipient: str, batch: Sequence[Alert]) -> None:
    """Send one mail. Raises what `post` raises."""
    post(chosen, lambda mail: compose(session, mail, recipient, batch))


def post(chosen: Settings, written: Callable[[Mail], EmailMessage]) -> None:
    """Hand a mail to the profile's server. Raises NotToldError, RefusedError for an open password file."""
    from .alert import NotToldError

    mail = chosen.mail
    if mail is None:
        raise NotToldError("the profile names no mail server", hint="set `mail` in [profile.NAME.detect]")
    password = None if mail.login is None else _password(mail)
    try:
        server = _connect(mail)
    except (OSError, smtplib.SMTPException) as error:
        raise NotToldError(f"{mail.host} cannot be reached: {_said(error)}") from None
    try:
        if mail.login is not None and password is not None:
            server.login(mail.login, password)
        server.send_message(written(mail))
    except (OSError, smtplib.SMTPException) as error:
        raise NotToldError(f"{mail.host} did not take the mail: {_said(error)}") from None
    finally:
        with suppress(OSError, smtplib.SMTPException):  # it was taken, or the other error is on its way
            server.quit()


def _connect(mail: Mail) -> smtplib.SMTP:
    """Connect; with TLS before anything is said, or before anything but a greeting."""
    context = ssl.create_default_context()
    if mail.is_wrapped:
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=SECONDS, context=context)
    server = smtplib.SMTP(mail.host, mail.port, timeout=SECONDS)
    if not mail.is_local:
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def compose(session: Session, mail: Mail, recipient: str, batch: Sequence[Alert]) -> EmailMessage:
    """Return the mail. Its Message-ID is that of these findings: told again, it is the same mail."""
    which = sha256(
        "|".join([recipient, *(f"{one.finding_id}/{one.run_id}" for one in batch)]).encode()
    ).hexdigest()
    letter = EmailMessage()
    letter["From"], letter["To"] = mail.sender, recipient
    letter["Subject"] = (
        f"luactl {session.profile.name}: findings: {len(batch)}, {batch[0].level}: {batch[0].rule}"
    )
    letter["Date"] = session.clock.now()
    letter["Message-ID"] = f"<{which[:40]}@luactl.invalid>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content("\n".join(_lines(one) for one in batch))
    return letter


def _lines(one: Alert) -> str:
    return (
        f"{one.level}: {one.title}\n"
        f"  rule {one.rule}; {one.about or 'everything'}; count {one.count:,}\n"
        f"  from {instant(one.first_at)} to {instant(one.last_at)}\n"
        f"  luactl log finding show {one.finding_id}\n"
    )


def _password(mail: Mail) -> str:
    """Return the password of a file that only its owner reads. Raises RefusedError."""
    path = Path(mail.passfile or "")
    hint = f"a line `*:*:*:{mail.login}:PASSWORD` in a file of your own, mode 0600"
    demand_trusted(path)
    try:
        is_open = path.stat().st_mode & 0o077
        found = password_in(path.read_text(encoding="utf-8"), mail.login or "")
    except (OSError, UnicodeDecodeError):
        raise RefusedError(f"the password file {path} cannot be read", hint=hint) from None
    if is_open:
        raise RefusedError(f"others may read the password file {path}", hint=hint)
    if found is None:
        raise RefusedError(f"{path} has no password for {mail.login}", hint=hint)
    return found


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        return plain(f"{error.smtp_code} {text}")
    return plain(str(error)) or type(error).__name__
