"""CSV as people have it: encodings, delimiters, quotes, and lines that cannot be read."""

from __future__ import annotations

import codecs
import csv
from contextlib import suppress
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luactl.crm import names
from luactl.errors import UsageError
from luactl.table.header import fold, is_known, match, parse_choices
from luactl.table.rows import LINES_PER_RECORD, LONGEST_RECORD, NUL, PILE, TOO_LONG, UNBALANCED, Table
from luactl.table.source import TableError, open_source

Rejected = list[tuple[int, str]]
Records = list[tuple[int, list[str]]]


def known(name: str) -> bool:
    return is_known(name, names.CUSTOMER)


def read(content: bytes) -> tuple[Table, Records, Rejected]:
    rejected: Rejected = []
    with open_source(BytesIO(content)) as source:
        table = Table(source, known)
        return table, list(table.records(lambda line, why: rejected.append((line, why)))), rejected


def values(content: bytes) -> list[list[str]]:
    return [row for _, row in read(content)[1]]


def test_bom_is_no_part_of_the_first_header() -> None:
    assert read(codecs.BOM_UTF8 + b"Vorname,Ort\nZo\xc3\xab,Bonn\n")[0].header == ("Vorname", "Ort")


def test_what_is_not_utf_8_is_windows_1252() -> None:
    table, rows, _ = read("Vorname;Ort\nJürgen;€ Köln\n".encode("cp1252"))
    assert (table.encoding, rows[0][1]) == ("cp1252", ["Jürgen", "€ Köln"])


def test_what_is_not_windows_1252_either_is_latin_1() -> None:
    table, rows, _ = read(b"Vorname;Ort\nJ\xfcrgen;K\x81ln\n")
    assert (table.encoding, rows[0][1][0]) == ("latin-1", "Jürgen")


def test_a_late_byte_decides_the_encoding() -> None:
    content = b"Name,City\n" + b"x,y\n" * 400_000 + "Zoë,Gent\n".encode("cp1252")
    assert values(content)[-1] == ["Zoë", "Gent"]


