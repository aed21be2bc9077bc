"""`-o json` of every verb keeps its shape.

The verbs of the story are looked at while tests/test_ledger_complete.py tells it, the others here.
"""

from __future__ import annotations

import json

import pytest
from conftest import Home
from hypothesis import given
from hypothesis import strategies as st
from support_shape import FOLDER, agrees, check_shape, merged, shape
from support_story_table import SCREENS
from support_whole import luactl, verbs

from luactl.demo.world import Told, World

# Whoever becomes another program or a screen prints nothing of ours.
WITHOUT = SCREENS | {"db psql"}
PROFILES = (
    ("profile add", ("staging", "--dsn", "host=db.example.com", "--yes")),
    ("profile use", ("staging", "--yes")),
    ("profile list", ()),
    ("profile show", ("staging",)),
    ("profile remove", ("staging", "--yes")),
)
SERVERS = (
    ("embedded start", ("--yes",)),
    ("embedded status", ()),
    ("embedded log", ()),
    ("db migrate", ("--yes",)),
    ("embedded stop", ("--yes",)),
)
SCALARS = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8)


def check(command: str, args: tuple[str, ...]) -> None:
    told = {}
    if "--yes" in args:
        plan = luactl(*command.split(), *args, "--dry-run", "-o", "json")
        assert plan.code == 0, plan.err
        told["plan"] = shape(plan.data)
    done = luactl(*command.split(), *args, "-o", "json")
    assert done.code == 0, done.err
    check_shape(command, {**told, "data": shape(done.data)})


def test_every_verb_has_its_shape() -> None:
    visible = {name for name, verb in verbs().items() if not verb.hidden} - WITHOUT
    pinned = {file.stem for file in FOLDER.glob("*.json")}
    assert pinned - {"completion-words"} == {name.replace(" ", "-") for name in visible}


def test_profiles(bare_home: Home) -> None:
    for command, args in PROFILES:
        check(command, args)


def test_the_embedded_server(running_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUACTL_HOME", str(running_home.path))
    for command, args in SERVERS:
        check(command, args)


def test_the_demo(bare_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(_world: World) -> list[Told]:
        return [Told("The telling is tried elsewhere", ("luactl init",), True, "3 of 3")]

    monkeypatch.setattr("luactl.demo.tell", tell)
    check("demo", ())


def test_a_shape_is_keys_and_types() -> None:
    rows = [{"a": 1, "b": None, "detail": {"x": 1}}, {"a": "x", "c": [True]}]
    assert shape(rows) == [{"a": "number|string", "b?": "null", "detail?": "open", "c?": ["boolean"]}]


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        ({"a": 1}, {"a": 2}, True),
        ({"a": 1}, {"a": None}, True),
        ({"a": [1]}, {"a": []}, True),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {}, False),
        ({}, {"a": 1}, False),
        ({"a": [{"b": 1}]}, {"a": [{"b": True}]}, False),
        ({"a": [1]}, {"a": 1}, False),
    ],
)
def test_a_key_that_goes_or_changes_its_type_is_seen(before: object, now: object, same: bool) -> None:
    assert agrees(shape(before), shape(now)) is same


@given(VALUES)
def test_what_is_the_same_has_the_same_shape(value: object) -> None:
    told = shape(json.loads(json.dumps(value)))
    assert agrees(told, told)
    assert merged(told, told) == told
