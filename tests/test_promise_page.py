"""The page as data: ours, another company's, and files that are none. Needs no database.

`LUACTL_WRITE_GOLDEN=1 pytest tests/test_promise_page.py` writes anew what follows from page and roles.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import isolated, run_program
from support_promise import DOC, RIGHTS, page_with_table, rights

from luactl import promise
from luactl.errors import NotFoundError, UsageError
from luactl.promise import Look
from luactl.promise.probes import PROBES, load

OURS = """name = "Kolibri"
contact = "privacy@kolibri.example"

[[clause]]
id = "1"
promise = "people are kept apart"
means = "row security"
attempt = "reach for others"
probe = "isolation"

[[clause]]
id = "1.2"
promise = "lunch is free"
means = "a canteen"
attempt = "eat"
"""


def test_our_page_names_every_clause_and_only_probes_that_exist() -> None:
    page = promise.load()
    sections = {clause.id.split(".")[0] for clause in page.clauses}
    assert (len(page.clauses), sections) == (48, {str(number) for number in range(1, 13)})
    assert {clause.probe for clause in page.clauses if clause.probe} <= PROBES.keys()
    proven = [
        "1.1",
        "1.4",
        "1.6",
        "3.1",
        "3.2",
        "3.3",
        "3.4",
        "3.5",
        "3.6",
        "4.1",
        "4.2",
        "4.3",
        "4.4",
        "5.4",
        "9.3",
    ]
    proven += ["10.1", "12.1"]
    assert [clause.id for clause in page.clauses if clause.probe] == proven


@pytest.mark.parametrize("name", PROBES)
def test_every_probe_is_there(name: str) -> None:
    assert load(name).__doc__


def test_another_company_has_a_page_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "page.toml"
    file.write_text(OURS)
    page = promise.load(file)
    assert (page.name, page.contact) == ("Kolibri", "privacy@kolibri.example")
    assert [(one.id, one.probe) for one in page.clauses] == [("1", "isolation"), ("1.2", None)]
    assert [one.id for one in page.chosen(["1.2", "1", "1.2"])] == ["1", "1.2"]
    with pytest.raises(NotFoundError, match=r"no promise '3\.5'"):
        page.chosen(["1", "3.5"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.replace("[[clause]]", "[[claus]]"), "no \\[\\[clause"),
        (lambda t: t.replace('id = "1.2"', 'id = "1"'), "1 stands there twice"),
        (lambda t: t.replace('id = "1.2"', 'id = "x"'), "'x' is no id"),
        (lambda t: t.replace('attempt = "eat"', ""), "clause 2 has no attempt"),
        (lambda t: t.replace('attempt = "eat"', 'attempt = ""'), "attempt must be a line"),
        (lambda t: t.replace('attempt = "eat"', "attempt = 3"), "attempt must be a line"),
        (lambda t: t.replace('attempt = "eat"', 'attempt = "a\\nb"'), "attempt must be a line"),
        (lambda t: t.replace("isolation", "telepathy"), "no probe 'telepathy'; orphans"),
        (lambda t: t + 'also = "x"\n', "unknown field 'also'"),
        (lambda t: t.replace('name = "Kolibri"', ""), "the page has no name"),
        (lambda t: "=" + t, "no page of promises"),
        (lambda t: "x = [[", "no page of promises"),
        (lambda t: t + "#" * (1 << 20), "more than 1 MB"),
        (lambda t: "clause = [1]\nname = 'x'", "clause 1 is no table"),
    ],
)
def test_what_is_no_page_is_refused(tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    file = tmp_path / "page.toml"
    file.write_text(change(OURS))
    with pytest.raises(UsageError, match=said):
        promise.load(file)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    for name, said in (("binary", "no page of promises"), ("none", "cannot be read"), ("", "cannot be read")):
        with pytest.raises(UsageError, match=said):
            promise.load(tmp_path / name)


def test_a_look_is_never_kept_by_default() -> None:
    look = Look(saw="all is well")
    assert (look.state, look.why) == ("not observable", "all is well")
    look.tried()
    assert look.state == "kept"
    look.misses("one thing could not be seen")
    assert (look.state, look.why) == ("not observable", "one thing could not be seen")
    for number in range(60):
        look.breaks(f"hole {number}")
    assert (look.state, look.why, len(look.broken)) == ("broken", "hole 0 (and 59 more)", 50)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_program(isolated(folder), "promise", *arguments)


def test_list_and_show_need_no_database(tmp_path: Path) -> None:
    listed = run(tmp_path, "list", "-o", "json")
    data = json.loads(listed.stdout)["data"]
    assert [one["id"] for one in data][:2] == ["1.1", "1.2"]
    assert set(data[0]) == {"id", "promise", "means", "attempt", "probe", "beyond"}
    assert "31 of 48 promises have no probe yet" in listed.stderr
    shown = json.loads(run(tmp_path, "show", "3.5", "-o", "json").stdout)["data"]
    assert (shown["id"], shown["probe"]) == ("3.5", "isolation")
    assert run(tmp_path, "show", "3.50").returncode == 1
    assert run(tmp_path, "prove").returncode == 2
    assert run(tmp_path, "prove", "1.1", "--all").returncode == 2
    assert run(tmp_path, "prove", "--all").returncode == 3


@pytest.mark.parametrize(("file", "wanted"), [(RIGHTS, rights), (DOC, page_with_table)])
def test_what_follows_from_page_and_roles_is_up_to_date(file: Path, wanted: Callable[[], str]) -> None:
    if os.environ.get("LUACTL_WRITE_GOLDEN"):
        file.write_text(wanted(), encoding="utf-8")
    anew = "LUACTL_WRITE_GOLDEN=1 pytest tests/test_promise_page.py writes it anew"
    assert file.read_text(encoding="utf-8") == wanted(), anew
