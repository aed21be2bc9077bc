"""Makes text from anywhere safe to show: nothing in a value may steer the terminal it is shown on."""

from __future__ import annotations

import re
from typing import TextIO

# C0, DEL, C1, marks that reorder text, separators that break lines, and lone surrogates.
_UNSAFE = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_UNSAFE_BUT_LINES = _UNSAFE.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f")
_NAMES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    return _NAMES.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def neutral(text: str, *, lines: bool = False) -> str:
    """Return `text` with every steering character made visible, as `\\x1b`; `lines` keeps line feeds."""
    return re.sub(_UNSAFE_BUT_LINES if lines else _UNSAFE, _escape, text)


def neutral_json(document: str) -> str:
    """Return a JSON document with the same characters as `\\u001b` escapes: the value stays the same."""
    return re.sub(_UNSAFE_BUT_LINES, lambda match: f"\\u{ord(match.group()):04x}", document)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a standard stream is a terminal; one that was closed by whoever started us is none."""
    return stream is not None and stream.isatty()
