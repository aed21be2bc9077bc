"""Masking: what a person typed leaves a message before it is stored in clear. Pure.

Postgres writes values into its log in a few forms: literals and numbers of statements, parameters, keys and
rows in DETAIL, and values between quotation marks in messages, where names of objects stand too. Names stay.
"""

from __future__ import annotations

import re

MASK = "‹…›"
_LITERAL = re.compile(
    r"""
    [eE]?'(?:[^'\\]|''|\\.)*(?:'|$)          # 'text', also one that was cut
    | \$(?P<tag>[A-Za-z_]*)\$.*?(?:\$(?P=tag)\$|$)
    | "(?:[^"]|"")*"                           # a quoted name stays
    | (?<![\w$.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w)
    | --[^\n]*|/\*.*?(?:\*/|$)
    """,
    re.VERBOSE | re.DOTALL,
)
_NAMES = (
    "relation|table|column|role|user|database|schema|function|procedure|constraint|index|type|extension|"
    "parameter|language|operator|policy|sequence|view|tablespace|publication|subscription|server|cursor|portal|trigger|"
    "rule|domain|aggregate|collation|conversion|configuration|dictionary|encoding|statement|savepoint|"
    "replication slot|slot|module|library|file|directory|host|setting|option|method|at or near"
)
_QUOTED = re.compile(rf'(?P<name>\b(?:{_NAMES})\s+)?"(?P<value>[^"]*)"', re.IGNORECASE)
_PAIR = re.compile(r"\((?P<columns>[^()]*)\)=\((?:[^()]|\([^()]*\))*\)")
_ROW = re.compile(r"(?<=row contains )\(.*\)", re.DOTALL)
_PARAMETERS = re.compile(r"(\$\d+ = )(?:'(?:[^']|'')*'|[^,]+)")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*")
_DIGITS = re.compile(r"(?<![\w:.])\+?\d(?:[ \-/.()]?\d){6,}(?![\w:])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")


def statement(text: str) -> str:
    """Mask the literals, numbers and comments of SQL; names and structure stay."""
    return _LITERAL.sub(lambda match: match[0] if match[0].startswith('"') else MASK, text)


def prose(text: str) -> str:
    """Mask values in a message of Postgres or of a service; names of objects and addresses of hosts stay."""
    text = _PAIR.sub(lambda match: f"({match['columns']})=({MASK})", text)
    text = _ROW.sub(f"({MASK})", text)
    text = parameters(text)  # of a portal, in CONTEXT
    text = _QUOTED.sub(lambda match: match[0] if match["name"] else f'"{MASK}"', text)
    text = _MAIL.sub(MASK, text)
    text = _IBAN.sub(MASK, text)
    return _DIGITS.sub(_number, text)


def parameters(text: str) -> str:
    """Mask the values of `parameters: $1 = 'x', $2 = NULL`."""
    return _PARAMETERS.sub(rf"\1{MASK}", text)


def detail(text: str) -> str:
    """Mask the DETAIL of a message."""
    if text[:12].lower() == "parameters: ":
        return parameters(text)
    return prose(text)


def _number(match: re.Match[str]) -> str:
    """Keep what is an IPv4 address or a time."""
    said = match[0]
    octets = said.split(".")
    if len(octets) == 4 and all(part.isdigit() and int(part) < 256 for part in octets):
        return said
    return said if re.fullmatch(r"\d{4}-\d{2}-\d{2}", said) else MASK
