"""The page: clauses as data, ours in `page.toml` beside this file, another company's from a path.

Owns the form of such a file (docs/reference/promises.md). Needs no database.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import NotFoundError, UsageError
from .probes import PROBES

ID = re.compile(r"[0-9]+(\.[0-9]+)*")
LARGEST = 1 << 20


@dataclass(frozen=True)
class Clause:
    """One promise."""

    id: str
    """Numbers joined by dots, as on the page."""
    promise: str
    """What is promised."""
    means: str
    """What luactl has, or will have, to keep it."""
    attempt: str
    """How one would try to break it."""
    probe: str | None = None
    """The probe that does so today; None: nothing looks yet."""
    beyond: str | None = None
    """What of the attempt the probe leaves out, if anything."""


@dataclass(frozen=True)
class Page:
    """A company's promises."""

    name: str
    """Whose they are."""
    clauses: tuple[Clause, ...]
    """In the order of the page."""
    contact: str | None = None
    """Whom people turn to about data protection, if the page says so."""

    def clause(self, id: str) -> Clause:
        """Return the clause of an id. Raises NotFoundError."""
        for clause in self.clauses:
            if clause.id == id:
                return clause
        raise NotFoundError(
            f"the page of {self.name} has no promise {id[:40]!r}", hint="`luactl promise list` shows them all"
        )

    def chosen(self, ids: Sequence[str]) -> tuple[Clause, ...]:
        """Return the clauses of these ids, each once, in the order of the page. Raises NotFoundError."""
        wanted = {self.clause(id).id for id in ids}
        return tuple(clause for clause in self.clauses if clause.id in wanted)


def load(path: Path | None = None) -> Page:
    """Read a page; None: ours. Raises UsageError for a file that is none."""
    if path is None:
        return _page(tomllib.loads(files(__package__).joinpath("page.toml").read_text(encoding="utf-8")))
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ValueError("it has more than 1 MB")
        return _page(tomllib.loads(text.decode()))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="give a TOML file") from error
    except ValueError as error:  # malformed TOML and UTF-8 among them
        raise UsageError(
            f"{path} is no page of promises: {error}", hint="docs/reference/promises.md shows the form"
        ) from None


def _page(document: dict[str, Any]) -> Page:
    """Raises ValueError saying what is wrong."""
    clauses = document.get("clause", [])
    if not isinstance(clauses, list) or not clauses:
        raise ValueError("it has no [[clause]]")
    _check(document, "the page", required={"name"}, optional={"contact", "clause"})
    made = tuple(_clause(number, fields_) for number, fields_ in enumerate(clauses, 1))
    ids = [clause.id for clause in made]
    twice = sorted({id for id in ids if ids.count(id) > 1})
    if twice:
        raise ValueError(f"{twice[0]} stands there twice")
    return Page(document["name"], made, document.get("contact"))


def _clause(number: int, given: Any) -> Clause:
    if not isinstance(given, dict):
        raise ValueError(f"clause {number} is no table")
    names = {field.name for field in fields(Clause)}
    _check(given, f"clause {number}", required=names - {"probe", "beyond"}, optional={"probe", "beyond"})
    if not ID.fullmatch(given["id"]):
        raise ValueError(f"clause {number}: {given['id'][:40]!r} is no id such as 3.1")
    if given.get("probe", next(iter(PROBES))) not in PROBES:
        raise ValueError(f"{given['id']}: there is no probe {given['probe'][:40]!r}; {', '.join(PROBES)} are")
    return Clause(**given)


def _check(given: dict[str, Any], where: str, *, required: set[str], optional: set[str]) -> None:
    """Hold names and types of fields: all are texts of one line, but for the list of clauses."""
    missing, unknown = sorted(required - given.keys()), sorted(given.keys() - required - optional)
    if missing:
        raise ValueError(f"{where} has no {missing[0]}")
    if unknown:
        raise ValueError(f"{where} has an unknown field {unknown[0][:40]!r}")
    for name, value in given.items():
        if name != "clause" and not (isinstance(value, str) and value.strip() and value.isprintable()):
            raise ValueError(f"{where}: {name} must be a line of text")
