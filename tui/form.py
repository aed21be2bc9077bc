"""Several questions, one after the other; whoever goes back from one answers none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from textual.app import App

from .ask import Ask


@dataclass(frozen=True)
class Field:
    """One question."""

    question: str
    hint: str = ""
    value: str = ""
    """What is suggested."""
    empty: bool = False
    """Whether no text is an answer, too."""


def ask_all(
    app: App[Any], fields: Sequence[Field], done: Callable[[list[str]], object], given: Sequence[str] = ()
) -> None:
    """Ask one field after the other, then hand all answers on."""
    if len(given) == len(fields):
        done(list(given))
        return
    one = fields[len(given)]

    def answered(text: str | None) -> None:
        if text is not None:
            ask_all(app, fields, done, [*given, text])

    hint = f"{one.hint}   esc: go back" if one.hint else ""
    app.push_screen(Ask(one.question, hint, value=one.value, empty=one.empty), answered)
