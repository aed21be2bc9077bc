"""A query cut into the parts that stand side by side in it, as a person adds and takes them one by one."""

from __future__ import annotations

from itertools import pairwise

from .token import Token, tokens
from .tree import Field, Value


def parts(text: str) -> tuple[str, ...]:
    """Return the parts of a query, all of which must hold; joined by blanks they are the same query.

    Alternatives (`a OR b`) are one part, in parentheses. The text must be a query; raises UsageError for what
    cannot even be cut.
    """
    found = list(tokens(text))
    depths, depth = [], 0
    for token in found:
        depth -= token.kind == "close"
        depths.append(depth)
        depth += token.kind == "open"
    top = [token for token, deep in zip(found, depths, strict=True) if not deep]
    if any(token.kind == "bare" and token.text == "OR" for token in top):
        return (f"({text.strip()})",)
    begins = [
        token.at
        for number, (token, deep) in enumerate(zip(found, depths, strict=True))
        if not deep
        and token.kind != "close"
        and not token.glued
        and not (number and _goes_on(found[number - 1]))
    ]
    return tuple(text[at:end].strip() for at, end in pairwise([*begins, len(text)]))


def _goes_on(token: Token) -> bool:
    """Whether a word is nothing without the next one."""
    return token.kind == "bare" and (token.text == "NOT" or not token.text.strip("-"))


def part(name: str, value: str) -> str:
    """Return the part that demands of a field exactly this value."""
    return str(Field(name, (Value((value,)),)))
