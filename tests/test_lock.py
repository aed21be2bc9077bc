"""The lock files: they satisfy pyproject.toml, hold versions only, and are what the tests run with."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = PROJECT["project"]["dependencies"]
DEV = PROJECT["dependency-groups"]["dev"]


def locked(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text().splitlines()
    pairs = (line.split("==") for line in lines)
    return {canonicalize_name(name): number for name, number in pairs}


@pytest.mark.parametrize("text", RUNTIME)
def test_runtime_lock_satisfies_project(text: str) -> None:
    wanted = Requirement(text)
    assert locked("requirements.lock")[canonicalize_name(wanted.name)] in wanted.specifier


@pytest.mark.parametrize("text", RUNTIME + DEV + PROJECT["build-system"]["requires"])
def test_dev_lock_satisfies_project(text: str) -> None:
    wanted = Requirement(text)
    assert locked("requirements-dev.lock")[canonicalize_name(wanted.name)] in wanted.specifier


def test_dev_lock_contains_the_runtime_lock() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items()


def test_tests_run_with_the_locked_versions() -> None:
    wanted = locked("requirements-dev.lock")
    assert {name: version(name) for name in wanted} == wanted
