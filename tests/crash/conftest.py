"""The server, the scene and what there was in the beginning, made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import FAST, TestServer, migrated_server
from support_stage import bare
from support_strike import start, stop

from .after import Before, look
from .scene import Scene, build, two_of_each

DURABLE = tuple(one for one in FAST if one[0] != "synchronous_commit")
"""What is committed must outlive the server, which is killed; the machine is not."""


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """A server that may be killed."""
    with migrated_server(DURABLE) as made:
        yield made


@pytest.fixture(scope="session")
def built(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, Before]]:
    """The scene, and the loot of its beginning."""
    folder = tmp_path_factory.mktemp("crash")
    stage, profile = bare(server, folder, two_of_each)
    striker = start(folder / "striker")
    try:
        with pytest.MonkeyPatch.context() as patch:
            stage.enter(patch)
            scene = build(stage, profile, striker)
            before = look(scene)
        yield scene, before
    finally:
        stop(striker)


@pytest.fixture
def scene(built: tuple[Scene, Before], monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The scene, in its own environment."""
    built[0].stages["base"].enter(monkeypatch)
    return built[0]


@pytest.fixture
def before(built: tuple[Scene, Before]) -> Before:
    """What there was in the beginning."""
    return built[1]
