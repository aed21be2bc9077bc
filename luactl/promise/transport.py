"""Probe of transport: live sessions, a login without TLS, the server's certificate."""

from __future__ import annotations

import socket
import ssl
import struct
from datetime import datetime, timedelta

import psycopg

from ..db import Session
from .look import Look, statements, undone
from .page import Page

GOOD = ("TLSv1.2", "TLSv1.3")
MARGIN = timedelta(days=21)
TIMEOUT = 10
TLS_REQUEST = struct.pack("!ii", 8, 80877103)


def transport(session: Session, page: Page, look: Look) -> None:
    """Look at every session over the network, try to log in without TLS, and read the certificate."""
    _sessions(session, look)
    if session.conn.info.host.startswith(("/", "@")):
        look.misses("this session came over a local socket: what the server admits by network was not tried")
        return
    _plaintext_login(session, look)
    _certificate(session, look)
    look.saw = (
        f"{look.evidence['sessions']:,} sessions over TLS, a plaintext login refused, certificate valid"
    )


def _sessions(session: Session, look: Look) -> None:
    with undone(session) as conn:
        found = list(statements("transport").sessions(conn))
    hidden = sum(not visible for _pid, _tls, _version, visible in found)
    if hidden:
        look.misses(f"{hidden:,} sessions of others are not visible: {session.actor} lacks pg_read_all_stats")
    versions = sorted({version for _pid, _tls, version, visible in found if visible and version})
    look.evidence |= {"sessions": len(found), "versions": versions}
    for pid, encrypted, version, visible in found:
        if visible:
            look.tried()
            if not encrypted:
                look.breaks(f"the session of process {pid} is not encrypted")
            elif version not in GOOD:
                look.breaks(f"the session of process {pid} uses {version}")


def _plaintext_login(session: Session, look: Look) -> None:
    """Log in as we did, but without TLS. Only a refusal for the lack of it counts as one."""
    info = session.conn.info
    try:
        psycopg.connect(
            host=info.host,
            hostaddr=info.hostaddr,
            port=info.port,
            user=info.user,
            dbname=info.dbname,
            password=info.password,
            sslmode="disable",
            gssencmode="disable",
            channel_binding="disable",
            connect_timeout=TIMEOUT,
        ).close()
    except psycopg.OperationalError as error:
        said = str(error).lower()
        if "pg_hba.conf" in said and ("no encryption" in said or "ssl off" in said):
            look.tried()
            look.evidence["plaintext_login"] = "refused"
        elif "authentication failed" in said or "no password supplied" in said:
            look.tried()
            look.breaks("a login without TLS is let through to the password")
        else:
            look.misses("a login without TLS failed for another reason than the lack of it")
    else:
        look.tried()
        look.breaks("a login without TLS succeeds")


def _certificate(session: Session, look: Look) -> None:
    info = session.conn.info
    try:
        encoded = _fetch(info.hostaddr or info.host, info.port)
    except OSError as error:
        look.misses(f"the server's certificate could not be fetched: {error}")
        return
    look.tried()
    if encoded is None:
        look.breaks("the server offers no TLS")
        return
    from cryptography.x509 import load_der_x509_certificate

    ends: datetime = load_der_x509_certificate(encoded).not_valid_after_utc
    look.evidence["certificate_ends"] = ends.isoformat()
    if ends - MARGIN < session.clock.now():
        look.breaks(f"the server's certificate ends on {ends:%Y-%m-%d}")


def _fetch(host: str, port: int) -> bytes | None:
    """Return the server's certificate (DER); None when it offers no TLS. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whose certificate it is was judged when the session was opened; here only its dates are read.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((host, port), TIMEOUT) as plain:
        plain.sendall(TLS_REQUEST)
        if plain.recv(1) != b"S":
            return None
        with context.wrap_socket(plain, server_hostname=host) as wrapped:
            return wrapped.getpeercert(binary_form=True)
