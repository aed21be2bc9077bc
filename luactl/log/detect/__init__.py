"""Detection: rules in Sigma's syntax, asked of the log; what they find, and what they could not see, is kept.

docs/reference/detection.md has the subset. Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import attributes

if TYPE_CHECKING:
    from .alert import Alert, Told, tell, waiting
    from .catalog import Listed, chosen, every_rule, find_rule, of_files, of_folder, rule_id, shipped
    from .episode import Episode, ask
    from .explain import Brief, Explained, brief, explained
    from .finding import Finding, find_finding, findings, last_run, worst_first
    from .reading import RuleError
    from .rule import Rule
    from .running import Found, Run, detect, span
    from .settings import Settings, settings_of

__all__ = [
    "Alert",
    "Brief",
    "Episode",
    "Explained",
    "Finding",
    "Found",
    "Listed",
    "Rule",
    "RuleError",
    "Run",
    "Settings",
    "Told",
    "ask",
    "brief",
    "chosen",
    "detect",
    "every_rule",
    "explained",
    "find_finding",
    "find_rule",
    "findings",
    "last_run",
    "of_files",
    "of_folder",
    "rule_id",
    "settings_of",
    "shipped",
    "span",
    "tell",
    "waiting",
    "worst_first",
]

__getattr__ = attributes(
    __name__,
    {
        "alert": "Alert Told tell waiting",
        "catalog": "Listed chosen every_rule find_rule of_files of_folder rule_id shipped",
        "episode": "Episode ask",
        "explain": "Brief Explained brief explained",
        "finding": "Finding find_finding findings last_run worst_first",
        "reading": "RuleError",
        "rule": "Rule",
        "running": "Found Run detect span",
        "settings": "Settings settings_of",
    },
)
