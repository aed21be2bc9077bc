"""A login without a password really gets in by its client certificate, and by nobody else's."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from conftest import TEMPLATE, TestServer, migrated_server
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support_server import reload

Key = ec.EllipticCurvePrivateKey
RULE = "hostssl all nele 127.0.0.1/32 cert\n"
MAKE = (
    "SELECT lua.put_person(%(id)s, 'nele.kern', 'Nele', 'employee', NULL, '2026-01-01', '{}', now(), %(id)s)",
    "SELECT lua.add_undertaking(%(id)s, %(id)s, 'gdpr-28-3-b', 'v1', '2026-01-01', NULL, now(), %(id)s)",
    "GRANT lua_admin TO postgres",
    "SELECT lua.add_login('nele', %(id)s, '{lua_responder}', 'certificate', NULL, 3, NULL, now(), %(id)s)",
)


def certificate(name: str, key: Key, issuer: str, issuer_key: Key) -> bytes:
    """Return a certificate of two days in PEM."""
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def write_pair(folder: Path, name: str, ca: Key) -> dict[str, str]:
    """Write somebody's key and certificate; return libpq's options for them."""
    key = ec.generate_private_key(ec.SECP256R1())
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / f"{name}.key").write_bytes(pem)
    (folder / f"{name}.key").chmod(0o600)
    (folder / f"{name}.crt").write_bytes(certificate(name, key, "house", ca))
    return {"sslkey": str(folder / f"{name}.key"), "sslcert": str(folder / f"{name}.crt")}


def prepare(server: TestServer, ca: Key) -> None:
    """Let the server trust the house's certificates, and admit nele by hers alone."""
    data = server.server.data
    (data / "house.crt").write_bytes(certificate("house", ca, "house", ca))
    (data / "house.crt").chmod(0o644)
    rules = data / "pg_hba.conf"
    rules.write_text(RULE + rules.read_text())
    with closing(server.admin(TEMPLATE)) as conn:
        for statement in MAKE:
            conn.execute(statement.encode(), {"id": "019a0000-0000-7000-8000-000000000001"})
        conn.execute("ALTER SYSTEM SET ssl_ca_file = 'house.crt'")
    reload(server)


@pytest.mark.long
def test_a_certificate_opens_the_door_to_whom_it_names(tmp_path: Path) -> None:
    with migrated_server() as server:
        if not server.server.tls:
            pytest.skip("the Postgres 18 for tests was built without TLS")
        ca = ec.generate_private_key(ec.SECP256R1())
        prepare(server, ca)
        hers, his = write_pair(tmp_path, "nele", ca), write_pair(tmp_path, "otto", ca)
        dsn = f"host=127.0.0.1 port={server.port} dbname={TEMPLATE} user=nele sslmode=require"
        with closing(psycopg.connect(dsn, **hers)) as conn:
            assert conn.execute("SELECT session_user::text").fetchone() == ("nele",)
            conn.execute("SELECT count(*) FROM lua.hold")
        with pytest.raises(psycopg.OperationalError, match="certificate authentication failed"):
            psycopg.connect(dsn, **his)
        with pytest.raises(psycopg.OperationalError, match="valid client certificate"):
            psycopg.connect(dsn, sslcert=str(tmp_path / "none"), sslkey=str(tmp_path / "none"))
