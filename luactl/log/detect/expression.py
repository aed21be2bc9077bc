"""The condition of a rule (`selection and not 1 of filter_*`), put together from its selections.

some  = every *("or" every)
every = one *("and" one)
one   = "not" one | "(" some ")" | ("1" | "all" | "any") "of" (pattern | "them") | name
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from ..query import Every, Node, Not, Some
from .match import Problem

LONGEST = 2_000
DEEPEST = 50
_TOKEN = re.compile(r"\s*(?:(?P<sign>[()])|(?P<word>[A-Za-z0-9_*.-]+)|(?P<other>\S))")
_QUANTITIES = ("1", "any", "all")
WORDS = ("and", "or", "not", "of", "them", *_QUANTITIES)


def condition(text: object, selections: Mapping[str, Node], problem: Problem) -> Node:
    """Return a condition. Raises what `problem` makes for anything outside the grammar above."""
    if not isinstance(text, str) or len(text) > LONGEST:
        raise problem("the condition is no text", "such as: selection and not filter")
    tokens = []
    for found in _TOKEN.finditer(text.strip()):
        if found["other"] == "|":
            raise problem("the condition has a pipe", "counting belongs into a correlation rule")
        if found["other"]:
            raise problem(f"the condition has {found['other']!r}", "names, and, or, not, 1 of, all of, ( )")
        tokens.append(found["sign"] or found["word"])
    reader = _Reader(tokens, selections, problem)
    node = reader.some(0)
    if reader.here is not None:
        raise reader.unexpected()
    return node


class _Reader:
    """Where reading stands."""

    def __init__(self, tokens: list[str], selections: Mapping[str, Node], problem: Problem) -> None:
        self.tokens = tokens
        self.selections = selections
        self.problem = problem
        self.next = 0

    @property
    def here(self) -> str | None:
        return self.tokens[self.next] if self.next < len(self.tokens) else None

    def unexpected(self) -> Exception:
        what = "ends too early" if self.here is None else f"has {self.here[:40]!r} where nothing of it fits"
        return self.problem(f"the condition {what}", "such as: selection and not 1 of filter_*")

    def has(self, word: str) -> bool:
        """Whether that word stands here; it is passed then."""
        found = self.here is not None and self.here.lower() == word
        self.next += found
        return found

    def some(self, depth: int) -> Node:
        nodes = [self.every(depth)]
        while self.has("or"):
            nodes.append(self.every(depth))
        return nodes[0] if len(nodes) == 1 else Some(tuple(nodes))

    def every(self, depth: int) -> Node:
        nodes = [self.one(depth)]
        while self.has("and"):
            nodes.append(self.one(depth))
        return nodes[0] if len(nodes) == 1 else Every(tuple(nodes))

    def one(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise self.problem(f"the condition is more than {DEEPEST} levels deep", "no rule needs that")
        if self.has("not"):
            return Not(self.one(depth + 1))
        if self.has("("):
            node = self.some(depth + 1)
            if not self.has(")"):
                raise self.unexpected()
            return node
        word = self.here
        if word is None:
            raise self.unexpected()
        self.next += 1
        if word.lower() in _QUANTITIES and self.has("of"):
            return self._quantity(word.lower())
        if word in self.selections:
            return self.selections[word]
        if word.lower() in WORDS or word in "()":
            self.next -= 1
            raise self.unexpected()
        hint = f"there are: {', '.join(self.selections)}"
        raise self.problem(f"the condition names {word[:40]!r}, which is no selection of the rule", hint)

    def _quantity(self, word: str) -> Node:
        pattern = self.here
        if pattern is None:
            raise self.unexpected()
        self.next += 1
        is_them = pattern == "them"
        nodes = [
            node
            for name, node in self.selections.items()
            if (not name.startswith("_") if is_them else fnmatchcase(name, pattern))
        ]
        if not nodes:
            hint = f"there are: {', '.join(self.selections)}"
            raise self.problem(f"no selection is called {pattern[:40]!r}", hint)
        if len(nodes) == 1:
            return nodes[0]
        return Every(tuple(nodes)) if word == "all" else Some(tuple(nodes))
