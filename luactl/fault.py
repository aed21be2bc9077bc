"""What any exception means to a person: one answer for every face.

Errors of Postgres are explained by `luactl.connect`, which is loaded only if psycopg is.
"""

from __future__ import annotations

import os
import sys

from .errors import LuactlError

LONGEST_NAME = 300


def explain(problem: BaseException) -> LuactlError:
    """Turn any exception into one that says what, why and what next."""
    if isinstance(problem, LuactlError):
        return problem
    psycopg = sys.modules.get("psycopg")
    if psycopg is not None and isinstance(problem, psycopg.Error):
        from .connect import explain as explain_database

        return explain_database(problem)
    if isinstance(problem, OSError) and problem.strerror:
        name = os.fsdecode(problem.filename) if isinstance(problem.filename, (str, bytes)) else ""
        where = f"{name[:LONGEST_NAME]}{'…' * (len(name) > LONGEST_NAME)}: " if name else ""
        return LuactlError(
            f"{where}{problem.strerror}", hint="check the path, your rights there, and the disk"
        )
    told = LuactlError(
        f"unexpected {type(problem).__name__}: {problem}",
        hint="this is a fault in luactl; repeat with --debug to see where",
    )
    told.__cause__ = problem
    return told
