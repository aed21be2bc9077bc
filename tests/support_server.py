"""What tests do to the whole test server, and put back."""

from __future__ import annotations

import time
from contextlib import closing

from conftest import TestServer


def reload(server: TestServer) -> None:
    """Have the server read its settings anew, and return when it has."""
    with closing(server.admin()) as conn:
        question = "SELECT pg_conf_load_time()"
        before, deadline = conn.execute(question).fetchone(), time.monotonic() + 10
        conn.execute("SELECT pg_reload_conf()")
        while conn.execute(question).fetchone() == before:
            assert time.monotonic() < deadline, "the server does not reload"
