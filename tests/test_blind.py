"""Blind indexes: normalisation, widths, and the quick way for phone numbers against the library's own."""

from __future__ import annotations

import hmac
import math
import re
import subprocess
import sys
import time
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from luactl.key import blind, phone

KEY = bytes(range(32))
ROOT = Path(__file__).parent.parent
COUNTRIES = sorted(phonenumbers.SUPPORTED_REGIONS)
KINDS = [kind for kind in phonenumbers.PhoneNumberType.values() if kind not in (99, 10)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (" Luisa.Gomes@Example.COM ", "luisa.gomes@example.com"),
        ("Łucja@Bücher.Example", "łucja@xn--bcher-kva.example"),
        ("łucja@xn--BCHER-kva.example", "łucja@xn--bcher-kva.example"),
        ("info@straße.example", "info@xn--strae-oqa.example"),
        ("info@strasse.example", "info@strasse.example"),
        ("ＭＩＡ＠example.com", "mia@example.com"),
        ("mia+news@example.com", "mia+news@example.com"),
        ("m.i.a@example.com.", "m.i.a@example.com"),
        ("Straße@example.com", "strasse@example.com"),
        ("a@b_c.example", "a@b_c.example"),
        ("ä@☃.example", "ä@☃.example"),
        ("no address", None),
        ("@example.com", None),
        ("mia@", None),
        ("", None),
    ],
)
def test_email(given: str, expected: str | None) -> None:
    assert blind.normalise_email(given) == expected


@given(st.emails() | st.text(max_size=40) | st.tuples(st.text(max_size=8), st.text(max_size=8)).map("@".join))
@example("İ@İ.example")
@example("ſ@ß.example")
def test_email_twice_is_email_once(value: str) -> None:
    once = blind.normalise_email(value)
    assert once is None or blind.normalise_email(once) == once


@pytest.mark.parametrize(
    "value", ["0171 1234567", "+49 (0)171/1234567", "0049 171 1234567", "+491711234567", "+49-171-123 4567"]
)
def test_one_phone_number_in_many_spellings(value: str) -> None:
    assert blind.normalise_phone(value, "DE") == "+491711234567"


@pytest.mark.parametrize(
    "value", ["12345", "", "+", "call me", "+49", "++", "+999 1234567", "0" * 300, "\x00"]
)
def test_what_is_no_valid_phone_number(value: str) -> None:
    assert blind.normalise_phone(value, "DE") is None


def by_library(value: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    valid = phonenumbers.is_valid_number(number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if valid else None


def test_the_quick_way_agrees_on_every_country() -> None:
    quick = total = 0
    for country in COUNTRIES:
        for kind in KINDS:
            number = phonenumbers.example_number_for_type(country, kind)
            if number is None:
                continue
            for style in (0, 1, 3):
                text = phonenumbers.format_number(number, style).removeprefix("tel:")
                found = phone._quick(text)
                assert found is None or found == by_library(text, "DE"), text
                assert phone.normalise(text, "DE") == by_library(text, "DE"), text
                total += 1
                quick += found is not None
    assert total > 3000
    assert quick > total * 0.9  # else it is no quick way


CODES = sorted({phonenumbers.country_code_for_region(c) for c in COUNTRIES})
CHARACTERS = list("0123456789") * 3 + list(" ().-/")
PIECES = st.lists(st.sampled_from(CHARACTERS), min_size=4, max_size=16).map("".join)


@given(st.sampled_from(CODES), PIECES, st.sampled_from(["DE", "US", "IT", "GG", "EE"]))
@example(49, "(0)171 1234567", "DE")
@example(39, "0612345678", "IT")
@example(1, "1 415 555 0132", "US")
@example(54, "9 11 2345 6789", "DE")
def test_the_quick_way_agrees_on_any_digits(code: int, rest: str, region: str) -> None:
    text = f"+{code}{rest}"
    found = phone._quick(text)
    assert found is None or found == by_library(text, region)


@given(
    st.sampled_from(COUNTRIES), st.sampled_from(KINDS), st.lists(st.integers(0, 9), min_size=4, max_size=4)
)
def test_the_quick_way_agrees_near_real_numbers(country: str, kind: int, tail: list[int]) -> None:
    number = phonenumbers.example_number_for_type(country, kind)
    if number is not None:
        text = phonenumbers.format_number(number, 0)[:-4] + "".join(map(str, tail))
        found = phone._quick(text)
        assert found is None or found == by_library(text, "DE")


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        ("Luís Gonçalves", ("goncalves", "luis")),
        ("Łukasz Żółć", ("lukasz", "zolc")),
        ("Søren Đorđević", ("dordevic", "soren")),
        ("Jürgen Weiß", ("jurgen", "weiss")),
        ("JÜRGEN WEISS", ("jurgen", "weiss")),
        ("Anne-Marie O'Brien", ("anne", "marie", "obrien")),
        ("O’Brien, Anne  Marie", ("anne", "marie", "obrien")),
        ("Ёлкина Алёна", ("алена", "елкина")),
        ("Παπαδόπουλος", ("παπαδοπουλοσ",)),
        ("Ærøskøbing", ("aeroskobing",)),
        ("田中 さくら", ("さくら", "田中")),
        ("ｶﾞｽﾄﾝ", ("ガストン",)),
        ("हिन्दी", ("हिन्दी",)),
        ("İpek Işık", ("ipek", "isik")),
        ("Ana Ana", ("ana",)),
        (" -- ", ()),
        ("", ()),
    ],
)
def test_name_tokens(value: str, tokens: tuple[str, ...]) -> None:
    assert blind.name_tokens(value) == tokens


