"""Tenants from a file: CSV or JSON Lines, each in a transaction of its own, resumed by repeating."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luactl import tenant
from luactl.db import Session
from luactl.errors import UsageError
from luactl.key import open_tenant
from luactl.table import TableError
from luactl.tenant import ImportReport, NewTenant, importing

Admin = psycopg.Connection[Any]
Cli = Callable[..., CompletedProcess[str]]
CSV = """\ufeffKürzel;Firma;Land;Ansprechpartner;Umsatz
zahn-nord;Zahnärzte Nord;de;Dr. Ilka Behrendt;1
agentur;"Agentur ""Süd""; GmbH";EE;kontakt@agentur.example;2
laden;Laden;FR;Aimée Rousseau;3
"""
JSONL = "".join(
    json.dumps(one) + "\n"
    for one in (
        {"slug": "zahn-nord", "name": "Zahnärzte Nord", "country": "de", "contact": "Dr. Ilka Behrendt"},
        {
            "contact": "kontakt@agentur.example",
            "Company": 'Agentur "Süd"; GmbH',
            "slug": "agentur",
            "CC": "EE",
        },
        {"slug": "laden", "name": " Laden ", "country": "FR", "contact": "Aimée Rousseau", "size": {"x": 1}},
    )
)
SLUGS = ["agentur", "laden", "zahn-nord"]


def put(session: Session, text: str, dry_run: bool = False, **columns: str) -> ImportReport:
    return tenant.import_(session, BytesIO(text.encode()), columns, dry_run=dry_run)


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.rows, report.created, report.already_there, report.rejected


def created(admin: Admin) -> list[str]:
    query = "SELECT object FROM ledger.entry WHERE action = 'tenant.create' ORDER BY object"
    return [about for (about,) in admin.execute(query).fetchall()]


@pytest.mark.parametrize(("text", "form", "unused"), [(CSV, "csv", ("Umsatz",)), (JSONL, "jsonl", ("size",))])
def test_both_forms_make_the_same_tenants(
    session: Session, admin: Admin, text: str, form: str, unused: tuple[str, ...]
) -> None:
    report = put(session, text)
    assert (counts(report), report.form, report.unused_columns) == ((3, 3, 0, 0), form, unused)
    assert created(admin) == [f"tenant:{slug}" for slug in SLUGS]
    there = {one.slug: (one.name, one.country, one.contact) for one in tenant.list_(session)}
    assert there == {
        "zahn-nord": ("Zahnärzte Nord", "DE", "Dr. Ilka Behrendt"),
        "agentur": ('Agentur "Süd"; GmbH', "EE", "kontakt@agentur.example"),
        "laden": ("Laden", "FR", "Aimée Rousseau"),
    }
    for slug in SLUGS:
        shown = tenant.show(session, slug)
        assert (len(shown.rules), [one.reference for one in shown.instructions]) == (3, ["contract"])
        assert len(open_tenant(session, shown.tenant.tenant_id).index_key) == 32


def test_repeating_it_finishes_it(session: Session, admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importing.settle

    def cut(*args: Any) -> Iterator[Any]:
        yield next(real(*args))
        raise KeyboardInterrupt

    monkeypatch.setattr(importing, "settle", cut)
    with pytest.raises(KeyboardInterrupt):
        put(session, CSV)
    assert created(admin) == ["tenant:zahn-nord"]
    monkeypatch.setattr(importing, "settle", real)
    numbers = "SELECT next_no FROM vault.counter WHERE tenant_id = 0"
    before = admin.execute(numbers).fetchall()[0][0]
    assert counts(put(session, CSV, dry_run=True)) == counts(put(session, CSV)) == (3, 2, 1, 0)
    assert admin.execute(numbers).fetchall()[0][0] - before == 2  # none for the one that was there
    assert counts(put(session, JSONL)) == (3, 0, 3, 0)
    assert created(admin) == [f"tenant:{slug}" for slug in SLUGS]


BAD = {
    "a b,Name,DE,Contact": "slug is none",
    "ab,Name,Germany,Contact": "country is none",
    "ab,,DE,Contact": "name is empty",
    "ab,Name,DE,": "contact is empty",
    f"ab,{'x' * 201},DE,Contact": "the name must have 1 to 200 characters, not 201",
    "ab,Name\u2028,DE,Con\u0007tact": "characters that cannot be printed",
    "good,Name,DE,Contact": "slug stands on line 2 already",
    "ab,Name,DE": "it has 3 fields, the header has 4",
    "other,Another Name,DE,Contact": "there is a tenant of this slug, with another name and contact",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_line_is_told_and_the_rest_goes_in(session: Session, admin: Admin, line: str) -> None:
    tenant.create(session, NewTenant("other", "Other", "DE", "someone"))
    text = f"slug,name,country,contact\ngood,Name,DE,Contact\n{line}\nlast,Last,SE,Contact\n"
    planned = put(session, text, dry_run=True)
    assert len(created(admin)) == 1
    report = put(session, text)
    assert report == replace(planned, dry_run=False)
    assert counts(report) == (3, 2, 0, 1)
    assert created(admin) == ["tenant:good", "tenant:last", "tenant:other"]
    [reject] = report.rejects
    assert (reject.line, reject.table) == (3, "standard input")
    assert BAD[line] in reject.reason
    assert not any(part in reject.reason for part in ("Germany", "Another", "a b"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('["slug", "ab"]', "it is no JSON object"),
        ('{"slug": "ab", ', "it is no JSON object"),
        ('{"slug": "ab"} {"slug": "cd"}', "it is no JSON object"),
        ("slug,name", "it is no JSON object"),
        ('{"a":' * 100_000, "it is longer than"),
        ('{"a":' * 20_000, "it is no JSON object"),
        ('{"slug": "ab", "slug": "cd"}', "a key stands in it twice"),
        ('{"x": "ab", "y": "cd"}', "none of its keys is recognised"),
        ('{"slug": "ab", "name": 5, "country": "DE", "contact": "c"}', "name is no text"),
        ('{"slug": "ab", "name": null, "country": "DE", "contact": "c"}', "name is empty"),
        ('{"slug": "ab", "name": "\\ud800", "country": "DE", "contact": "c"}', "cannot be printed"),
        ('{"slug": "ab", "name": "\\u0000", "country": "DE", "contact": "c"}', "cannot be printed"),
        ('{"slug": "ab", "name": "\0", "country": "DE", "contact": "c"}', "NUL byte"),
    ],
)
def test_a_bad_line_of_objects_is_told(session: Session, line: str, reason: str) -> None:
    good = '{"slug": "good", "name": "N", "country": "DE", "contact": "c"}\n'
    report = put(session, f"{good}\n{line}\n{good.replace('good', 'last')}")
    assert counts(report) == (3, 2, 0, 1)
    assert [one.line for one in report.rejects] == [3]
    assert reason in report.rejects[0].reason


def test_columns_can_be_chosen(session: Session) -> None:
    text = "slug,name,country,contact,mail\nab,N,DE,Phone,x@y.example\n"
    put(session, text, contact="Mail")
    assert tenant.find(session, "ab").contact == "x@y.example"
    line = '{"slug": "%s", "name": "N", "country": "DE", "contact": "Phone"%s}\n'
    report = put(session, line % ("cd", ', "Mail": "z"') + line % ("ef", ""), contact="mail")
    assert tenant.find(session, "cd").contact == "z"
    assert [one.reason for one in report.rejects] == ["contact is empty"]
    for text in (CSV, JSONL):
        with pytest.raises(UsageError, match="there is no field 'colour'"):
            put(session, text, colour="Land")


@pytest.mark.parametrize(
    ("text", "error", "what"),
    [
        ("", TableError, "is empty"),
        ("\x00\x01\x02\x03" * 50, TableError, "binary"),
        ("slug,name,country\nab,N,DE\n", UsageError, "no column is recognised as contact"),
        ('[{"slug": "ab"}]', TableError, "one JSON array"),
        ("[\n  {", TableError, "one JSON array"),
    ],
)
def test_what_is_no_table_of_tenants_is_refused(
    session: Session, admin: Admin, text: str, error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=what):
        put(session, text)
    assert created(admin) == []


def test_thousands_go_in_with_progress(session: Session, admin: Admin) -> None:
    text = "slug,name,country,contact\n" + "".join(f"t{n},Tenant {n},DE,c\n" for n in range(1_000))
    seen: list[int] = []
    report = tenant.import_(session, BytesIO(text.encode()), {}, progress=seen.append)
    assert counts(report) == (1_000, 1_000, 0, 0)
    assert sum(seen) == 1_000
    assert len(created(admin)) == 1_000
    transactions = "SELECT count(DISTINCT xmin::text), count(*) FROM lua.tenant"
    assert admin.execute(transactions).fetchall() == [(1_000, 1_000)]
    assert counts(put(session, text)) == (1_000, 0, 1_000, 0)


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=12)


@given(
    st.lists(st.dictionaries(st.sampled_from(["slug", "name", "country", "contact", "x"]), CELL), max_size=8)
)
def test_every_line_is_good_or_told(objects: list[dict[str, str]]) -> None:
    lines = [json.dumps({"slug": "first"}), *map(json.dumps, objects)]
    tally = importing._Tally("t")
    with importing.open_records(BytesIO("\n".join(lines).encode()), importing.FIELDS, {}) as records:
        good = list(importing._read(records.read(tally.reject), tally))
    assert len(good) + tally.rejected == len(lines)
    assert len({new.slug for _line, new in good}) == len(good)
    assert sorted([line for line, _ in good] + [one.line for one in tally.rejects]) == [
        number + 1 for number in range(len(lines))
    ]


def test_on_the_command_line(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "tenants.csv"
    file.write_text(CSV + "!;Name;DE;Contact;4\n", encoding="utf-8")
    planned = cli("tenant", "import", str(file), "--dry-run", "-o", "json")
    assert planned.returncode == 6, planned.stderr
    assert json.loads(cli("tenant", "list", "-o", "json").stdout)["data"] == []
    done = cli("tenant", "import", str(file), "--yes", "-o", "json")
    assert done.returncode == 6
    told, plan = json.loads(done.stdout), json.loads(planned.stdout)
    assert told["status"] == plan["status"] == "findings"
    assert told["data"] == {**plan["data"], "dry_run": False}
    assert (told["data"]["created"], told["data"]["rejected"]) == (3, 1)
    assert f"{file}, line 5: slug is none" in done.stderr
    assert "columns not used: Umsatz" in done.stderr
    again = cli("tenant", "import", "-", stdin=JSONL)
    assert again.returncode == 0, again.stderr
    assert again.stdout == "records\t3\ncreated\t0\nalready there\t3\nrejected\t0\n"
    assert cli("tenant", "import", str(tmp_path / "none.csv")).returncode == 2
    assert cli("tenant", "import", str(file), "--column", "slug").returncode == 2
