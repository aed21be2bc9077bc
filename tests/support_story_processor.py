"""The part of the story that is about processors: registered before a tenant ends, told of it afterwards."""

from __future__ import annotations

from typing import Any

from support_story import Case, Rule, World, covering, rows

ABOUT = ("--name", "Post", "--service", "communication", "--country", "DE", "--contact", "dpo@post.example")


def remember_notice(w: World, data: Any) -> None:
    [notice] = data
    w.seen["notice"] = notice["notice_id"]


REGISTER: dict[str, tuple[Case, ...]] = {
    "processor add": (
        Case(
            lambda w: ("post", *ABOUT, "--tenant", "twin"),
            (Rule("lua.processor", "insert", "processor.add"),),
            covering(rows("lua.processor_tenant")),
            again=1,
        ),
    ),
    "processor change": (
        Case(
            lambda w: ("post", "--country", "FR"),
            (Rule("lua.processor", "update", "processor.change"),),
            covering(rows("lua.processor_tenant", how="delete"), rows("lua.processor_tenant")),
        ),
    ),
    "processor list": (Case(),),
    "processor show": (Case(lambda w: ("post",)),),
}
NOTICES: dict[str, tuple[Case, ...]] = {
    "processor notice list": (Case(keep=remember_notice),),
    "processor notice show": (Case(lambda w: (w.seen["notice"],)),),
    "processor notice letter": (Case(lambda w: (w.seen["notice"],)),),
    "processor notice send": (
        Case(
            lambda w: (w.seen["notice"], "--by-hand", "letter of today"),
            (Rule("lua.processor_notice", "update", "processor.send"),),
        ),
    ),
    "processor notice confirm": (
        Case(
            lambda w: (w.seen["notice"], "--deleted-on", "2026-01-02", "--reference", "their mail"),
            (Rule("lua.processor_notice", "update", "processor.confirm"),),
        ),
    ),
    "processor end": (
        Case(
            lambda w: ("post", "--on", "2099-12-31"),
            (Rule("lua.processor", "update", "processor.end"),),
            covering(rows("lua.processor_tenant", how="delete"), rows("lua.processor_tenant")),
        ),
    ),
}