@given(st.text(max_size=40))
@example("ŉ")
@example("ǰẖ")
def test_tokens_of_tokens_are_the_tokens(value: str) -> None:
    tokens = blind.name_tokens(value)
    assert blind.name_tokens(" ".join(tokens)) == tokens


@given(st.integers(16, 10**8))
@example(16)
@example(31)
@example(10**8)
def test_all_indexes_of_a_row_together_stay_deniable(rows: int) -> None:
    total = blind.widths(blind.version_for(rows)).total
    assert 2 * 2**total <= rows
    assert rows**2 <= rows * 4**total  # rows / 2^total ≤ √rows, in whole numbers


@given(st.integers(4, 40))
def test_no_share_is_negative_and_the_column_is_wide_enough(version: int) -> None:
    w = blind.widths(version)
    assert min(w.phone, w.name) >= 0
    assert 1 <= w.email <= 31
    assert math.log2(2**2**w.name) <= max(3 * w.name, 1)  # sets of words show no more than three words


@pytest.mark.parametrize("rows", [0, 1, 15])
def test_few_rows_show_nothing(rows: int) -> None:
    assert blind.version_for(rows) == 0
    indexer = blind.Indexer(KEY, 0, "DE")
    assert indexer.email("a@b.example") is None
    assert indexer.phones(["+491711234567"]) == indexer.names(["Ana"]) == []


def test_index_is_the_documented_hmac() -> None:
    indexer = blind.Indexer(KEY, 26, "DE")
    bits = indexer.widths.email
    full = hmac.digest(KEY, b"v1email" + b"ana@example.com", "sha256")
    assert indexer.email("Ana@Example.com") == int.from_bytes(full, "big") >> (256 - bits)
    full = hmac.digest(KEY, b"v1phone" + b"+491711234567", "sha256")
    cut = int.from_bytes(full, "big") >> (256 - indexer.widths.phone)
    assert indexer.phones(["0171 1234567", None, "nonsense"]) == [cut]
    words = [hmac.digest(KEY, b"v1name" + word, "sha256")[0] >> 5 for word in (b"ana", b"weiss")]
    assert indexer.names(["Ana", "WEISS", ""]) == sorted(set(words))
    assert blind.external_digest(KEY, " K-17 ") == hmac.digest(KEY, b"v1external-id" + b"K-17", "sha256")
    assert blind.external_digest(KEY, "  ") is None
    assert blind.external_digest(KEY, "k-17") != blind.external_digest(KEY, "K-17")


def test_only_two_phone_numbers_show() -> None:
    numbers = [f"+4917112345{n}" for n in range(10, 40)]
    indexer = blind.Indexer(KEY, 40, "DE")
    assert indexer.phones(numbers) == indexer.phones(numbers[:2])
    assert len(indexer.phones(numbers)) == 2


def test_libraries_load_only_when_needed() -> None:
    program = (
        "import sys; from luactl.key import blind; i = blind.Indexer(bytes(32), 20, 'DE');"
        "i.email('a@b.example'); i.names(['Zoë']); assert not {'idna', 'phonenumbers'} & sys.modules.keys();"
        "i.email('a@ä.example'); assert 'idna' in sys.modules; i.phones(['0171 1234567'])"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_quick_way_is_quick() -> None:
    value = "+49 171 1234567"
    phone.normalise(value, "DE")

    def best(call: object) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(500):
                call(value, "DE")  # type: ignore[operator]
            times.append(time.perf_counter() - start)
        return min(times)

    assert best(phone.normalise) < best(by_library) / 3


def test_the_documented_vectors() -> None:
    page = (Path(__file__).parent.parent / "docs" / "reference" / "formats-blind.md").read_text(
        encoding="utf-8"
    )
    vectors = re.findall(
        r"^\| (\S+) \| `(.+)` \| `(.+)` \| `([0-9a-f]{64})` \| (\d*) ?\|$", page, re.MULTILINE
    )
    assert [vector[0] for vector in vectors] == ["email", "phone", "name", "external-id"]
    indexer = blind.Indexer(KEY, 26, "DE")
    found = {
        "email": lambda value: [indexer.email(value)],
        "phone": lambda value: indexer.phones([value]),
        "name": lambda value: indexer.names([value]),
    }
    for field, value, normal, full, index in vectors:
        assert hmac.digest(KEY, f"v1{field}{normal}".encode(), "sha256").hex() == full
        if field == "external-id":
            assert blind.external_digest(KEY, value) == bytes.fromhex(full)
        else:
            assert found[field](value) == [int(index)]
    rows = re.findall(r"^\| (\d+) \| ([\d,]+) \| (\d+) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    assert len(rows) == 8
    for version, first, email, phones, name in rows:
        assert blind.version_for(int(first.replace(",", ""))) == int(version)
        assert blind.widths(int(version)) == blind.Widths(*map(int, (version, email, phones, name)))
