"""One line of text that a person gives: a reason, a reference, a name."""

from __future__ import annotations

from .errors import UsageError

LONGEST = 200


def checked(what: str, value: str) -> str:
    """Return a line of text without spaces at its ends.

    Raises UsageError when nothing is left, when it has more than 200 characters, or what no line has.
    """
    text = value.strip()
    if not text or len(text) > LONGEST:
        raise UsageError(f"the {what} must have 1 to {LONGEST} characters, not {len(text)}")
    if not text.isprintable():
        raise UsageError(f"the {what} has characters that cannot be printed", hint="write it on one line")
    return text
