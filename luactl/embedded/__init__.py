"""The Postgres of a home without one: made by `luactl init`, started by any command that needs it.

Owns the server's files, its account and its life. It knows nothing of schemas, profiles or keys.
"""

from __future__ import annotations

from .cluster import SUPERUSER, Server, bundled_binaries
from .server import Status, conninfo, locked, log_lines, running_port, start, status, stop, superuser_conninfo

__all__ = [
    "SUPERUSER",
    "Server",
    "Status",
    "bundled_binaries",
    "conninfo",
    "locked",
    "log_lines",
    "running_port",
    "start",
    "status",
    "stop",
    "superuser_conninfo",
]
