"""What every test may ask for. With CI=true a missing part is a failure, elsewhere a skip with its reason."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import build
import pytest
from hypothesis import settings
from postgres import Cluster, find_binaries

# The same examples on every machine, and no example fails because the machine was busy.
settings.register_profile("suyuan", derandomize=True, deadline=None)
settings.load_profile("suyuan")

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also the heavy conformance, fault and load runs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="heavy: run with --long"))


def missing(part: str) -> Any:
    """A part that a test needs is not here."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{part} is missing, and CI=true")
    pytest.skip(f"{part} is not on this machine")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A private cluster of this run."""
    binaries = find_binaries()
    if binaries is None:
        missing("postgresql (Debian package)")
    with Cluster.running(binaries) as cluster:
        yield cluster


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def both_databases(request: pytest.FixtureRequest) -> Iterator[str]:
    """The tests of the module run on each; `build.settings` gives the one at hand."""
    if request.param == "sqlite":
        yield "sqlite"
        return
    cluster: Cluster = request.getfixturevalue("postgresql")
    build.database_url = cluster.url_of
    try:
        yield "postgresql"
    finally:
        build.database_url = build.sqlite_url


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Official schemas and published vectors, read in place beside the checkout."""
    if not SHARED_DATA.is_dir():
        missing("../shared/data (official vectors)")
    return SHARED_DATA
