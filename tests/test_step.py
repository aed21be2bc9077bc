"""The steps that the engine names: each is documented, and each that is documented exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from conftest import Connection

from luactl.db import Session, transaction, unheard

ROOT = Path(__file__).parents[1]
FAILURES = ROOT / "docs" / "reference" / "failures.md"


def text_of(node: ast.expr) -> str | None:
    """Return a step's name as the page writes it (what is put in is `N`); None for what is no text."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "N" for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else None


def named_in(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            text = text_of(node.args[0]) if name == "step" else None
            if text is not None:
                yield text


def test_the_page_names_every_step() -> None:
    named = {name for file in (ROOT / "luactl").rglob("*.py") for name in named_in(file)}
    steps = FAILURES.read_text().split("## Steps")[1].partition("\n## ")[0]
    assert named == set(re.findall(r"^\| `([^`]+)` \|", steps, re.MULTILINE))


def test_a_session_hears_of_both_sides_of_a_commit(session: Session, admin: Connection) -> None:
    assert session.step is unheard
    seen: list[tuple[str, bool]] = []

    def look(name: str) -> None:
        found = admin.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchone()
        seen.append((name, found is not None))

    with transaction(replace(session, step=look)) as conn:
        conn.execute("SELECT pg_advisory_xact_lock(4711)")
    assert seen == [("about to commit", True), ("committed", False)]


def test_what_fails_reaches_no_commit(session: Session) -> None:
    seen: list[str] = []
    with (
        pytest.raises(psycopg.errors.DivisionByZero),
        transaction(replace(session, step=seen.append)) as conn,
    ):
        conn.execute("SELECT 1/0")
    assert seen == []
