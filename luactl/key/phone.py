"""Phone numbers in E.164, valid ones only (formats.md, 3).

Owns the quick way for numbers written internationally. It asks the same patterns of the same metadata as
`phonenumbers` itself does, and hands over to the library whatever it cannot decide: so it is never of another
opinion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

_PLAIN = re.compile(r"\+[0-9 ().\-/]{6,40}")
_SEPARATORS = str.maketrans("", "", "+ ().-/")
_KINDS = (
    "premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail",
    "fixed_line",
)  # fmt: skip


@dataclass(frozen=True)
class _Region:
    """What decides in one region whether a national number is valid."""

    leading: re.Pattern[str] | None
    """A number that begins like this belongs here, valid or not."""
    patterns: dict[int, re.Pattern[str]]
    """By length of the national number: what matches in full is valid."""

    def valid(self, national: str) -> bool:
        pattern = self.patterns.get(len(national))
        return pattern is not None and pattern.fullmatch(national) is not None


@dataclass(frozen=True)
class _Plan:
    """The numbering plan behind one country calling code."""

    code: str
    prefix: re.Pattern[str] | None
    """What the library may cut off the front; whatever begins like this is left to the library."""
    regions: tuple[_Region, ...]

    def accepts(self, national: str) -> bool:
        """Say whether the library would surely take the number as it stands. False means: ask it."""
        if self.prefix is not None and self.prefix.match(national):
            return False
        for region in self.regions:
            if region.leading is not None and len(self.regions) > 1:
                if region.leading.match(national):
                    return region.valid(national)
            elif region.valid(national):
                return True
        return False


def _region(name: str) -> _Region | None:
    """Compile one region's metadata: a number is valid if the general and one other description match."""
    from phonenumbers import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(name, None)
    if metadata is None or metadata.general_desc is None or not metadata.general_desc.national_number_pattern:
        return None
    general = metadata.general_desc
    kinds = _KINDS if metadata.same_mobile_and_fixed_line_pattern else (*_KINDS, "mobile")
    alternatives: dict[int, list[str]] = {}
    for kind in kinds:
        found = getattr(metadata, kind)
        if found is None or not found.national_number_pattern:
            continue
        for length in found.possible_length or general.possible_length:
            if length in general.possible_length:
                alternatives.setdefault(length, []).append(found.national_number_pattern)
    head = f"(?={general.national_number_pattern}\\Z)"
    patterns = {
        length: re.compile(f"{head}(?:{'|'.join(f'(?:{one})' for one in some)})")
        for length, some in alternatives.items()
    }
    leading = None if metadata.leading_digits is None else re.compile(metadata.leading_digits)
    return _Region(leading, patterns)


@cache
def _plan(code: str) -> _Plan | None:
    """Return the plan of a country calling code; None for codes that are unknown or no country's."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    names = COUNTRY_CODE_TO_REGION_CODE.get(int(code))
    if names is None or names[0] == "001":
        return None
    regions = tuple(_region(name) for name in names)
    main = PhoneMetadata.metadata_for_region(names[0], None)
    if main is None or None in regions:
        return None
    prefix = re.compile(main.national_prefix_for_parsing) if main.national_prefix_for_parsing else None
    return _Plan(code, prefix, tuple(region for region in regions if region is not None))


def _quick(value: str) -> str | None:
    """Return the E.164 form of an internationally written number, or None when only the library can tell."""
    if not _PLAIN.fullmatch(value):
        return None
    digits = value.translate(_SEPARATORS)
    if not 7 <= len(digits) <= 15 or digits[0] == "0":
        return None
    for width in (2, 3, 1):  # calling codes are free of prefixes of each other; two digits is the commonest
        plan = _plan(digits[:width])
        if plan is not None:
            return "+" + digits if plan.accepts(digits[width:]) else None
    return None


def normalise(value: str, region: str) -> str | None:
    """Return a phone number in E.164, or None if it is not a valid one.

    `region` is the ISO 3166 code of the country whose national form is understood. Spellings with
    `+`, with a leading international or national prefix, and with `(0)` all end in the same form.
    """
    value = value.strip()
    if not value or len(value) > 250:
        return None
    quick = _quick(value)
    if quick is not None:
        return quick
    import phonenumbers

    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
