"""Of the story of all commands: what only asks, and the log."""

from __future__ import annotations

from support_story import Case, Rule, T

ASKED: dict[str, tuple[Case, ...]] = {
    "version": (Case(), Case(lambda w: ("--all",))),
    "completion bash": (Case(),),
    "completion zsh": (Case(),),
    "completion fish": (Case(),),
    "completion words": (Case(lambda w: ("tenant", "show", "s")),),
    "doctor": (Case(),),
    "db status": (Case(),),
    "db url": (Case(),),
    "db sql-roles": (Case(),),
    "access list": (Case(), Case(lambda w: T)),
    "log search": (
        Case(lambda w: ("--limit", "1"), keep=lambda w, data: w.seen.update(entry=data[0]["id"])),
        Case(lambda w: (*T, "--subject", w.people["1"]), opens=lambda data: ["1"]),
        Case(lambda w: ("action:tenant.*", "--context", "2")),
    ),
    "log query list": (Case(),),
    "log query save": (
        Case(
            lambda w: ("night", "action:read* since:-1d"),
            (Rule("lua.log_query", "insert", "log.query.save"),),
            again=5,
        ),
    ),
    "log query remove": (
        Case(lambda w: ("night",), (Rule("lua.log_query", "delete", "log.query.remove"),), again=1),
    ),
    "log tail": (Case(), Case(lambda w: (*T, "--subject", w.people["2"]), opens=lambda data: ["2"])),
}
