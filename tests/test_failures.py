"""The page of failures: each row is held by a test, and each can be read by whoever is in trouble."""

from __future__ import annotations

import ast
from pathlib import Path

from support_failures import FAILURES, table

HERE = Path(__file__).parent


def named() -> set[str]:
    """Return every text that stands in the tests which hold the page."""
    files = [
        *HERE.glob("test_failures_*.py"),
        HERE / "test_bad_days.py",
        HERE / "test_kill.py",
        HERE / "crash/points.py",
    ]
    return {
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_row_is_held() -> None:
    rows = table()
    assert len(rows) > 40
    assert rows.keys() <= named()


def test_every_row_says_what_to_do() -> None:
    for row in table().values():
        assert row.codes, row
        assert row.says or set(row.codes) <= {0, 137, 141}, row


def test_no_row_is_malformed() -> None:
    """A row with a cell too many or too few would be read by nobody."""
    text = FAILURES.read_text(encoding="utf-8").partition("## Steps")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| failure")]
    assert len(lines) == len(table())
