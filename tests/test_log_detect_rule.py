"""What a file of rules may say, and that everything else is refused by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from luactl.errors import LuactlError, NotFoundError
from luactl.log.detect.catalog import chosen, every_rule, find_rule, of_files, of_folder, resolve, shipped
from luactl.log.detect.match import wildcards
from luactl.log.detect.parse import written
from luactl.log.detect.reading import LARGEST, RuleError, documents
from luactl.log.query import ONE

ID, OTHER = "f7573590-55ed-41de-89fa-4601386f68ca", "9a5ac849-24f1-4473-9bbf-f53ae6bf1ec5"
PLAIN: dict[str, Any] = {
    "title": "A rule",
    "id": ID,
    "name": "plain",
    "logsource": {"product": "luacrm", "service": "ledger"},
    "detection": {"selection": {"action": "read"}, "condition": "selection"},
}
COUNT = {"type": "event_count", "rules": ["plain"], "timespan": "1h", "condition": {"gte": 5}}


def rule(**said: Any) -> dict[str, Any]:
    return {key: value for key, value in {**PLAIN, **said}.items() if value is not None}


def selection(**said: Any) -> dict[str, Any]:
    return rule(detection={"selection": said, "condition": "selection"})


def correlation(**said: Any) -> list[dict[str, Any]]:
    found = {key: value for key, value in {**COUNT, **said}.items() if value is not None}
    return [{"title": "Many", "id": OTHER, "name": "many", "correlation": found}, PLAIN]


def read(*said: dict[str, Any]) -> Any:
    return resolve([written(one, "house.yml", "0" * 64) for one in said])


REFUSED: list[tuple[list[dict[str, Any]], str]] = [
    ([rule(timeframe="5m")], "attribute 'timeframe'"),
    ([rule(id=None)], "an id is needed"),
    ([rule(name="Two words")], "a name is needed"),
    ([rule(title="")], "a title of"),
    ([rule(level="urgent")], "level 'urgent'"),
    ([rule(logsource={"product": "windows", "service": "security"})], "product: windows, service: security"),
    ([rule(logsource={"vendor": "x"})], "logsource takes"),
    ([rule(logsource=None)], "logsource takes"),
    ([rule(detection={"selection": {"action": "read"}})], "a condition is needed"),
    ([rule(detection={"a": {"action": "x"}, "condition": "a", "timeframe": "5m"})], "timeframe"),
    ([rule(detection={"a": {"action": "x"}, "condition": "a | count() > 5"})], "has a pipe"),
    ([rule(detection={"a": {"action": "x"}, "condition": "a near b"})], "'near'"),
    ([rule(detection={"a": {"action": "x"}, "condition": "b"})], "'b', which is no selection"),
    ([rule(detection={"a": {"action": "x"}, "condition": "1 of b*"})], "no selection is called 'b*'"),
    ([rule(detection={"a": {"action": "x"}, "condition": "2 of a*"})], "'2'"),
    ([rule(detection={"a": {"action": "x"}, "condition": "(a"})], "ends too early"),
    ([rule(detection={"a": {"action": "x"}, "condition": "a)"})], "')'"),
    ([rule(detection={"a": {"action": "x"}, "condition": ["a", "a"]})], "is no text"),
    ([rule(detection={"a": {"action": "x"}, "condition": "not " * 60 + "a"})], "levels deep"),
    ([rule(detection={"a": {}, "condition": "a"})], "a selection is empty"),
    ([selection(colour="red")], "no field 'colour'"),
    ([selection(**{"detail.login'; --": "x"})], 'no field "detail.login\'; --"'),
    ([selection(actr="x")], "did you mean actor?"),
    ([selection(**{"actor|re": "(a+)+$"})], "modifier 're'"),
    ([selection(**{"actor|base64": "x"})], "modifier 'base64'"),
    ([selection(**{"actor|windash": "x"})], "modifier 'windash'"),
    ([selection(**{"actor|expand": "%x%"})], "modifier 'expand'"),
    ([selection(**{"actor|contains|startswith": "x"})], "do not go together"),
    ([selection(**{"actor|contains|contains": "x"})], "twice"),
    ([selection(**{"actor|all": "x"})], "`all` is about several"),
    ([selection(**{"actor|gte": 5})], "do not go together"),
    ([selection(**{"subjects|contains": "5"})], "cannot be compared so"),
    ([selection(subjects="many")], "'many' is no number"),
    ([selection(subjects=True)], "'True' is no number"),
    ([selection(at="2026-03-01")], "cannot be compared so"),
    ([selection(**{"actor|hour": 3})], "do not go together"),
    ([selection(**{"actor|cidr": "10.0.0.0/8"})], "is no network"),
    ([selection(**{"address|cidr": "10.0.0.0/99"})], "is no network"),
    ([selection(address="10.0.0.0/8")], "write address|cidr"),
    ([selection(outcome="maybe")], "cannot be 'maybe'"),
    ([selection(id="7")], "takes a whole id"),
    ([selection(subject="0199*")], "takes a whole id"),
    ([selection(actor=1.5)], "'1.5' is no text"),
    ([selection(actor={"a": 1})], "is no text"),
    ([selection(actor=[])], "has 0 values"),
    ([selection(actor=["x"] * 1001)], "has 1,001 values"),
    ([selection(actor="a\0b")], "none of them NUL"),
    ([selection(actor="a" * 1001)], "at most 1,000"),
    ([selection(**{"actor|exists": "yes"})], "true or false"),
    ([selection(**{"actor|fieldref": "id"})], "fieldref takes"),
    ([selection(**{"actor|fieldref|contains": "behalf"})], "fieldref stands alone"),
    ([selection(**{"actor|contains": None})], "null takes no modifier"),
    ([selection(text="*voice")], "keyword '*voice'"),
    ([rule(detection={"a": ["!!"], "condition": "a"})], "keyword '!!'"),
    ([rule(detection={"a": [1], "condition": "a"})], "keyword '1'"),
    ([rule(luactl={"colour": 1})], "luactl: 'colour'"),
    (correlation(type="value_sum"), "type 'value_sum'"),
    (correlation(type="temporal"), "type 'temporal'"),
    (correlation(type="temporal_ordered", condition=None), "for two rules"),
    (correlation(type="temporal_ordered", rules=["plain", "plain"]), "condition of temporal_ordered"),
    (correlation(aliases={"a": {"plain": "actor"}}), "correlation: 'aliases'"),
    (correlation(timespan="1w"), "timespan is a span"),
    (correlation(timespan="0s"), "timespan is a span"),
    (correlation(timespan="32d"), "timespan is a span"),
    (correlation(timespan=None), "timespan is a span"),
    (correlation(condition={"lte": 5}), "lte in the condition"),
    (correlation(condition={"eq": 5}), "eq in the condition"),
    (correlation(condition={"gt": 5, "lte": 9}), "lte in the condition"),
    (correlation(condition={"gte": 0}), "is one number"),
    (correlation(condition={"gte": "5; DROP TABLE lua.tenant"}), "is one number"),
    (correlation(condition={"gte": 5, "field": "actor"}), "condition: 'field'"),
    (correlation(type="value_count"), "needs a field"),
    (correlation(type="value_count", condition={"gte": 5, "field": "colour"}), "no field 'colour'"),
    (correlation(**{"group-by": ["colour"]}), "no field 'colour'"),
    (correlation(**{"group-by": ["actor", "actor"]}), "each once"),
    (correlation(rules=["nothing"]), "'nothing' that is not there"),
    (correlation(rules=["many"]), "a correlation"),
    (correlation(luactl={"lookback": "9d"}), "belong to luactl_new_values"),
    (correlation(generate="yes"), "generate is true or false"),
    ([PLAIN, {**PLAIN, "name": "other"}], f"{ID} is the name or id of another"),
    ([PLAIN, {**PLAIN, "id": OTHER}], "plain is the name or id of another"),
    ([{**PLAIN, "correlation": COUNT}], "a detection or a correlation"),
]


@pytest.mark.parametrize(("said", "why"), REFUSED, ids=[why for _said, why in REFUSED])
def test_what_is_not_in_the_subset_is_refused_by_name(said: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(RuleError) as refused:
        read(*said)
    assert why in f"{refused.value.what} {refused.value.hint}"
    assert refused.value.what.startswith("house.yml: ")
    assert refused.value.hint


def test_what_only_others_use_does_not_stand_by_itself() -> None:
    assert [one.name for one in read(*correlation())] == ["many"]
    assert [one.name for one in read(*correlation(generate=True))] == ["many", "plain"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"a: &x [1]\nb: *x", "anchors and aliases"),
        (b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", "anchors and aliases"),
        (b"a: !!python/object/apply:os.system ['touch pwned']", "tags such as"),
        (b"a: !x 1", "tags such as"),
        (b"title: a\ntitle: b", "'title' is there twice"),
        (b"detection:\n  s: {actor: a, actor: b}", "'actor' is there twice"),
        (b"[" * 100 + b"]" * 100, "levels deep"),
        (b"a: " + b"[" * 50_000, "levels deep"),
        (b"#" * (LARGEST + 1), "at most 64 KiB"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a: 'x", "not YAML"),
        (b"", "a rule is a mapping"),
        (b"- a", "a rule is a mapping"),
        (b"a: 1\n---\n- b", "a rule is a mapping"),
        (b"a: 2026-99-99", "not YAML"),
        (b"? [a, b]\n: c", None),
    ],
)
def test_a_file_that_could_hurt_or_mislead(data: bytes, why: str | None) -> None:
    if why is None:
        with pytest.raises(RuleError):
            read(*documents(data, "x.yml"))
        return
    with pytest.raises(RuleError, match=why):
        documents(data, "x.yml")


@given(
    st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_rules_or_refused(data: bytes) -> None:
    try:
        read(*documents(data, "x.yml"))
    except RuleError:
        return


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["read", "1 of x", "5m", "actor"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*COUNT, "x", "actor|re"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys((*PLAIN, "correlation", "luactl", "level", "tags"), JSON)
    )
)
def test_any_values_are_a_rule_or_refused(said: dict[str, Any]) -> None:
    try:
        read({**PLAIN, **said})
    except RuleError:
        return


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a*b", ("a", "b")),
        ("a?b", (f"a{ONE}b",)),
        (r"a\*b", ("a*b",)),
        (r"a\?b", ("a?b",)),
        (r"a\\*b", ("a\\", "b")),
        (r"a\b", (r"a\b",)),
        ("\\", ("\\",)),
        ("", ("",)),
        ("**", ("", "", "")),
    ],
)
def test_wildcards(text: str, pieces: tuple[str, ...]) -> None:
    assert wildcards(text).pieces == pieces
    assert wildcards(text).is_exact == (len(pieces) == 1 and ONE not in pieces[0])


def test_shipped_rules_say_what_they_are_for() -> None:
    for one in shipped():
        assert one.level in ("low", "medium", "high"), one.name
        assert one.falsepositives, one.name
        assert "actor" in one.group_by or one.name == "ledger-gap", one.name


def test_rules_of_the_house(tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text(yaml.safe_dump_all(correlation()))
    (tmp_path / "README.txt").write_text("no rule")
    listed = every_rule(tmp_path, {"many": "too noisy", "night-access": "we work at night"})
    assert len(listed) == len(shipped()) + 1
    assert find_rule(listed, "many").off_because == "too noisy"
    assert not find_rule(listed, OTHER).is_ours
    asked = {one.name for one in chosen(listed, [])}
    assert {"bulk-read"} <= asked
    assert not {"many", "night-access"} & asked
    assert [one.name for one in chosen(listed, ["many", OTHER])] == ["many"]
    with pytest.raises(NotFoundError, match="bulk-raed") as refused:
        find_rule(listed, "bulk-raed")
    assert refused.value.hint is not None
    assert "bulk-read" in refused.value.hint


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="cannot be read"):
        of_folder(tmp_path / "nowhere")
    with pytest.raises(RuleError, match="cannot be read"):
        of_files([tmp_path / "nothing.yml"])
    with pytest.raises(RuleError, match="no such rule"):
        every_rule(None, {"nihgt-access": "slip"})
    (tmp_path / "a.yml").write_text(yaml.safe_dump({**PLAIN, "name": "bulk-read"}))
    with pytest.raises(LuactlError, match="bulk-read is the name or id of another"):
        every_rule(tmp_path, {})
