"""What must hold after any point: right after the blow, and when the same command was run again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attack.attack import Place
from conftest import Connection
from support_failures import until_nobody_is_there
from support_whole import Done, luactl

from luactl.config import load_profile

from .acts import Act
from .scene import Scene
from .thief import Opened, Thief, roots_at

REFERENCES = "crm.subject"
"""Its sealed value is the way of a person into the ledger, made when somebody first reads of them."""
ENTRIES = "SELECT body FROM ledger.entry WHERE action = %s"
PEOPLE = "SELECT DISTINCT slug FROM lua.tenant_directory JOIN crm.contact USING (tenant_id)"

OUTCOMES = {
    "erase": {"none": "erased", "intent": "finished", "done": "already erased"},
    "end": {"none": "ended", "intent": "finished", "done": "already ended"},
}


@dataclass(frozen=True)
class Before:
    """What there was in the beginning, and what opened it."""

    thief: Thief
    values: dict[Place, Opened]


def look(scene: Scene) -> Before:
    """Take the loot of the beginning: all of it opens."""
    thief = Thief()
    admin = scene.admin()
    thief.steal(admin)
    admin.close()
    opened = thief.opens(thief.keys([root for roots in roots_at(scene.home.profile) for root in roots]))
    assert opened.keys() >= {one for one in thief.loot.places if one.table != REFERENCES}
    return Before(thief, {place: one for place, (one,) in opened.items()})


def told(done: Done, *codes: int) -> Done:
    """Check how a command ended: never with a traceback, never without saying what next."""
    assert done.code in codes, (done.code, done.out, done.err)
    assert "Traceback" not in done.err
    assert "error: unexpected" not in done.err
    if done.code in (1, 2, 3, 4, 5):
        assert "\nhint: " in f"\n{done.err}", done.err
    return done


def inspect(scene: Scene, act: Act, before: Before, thief: Thief, admin: Connection) -> None:
    """Look at what is left, as somebody would who comes in the morning."""
    until_nobody_is_there(admin)
    thief.steal(admin)
    state = told(luactl("key", "status", "-o", "json"), 0, 6).data["state"]
    assert state in ("settled", "unfinished"), state
    if state == "unfinished":
        assert "key recover" in told(luactl("doctor"), 6).out
    check_readable(act, admin)
    check_lockbox(scene)
    told(luactl("ledger", "verify"), 0)
    roots = roots_at(load_profile())
    opened = thief.opens(thief.keys([root for each in roots for root in each]))
    lost = [one for one in before.values if not act.goes(scene, one) and one not in opened]
    assert not lost, f"cannot be read any more: {lost}"


def check_lockbox(scene: Scene) -> None:
    """See that a lockbox is there as a whole or not at all; signature and proof alone may come later."""
    if Path(scene.box).exists():
        done = told(luactl("verify", scene.box, "-o", "json"), 0, 6)
        wrong = {one["file"] for one in done.data["findings"]}
        assert wrong <= {"log.vkey", "manifest.sig", "manifest.json"}, wrong


def check_readable(act: Act, admin: Connection) -> None:
    """See that the program itself opens everybody who lives."""
    for (slug,) in admin.execute(PEOPLE).fetchall():
        if act.name == "end" and slug == "smile":  # its keys may be gone, and rows of it still be there
            continue
        shown = told(luactl("crm", "customer", "list", "--tenant", slug, "--limit", "0", "-o", "json"), 0)
        assert all(one["name"] for one in shown.data)


def finish(scene: Scene, act: Act, before: Before, thief: Thief, admin: Connection) -> None:
    """Run the same again, and see that all is done, once and for good."""
    expected = outcome(act, admin)
    again = told(luactl(*act.args(scene), "-o", "json", stdin=act.stdin), *act.again)
    found = json.loads(again.out)["data"] or {}
    if expected:
        assert found["outcome"] == expected
    thief.steal(admin)
    for check in ("key status", "key verify", "ledger verify"):
        told(luactl(*check.split()), 0)
    check_readable(act, admin)
    check_outcomes(act, admin)
    if folder := found.get("certificate"):
        told(luactl("verify", folder), 0)
    if Path(scene.box).exists():
        told(luactl("log", "seal", scene.box, "--yes"), 0)
        told(luactl("verify", scene.box), 0)
    if act.name == "erase":
        told(luactl("erasure", "verify", found["erasure_id"]), 0)
    check_loot(scene, act, before, thief, admin)


def outcome(act: Act, admin: Connection) -> str:
    """Return what a second run must say that it did, by how far the first came; empty where none says."""
    if not act.record:
        return ""
    states = admin.execute(f"SELECT state FROM {act.record} WHERE state <> 'announced'".encode()).fetchall()
    state = states[0][0] if states else "none"
    return OUTCOMES[act.name][state]


def check_outcomes(act: Act, admin: Connection) -> None:
    """See that no intent is left without its outcome."""
    if act.entry:
        rows = admin.execute(ENTRIES, (act.entry,)).fetchall()
        bodies = [json.loads(body) for (body,) in rows]
        intents = {one["object"] for one in bodies if one["outcome"] == "intent"}
        assert intents
        assert intents <= {one["object"] for one in bodies if one["outcome"] == "done"}


def check_loot(scene: Scene, act: Act, before: Before, thief: Thief, admin: Connection) -> None:
    """See what the thief has of it: everything that stands in the database opens, and nothing that went."""
    held = roots_at(load_profile())
    assert [len(one) for one in held] == [1, 1], "each holder has one root"
    assert len({one[0].secret for one in held}) == 1
    keys = thief.keys(held[0])
    every = {key for found in keys.values() for key in found}
    opened = thief.opens(keys)
    now = Thief()
    now.steal(admin)
    standing = {one for one in now.loot.places if one.table != REFERENCES}
    assert standing <= opened.keys(), f"cannot be read any more: {standing - opened.keys()}"
    gone = {one for one in before.values if act.goes(scene, one)}
    stays = {one for one in before.values if one not in gone and one.table != REFERENCES}
    assert stays <= standing, f"went away: {stays - standing}"
    assert not gone & opened.keys(), f"can still be read: {gone & opened.keys()}"
    assert not [one for one in opened if one not in standing and one.table != REFERENCES]
    check_keys(scene, act, before, every, opened)


def check_keys(
    scene: Scene, act: Act, before: Before, every: Iterable[bytes], opened: dict[Place, Any]
) -> None:
    """See that of each dropped value a key is out of reach, and that the others are what they were."""
    reached = set(every)
    for place, value in before.values.items():
        if act.goes(scene, place) or act.changes(scene, place):
            assert not reached.issuperset(value.keys), f"both keys of a dropped value are in reach: {place}"
        elif place.table != REFERENCES:
            assert {one.plain for one in opened[place]} == {value.plain}, place
        if act.changes(scene, place):
            assert value.plain not in {one.plain for one in opened[place]}, f"the old value opens: {place}"
