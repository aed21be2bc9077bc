"""The sample service of the CRM's contract, under load: keys turn, people are erased, the log integrated."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from conftest import Connection, Home, TestServer, new_login, test_profile
from support_crm import new_tenant

from luactl import erasure, key, ledger
from luactl.client import open_client
from luactl.config import save_profile
from luactl.connect import open_session
from luactl.db import Session
from luactl.key.rotate import plan_rotation, rotate
from luactl.tenant import Tenant

SAMPLE = Path(__file__).parents[1] / "docs" / "reference" / "sample_service.py"
HEADERS = {"X-Purpose": "appointment"}
WHO = {"purpose": "rota", "on_behalf": "user:1"}
THREADS, PEOPLE = 4, 24


@dataclass
class Caller:
    """One client of the service, and what it was told."""

    port: int
    tenant_id: int
    token: str
    """Of the session of whoever asks."""
    entries: list[str] = field(default_factory=list)
    changed: int = 0
    missed: int = 0
    """Changes of somebody who was erased."""

    def ask(self, method: str, path: str = "", body: object = None, **headers: str) -> tuple[int, Any]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as conn:
            where = f"/tenants/{self.tenant_id}/contacts{path}"
            conn.request(
                method,
                where,
                json.dumps(body),
                {**HEADERS, "Authorization": f"Bearer {self.token}", **headers},
            )
            answer = conn.getresponse()
            told = json.loads(answer.read())
        if answer.status == 200:
            self.entries += told.get("entries", [])
        if method == "PATCH":
            self.changed += answer.status == 200
            self.missed += answer.status == 404
        return answer.status, told


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return new_tenant(session)


@pytest.fixture
def port(home: Home, server: TestServer, database: str) -> Iterator[int]:
    """The service, running as a login of the CRM's own."""
    passfile = home.paths.passfile("test")
    login = new_login(server, passfile, ["lua_app"], "crm_" + database)
    save_profile(home.paths, replace(test_profile(home.path, server, database, login, passfile), name="crm"))
    spec = spec_from_file_location("sample_service", SAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.service("crm", 0, THREADS) as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield running.server_address[1]
        finally:
            running.shutdown()
            thread.join()
            running.RequestHandlerClass.pool.close()


def signed_in(tenant: Tenant, *roles: str) -> str:
    """Make a user, sign them in, and return the token of the session."""
    with open_client("crm", service="sign in") as crm:
        made = crm.add_user(tenant.tenant_id, {"login": f"nele.{len(roles)}"}, roles, **WHO)
        return crm.start_session(tenant.tenant_id, made.user_id)


@pytest.fixture
def token(port: int, tenant: Tenant) -> str:
    return signed_in(tenant, "manager")


def test_it_answers_and_refuses(port: int, tenant: Tenant, token: str, admin: Connection) -> None:
    caller = Caller(port, tenant.tenant_id, token)
    status, made = caller.ask("POST", body={"name": "Nele Ångström", "email": "nele@praxis.example"})
    assert status == 200
    changed = caller.ask("PATCH", f"/{made['contact_id']}", {"city": "Köln"})
    assert changed == (200, {"fields": ["city", "email", "name"]})
    status, told = caller.ask("GET", f"/{made['contact_id']}")
    assert told["contacts"][0]["fields"]["city"] == "Köln"
    for status, method, path, body, headers in (
        (400, "GET", "", None, {"X-Purpose": ""}),
        (401, "GET", "", None, {"Authorization": "Bearer x"}),
        (400, "GET", "?limit=0", None, {}),
        (400, "GET", "/not-an-id", None, {}),
        (400, "POST", "", ["no", "object"], {}),
        (400, "POST", "", {"name": 5}, {}),
        (404, "PATCH", f"/{UUID(int=1)}", {"city": "Köln"}, {}),
    ):
        found, told = caller.ask(method, path, body, **headers)
        assert (found, list(told)) == (status, ["error"]), told
    assert Caller(port, tenant.tenant_id + 1, token).ask("GET")[0] == 401
    reader = Caller(port, tenant.tenant_id, signed_in(tenant, "reader", "accountant"))
    assert [reader.ask(*one)[0] for one in (("GET",), ("POST", "", {"name": "x"}))] == [200, 403]
    admin.execute("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger FROM lua_app")
    status, told = caller.ask("GET")
    assert (status, list(told)) == (503, ["error"])
    assert "Nele" not in str(told)


@contextmanager
def at_work(work: Callable[[], object]) -> Iterator[None]:
    """Do something again and again in a thread until the block ends; what it raises is raised here."""
    done = Event()

    def run() -> None:
        while not done.is_set():
            work()

    with ThreadPoolExecutor(1) as pool:
        running: Future[None] = pool.submit(run)
        try:
            yield
        finally:
            done.set()
    running.result()


def use(caller: Caller, seed: int, ids: list[str], done: Event) -> int:
    """Read pages and single contacts, change some, make some, until it is done; return how many it made."""
    chance = random.Random(seed)
    for turn in count():
        for one in chance.sample(ids, 8):
            status, told = caller.ask("GET", f"/{one}")
            assert status == 200, told
            status, told = caller.ask("PATCH", f"/{one}", {"notes": f"{seed}-{turn}"})
            assert status in (200, 404), told
        after = ""
        while True:
            status, told = caller.ask("GET", f"?limit=10{after}")
            assert status == 200, told
            if not told["more"]:
                break
            after = f"&after={told['contacts'][-1]['contact_id']}"
        assert caller.ask("POST", body={"name": f"New {seed}-{turn}"})[0] == 200
        if done.is_set():
            return turn + 1
    raise AssertionError("it counts for ever")


@pytest.mark.parametrize("erased", [1, pytest.param(8, marks=pytest.mark.long)])
def test_under_load_each_reading_has_its_entry(
    erased: int, port: int, tenant: Tenant, token: str, session: Session, admin: Connection, tmp_path: Path
) -> None:
    """Nothing is served that is not recorded, nobody erased is served, and what was written opens."""
    first = Caller(port, tenant.tenant_id, token)
    made = [first.ask("POST", body={"name": f"Person {n}", "notes": "-"})[1] for n in range(PEOPLE)]
    callers = [Caller(port, tenant.tenant_id, token) for _ in range(THREADS)]
    ids, gone = [one["contact_id"] for one in made], [UUID(one["subject_id"]) for one in made[:erased]]

    def integrate() -> None:
        with open_session("test", command="integrate") as own:
            ledger.integrate(own)

    with ThreadPoolExecutor(THREADS) as pool, at_work(integrate):
        done = Event()
        running = [pool.submit(use, caller, n, ids, done) for n, caller in enumerate(callers)]
        try:
            for contact, person in zip(ids, gone, strict=False):
                erase(session, tenant, person, tmp_path)
                rotate(session, plan_rotation(session))
                assert first.ask("GET", f"/{contact}")[1]["contacts"] == []
                assert first.ask("PATCH", f"/{contact}", {"notes": "x"})[0] == 404
        finally:
            done.set()
        new = sum(one.result() for one in running)
    everybody = [first, *callers]
    rest = first.ask("GET", "?limit=1000")[1]["contacts"]
    assert len(rest) == PEOPLE - erased + new, "each value that was written opens"
    assert not {one["subject_id"] for one in rest} & set(map(str, gone))
    integrate()
    served = [entry for caller in everybody for entry in caller.entries]
    assert len(served) == len(set(served)) > new
    numbered = "SELECT count(*) FROM ledger.leaf WHERE id = ANY (%s::uuid[])"
    assert admin.execute(numbered, [served]).fetchone() == (len(served),)
    by_it = (
        "SELECT count(*) FROM ledger.entry WHERE action = 'read' AND actor LIKE %s AND id <> ALL (%s::uuid[])"
    )
    (others,) = admin.execute(by_it, ["crm\\_%", served]).fetchone() or (0,)
    changed, missed = (sum(getattr(one, name) for one in everybody) for name in ("changed", "missed"))
    assert changed <= others <= changed + missed, "a change opens what was there before, and records that"
    assert ledger.verify(session).ok
    assert key.verify(session).findings == ()


def erase(session: Session, tenant: Tenant, person: UUID, folder: Path) -> None:
    erasure.run(session, erasure.plan(session, tenant, [person], "letter"), folder)
