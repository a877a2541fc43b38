"""A map on each site, struck by faults; see `StruckMap` for what must hold of it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.backends.conftest import (
    CLUSTERS,
    LOCAL,
    check_left,
    make_site,
    map_name,
)
from tests.faults.records import Records
from tests.faults.struck import StruckMap
from tests.sites import Site

__all__ = ["map_name"]

# What GridMap's users have in their environment, and a developer may have too.
FOREIGN = ("GRIDMAP_", "HEARTBEAT_", "MAX_TIME_", "NUM_RESUBMITS", "DEFAULT_QUEUE")
OURS = ("GRIDMAP_TEST_", "GRIDMAP_FAULT_")

Strike = Callable[..., StruckMap]


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no setting of this environment's change what is measured."""
    for name in os.environ:
        if name.startswith(FOREIGN) and not name.startswith(OURS):
            monkeypatch.delenv(name)


def sited(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch, map_name: str
) -> Iterator[Site]:
    """Give one site to a test; repair what it broke, and see that nothing is left."""
    made = make_site(name, place, monkeypatch)
    made.options["name"] = map_name
    yield made
    if made.broken:
        made.cluster.repair()
        made.forget(map_name)
    check_left(made, map_name)


@pytest.fixture(params=[LOCAL, *CLUSTERS])
def site(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    map_name: str,
    plain_settings: None,  # noqa: ARG001 - first, since a site sets its own
) -> Iterator[Site]:
    """Return each place in turn; afterwards nothing is left of the test there."""
    yield from sited(request.param, tmp_path, monkeypatch, map_name)


@pytest.fixture(params=CLUSTERS)
def cluster_site(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    map_name: str,
    plain_settings: None,  # noqa: ARG001 - likewise
) -> Iterator[Site]:
    """Return each cluster in turn; a test that breaks one says ``site.broken``."""
    yield from sited(request.param, tmp_path, monkeypatch, map_name)


@pytest.fixture
def strike(tmp_path: Path) -> Callable[..., StruckMap]:
    """Return what starts a map to be struck: ``strike(site, count, deeds, ...)``."""

    def start(site: Site, *args: Any, **options: Any) -> StruckMap:
        return StruckMap(site, tmp_path, Records.find(), *args, **options)

    return start
