"""libpq's own ways to log in, at a real server: service file, client certificate, password file, sslmode."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import Connection, TestServer, isolated, run_program, running_server
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support_server import reload

WHO = "agata"
ADMISSION = """\
hostssl all postgres 127.0.0.1/32 scram-sha-256
hostssl all all      127.0.0.1/32 cert
"""


class Authority:
    """A certificate authority, and the files of whom it certified."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        folder.mkdir()
        self.file = folder / "ca.crt"
        self.file.write_bytes(self._sign(self.name, self.key, ca=True))

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    def certify(self, login: str) -> None:
        """Write LOGIN.crt and LOGIN.key, as a person would get them."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, login)])
        (self.folder / f"{login}.crt").write_bytes(self._sign(name, key, ca=False))
        secret = self.folder / f"{login}.key"
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        secret.chmod(0o600)


@dataclass
class Place:
    """A server that admits by certificate alone, and a home whose profile names just a service."""

    server: TestServer
    authority: Authority
    environ: dict[str, str]
    services: Path

    def serve(self, **changes: str) -> None:
        """Write the service file; an empty value leaves an option out."""
        options = {
            "host": "localhost", "port": str(self.server.port), "dbname": "lua", "user": WHO,
            "sslmode": "verify-full", "sslrootcert": str(self.server.server.certificate),
            "sslcert": f"{self.authority.folder}/{WHO}.crt", "sslkey": f"{self.authority.folder}/{WHO}.key",
        }  # fmt: skip
        lines = "".join(f"{name}={value}\n" for name, value in {**options, **changes}.items() if value)
        self.services.write_text(f"[lua]\n{lines}")

    @property
    def config(self) -> Path:
        """The file of profiles."""
        return next(Path(self.environ["LUACTL_HOME"]).rglob("config.toml"))

    def run(self, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
        return run_program({**self.environ, **more}, *args)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_server() as running:
        if not running.server.tls:
            pytest.skip("this Postgres was built without TLS")
        yield build(running, tmp_path_factory.mktemp("login"))


def build(running: TestServer, folder: Path) -> Place:
    """Make the server admit by certificate, and a home that `init` and the service file lead there."""
    authority = Authority(folder / "authority", "Test authority")
    for login in (WHO, "somebody"):
        authority.certify(login)
    (running.server.data / "ca.crt").write_bytes(authority.file.read_bytes())
    (running.server.data / "ca.crt").chmod(0o644)
    with closing(running.admin()) as conn:
        conn.execute("CREATE DATABASE lua")
        conn.execute("ALTER SYSTEM SET ssl_ca_file = 'ca.crt'")
        (running.server.data / "pg_hba.conf").write_text(ADMISSION)
    reload(running)
    environ = {**isolated(folder / "home"), "PGSERVICEFILE": str(folder / "services")}
    made = Place(running, authority, environ, folder / "services")
    made.serve()
    keys = ("--holder", f"file:{folder}/holder", "--book", f"{folder}/book", "--anchor", f"file:{folder}/a")
    added = made.run("profile", "add", "live", "--dsn", "service=lua", *keys)
    assert added.returncode == 0, added.stderr
    begun = made.run("init", "--dsn", running.admin_dsn("lua"), "--login", WHO, "--yes")
    assert begun.returncode == 0, begun.stderr
    return made


@pytest.fixture
def place(built: Place) -> Iterator[Place]:
    """The place as it was built; what a test does to its files is taken back."""
    config = built.config.read_text()
    built.serve()
    yield built
    built.config.write_text(config)
    (built.authority.folder / f"{WHO}.key").chmod(0o600)


def admin(place: Place) -> Connection:
    return place.server.admin("lua")


def test_a_service_and_a_client_certificate_log_in(place: Place) -> None:
    done = place.run("db", "status", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"]["login"] == WHO
    new = ("tenant", "create", "smile", "--name", "Smile", "--country", "DE", "--contact", "office")
    assert place.run(*new).returncode == 0
    with closing(admin(place)) as conn:
        actors = conn.execute("SELECT actor FROM ledger.entry WHERE action = 'tenant.create'").fetchall()
    assert actors == [(WHO,)]


def test_a_service_may_name_another_login_for_what_needs_more_rights(place: Place, tmp_path: Path) -> None:
    text = place.services.read_text()
    elsewhere = text.replace("dbname=lua", "dbname=postgres").replace("[lua]", "[elsewhere]")
    place.services.write_text(text + text.replace("[lua]", "[same]") + elsewhere)
    done = place.run("db", "migrate", "--dsn", "service=same user=postgres", "--dry-run")
    assert (done.returncode, "the server wants a password" in done.stderr) == (3, True)
    wrong = place.run("db", "migrate", "--dsn", "service=elsewhere", "--yes")
    assert (wrong.returncode, "does not name the database" in wrong.stderr) == (5, True)


def test_origins_name_the_service_file_the_variable_and_the_profile(place: Place) -> None:
    place.serve(sslmode="", connect_timeout="7")
    shown = place.run("profile", "show", "--origin", "-o", "json", PGSSLMODE="verify-ca")
    settings = {one["setting"]: one for one in json.loads(shown.stdout)["data"]["settings"]}
    service = f"service file {place.services}"
    for name in ("host", "port", "dbname", "user", "sslrootcert", "sslcert", "sslkey", "connect_timeout"):
        assert settings[name]["origin"] == service, name
    assert (settings["sslmode"]["value"], settings["sslmode"]["origin"]) == ("verify-ca", "PGSSLMODE")
    assert "config.toml" in settings["service"]["origin"]


def test_the_service_may_come_from_the_environment(place: Place) -> None:
    place.config.write_text(place.config.read_text().replace("service=lua", ""))
    assert place.run("tenant", "list", PGSERVICE="lua").returncode == 0
    assert place.run("tenant", "list").returncode == 3


@pytest.mark.parametrize(
    ("changes", "what", "hint"),
    [
        ({"sslcert": "", "sslkey": ""}, "the server wants a client certificate", "sslcert and sslkey"),
        ({"sslcert": "{}/somebody.crt", "sslkey": "{}/somebody.key"}, "is not for this login", "sslcert"),
        ({"sslcert": "{}/gone.crt"}, "the server wants a client certificate", "sslcert"),
        ({"sslkey": "{}/gone.key"}, "the key of the client certificate", "sslkey"),
        ({"sslkey": "{}/somebody.key"}, "the key of the client certificate", "sslkey"),
        ({"sslrootcert": "{}/ca.crt"}, "the server's certificate is not one we trust", "sslrootcert"),
        ({"sslmode": "disable"}, "the server does not admit this login from here", "sslmode"),
        ({"host": "127.0.0.2"}, "nothing answers there", "host and port"),
    ],
    ids=["none", "another's", "missing", "no key", "another's key", "unknown server", "no TLS", "no server"],
)
def test_what_does_not_fit_is_told(place: Place, changes: dict[str, str], what: str, hint: str) -> None:
    place.serve(**{name: value.format(place.authority.folder) for name, value in changes.items()})
    done = place.run("tenant", "list")
    assert (done.returncode, done.stdout) == (3, "")
    assert what in done.stderr
    assert hint in done.stderr.partition("hint: ")[2]


def test_a_key_that_others_may_read_is_told(place: Place) -> None:
    (place.authority.folder / f"{WHO}.key").chmod(0o644)
    done = place.run("tenant", "list")
    assert done.returncode == 3
    assert "others may read" in done.stderr
    assert "chmod 600" in done.stderr.partition("hint: ")[2]


def test_a_certificate_of_another_authority_is_told(place: Place, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other", "Other authority")
    other.certify(WHO)
    place.serve(sslcert=f"{other.folder}/{WHO}.crt", sslkey=f"{other.folder}/{WHO}.key")
    done = place.run("tenant", "list")
    assert done.returncode == 3
    assert "the server does not trust the client certificate" in done.stderr


def test_production_takes_a_client_certificate(place: Place, tmp_path: Path) -> None:
    places = [
        option
        for name in "ab"
        for option in ("--holder", f"file:{tmp_path}/{name}/h", "--book", f"{tmp_path}/{name}/b")
    ]
    assert (
        place.run("profile", "add", "prod", "--production", "--dsn", "service=lua", *places).returncode == 0
    )
    done = place.run("--profile", "prod", "tenant", "list")
    assert done.returncode == 0, done.stderr
    place.serve(sslmode="require")
    refused = place.run("--profile", "prod", "tenant", "list")
    assert (refused.returncode, "verify-full" in refused.stderr) == (5, True)