def test_unicode_text_of_spreadsheets() -> None:
    content = "Name\tOrt\r\nŁucja\tKraków\r\n".encode("utf-16")
    assert values(content) == [["Łucja", "Kraków"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_guessed(delimiter: str) -> None:
    content = f'Name{delimiter}Adresse{delimiter}PLZ\nAda{delimiter}"A, B; C | D"{delimiter}50667\n'
    table, rows, _ = read(content.encode())
    assert (table.delimiter, rows[0][1]) == (delimiter, ["Ada", "A, B; C | D", "50667"])


def test_delimiter_is_not_the_commonest_sign_but_what_makes_known_headers() -> None:
    assert read(b"Name;Notes\nAda;a, b, c, d\nBo;e, f, g, h\n")[0].delimiter == ";"


def test_stated_separator() -> None:
    table, rows, _ = read(b'"sep=|"\r\nName|Ort\r\nAda|Rom\r\n')
    assert (table.header, rows) == (("Name", "Ort"), [(3, ["Ada", "Rom"])])


def test_artefacts_of_spreadsheets_are_undone() -> None:
    content = (
        b'Name;PLZ;Phone;City\n\'=Ada;="01067";\'0171 1;\'s-Hertogenbosch\n"=""5""";"=""0""";\'+49;\'x\n'
    )
    assert values(content) == [["=Ada", "01067", "0171 1", "'s-Hertogenbosch"], ["5", "0", "+49", "'x"]]


def test_lines_are_numbered_as_an_editor_does() -> None:
    content = b'Name,Notes\nAda,"one\ntwo"\n\n,\nBo,x\r\nCy,y\rDi,z\n'
    assert [line for line, _ in read(content)[1]] == [2, 6, 7, 8]


def test_bad_lines_are_told_and_the_rest_is_read() -> None:
    content = b'Name,Ort\nAda,Rom\n"Bo,Bonn\nCy,"Caen"\nDi,\0\nEve\nFay,Fes,,\nGus,G,H\nHal,Hof\n'
    _, rows, rejected = read(content)
    assert [row[0] for _, row in rows] == ["Ada", "Cy", "Fay", "Hal"]
    assert rejected == [
        (3, UNBALANCED),
        (5, NUL),
        (6, "it has 1 field, the header has 2"),
        (8, "it has 3 fields, the header has 2"),
    ]


def test_a_quote_that_is_never_closed_costs_one_line() -> None:
    content = b"Name,Ort\n" + b'"Ada,Rom\n' + b"Bo,Bonn\n" * 3 * LINES_PER_RECORD
    _, rows, rejected = read(content)
    assert len(rows) == 3 * LINES_PER_RECORD
    assert [line for line, _ in rejected] == [2]


def test_a_megabyte_in_one_field_is_a_bad_line() -> None:
    content = b"Name,Notes\nAda," + b"x" * (1 << 20) + b"\nBo,y\n"
    _, rows, rejected = read(content)
    assert ([line for line, _ in rows], rejected) == ([3], [(2, TOO_LONG)])


def test_the_longest_record_is_read() -> None:
    field = b"x" * (LONGEST_RECORD - len("Ada,\n"))
    assert values(b"Name,Notes\nAda," + field + b"\n") == [["Ada", field.decode()]]
    assert read(b"Name,Notes\nAda," + field + b"x\n")[2] == [(2, TOO_LONG)]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n \r\n", codecs.BOM_UTF8, b"PK\x03\x04" + b"x" * 99, bytes(range(256)) * 9, b"\0" * 50],
)
def test_empty_and_binary_files_are_refused(content: bytes) -> None:
    with pytest.raises(TableError) as caught:
        read(content)
    assert caught.value.hint


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(TableError, match="more than 16 MiB"):
        read(b"Name,Ort\n" + b"x" * (18 << 20))


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_files_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"), open_source(tmp_path / name):
        pass


def test_a_stream_that_cannot_be_rewound_is_read_whole() -> None:
    class Pipe(BytesIO):
        def seekable(self) -> bool:
            return False

    with open_source(Pipe(b"Name,Ort\nAda,Rom\n")) as source:
        assert [row for _, row in Table(source, known).records(lambda *_: None)] == [["Ada", "Rom"]]


LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from("\t\n\x85")
CELLS = st.text(LETTERS, max_size=12).filter(lambda cell: cell.strip()[:1] not in ("'", "="))


@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    ending=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_a_csv_writer_writes_comes_back(
    rows: list[list[str]], delimiter: str, ending: str, quoting: int, encoding: str
) -> None:
    out = StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ending, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([["Vorname", "Nachname", "E-Mail"], *rows])
    _, got, rejected = read(out.getvalue().encode(encoding))
    assert not rejected
    stripped = [[cell.strip() for cell in row] for row in rows]
    assert [row for _, row in got] == [row for row in stripped if any(row)]


@given(st.binary(max_size=400))
def test_no_bytes_make_it_fail_otherwise(content: bytes) -> None:
    with suppress(TableError):
        lines = [line for line, _ in read(content)[1]]
        assert lines == sorted(set(lines))


@pytest.mark.parametrize(
    ("header", "field"),
    [("E-Mail-Adresse", "email"), ("PLZ", "postal_code"), ("Straße", "street"), ("STRASSE", "street"),
     ("Prénom", "first_name"), ("CustomerId", "external_id"), ("Kunden-Nr.", "external_id"),
     ("Telefon", "phone"),
     ("Nom", "last_name"), ("birth_date", "birth_date"), ("Handy", "mobile"), ("Firma", "company")],
)  # fmt: skip
def test_headers_are_guessed(header: str, field: str) -> None:
    assert match([header], names.CUSTOMER, {}, "t").positions == {field: 0}


@pytest.mark.parametrize("kind", ["CUSTOMER", "INTERACTION", "INVOICE", "INVOICE_LINE", "KINDS"])
def test_no_column_name_means_two_things(kind: str) -> None:
    entries = [
        (fold(word), field) for field, line in getattr(names, kind) for word in {field, *line.split(",")}
    ]
    assert all(word for word, _ in entries)
    assert len({word for word, _ in entries}) == len(set(entries))


def test_columns_can_be_told_and_left_out() -> None:
    header = ["Name", "Contact", "Strange"]
    columns = match(header, names.CUSTOMER, {"email": "strange", "name": ""}, "t")
    assert columns.positions == {"email": 2}
    assert columns.unused == ("Name", "Contact")


def test_the_first_of_two_equal_columns_counts() -> None:
    columns = match(["Email", "E-Mail"], names.CUSTOMER, {}, "t")
    assert (columns.positions, columns.unused) == ({"email": 0}, ("E-Mail",))


@pytest.mark.parametrize(
    ("chosen", "what"),
    [({"mail": "Name"}, "no field 'mail'"), ({"email": "Nope"}, "no column 'Nope'; there are: Name, City"),
     ({"email": "Name", "phone": "Name"}, "twice")],
)  # fmt: skip
def test_choices_that_make_no_sense(chosen: dict[str, str], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        match(["Name", "City"], names.CUSTOMER, chosen, "t")


@pytest.mark.parametrize("texts", [["email"], ["=Mail"], ["email=A", "email=B"]])
def test_malformed_choices(texts: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_choices(texts)


def test_an_unknown_header_is_listed_unless_it_looks_like_a_person() -> None:
    with pytest.raises(UsageError, match="there are: Foo, Bar"):
        match(["Foo", "Bar"], names.CUSTOMER, {}, "t")
    with pytest.raises(UsageError) as caught:
        match(["Ada", "ada@home.example"], names.CUSTOMER, {}, "t")
    assert "ada" not in str(caught.value).lower()


def test_a_pile_of_accents_is_refused() -> None:
    """Normalising takes the square of their number: tens of seconds for one such name."""
    pile = "a" + "\u0301\u0323" * 1_000
    written = " ".join(["Zoe\u0308\u0323"] * 1_000)
    _, rows, rejected = read(f"Name,City\n{pile},x\n{written},Gent\n".encode())
    assert (rows, rejected) == ([(3, [written, "Gent"])], [(2, PILE)])
