"""The part of the story of all commands about plans of erasures on record (see support_story_table.py)."""

from __future__ import annotations

from support_story import Case, Rule, T

PLANS: dict[str, tuple[Case, ...]] = {
    "erasure propose": (
        Case(
            lambda w: (*T, "--subject", w.people["1"], "--instruction", "ticket 4711"),
            (Rule("lua.erasure_plan", "insert", "erasure.plan"),),
            keep=lambda w, data: w.seen.update(plan=data["plan_id"]),
        ),
    ),
    "erasure queue": (Case(),),
    "erasure withdraw": (
        Case(
            lambda w: (w.seen["plan"],),
            (Rule("lua.erasure_plan", "delete", "erasure.withdraw"),),
            again=1,
        ),
    ),
}
