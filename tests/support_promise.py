"""What the tests of promises share: the table of rights as data, and the page as a table for people."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

from support_roles import read_doc

from luactl import promise

ROOT = Path(__file__).parent.parent
RIGHTS = ROOT / "sql" / "shipped" / "rights.csv"
DOC = ROOT / "docs" / "reference" / "promises.md"
BEGIN, END = "<!-- written by tests/test_promise_page.py: begin -->\n", "<!-- end -->\n"


def rights() -> str:
    """Return the table of docs/reference/roles.md as the probe reads it."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["object", "operation", "columns", "roles"])
    for right in read_doc():
        plain = (right.columns.replace(",", ""), right.roles.replace(",", ""))
        writer.writerow([right.object, right.operation, *plain])
    return out.getvalue()


def table() -> str:
    """Return the clauses of our page in Markdown."""
    lines = [
        "| id | promise | what keeps it | how one would try to break it | probe |",
        "|---|---|---|---|---|",
    ]
    for clause in promise.load().clauses:
        probe = f"`{clause.probe}`" if clause.probe else "nothing looks yet"
        probe += f"; leaves out: {clause.beyond}" if clause.beyond else ""
        lines.append(f"| {clause.id} | {clause.promise} | {clause.means} | {clause.attempt} | {probe} |")
    return "\n".join(lines) + "\n"


def page_with_table() -> str:
    """Return docs/reference/promises.md with the table as it should be."""
    page = DOC.read_text(encoding="utf-8")
    return page.split(BEGIN)[0] + BEGIN + table() + END + page.split(END)[1]
