"""The manual pages: one for the program and one a noun, whole, and good troff."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_whole import verbs

from luactl.commands.main import NOUNS
from luactl.commands.manual import escape, pages

PAGES = pages()


def test_every_noun_has_its_page() -> None:
    assert PAGES.keys() == {"luactl.1", *(f"luactl-{noun}.1" for noun in NOUNS)}


def test_every_verb_and_option_stands_in_it() -> None:
    for command, verb in verbs().items():
        page = PAGES[f"luactl-{command.split()[0]}.1"]
        if not verb.hidden:
            assert f".SS luactl {escape(command)}" in page
            long = [name for param in verb.params for name in param.opts if name.startswith("--")]
            assert all(escape(name) in page for name in long)


def groff(text: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("groff") is None:
        pytest.skip("no groff here")
    command = ["groff", "-man", "-Tutf8", "-ww", "-P-c", "-P-b", "-P-u", "-k"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("name", PAGES)
def test_troff_has_nothing_to_complain_about(name: str) -> None:
    done = groff(PAGES[name])
    assert done.stderr == ""
    assert "EXIT STATUS" in done.stdout or name != "luactl.1"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_no_text_steers_troff(text: str) -> None:
    told = escape(text)
    assert not told.startswith((".", "'"))
    assert "\\" not in told.replace("\\e", "").replace("\\-", "").replace("\\&", "")
