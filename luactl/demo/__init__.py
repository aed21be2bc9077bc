"""The demo: luactl's main job in a throw-away home, each effect checked past luactl itself.

Runs the real program as a person would and asks Postgres, as its superuser, whether what it says is true.
"""

from __future__ import annotations

from .drill import tell_drill
from .story import tell
from .world import DemoError, Told, World, new_home, throw_away

__all__ = ["DemoError", "Told", "World", "new_home", "tell", "tell_drill", "throw_away"]
