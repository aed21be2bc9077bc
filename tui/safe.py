"""Makes text from anywhere safe to draw: nothing in a value may steer the terminal or break a line."""

from __future__ import annotations


def visible(text: str) -> str:
    """Return `text` in one line, whatever is not printable written as an escape (`\\x1b`, `\\u202e`)."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
