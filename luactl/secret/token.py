"""API tokens: how one is made, how it is recognised, and the hash that is all that is kept of it. Pure.

`lua_<prefix>_<secret>`: 8 characters of base 32 that lists and logs may show, and 256 random bits in base 62.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from hashlib import sha256

from ..errors import UsageError

PREFIX_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
SECRET_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_LENGTH = 43
"""So many digits of base 62 hold every number of 256 bits."""
PATTERN = re.compile(rf"lua_([{PREFIX_ALPHABET}]{{8}})_([0-9A-Za-z]{{{SECRET_LENGTH}}})")


@dataclass(frozen=True)
class Token:
    """A token in full; exists in memory only."""

    prefix: str
    """What lists and logs show."""
    text: str = field(repr=False)
    """All of it: whoever has this may do what its scopes say."""

    @property
    def hash(self) -> bytes:
        """What is kept of it: 32 bytes."""
        return hash_of(self.text)


def hash_of(text: str) -> bytes:
    """Return the SHA-256 of a token's ASCII text, as `lua.check_token` takes it.

    No slow hash and no salt: those make guessing dear where people choose what is hashed. Here 256 bits come
    from the system's generator, which nobody guesses at any speed, and the CRM asks at every request.
    """
    return sha256(text.encode()).digest()


def new_token() -> Token:
    """Make a token out of 256 bits of the system's random generator."""
    prefix = "".join(secrets.choice(PREFIX_ALPHABET) for _ in range(8))
    number, digits = secrets.randbits(256), ""
    for _ in range(SECRET_LENGTH):
        number, digit = divmod(number, len(SECRET_ALPHABET))
        digits = SECRET_ALPHABET[digit] + digits
    return Token(prefix, f"lua_{prefix}_{digits}")


def parse_token(text: str) -> Token:
    """Return what a text is as a token. Raises UsageError, which does not repeat it, for anything else."""
    found = PATTERN.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            "that is no token of ours", hint="they look like lua_xxxxxxxx_ and 43 letters and digits"
        )
    return Token(found[1], found[0])
