"""The house's own rules: sizes, names, docstrings, and where SQL may stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from luactl.commands.main import NOUNS

ROOT = Path(__file__).parent.parent
SHIPPED = ("luactl", "commands", "tui")
FRAME = {
    "__init__", "app", "context", "diagnostics", "entry", "main", "manual", "options", "output", "plain",
    "portable", "reference", "render", "residue", "settings", "table", "terminal", "termination"}  # fmt: skip
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
SQL_WORDS = (
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "ALTER",
    "DROP",
    "GRANT",
    "WITH",
    "SET",
    "COPY",
)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def files(*folders: str, ending: str = ".py") -> list[Path]:
    return sorted(file for folder in folders for file in (ROOT / folder).rglob(f"*{ending}"))


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def test_no_file_is_too_long() -> None:
    every = files(*SHIPPED, "tests", "bench") + files("sql", ending=".sql") + [ROOT / "Makefile"]
    sizes = {name_of(file): len(file.read_text(encoding="utf-8").splitlines()) for file in every}
    assert {name: size for name, size in sizes.items() if size > MAX_FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    long = {
        f"{name_of(file)}:{node.name}": node.end_lineno - node.lineno + 1
        for file in files(*SHIPPED, "tests", "bench")
        for node in ast.walk(tree(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    }
    assert long == {}


def public(body: list[ast.stmt]) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def test_everything_public_says_what_it_is() -> None:
    silent = [
        f"{name_of(file)}:{getattr(node, 'name', '')}"
        for file in files(*SHIPPED, "bench")
        for module in [tree(file)]
        for node in [module, *public(module.body)]
        if not ast.get_docstring(node)
    ]
    assert silent == []


def test_sql_of_more_than_one_line_stands_in_sql_files() -> None:
    found = [
        f"{name_of(file)}:{node.lineno}"
        for file in files(*SHIPPED)
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.lstrip().startswith(tuple(f"{word} " for word in SQL_WORDS))
        and (node.end_lineno != node.lineno or "\n" in node.value.strip())
    ]
    assert found == []


def test_each_noun_has_its_command_file() -> None:
    """A noun with many verbs has a further file for each of its groups: key_release.py beside key.py."""
    found = {file.stem for file in (ROOT / "commands").glob("*.py")}
    groups = {name for name in found if "_" in name.strip("_") and name.partition("_")[0] in NOUNS}
    assert found - groups == FRAME | set(NOUNS)


@pytest.mark.parametrize("noun", NOUNS)
def test_each_noun_has_its_engine(noun: str) -> None:
    engine = ROOT / "tui" if noun == "tui" else ROOT / "luactl" / noun
    assert engine.with_suffix(".py").exists() or (engine / "__init__.py").exists()


@pytest.mark.parametrize("file", files("sql/queries", ending=".sql"), ids=lambda file: file.stem)
def test_each_query_file_belongs_to_a_room(file: Path) -> None:
    """A noun with many queries has a further file for a part of it: log_note.sql for luactl/log/note.py."""
    noun, _, part = file.stem.partition("_")
    engines = [ROOT / "luactl" / file.stem, *([ROOT / "luactl" / noun / part] if part else [])]
    assert any(one.with_suffix(".py").exists() or (one / "__init__.py").exists() for one in engines)


@pytest.mark.parametrize(("noun", "text"), NOUNS.items())
def test_help_of_a_noun_is_the_same_everywhere(noun: str, text: str) -> None:
    assert import_module(f"luactl.commands.{noun}").app.info.help == text


def test_nothing_names_a_place_on_somebodys_machine() -> None:
    places = tuple("/" + name + "/" for name in ("work", "root"))
    tracked = files(*SHIPPED, "tests", "bench") + files("sql", ending=".sql") + files("docs", ending=".md")
    tracked += [ROOT / name for name in ("README.md", "Makefile", "pyproject.toml", "requirements-dev.lock")]
    found = [name_of(file) for file in tracked if any(place in file.read_text() for place in places)]
    assert found == []
