"""Where the points are struck: a server that may be ruined, two tenants, and each act made ready."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conftest import Connection, Home, TestServer, isolated, make_keys
from support_erasure import BILL_LINES, BILLS, PEOPLE, VISITS
from support_stage import Stage
from support_strike import Striker
from support_whole import luactl

from luactl import embedded
from luactl.clock import SystemClock
from luactl.config import Profile
from luactl.db import Session

if TYPE_CHECKING:
    from .acts import Act

T = ("--tenant", "smile")
YEARS = """SELECT interaction_id::text, extract(year FROM occurred_at)::int FROM crm.interaction
           UNION ALL SELECT invoice_id::text, extract(year FROM issued_on)::int FROM crm.invoice
           UNION ALL SELECT l.invoice_id || '/' || line_no, extract(year FROM issued_on)::int
                     FROM crm.invoice_line l JOIN crm.invoice USING (tenant_id, invoice_id)"""


@dataclass
class Scene:
    """The whole of it."""

    server: TestServer
    home: Home
    striker: Striker
    aside: Path
    database: str
    people: dict[str, str] = field(default_factory=dict)
    """Subject ids of the tenant `smile`, by external id."""
    tenants: dict[str, int] = field(default_factory=dict)
    years: dict[str, int] = field(default_factory=dict)
    """Of interactions, invoices and their lines, by row id."""
    release: str = ""
    """The id of a release of keys, once there is one."""
    stages: dict[str, Stage] = field(default_factory=dict)

    @property
    def box(self) -> str:
        """Where a lockbox is, once evidence was collected."""
        return str(self.home.path / "cases" / "lockbox")

    def stage(self, name: str) -> Stage:
        """Return the stage of that name: a copy of database and home."""
        return Stage(self.server, self.database, self.home.path, self.aside / name, name=name)

    def admin(self) -> Connection:
        """Connect to the database as the superuser."""
        return self.server.admin(self.database)

    def admin_dsn(self) -> str:
        """Return how."""
        return self.server.admin_dsn(self.database)

    def ready(self, act: Act) -> Connection:
        """Set the stage for an act; return a superuser's connection to its database."""
        if act.name not in self.stages:
            self.stages["base"].reset().close()
            act.prepare(self)
            stage = self.stages[act.name] = self.stage(act.name)
            stage.save()
        return self.stages[act.name].reset()


def run(*args: str, stdin: bytes = b"") -> Any:
    """Run a command that goes well; return what it gave."""
    done = luactl(*args, "-o", "json", stdin=stdin)
    assert done.code == 0, (args, done.err)
    return done.data


def build(stage: Stage, profile: Profile, striker: Striker) -> Scene:
    """Make keys, and the history of two tenants."""
    home = Home(stage.home, profile, isolated(stage.home))
    scene = Scene(stage.server, home, striker, stage.aside, stage.database)
    with closing(scene.admin()) as admin:
        make_keys(Session(admin, embedded.SUPERUSER, SystemClock(), profile, "init"))
    write_history(scene, striker.folder)
    scene.stages["base"] = scene.stage("base")
    scene.stages["base"].save()
    return scene


def two_of_each(profile: Profile) -> Profile:
    """Name two holders and two key books."""
    keys = profile.books[0].parent
    holders = (f"file:{keys / 'one'}", f"file:{keys / 'two'}")
    return replace(profile, holders=holders, books=(keys / "book-one", keys / "book-two"))


def write_history(scene: Scene, folder: Path) -> None:
    """Two tenants, each with three people, and old and new interactions and invoices."""
    files = {"people": PEOPLE, "visits": VISITS, "bills": BILLS, "lines": BILL_LINES}
    for name, text in files.items():
        (folder / name).write_text(text)
    for slug in ("smile", "other"):
        run("tenant", "create", slug, "--name", slug, "--country", "DE", "--contact", "office")
        run("crm", "customer", "import", str(folder / "people"), "--tenant", slug)
        run("crm", "interaction", "import", str(folder / "visits"), "--tenant", slug)
        lines = ("--lines", str(folder / "lines"))
        run("crm", "invoice", "import", str(folder / "bills"), *lines, "--tenant", slug)
    listed = run("crm", "customer", "list", *T)
    scene.people = {one["external_id"]: one["subject_id"] for one in listed}
    run("ledger", "integrate")
    with closing(scene.admin()) as admin:
        scene.tenants = dict(admin.execute("SELECT slug, tenant_id FROM lua.tenant_directory").fetchall())
        scene.years = dict(admin.execute(YEARS).fetchall())
