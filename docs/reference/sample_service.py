"""A service of the CRM in a hundred lines: contacts of a tenant over HTTP, by the contract (crm-contract.md).

    GET   /tenants/5/contacts?after=ID&limit=50    a page of them
    GET   /tenants/5/contacts/ID                   one
    POST  /tenants/5/contacts                      a new one: a JSON object of fields
    PATCH /tenants/5/contacts/ID                   fields to set; null takes one away

Who asks is whose session the token in Authorization is (`Client.start_session` makes it), why stands in
X-Purpose. What the user may the database decides at each request. Run it as `python sample_service.py PROFILE
PORT`, on a key host, as a login that is a member of lua_app.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, LifoQueue
from threading import BoundedSemaphore
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import psycopg

from luactl.client import Client, open_client
from luactl.connect import explain
from luactl.errors import (
    BusyError,
    LuactlError,
    NoConnectionError,
    NotFoundError,
    RefusedError,
    UsageError,
)

NEEDED = {"GET": "read", "POST": "write", "PATCH": "write"}


class NobodyError(LuactlError):
    """There is no session that is good now."""


STATUS = (
    (NobodyError, 401),
    (UsageError, 400),
    (NotFoundError, 404),
    (BusyError, 503),
    (NoConnectionError, 503),
    (LuactlError, 403),
)


class Pool:
    """Clients, one for each request that is served at the moment; whoever lost its connection is not kept."""

    def __init__(self, profile: str | None, size: int) -> None:
        self.profile, self.free, self.places = (
            profile,
            LifoQueue[tuple[Client, ExitStack]](),
            BoundedSemaphore(size),
        )

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Lend a client."""
        with self.places:
            try:
                client, stack = self.free.get_nowait()
            except Empty:
                stack = ExitStack()
                client = stack.enter_context(open_client(self.profile, service="sample contacts"))
            try:
                yield client
            finally:
                if client.session.conn.closed:
                    stack.close()
                else:
                    self.free.put((client, stack))

    def close(self) -> None:
        """End all connections."""
        while not self.free.empty():
            self.free.get()[1].close()


class Handler(BaseHTTPRequestHandler):
    """One request. What it answers with was recorded before it was opened; it writes no log of its own."""

    pool: Pool
    protocol_version = "HTTP/1.1"

    def serve(self) -> None:
        """Answer, or say why not: never with a value, and never in part."""
        try:
            given = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
            with self.pool.client() as client:
                status, answer = 200, self.answer(client, given)
        except psycopg.Error as error:  # no record, no plaintext
            status, answer = 503, {"error": explain(error).what}
        except LuactlError as error:
            status, answer = (
                next(code for kind, code in STATUS if isinstance(error, kind)),
                {"error": error.what},
            )
        except (ValueError, TypeError, AttributeError):
            status, answer = 400, {"error": "that is no request of this service"}
        body = json.dumps(answer, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = serve

    def answer(self, client: Client, given: object) -> object:
        """Do what is asked for."""
        url = urlsplit(self.path)
        _, tenants, tenant, contacts, *rest = url.path.split("/")
        if (tenants, contacts) != ("tenants", "contacts"):
            raise NotFoundError("there is nothing under that address")
        user = client.seen(int(tenant), self.headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:
            raise NobodyError("sign in again", hint="the session is over, or was ended")
        if not client.may(int(tenant), user, NEEDED[self.command], "contact"):
            raise RefusedError(
                "this user may not do that", hint="`luactl access permission explain` says why"
            )
        who = {"purpose": self.headers.get("X-Purpose", ""), "on_behalf": f"user:{user}"}
        ids = [UUID(one) for one in rest]
        if self.command == "POST":
            made = client.create(int(tenant), [dict(given)], **who)
            return {"contact_id": made[0].contact_id, "subject_id": made[0].subject_id}
        if self.command == "PATCH":
            return {"fields": client.update(int(tenant), ids[0], dict(given), **who)}
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        page = {
            "limit": int(asked.get("limit", 50)),
            "after": UUID(asked["after"]) if "after" in asked else None,
        }
        found = client.contacts(int(tenant), ids, **who) if ids else client.page(int(tenant), **who, **page)
        return {
            "contacts": [vars(one) for one in found.contacts],
            "entries": found.entries,
            "more": found.more,
        }

    def log_message(self, *_: object) -> None:
        """Write nothing: the ledger says who read what, and a log of URLs would say it a second time."""


def service(profile: str | None, port: int, size: int = 8) -> ThreadingHTTPServer:
    """Return the service on that port of this host (0: any); `serve_forever` runs it."""
    return ThreadingHTTPServer(("127.0.0.1", port), type("Bound", (Handler,), {"pool": Pool(profile, size)}))


if __name__ == "__main__":
    service(sys.argv[1], int(sys.argv[2])).serve_forever()
