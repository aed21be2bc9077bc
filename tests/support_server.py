"""What tests do to the whole test server, and put back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from conftest import TestServer


def reload(server: TestServer) -> None:
    """Have the server read its settings anew, and return when it has."""
    with closing(server.admin()) as conn:
        question = "SELECT pg_conf_load_time()"
        before, deadline = conn.execute(question).fetchone(), time.monotonic() + 10
        conn.execute("SELECT pg_reload_conf()")
        while conn.execute(question).fetchone() == before:
            assert time.monotonic() < deadline, "the server does not reload"


@contextmanager
def admission(server: TestServer, rules: str) -> Iterator[None]:
    """Have rules before those of the server's own pg_hba.conf, for a while."""
    hba = server.server.data / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text(f"{rules}\n{before}")
    try:
        reload(server)
        yield
    finally:
        hba.write_text(before)
        reload(server)
